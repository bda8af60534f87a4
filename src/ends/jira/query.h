/* SPDX-License-Identifier: MIT */
/**
 * A JQL text in its two parts, so that a condition can be added: what stands
 * before ORDER BY, and the rest. JQL is not understood beyond that: quotes, and
 * words outside of them.
 */
#ifndef LEAT_ENDS_JIRA_QUERY_H
#define LEAT_ENDS_JIRA_QUERY_H

#include "base/text.h"

struct lt_jira_query {
    struct leat_bytes where, order; /**< parts of the text, `order` with its ORDER BY; either may be empty */
};

struct lt_jira_query lt_jira_query_split(const char *text);

/**
 * Write the query. `minutes` not 0: only issues updated in so many minutes,
 * counted by the server: a date would have to be in the time zone of the user's
 * profile there, and by the server's clock. Without an order of its own it is
 * ordered by key, which an issue never changes: in another order an issue that
 * is changed while the pages are read moves, and others move past the reader.
 */
void lt_jira_query_write(const struct lt_jira_query *query, uint64_t minutes, struct lt_text *text);

#endif
