/* SPDX-License-Identifier: MIT */
/** Time: never too early, in the order of the moments, far and past moments. */
#include "runtime/runtime.h"

#include "sched/runtime.h"

static int not_too_early(void *arg) {
    (void)arg;
    const leat_time durations[] = {
        -5, 0, 1, LEAT_MICROSECOND, 50 * LEAT_MICROSECOND, LEAT_MILLISECOND, 3 * LEAT_MILLISECOND};
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        leat_time begin = leat_now();
        equal(leat_sleep(durations[i]), 0);
        check(leat_now() - begin >= durations[i]);
        leat_time moment = leat_after(durations[i]);
        equal(leat_sleep_until(moment), 0);
        check(leat_now() >= moment);
    }
    equal(leat_sleep_until(0), 0);
    equal(leat_sleep_until(INT64_MIN), 0);
    return 0;
}

static int moments(void *arg) {
    (void)arg;
    check(leat_after(LEAT_FOREVER) == LEAT_FOREVER);
    check(leat_after(LEAT_FOREVER - 1) == LEAT_FOREVER);
    leat_time now = leat_now();
    check(leat_after(LEAT_SECOND) >= now + LEAT_SECOND);
    check(leat_after(0) >= now);
    check(leat_now() >= now);
    return 0;
}

struct sleeper {
    leat_time moment, began, woke;
    _Atomic int *order, *asleep; /* asleep: counts who is about to sleep; may be NULL */
    int place, result;
};

static int sleep_until_moment(void *arg) {
    struct sleeper *sleeper = arg;
    sleeper->began = leat_now();
    if (sleeper->asleep)
        lt_fetch_add(sleeper->asleep, 1, relaxed);
    sleeper->result = leat_sleep_until(sleeper->moment);
    sleeper->woke = leat_now();
    sleeper->place = lt_fetch_add(sleeper->order, 1, relaxed);
    return sleeper->result;
}

/* How often the monitor had to do what a worker that does not get the processor leaves undone: it and the worker, when
 * that comes back, hand on due tasks side by side. */
static uint32_t monitor_fired(void) {
    return lt_load(&lt_the_runtime()->monitor_fires, acquire);
}

/* False: the order could not be told, which presupposes that all slept before the first moment came, and that the
 * worker was there. */
static bool wakes_in_order(leat_time delay) {
    const int COUNT = rounds(200, 3);
    /* When all fall due at once they stand in the worker's own queue, which keeps their order if it holds them. */
    const bool order_is_kept = leat_workers() == 1 && LT_RING_SLOTS > COUNT;
    struct sleeper *sleepers = calloc(COUNT, sizeof *sleepers);
    _Atomic int order = 0, asleep = 0;
    leat_time begin = leat_after(delay);
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < COUNT; i++) {
        int rank = i * 7919 % COUNT; /* a permutation: 7919 is a prime */
        sleepers[i] =
            (struct sleeper){.moment = begin + rank * 20 * LEAT_MICROSECOND, .order = &order, .asleep = &asleep};
        leat_go(scope, sleep_until_moment, &sleepers[i]);
    }
    while (lt_load(&asleep, relaxed) < COUNT)
        leat_yield();
    uint32_t fired = monitor_fired();
    bool in_time = leat_now() < begin;
    equal(leat_scope_close(scope), 0);
    in_time = in_time && fired == monitor_fired();
    for (int i = 0; i < COUNT; i++) {
        check(sleepers[i].woke >= sleepers[i].moment);
        if (in_time && order_is_kept)
            equal(sleepers[i].place, i * 7919 % COUNT);
    }
    free(sleepers);
    return in_time || !order_is_kept;
}

/* On one worker those who wake at different moments wake in that order. */
static int in_order(void *arg) {
    (void)arg;
    leat_time delay = 30 * LEAT_MILLISECOND;
    while (!wakes_in_order(delay)) /* the machine is busy elsewhere */
        delay *= delay < LEAT_SECOND ? 2 : 1;
    return 0;
}

static int sleep_long(void *arg) {
    return leat_sleep_until(*(leat_time *)arg);
}

/* Sleeps too long to be told in nanoseconds neither end at once nor hold up short ones, and can be cancelled. */
static int very_long(void *arg) {
    (void)arg;
    leat_time far[] = {LEAT_FOREVER, LEAT_FOREVER - 1, leat_after(INT64_MAX / 2), leat_after(1000000000 * LEAT_SECOND)};
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < 4; i++)
        leat_go(scope, sleep_long, &far[i]);
    for (int i = 0; i < 5; i++)
        equal(leat_sleep(LEAT_MILLISECOND), 0);
    equal(leat_scope_cause(scope), 0);
    equal(leat_scope_stop(scope), 0);
    const struct leat_failure *list;
    equal(leat_scope_failures(scope, &list), 4);
    equal(leat_scope_close(scope), 0);
    return 0;
}

