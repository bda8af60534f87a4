/* SPDX-License-Identifier: MIT */
/** The pool: every value once, the end exactly at the end, errors, cancellation. */
#include "runtime/runtime.h"

struct job {
    struct leat_chan *in, *out;
    size_t count;
    unsigned workers;
    int result;
    _Atomic int running, most;
    _Atomic size_t handled;
    _Atomic bool finished;
};

static int make_numbers(void *arg) {
    struct job *job = arg;
    int error = 0;
    for (uint64_t i = 0; i < job->count && !error; i++)
        error = leat_send(job->in, &i);
    leat_chan_close(job->in);
    return error == -EPIPE ? 0 : error;
}

static int square(void *arg, const void *in, void *out) {
    struct job *job = arg;
    int running = 1 + lt_fetch_add(&job->running, 1, relaxed);
    for (int most = lt_load(&job->most, relaxed); running > most && !lt_cas(&job->most, &most, running, acq_rel);)
        ;
    uint64_t value = *(const uint64_t *)in;
    if (value % 5 == 0)
        leat_yield();
    lt_fetch_add(&job->handled, 1, relaxed);
    lt_fetch_sub(&job->running, 1, relaxed);
    if (value % 3 == 0)
        return LEAT_NOTHING;
    *(uint64_t *)out = value * value;
    return 0;
}

static int run_pool(void *arg) {
    struct job *job = arg;
    job->result = leat_pool(job->in, job->out, job->workers, square, job);
    job->finished = true;
    return 0;
}

static int maps(void *arg) {
    (void)arg;
    for (unsigned workers = 1; workers <= 50; workers += 49) {
        struct job job = {
            .in = leat_chan_new(8, 0), .out = leat_chan_new(8, 3), .count = scaled(3000), .workers = workers};
        struct leat_scope *scope = leat_scope_open(NULL);
        leat_go(scope, make_numbers, &job);
        leat_go(scope, run_pool, &job);
        uint64_t value, sum = 0, results = 0, wanted = 0, wanted_results = 0;
        while (leat_recv(job.out, &value) == 0) {
            sum += value;
            results++;
        }
        /* The end was seen: nothing is handled any more. */
        equal(job.running, 0);
        equal(job.handled, job.count);
        for (uint64_t i = 0; i < job.count; i++) {
            wanted += i % 3 ? i * i : 0;
            wanted_results += i % 3 != 0;
        }
        equal(sum, wanted);
        equal(results, wanted_results);
        check(job.most <= (int)workers);
        equal(leat_scope_close(scope), 0);
        equal(job.result, 0);
        leat_chan_free(job.in);
        leat_chan_free(job.out);
    }
    return 0;
}

static int no_output(void *arg, const void *in, void *out) {
    struct job *job = arg;
    (void)in;
    check(out == NULL);
    lt_fetch_add(&job->handled, 1, relaxed);
    return 0;
}

static int without_output(void *arg) {
    (void)arg;
    struct job job = {.in = leat_chan_new(8, 5), .count = 100};
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, make_numbers, &job);
    equal(leat_pool(job.in, NULL, 7, no_output, &job), 0);
    equal(job.handled, 100);
    equal(leat_scope_close(scope), 0);
    leat_chan_free(job.in);
    return 0;
}

static int fail_at_50(void *arg, const void *in, void *out) {
    struct job *job = arg;
    (void)out;
    lt_fetch_add(&job->handled, 1, relaxed);
    return *(const uint64_t *)in == 50 ? -EIO : LEAT_NOTHING;
}

static int stops_at_error(void *arg) {
    (void)arg;
    struct job job = {.in = leat_chan_new(8, 0), .out = leat_chan_new(8, 0), .count = 1000000};
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, make_numbers, &job);
    equal(leat_pool(job.in, job.out, 4, fail_at_50, &job), -EIO);
    check(leat_chan_closed(job.out));
    check(!leat_chan_closed(job.in));
    check(job.handled < 1000);
    leat_chan_close(job.in);
    equal(leat_scope_close(scope), 0);
    leat_chan_free(job.in);
    leat_chan_free(job.out);
    return 0;
}

static int goes_on(void *arg) {
    (void)arg;
    struct job job = {.in = leat_chan_new(8, 0), .out = leat_chan_new(8, 0), .count = 200};
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, make_numbers, &job);
    struct leat_pool_options options = {.name = "patient", .collect = true};
    equal(leat_pool_with(job.in, job.out, 4, fail_at_50, &job, &options), -EIO);
    equal(job.handled, 200);
    equal(leat_recv(job.out, NULL), -EPIPE);
    equal(leat_scope_close(scope), 0);
    leat_chan_free(job.in);
    leat_chan_free(job.out);
    return 0;
}

static int cancelled(void *arg) {
    (void)arg;
    struct job job = {.in = leat_chan_new(8, 0), .out = leat_chan_new(8, 0), .workers = 5};
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, run_pool, &job);
    settle();
    leat_scope_cancel(scope, 0);
    equal(leat_scope_close(scope), -ECANCELED);
    check(job.finished);
    equal(job.result, -ECANCELED);
    check(leat_chan_closed(job.out));
    leat_chan_free(job.in);
    leat_chan_free(job.out);
    return 0;
}

/* Whoever consumes the results goes away: the pool ends, with the reason. */
static int output_closed(void *arg) {
    (void)arg;
    struct job job = {.in = leat_chan_new(8, 0), .out = leat_chan_new(8, 0), .count = 1000000, .workers = 3};
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, make_numbers, &job);
    leat_go(scope, run_pool, &job);
    equal(leat_recv(job.out, NULL), 0);
    leat_chan_close(job.out);
    while (!leat_chan_closed(job.in) && !lt_load(&job.finished, acquire))
        leat_yield();
    leat_chan_close(job.in);
    equal(leat_scope_close(scope), 0);
    equal(job.result, -EPIPE);
    leat_chan_free(job.in);
    leat_chan_free(job.out);
    return 0;
}

static int wrong_arguments(void *arg) {
    (void)arg;
    struct leat_chan *chan = leat_chan_new(8, 0), *out = leat_chan_new(8, 0);
    equal(leat_pool(chan, out, 0, square, NULL), -EINVAL);
    check(leat_chan_closed(out));
    equal(leat_pool(chan, NULL, 1, NULL, NULL), -EINVAL);
    equal(leat_pool(NULL, NULL, 1, square, NULL), -EINVAL);
    leat_chan_free(chan);
    leat_chan_free(out);
    return 0;
}

static const struct test tests[] = {
    {"every value once, the end exactly at the end", maps},
    {"a pool without output", without_output},
    {"an error stops the pool and leaves its input alone", stops_at_error},
    {"collecting goes on after an error", goes_on},
    {"a cancelled pool ends", cancelled},
    {"a closed output ends the pool", output_closed},
    {"wrong arguments are refused", wrong_arguments},
};

int main(int argc, char **argv) {
    return run_group("pool", tests, sizeof tests / sizeof *tests, argc, argv);
}
