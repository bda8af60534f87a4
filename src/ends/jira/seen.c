/* SPDX-License-Identifier: MIT */
#include "ends/jira/seen.h"

#include <errno.h>
#include <stdlib.h>

enum { LEAST = 64 };

/* The hash's slot, or the free one where it belongs; the room is a power of two. */
static uint64_t *find(const struct lt_jira_seen *seen, uint64_t hash) {
    size_t i = hash & (seen->room - 1);
    while (seen->slots[i] && seen->slots[i] != hash)
        i = (i + 1) & (seen->room - 1);
    return &seen->slots[i];
}

static uint64_t not_zero(uint64_t hash) {
    return hash ? hash : 1;
}

bool lt_jira_seen_has(const struct lt_jira_seen *seen, uint64_t hash) {
    return seen->room && *find(seen, not_zero(hash));
}

static bool grow(struct lt_jira_seen *seen) {
    struct lt_jira_seen larger = {.room = seen->room ? seen->room * 2 : LEAST, .count = seen->count};
    larger.slots = calloc(larger.room, sizeof *larger.slots);
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < seen->room; i++)
        if (seen->slots[i])
            *find(&larger, seen->slots[i]) = seen->slots[i];
    free(seen->slots);
    *seen = larger;
    return true;
}

int lt_jira_seen_add(struct lt_jira_seen *seen, uint64_t hash) {
    if (seen->count >= seen->room / 2 && !grow(seen))
        return -ENOMEM;
    uint64_t *slot = find(seen, not_zero(hash));
    if (*slot)
        return 0;
    *slot = not_zero(hash);
    seen->count++;
    return 1;
}

void lt_jira_seen_free(struct lt_jira_seen *seen) {
    free(seen->slots);
    *seen = (struct lt_jira_seen){0};
}
