/* SPDX-License-Identifier: MIT */
/**
 * What follows "mailto:" (RFC 6068): addresses with commas between them, then
 * behind a question mark to, cc, bcc, subject and body, all percent-encoded. Each
 * address, the subject and the body are templates; an address gives exactly one
 * recipient, whatever the item's value is.
 */
#ifndef LEAT_ENDS_MAIL_TARGET_H
#define LEAT_ENDS_MAIL_TARGET_H

#include "leat-pipeline.h"

struct lt_mail_target {
    char *text; /* what the rest points into */
    struct leat_list to, cc, bcc;
    const char *subject, *body; /**< NULL: none */
};

/** 0, -EINVAL or -ENOMEM. After a failure, too, free it. */
int lt_mail_target_read(struct lt_mail_target *target, const char *text, struct leat_error *error);
void lt_mail_target_free(struct lt_mail_target *target);

#endif