/* A nearer moment, set while all workers sleep for a later one, is honoured. */
static int nearer_moment(void *arg) {
    (void)arg;
    leat_time far = leat_after(3600 * LEAT_SECOND);
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < 10; i++)
        leat_go(scope, sleep_long, &far);
    for (int i = 0; i < 20; i++) {
        settle();
        equal(leat_sleep(LEAT_MILLISECOND), 0);
    }
    equal(leat_scope_stop(scope), 0);
    equal(leat_scope_close(scope), 0);
    return 0;
}

/* Set and removed again and again, by their own worker and by others. */
static int set_and_remove(void *arg) {
    struct leat_chan *chan = arg;
    uint64_t seed = seeded(leat_task_id() * 1000003);
    for (size_t i = 0; i < scaled(1000); i++) {
        leat_time patience = (leat_time)(next_random(&seed) % 200) * LEAT_MICROSECOND;
        int error = next_random(&seed) % 2 ? leat_send_until(chan, NULL, leat_after(patience))
                                           : leat_recv_until(chan, NULL, leat_after(patience));
        check(error == 0 || error == -ETIMEDOUT);
        if (i % 50 == 0) {
            struct leat_scope *scope = leat_scope_open(&(struct leat_scope_options){.deadline = leat_after(patience)});
            int slept = leat_sleep(100 * LEAT_MICROSECOND);
            check(slept == 0 || slept == -ETIMEDOUT);
            leat_scope_close(scope);
        }
    }
    return 0;
}

static int timers_come_and_go(void *arg) {
    (void)arg;
    struct leat_chan *chan = leat_chan_new(0, 0);
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < 12; i++)
        leat_go(scope, set_and_remove, chan);
    equal(leat_scope_close(scope), 0);
    leat_chan_free(chan);
    return 0;
}

struct hog {
    _Atomic bool stop;
};

static int compute(void *arg) {
    struct hog *hog = arg;
    while (!lt_load(&hog->stop, relaxed))
        ;
    return 0;
}

/* A due timer on a worker that computes is served by another one. */
static int timers_behind_a_computing_task(void *arg) {
    (void)arg;
    if (leat_workers() == 1)
        return 0;
    struct hog hog = {false};
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, compute, &hog);
    for (int i = 0; i < 20; i++)
        equal(leat_sleep(LEAT_MILLISECOND), 0);
    lt_store(&hog.stop, true, relaxed);
    equal(leat_scope_close(scope), 0);
    return 0;
}

static int yield_until_told(void *arg) {
    struct hog *hog = arg;
    while (!lt_load(&hog->stop, relaxed))
        leat_yield();
    return 0;
}

/* So many tasks are ready at all times that the workers' own queues, of 256 each, overflow. */
static int timers_in_a_crowd(void *arg) {
    (void)arg;
    struct hog hog = {false};
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < rounds(300 * (int)leat_workers(), 20); i++)
        leat_go(scope, yield_until_told, &hog);
    for (int i = 0; i < 3; i++)
        equal(leat_sleep(LEAT_MILLISECOND), 0);
    lt_store(&hog.stop, true, relaxed);
    equal(leat_scope_close(scope), 0);
    return 0;
}

static int many_sleepers(void *arg) {
    (void)arg;
    size_t count = scaled(10000);
    struct sleeper *sleepers = calloc(count, sizeof *sleepers);
    _Atomic int order = 0;
    uint64_t seed = seeded(31337);
    struct leat_scope *scope = leat_scope_open(NULL);
    for (size_t i = 0; i < count; i++) {
        leat_time moment = leat_after((leat_time)(next_random(&seed) % 100000) * LEAT_MICROSECOND);
        sleepers[i] = (struct sleeper){.moment = moment, .order = &order};
        equal(leat_go(scope, sleep_until_moment, &sleepers[i]), 0);
    }
    equal(leat_scope_close(scope), 0);
    for (size_t i = 0; i < count; i++)
        check(sleepers[i].woke >= sleepers[i].moment);
    equal(order, count);
    free(sleepers);
    return 0;
}

static const struct test tests[] = {
    {"a sleep never ends too early", not_too_early},
    {"moments do not overflow", moments},
    {"sleepers wake in the order of their moments", in_order},
    {"very long sleeps", very_long},
    {"a nearer moment is honoured", nearer_moment},
    {"timers come and go on all workers", timers_come_and_go},
    {"timers are served although their worker computes", timers_behind_a_computing_task},
    {"timers are served although thousands of tasks are ready", timers_in_a_crowd},
    {"ten thousand sleepers", many_sleepers},
};

int main(int argc, char **argv) {
    return run_group("timer", tests, sizeof tests / sizeof *tests, argc, argv);
}
