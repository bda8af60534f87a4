/* SPDX-License-Identifier: MIT */
/** Texts with fields of the item in them: "{.key}: {.fields.summary}"; "{{" is a brace. */
#ifndef LEAT_ENDS_MAIL_TEMPLATE_H
#define LEAT_ENDS_MAIL_TEMPLATE_H

#include "base/text.h"

/** 0 or -EINVAL. */
int lt_template_check(const char *pattern, struct leat_error *error);

/**
 * Write the item's text. A string is written as its text, another value as its
 * JSON. What is not there, or null, is nothing; with `required` it is -ENOENT.
 */
int lt_template_write(const char *pattern, struct leat_batch *batch, struct leat_item *item, bool required,
                      struct lt_text *text, struct leat_error *error);

#endif
