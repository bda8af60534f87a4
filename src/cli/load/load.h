/* SPDX-License-Identifier: MIT */
/**
 * leat load: make load for a sink and measure what it does to it. The load is a
 * run like any other, with a source that this folder makes: schedule.c says when
 * a message is due, body.c and gen: what it is, source.c puts it on its way,
 * measure.c keeps what happened, result.c and plot.c show it.
 *
 * Rejected: a loop of its own that calls the sink. Everything around a run
 * (signals, deadlines, errors, counts, the verdict) would have been written again.
 */
#ifndef LEAT_CLI_LOAD_LOAD_H
#define LEAT_CLI_LOAD_LOAD_H

#include "cli/load/body.h"
#include "cli/load/measure.h"
#include "cli/load/options.h"
#include "cli/load/schedule.h"
#include "cli/load/until.h"
#include "cli/parse.h"

struct lt_load {
    const struct lt_load_options *options;
    struct lt_bodies bodies;
    struct lt_schedule schedule; /* with a rate */
    struct lt_load_until until;
    uint64_t made;  /* with --fill */
    leat_time wall; /* what to add to the monotonic clock to get the time since 1970 */
    struct leat_bytes stamp;
    struct lt_measure measure;
    struct lt_measure_verdict verdict; /* after the run */
};

/** Reads `segment->settings` as a struct lt_load, which is the caller's. */
extern const struct leat_source_type lt_load_source;

/** Run the load of the command; returns the exit code of the program. */
int lt_load_run(struct lt_command *command);

#endif
