/* SPDX-License-Identifier: MIT */
/**
 * Filters (RFC 4515) written into texts: any byte of a value may be written;
 * what would mean something else, and all that is not ASCII, is written as \xx.
 */
#ifndef LEAT_ENDS_LDAP_TEXT_H
#define LEAT_ENDS_LDAP_TEXT_H

#include "base/text.h"

/** "(attribute=value)", or with `initial` "(attribute=value*)". */
void lt_text_put_match(struct lt_text *text, const char *attribute, struct leat_bytes value, bool initial);

#endif
