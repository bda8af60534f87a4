/* SPDX-License-Identifier: MIT */
/**
 * One run of a command: fed, listened to, ended in time.
 *
 * - It is over when the process that was started has ended. What it wrote is in its
 *   pipes by then, and is all that counts: descendants that keep the pipes open are
 *   left alone, as a shell leaves what runs in the background, and nobody waits for
 *   them.
 * - Who is ended early (time, too much output, a stop) is sent SIGTERM with its whole
 *   group, and SIGKILL after a while; when it has ended what is left of the group is
 *   killed.
 * - A command that does not read what it is given is no error.
 */
#ifndef LEAT_STAGES_EXEC_RUN_H
#define LEAT_STAGES_EXEC_RUN_H

#include "stages/child/child.h"

#include <pthread.h>

/** Bytes that grow. */
struct lt_bucket {
    char *data;
    size_t size, room;
};

/** Why a command was ended early. */
enum lt_cut { LT_CUT_NOT, LT_CUT_TIME, LT_CUT_OUTPUT, LT_CUT_PIPE, LT_CUT_MEMORY, LT_CUT_STOP };

struct lt_histogram;

/** How long a command may run: a time, or so many per cent of the median of those that succeeded. */
struct lt_timeout {
    leat_time fixed;  /**< 0: none */
    unsigned percent; /**< 0: none */
    pthread_mutex_t mutex;
    struct lt_histogram *times; /**< of those that succeeded; NULL without `percent` */
};

int lt_timeout_open(struct lt_timeout *timeout, const char *text, struct leat_error *error);
void lt_timeout_close(struct lt_timeout *timeout);
/** A command has succeeded within this time. */
void lt_timeout_learn(struct lt_timeout *timeout, leat_time took);

enum { LT_ERRORS_KEPT = 64 * 1024 };

struct lt_execution {
    const struct lt_launch *launch;
    struct lt_timeout *timeout;
    leat_time kill_after;
    uint64_t most_output;
    struct leat_bytes input;
    struct lt_watch watch;

    struct lt_bucket output;
    struct lt_bucket errors; /**< the last of it */
    uint64_t errors_lost;    /**< bytes that came before */
    struct lt_ending ending;
    enum lt_cut cut;
    leat_time limit; /**< that was exceeded */
    leat_time took;

    /* the run's own */
    struct lt_child child;
    leat_time started, kill_at;
    bool exited, listens; /* to its pipes */
};

/** 0: it ran, and how it ended is in `execution`; negative: it could not be started. */
int lt_execute(struct lt_execution *execution, struct leat_error *error);

/** Forget the bytes; the memory, too, where it is much. */
void lt_bucket_empty(struct lt_bucket *bucket);

#endif
