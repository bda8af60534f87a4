/* SPDX-License-Identifier: MIT */
/**
 * What people write in Jira, in its two forms: wiki markup (a string) and
 * Cloud's document format (an object, nodes within nodes). Read into plain text
 * on one line, with the place of the first mention of somebody.
 *
 * In markup a mention is [~name] or [~accountid:id], but not within {code} or
 * {noformat}, nor behind a backslash. In a document it is a node of that type.
 */
#ifndef LEAT_STAGES_UNANSWERED_BODY_H
#define LEAT_STAGES_UNANSWERED_BODY_H

#include "base/text.h"

struct lt_body {
    struct lt_text plain;
    bool mentioned;
    size_t at; /* in `plain`, of the mention */
};

/** Whether `name` is one of the spellings; A to Z and a to z are the same. */
bool lt_is_named(const struct leat_list *spellings, struct leat_bytes name);

/** `json` is valid JSON; null, and what is neither string nor object, is an empty body. `body` zeroed; free its text.
 */
void lt_body_read(struct lt_body *body, struct leat_bytes json, const struct leat_list *spellings);

#endif
