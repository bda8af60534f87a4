/* SPDX-License-Identifier: MIT */
#include "stages/exec/run.h"
#include "base/histogram.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { FIRST_ROOM = 4096, MUCH = 1 << 20 };

void lt_bucket_empty(struct lt_bucket *bucket) {
    bucket->size = 0;
    if (bucket->room <= MUCH)
        return;
    free(bucket->data);
    *bucket = (struct lt_bucket){0};
}

static int make_room(struct lt_bucket *bucket) {
    if (bucket->room - bucket->size >= FIRST_ROOM)
        return 0;
    size_t room = bucket->room ? bucket->room * 2 : 2 * FIRST_ROOM;
    char *data = realloc(bucket->data, room);
    if (!data)
        return -ENOMEM;
    bucket->data = data;
    bucket->room = room;
    return 0;
}

/* ----------------------------------------------------------------- ending */

/* Ask it to end. A run that is stopped has less patience: its own end is near. */
static void cut(struct lt_execution *run, enum lt_cut why) {
    if (run->cut)
        return;
    run->cut = why;
    run->kill_at = leat_after(why == LT_CUT_STOP && run->kill_after > LEAT_SECOND ? LEAT_SECOND : run->kill_after);
    lt_child_signal(&run->child, SIGTERM);
}

/* A short command writes into its pipes and is gone: nobody need listen to it meanwhile. */
static const leat_time SHORT = 2 * LEAT_MILLISECOND;

static int listen_to(struct lt_execution *run) {
    run->listens = true;
    return lt_watch_child(&run->watch, &run->child, LT_CHILD_OUTPUT | LT_CHILD_ERRORS, false);
}

/* When a limit will have to be looked at again. One that depends on the others may come to be while this one runs. */
static leat_time next_look(const struct lt_execution *run, leat_time limit) {
    if (run->cut)
        return run->kill_at;
    if (!run->listens)
        return run->started + SHORT;
    leat_time now = leat_now(), end = limit ? run->started + limit : LEAT_FOREVER;
    if (!run->timeout->percent)
        return end;
    leat_time soon = now + 10 * LEAT_MILLISECOND + (now - run->started) / 4;
    return soon < end ? soon : end;
}

static leat_time limit_now(struct lt_timeout *timeout) {
    enum { LEAST = 3 }; /* commands that must have succeeded before there is a median */
    if (!timeout->percent)
        return timeout->fixed;
    pthread_mutex_lock(&timeout->mutex);
    leat_time median = lt_load(&timeout->times->total, relaxed) < LEAST ? 0 : lt_histogram_at(timeout->times, 0.5);
    pthread_mutex_unlock(&timeout->mutex);
    leat_time limit = median / 100 * timeout->percent;
    return median && limit < LEAT_MILLISECOND ? LEAT_MILLISECOND : limit;
}

static void look_at_time(struct lt_execution *run, leat_time limit) {
    leat_time now = leat_now();
    if (!run->cut && limit && now - run->started >= limit) {
        run->limit = limit;
        cut(run, LT_CUT_TIME);
    } else if (run->cut && now >= run->kill_at) {
        run->kill_at = LEAT_FOREVER;
        lt_child_signal(&run->child, SIGKILL);
    }
}

/* ------------------------------------------------------------------ pipes */

static void feed(struct lt_execution *run) {
    struct leat_bytes *input = &run->input;
    while (run->child.input >= 0 && input->size > 0) {
        ssize_t count = write(run->child.input, input->data, input->size);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno == EAGAIN)
            return;
        if (count < 0 && errno != EPIPE)
            cut(run, LT_CUT_PIPE);
        if (count < 0)
            break;
        input->data += count;
        input->size -= (size_t)count;
    }
    lt_child_close(&run->child.input);
}

/* One read of what is there: it does not block. */
static ssize_t take(int *pipe, struct lt_bucket *bucket) {
    ssize_t count;
    do
        count = read(*pipe, bucket->data + bucket->size, bucket->room - bucket->size);
    while (count < 0 && errno == EINTR);
    if (count <= 0)
        lt_child_close(pipe);
    else
        bucket->size += (size_t)count;
    return count;
}

static void take_output(struct lt_execution *run) {
    if (make_room(&run->output)) {
        lt_child_close(&run->child.output);
        cut(run, LT_CUT_MEMORY);
        return;
    }
    if (take(&run->child.output, &run->output) < 0)
        cut(run, LT_CUT_PIPE);
    if (run->output.size <= run->most_output)
        return;
    lt_child_close(&run->child.output);
    cut(run, LT_CUT_OUTPUT);
}

/* Of messages the last count. */
static void take_errors(struct lt_execution *run) {
    struct lt_bucket *errors = &run->errors;
    if (errors->size > 2 * LT_ERRORS_KEPT) {
        size_t lost = errors->size - LT_ERRORS_KEPT;
        memmove(errors->data, errors->data + lost, LT_ERRORS_KEPT);
        errors->size = LT_ERRORS_KEPT;
        run->errors_lost += lost;
    }
    if (make_room(errors))
        lt_child_close(&run->child.errors);
    else
        take(&run->child.errors, errors);
}

static bool has_more(int pipe) {
    int count = 0;
    return pipe >= 0 && ioctl(pipe, FIONREAD, &count) == 0 && count > 0;
}

/* What it had written when it ended, and no more: a descendant may go on for ever. */
static void take_rest(struct lt_execution *run) {
    enum { PIPE_MOST = 1 << 20 };
    for (size_t end = run->output.size + PIPE_MOST; run->output.size < end && has_more(run->child.output);)
        take_output(run);
    for (int i = 0; i < PIPE_MOST / FIRST_ROOM && has_more(run->child.errors); i++)
        take_errors(run);
}

/* --------------------------------------------------------------- the run */

static int attend(void *argument) {
    struct lt_execution *run = argument;
    while (!run->exited) {
        leat_time limit = limit_now(run->timeout);
        int events = lt_watch_wait(&run->watch, next_look(run, limit));
        if (events < 0)
            return events;
        if (events & LT_CHILD_OUTPUT && run->child.output >= 0)
            take_output(run);
        if (events & LT_CHILD_ERRORS && run->child.errors >= 0)
            take_errors(run);
        if (events & LT_CHILD_INPUT)
            feed(run);
        run->exited = events & LT_CHILD_EXIT;
        if (!run->exited)
            look_at_time(run, limit);
        int code = !run->exited && !run->listens && leat_now() - run->started >= SHORT ? listen_to(run) : 0;
        if (code)
            return code;
    }
    return 0;
}

int lt_execute(struct lt_execution *run, struct leat_error *error) {
    lt_bucket_empty(&run->output);
    lt_bucket_empty(&run->errors);
    run->errors_lost = 0;
    run->cut = LT_CUT_NOT;
    run->exited = run->listens = false;
    run->started = leat_now();
    int code = lt_child_start(&run->child, run->launch, error);
    if (code)
        return code;
    feed(run);
    lt_watch_next(&run->watch);
    code = lt_watch_child(&run->watch, &run->child, LT_CHILD_INPUT | LT_CHILD_EXIT, false);
    bool watched = code == 0;
    if (watched)
        code = attend(run);
    if (!run->exited)
        cut(run, code == -ENOMEM || code == -ENOSPC ? LT_CUT_MEMORY : LT_CUT_STOP);
    if (!run->exited && watched)
        leat_shield(attend, run);
    if (!run->cut)
        take_rest(run);
    if (run->cut)
        lt_child_signal(&run->child, SIGKILL);
    run->ending = lt_child_end(&run->child, !run->exited);
    run->took = leat_now() - run->started;
    return 0;
}
