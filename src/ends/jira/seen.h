/* SPDX-License-Identifier: MIT */
/** A set of hashes, ready for use when zeroed. Of two different things one is taken for the other once in 2^64 pairs.
 */
#ifndef LEAT_ENDS_JIRA_SEEN_H
#define LEAT_ENDS_JIRA_SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lt_jira_seen {
    uint64_t *slots; /* 0: free */
    size_t room, count;
};

bool lt_jira_seen_has(const struct lt_jira_seen *seen, uint64_t hash);
/** 1: it is new; 0: it is not; -ENOMEM. */
int lt_jira_seen_add(struct lt_jira_seen *seen, uint64_t hash);
void lt_jira_seen_free(struct lt_jira_seen *seen);

#endif
