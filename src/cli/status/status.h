/* SPDX-License-Identifier: MIT */
/**
 * --http: a page to watch a run with, and the same for programs. Off unless asked for.
 *
 *   GET /             the page: one file, nothing from elsewhere
 *   GET /status.json  the numbers of --stats-json, and more
 *   GET /events       the same as a stream, one event a second and one at the end
 *   GET /metrics      for Prometheus
 *   GET /live /ready  200, or 503 before all is open and while it stops
 *   GET /stuck        who holds what for how long, in words
 *   POST /control/…   pause, resume, stop, drop, rate?value=N, workers?stage=I&value=N; needs --control and its token
 *
 * Invariants
 * - One thread serves all; it never waits for a client nor for the run, and the run
 *   never waits for it: what is served is a text made once a second by the thread
 *   that watches the run (lt_status_show), or read from counters.
 * - What strangers can cost is bounded: connections, their memory, their time, the
 *   number of streams. Only GET and HEAD, but for /control, which takes no body.
 * - Without --control no request changes anything. With it one does that carries
 *   the token in a header: no page of somebody else's can send that.
 */
#ifndef LEAT_CLI_STATUS_STATUS_H
#define LEAT_CLI_STATUS_STATUS_H

#include "pipeline/run.h"

struct lt_status;

struct lt_status_settings {
    const char *address; /**< HOST:PORT, [V6]:PORT, :PORT or PORT; without a host 127.0.0.1; port 0: any that is free */
    bool control;
    const char *token; /**< of --control; NULL: make one up */
};

/** Listen, and say on standard error where. 0 or a negative errno value with `error`. */
int lt_status_start(struct lt_status **status, const struct lt_status_settings *settings, struct lt_pipeline *pipeline,
                    struct leat_error *error);

/** This is how the run is now. One thread. */
void lt_status_show(struct lt_status *status, const struct lt_snapshot *from, const struct lt_snapshot *to,
                    const struct lt_verdict *verdict);

/** This is how it ended; whoever watches is told so, which takes half a second at most. NULL is fine. */
void lt_status_end(struct lt_status *status, const struct lt_snapshot *from, const struct lt_snapshot *to,
                   const struct lt_verdict *verdict);

#endif
