/* SPDX-License-Identifier: MIT */
/**
 * The shortest schedule that still fails: leave parts of it out, large ones
 * first, as long as the run fails in the same way (delta debugging, Zeller and
 * Hildebrandt 2002). The result cannot lose a single step more, unless the
 * number of tries was used up.
 */
#include "explore/explore.h"

#include <string.h>

enum { TRIES = 3000 };

/* The list without [from, from + length). */
static size_t without(const struct lt_step *schedule, size_t count, size_t from, size_t length, struct lt_step *rest) {
    memcpy(rest, schedule, from * sizeof *rest);
    memcpy(rest + from, schedule + from + length, (count - from - length) * sizeof *rest);
    return count - length;
}

void lt_shrink(const struct leat_simulation *options, const struct lt_subject *subject, const struct lt_outcome *failed,
               struct lt_step *schedule, size_t *count, struct lt_outcome *scratch) {
    struct lt_step *rest = malloc((*count + 1) * sizeof *rest);
    unsigned tries = 0;
    size_t length = *count;
    while (rest && *count && length && tries < TRIES) {
        bool shorter = false;
        /* From the end: what came last has the fewest consequences. */
        for (size_t end = *count; end > 0 && tries < TRIES;) {
            size_t part = length < end ? length : end;
            size_t left = without(schedule, *count, end - part, part, rest);
            scratch->seed = failed->seed;
            lt_explore_child(options, subject, rest, left, true, -1, scratch);
            tries++;
            if (lt_same_failure(failed, scratch)) {
                memcpy(schedule, rest, left * sizeof *rest);
                *count = left;
                shorter = true;
            }
            end -= part;
        }
        if (length > 1)
            length = (length + 1) / 2;
        else if (!shorter)
            break;
    }
    free(rest);
}
