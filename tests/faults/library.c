/* SPDX-License-Identifier: MIT */
/**
 * A little of everything in leat.h that may ask for memory, a thread or a descriptor, for program/test_faults.py.
 * Prints what came out and exits with 0, or says which part failed and exits with 3. Each part gives everything
 * back, whatever fails in it.
 */
#include <leat.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VALUES = 300, CASES = 20 };

struct work {
    struct leat_chan *in, *out;
    long sum;
};

static int send_all(void *arg) {
    struct leat_chan *chan = arg;
    int error = 0;
    for (int i = 1; i <= VALUES && !error; i++)
        error = leat_send(chan, &i);
    leat_chan_close(chan);
    return error;
}

static int sum_up(void *arg) {
    struct work *work = arg;
    int value, error;
    while ((error = leat_recv(work->out, &value)) == 0)
        work->sum += value;
    return error == -EPIPE ? 0 : error;
}

static int twice(void *arg, const void *in, void *out) {
    (void)arg;
    *(int *)out = *(const int *)in * 2;
    return 0;
}

static int run_pool(void *arg) {
    struct work *work = arg;
    return leat_pool(work->in, work->out, 3, twice, NULL);
}

/* Runs `body` with two channels, the first one without bound. */
static int with_channels(leat_fn *body, struct work *work) {
    work->in = leat_chan_new(sizeof(int), LEAT_UNBOUNDED);
    work->out = leat_chan_new(sizeof(int), 4);
    int error = work->in && work->out ? body(work) : -ENOMEM;
    leat_chan_free(work->in);
    leat_chan_free(work->out);
    return error;
}

static int pool(void *arg) {
    struct work *work = arg;
    struct leat_scope *scope = leat_scope_open(NULL);
    if (!scope)
        return -ENOMEM;
    int error = leat_go(scope, send_all, work->in);
    if (!error)
        error = leat_go(scope, run_pool, work);
    if (!error)
        error = leat_go(scope, sum_up, work);
    if (error)
        leat_scope_cancel(scope, error);
    const struct leat_failure *list;
    int cause = leat_scope_wait(scope);
    leat_scope_failures(scope, &list);
    leat_scope_close(scope);
    return error ? error : cause;
}

/* More cases than fit on the stack; one of them is ready later. */
static int select_all(struct work *work) {
    struct leat_case cases[CASES];
    int value, index;
    for (int i = 0; i < CASES; i++)
        cases[i] = (struct leat_case){LEAT_RECV, i ? work->out : work->in, &value, 0};
    while ((index = leat_select(cases, CASES)) == 0 && cases[0].error == 0)
        work->sum += value;
    return index < 0 ? index : 0;
}

static int select_many(void *arg) {
    struct work *work = arg;
    struct leat_scope *scope = leat_scope_open(NULL);
    if (!scope)
        return -ENOMEM;
    int error = leat_go(scope, send_all, work->in);
    if (!error)
        error = select_all(work);
    if (error)
        leat_scope_cancel(scope, error);
    int cause = leat_scope_close(scope);
    return error ? error : cause;
}

static int write_late(void *arg) {
    leat_sleep(LEAT_MILLISECOND);
    ssize_t written;
    do
        written = write(*(int *)arg, "x", 1);
    while (written == 0 || (written < 0 && errno == EINTR));
    return written < 0 ? -errno : 0;
}

static int wait_for_pipe(void *arg) {
    int *ends = arg;
    int error = leat_block(write_late, &ends[1]);
    return error ? error : leat_wait_fd(ends[0], LEAT_READABLE);
}

static int pipes(void *arg) {
    (void)arg;
    int ends[2];
    if (pipe(ends) < 0)
        return -errno;
    int ready = leat_within(leat_after(60 * LEAT_SECOND), wait_for_pipe, ends);
    close(ends[0]);
    close(ends[1]);
    return ready == LEAT_READABLE ? 0 : ready < 0 ? ready : -EIO;
}

static int limit(void *arg) {
    (void)arg;
    struct leat_limiter *limiter = leat_limiter_new(10000, 1);
    int error = limiter ? 0 : -ENOMEM;
    for (int i = 0; i < 5 && !error; i++)
        error = leat_limiter_take(limiter, 1);
    leat_limiter_free(limiter);
    return error;
}

static void *other_thread(void *arg) {
    return (void *)(intptr_t)send_all(arg);
}

static int foreign(void *arg) {
    struct work *work = arg;
    pthread_t thread;
    int error = -pthread_create(&thread, NULL, other_thread, work->in);
    if (error)
        return error;
    int value = 0, received;
    while ((received = leat_recv(work->in, &value)) == 0)
        work->sum += value;
    void *sent;
    pthread_join(thread, &sent);
    error = (int)(intptr_t)sent;
    return error ? error : received == -EPIPE ? 0 : received;
}

static int say(const char *part, int error) {
    if (error)
        fprintf(stderr, "leat: library: %s: %s\n", part, strerror(-error));
    return error;
}

static int run(void *arg) {
    struct work *work = arg;
    int error = say("pool", with_channels(pool, work));
    if (!error)
        error = say("select", with_channels(select_many, work));
    if (!error)
        error = say("pipe", pipes(NULL));
    if (!error)
        error = say("limiter", limit(NULL));
    return error ? error : say("thread", with_channels(foreign, work));
}

int main(void) {
    struct work work = {0};
    int error = leat_run(run, &work);
    if (error) {
        say("run", error);
        return 3;
    }
    printf("%ld\n", work.sum);
    return fflush(stdout) != 0;
}
