/* SPDX-License-Identifier: MIT */
/** A search gives only a part of an issue's comments when there are many: the rest is fetched and put in their place.
 */
#ifndef LEAT_ENDS_JIRA_COMMENTS_H
#define LEAT_ENDS_JIRA_COMMENTS_H

#include "ends/jira/server.h"

/** Whether the issue (valid JSON) says that it has more comments than are in it. */
bool lt_jira_comments_missing(struct leat_bytes issue);

/**
 * Write the issue with all its comments; all other bytes stay. -ENOENT and -EPERM
 * concern only this issue; other errors as of lt_jira_ask().
 */
int lt_jira_comments_complete(struct lt_jira_server *server, struct leat_bytes issue, struct lt_text *complete,
                              struct leat_error *error);

#endif
