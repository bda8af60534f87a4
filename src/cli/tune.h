/* SPDX-License-Identifier: MIT */
/**
 * -j auto: the number of workers is found while the run goes on.
 *
 * It begins with the processors. Whenever the verdict says that a group of such
 * workers limits and that more of them would help, there are more: by half when they
 * mostly wait for the outside, else by one. Then it is measured whether that was
 * true. If it was not, the old number is restored and kept for half a minute. After a
 * pause, or when the user sets a rate, it begins to measure anew.
 *
 * Rejected: as many as there is work for (a server behind them has limits that only
 * show in the throughput); taking workers away that wait (they cost next to nothing).
 */
#ifndef LEAT_CLI_TUNE_H
#define LEAT_CLI_TUNE_H

#include "pipeline/run.h"

enum { LT_TUNE_ROOM = 256 }; /* workers of a group, at most; or what --control may set, if that is more */

struct lt_tune {
    struct lt_snapshot from;           /* since the last decision */
    double rate;                       /* before the change on trial, items a second */
    size_t column;                     /* on trial; 0: none */
    unsigned before;                   /* its workers then */
    leat_time rest[LT_MAX_STAGES + 2]; /* elapsed time until which a column is left alone */
    unsigned first[LT_MAX_STAGES + 2]; /* workers at the start; 0: not automatic */
    unsigned tries;
};

/** Decide, if it is time to; called a few times a second. */
void lt_tune_look(struct lt_tune *tune, struct lt_pipeline *pipeline, const struct lt_snapshot *now);

/** "exec from 2 to 13 workers in 7 tries", or "" when nothing was automatic. */
void lt_tune_text(const struct lt_tune *tune, const struct lt_snapshot *last, char *text, size_t size);

#endif
