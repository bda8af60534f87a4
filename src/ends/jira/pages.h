/* SPDX-License-Identifier: MIT */
/**
 * The answer to a query, page by page, in the two dialects.
 *
 * - Server and Data Center (/rest/api/2/search): pages begin at a number, and
 *   the total is known. It may fall while we read, because issues no longer
 *   match; those behind them move up, some of them to before the page that was
 *   asked for. So that page is asked for again, beginning as much earlier.
 * - Cloud (/rest/api/3/search/jql): each page names the next one. No total, and a
 *   page may be short or empty without being the last. A token that comes again
 *   would lead round in circles: it is an error.
 *
 * So an issue may come twice, which the reader finds out.
 */
#ifndef LEAT_ENDS_JIRA_PAGES_H
#define LEAT_ENDS_JIRA_PAGES_H

#include "base/json-walk.h"
#include "ends/jira/query.h"
#include "ends/jira/seen.h"
#include "ends/jira/server.h"

struct lt_jira_pages {
    struct lt_jira_server *server;
    struct leat_bytes fields; /* a JSON array */
    uint64_t size;            /* issues that are asked for at once */

    struct lt_text query;
    struct lt_text page; /* the present one */
    struct lt_json_walk issues;
    uint64_t next, total; /* Server: where the next page begins */
    struct lt_text token; /* Cloud: of the next page, JSON; empty: the first one */
    struct lt_jira_seen tokens;
    unsigned empty; /* pages in succession */
    bool last;
};

/** Begin anew: ask for the first page. */
int lt_jira_pages_begin(struct lt_jira_pages *pages, const struct lt_jira_query *query, uint64_t minutes,
                        struct leat_error *error);
/** The next page, if !pages->last. */
int lt_jira_pages_next(struct lt_jira_pages *pages, struct leat_error *error);
void lt_jira_pages_free(struct lt_jira_pages *pages);

#endif
