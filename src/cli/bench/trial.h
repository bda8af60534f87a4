/* SPDX-License-Identifier: MIT */
/**
 * One trial of a bench: the pipeline runs for a while, in a process of its own, so
 * that no trial inherits another one's threads, memory or open files, and one that
 * crashes or hangs is a failed trial and not the end of the bench.
 */
#ifndef LEAT_CLI_BENCH_TRIAL_H
#define LEAT_CLI_BENCH_TRIAL_H

#include "pipeline/run.h"

struct lt_trial {
    unsigned workers;
    size_t stage;    /**< the stage, counted from 1, that alone has so many; 0: all without a number of their own */
    double rate;     /**< items settled a second */
    double bytes;    /**< read a second */
    double cpu;      /**< seconds of processor time for an item */
    double seconds;  /**< measured */
    bool whole;      /**< from the beginning of the input to its end: it was too short to leave anything out */
    uint64_t failed; /**< items */
    size_t part_count;
    struct lt_trial_part {
        char name[64];
        unsigned workers;
        double share[LEAT_STATES];
    } parts[LT_MAX_STAGES + 2];
    struct lt_verdict verdict;
};

struct lt_trial_plan {
    const struct lt_plan *plan;
    leat_time warm_up, duration;
    const char
        *copy;   /**< where a copy of the source, a queue file, is made for each trial; NULL: it is read as it is */
    int signals; /**< a descriptor that is readable once a signal has come */
};

/**
 * Run it with `trial->workers` and fill in the rest. 0 or a negative errno value with `error`; -EINTR: a signal came,
 * and what had begun is ended. Nor does a trial outlive the process that started it.
 */
int lt_trial_run(const struct lt_trial_plan *plan, struct lt_trial *trial, struct leat_error *error);

#endif
