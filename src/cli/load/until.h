/* SPDX-License-Identifier: MIT */
/** `--exit-when`: what ends a load besides its own end. */
#ifndef LEAT_CLI_LOAD_UNTIL_H
#define LEAT_CLI_LOAD_UNTIL_H

#include "cli/load/measure.h"
#include "leat-pipeline.h"

struct lt_load_until {
    bool empty;       /**< wait until others have taken everything out of the target */
    const char *name; /**< end when this percentile … NULL: not asked for */
    double share;     /**< … which is this one … */
    leat_time limit;  /**< … is above this */
    leat_time next;   /* when to look again; the sending task's */
    bool reached;
};

/** "empty" or "p99>50ms"; NULL: nothing. 0 or -EINVAL. */
int lt_load_until_read(struct lt_load_until *until, const char *text, struct leat_error *error);

/** Is it time to end? Looks a few times a second, and not before enough messages were confirmed to know the percentile.
 */
bool lt_load_until_reached(struct lt_load_until *until, const struct lt_measure *measure, leat_time now);

#endif
