/* SPDX-License-Identifier: MIT */
/**
 * The thread that looks after a run: it takes the signals and prints progress.
 *
 * One thread for both, so that a message about a signal and the progress line
 * never write over each other. It is an ordinary thread, outside of the
 * runtime: it works when all workers compute.
 */
#ifndef LEAT_CLI_WATCH_H
#define LEAT_CLI_WATCH_H

#include "cli/options.h"
#include "cli/run.h"

#include <pthread.h>
#include <signal.h>

struct lt_status;

/** What the verdict was on single seconds of the run. */
struct lt_agreement {
    unsigned seconds;
    unsigned said[LT_MAX_STAGES + 2][LT_LIMITS]; /* by part and kind */
};

struct lt_watch {
    const struct lt_front *front;
    const struct lt_run_extra *extra;
    struct lt_pipeline *pipeline;
    struct lt_tune *tune;     /* of -j auto; NULL: none */
    struct lt_status *status; /* of --http; NULL: none */
    pthread_t thread;
    int signals, end; /* file descriptors: signalfd, eventfd */
    bool progress;    /* rewrite a line … */
    bool plain;       /* … without control sequences */
    size_t shown;     /* columns of the line that stands there */
    unsigned stops;   /* signals so far */
    int signal;       /* the first of them; 0: none */
    struct lt_snapshot now, before[2];
    struct lt_agreement agreement;
    leat_time printed; /* --stats: when */
};

/** Block the signals that end a program, in this thread and those it starts from now on; SIGPIPE is ignored. */
void lt_watch_block(sigset_t *set);

/** 0 or a negative errno value. */
int lt_watch_start(struct lt_watch *watch, const sigset_t *set, const struct lt_front *front,
                   const struct lt_run_extra *extra, struct lt_pipeline *pipeline, struct leat_error *error);

/** Join the thread and clear the progress line; then `watch->signal` tells whether one came. */
void lt_watch_end(struct lt_watch *watch);

/** Clear the line that stands there. For one who prints while the thread may still run, because the process ends. */
void lt_watch_clear(struct lt_watch *watch);

#endif
