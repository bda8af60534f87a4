/* SPDX-License-Identifier: MIT */
/** The options of `leat bench`, besides those of every run. */
#ifndef LEAT_CLI_BENCH_OPTIONS_H
#define LEAT_CLI_BENCH_OPTIONS_H

#include "leat-pipeline.h"

enum { LT_BENCH_SWEEP = 16 }; /* numbers of workers in a sweep, at most */

struct lt_bench_options {
    const char *sweep;    /**< "1,2,4" */
    uint64_t repeat;      /**< trials of each */
    leat_time duration;   /**< measured, of each trial */
    leat_time warm_up;    /**< left out before */
    uint64_t seed;        /**< of the order of the trials */
    const char *baseline; /**< an earlier report in JSON, or NULL */
};

extern const struct leat_option lt_bench_options[];

/** The numbers of a sweep in rising order, none twice. Their count, or -EINVAL with `error`. */
int lt_bench_sweep(const char *text, unsigned workers[LT_BENCH_SWEEP], struct leat_error *error);

#endif
