/* SPDX-License-Identifier: MIT */
/** What the files of src/status share. */
#ifndef LEAT_CLI_STATUS_PARTS_H
#define LEAT_CLI_STATUS_PARTS_H

#include "pipeline/run.h"
#include "cli/status/status.h"

#include <pthread.h>
#include <stdio.h>

struct MHD_Connection;
struct MHD_Daemon;

/** A text that several may be sending while the next one is being made. */
struct lt_shown {
    char *text;
    size_t size;
};

/** One who listens to /events. */
struct lt_stream {
    struct lt_status *status;
    struct MHD_Connection *connection;
    struct lt_stream *next;
    struct lt_shown event; /* being sent */
    size_t sent;
    uint64_t seen; /* the version of what was sent last */
    bool suspended;
};

struct lt_status {
    struct MHD_Daemon *daemon;
    struct lt_pipeline *pipeline;
    bool control;
    char token[65];
    pthread_mutex_t mutex; /* of what follows */
    pthread_cond_t gone;   /* a stream has ended */
    struct lt_shown json;
    struct lt_verdict verdict; /* the same as in it */
    uint64_t version;
    bool ended;
    struct lt_stream *streams;
    unsigned stream_count;
};

/** metrics.c: the text for Prometheus. */
void lt_status_metrics(FILE *file, const struct lt_snapshot *snapshot, const struct lt_verdict *verdict);

/** control.c: do what was asked for. Returns the HTTP status, with a sentence in `answer`. */
unsigned lt_status_control(struct lt_status *status, struct MHD_Connection *connection, const char *what, char *answer,
                           size_t room);

/** stream.c: answer a request for /events. */
int lt_stream_open(struct lt_status *status, struct MHD_Connection *connection);
/** There is something new: wake all that wait. Under the mutex. */
void lt_streams_wake(struct lt_status *status);

/** The page, which is a part of the program. */
extern const struct leat_bytes lt_status_page;

#endif
