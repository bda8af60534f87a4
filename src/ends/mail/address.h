/* SPDX-License-Identifier: MIT */
/** Mail addresses: "ann@example.org", and with a name "Ann Example <ann@example.org>". */
#ifndef LEAT_ENDS_MAIL_ADDRESS_H
#define LEAT_ENDS_MAIL_ADDRESS_H

#include "leat-pipeline.h"

/**
 * Whether the text is exactly one address, without a name: what may stand in a
 * header and in an SMTP command as it is. ASCII only, no quotes, no comments; so a
 * value of an item can never add a header or a recipient.
 */
bool lt_address_is_plain(struct leat_bytes text);

/** Take "Name <address>" or "address" apart; both point into `text`. False: it is neither. */
bool lt_address_split(const char *text, struct leat_bytes *name, struct leat_bytes *address);

#endif
