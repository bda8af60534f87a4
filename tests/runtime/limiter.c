/* SPDX-License-Identifier: MIT */
/** The limiter: never more than the rate allows, in the order of arrival, nothing lost by those who give up. */
#include "runtime/runtime.h"

#include <math.h>

static int burst_then_wait(void *arg) {
    (void)arg;
    struct leat_limiter *limiter = leat_limiter_new(1000, 5);
    leat_time begin = leat_now();
    for (int i = 0; i < 5; i++)
        equal(leat_limiter_take_try(limiter, 1), 0);
    for (int i = 0; i < 20; i++)
        equal(leat_limiter_take(limiter, 1), 0);
    check(leat_now() - begin >= 20 * LEAT_MILLISECOND);
    leat_limiter_free(limiter);
    return 0;
}

static int wrong_arguments(void *arg) {
    (void)arg;
    check(!leat_limiter_new(0, 1));
    check(!leat_limiter_new(-1, 1));
    check(!leat_limiter_new(NAN, 1));
    struct leat_limiter *limiter = leat_limiter_new(1e-6, 0); /* a burst below 1 means 1 */
    equal(leat_limiter_take_try(limiter, 0), 0);
    equal(leat_limiter_take_try(limiter, -1), -EINVAL);
    equal(leat_limiter_take(limiter, NAN), -EINVAL);
    equal(leat_limiter_set(limiter, 0), -EINVAL);
    equal(leat_limiter_take_try(limiter, 1), 0);
    equal(leat_limiter_take_try(limiter, 1), -EAGAIN);
    equal(leat_limiter_take_try(limiter, 0), 0);
    leat_limiter_free(limiter);
    leat_limiter_free(NULL);
    return 0;
}

static int gives_up(void *arg) {
    (void)arg;
    struct leat_limiter *limiter = leat_limiter_new(1e-6, 4);
    leat_time deadline = leat_after(2 * LEAT_MILLISECOND);
    equal(leat_limiter_take_until(limiter, 6, deadline), -ETIMEDOUT);
    check(leat_now() >= deadline);
    equal(leat_limiter_take_until(limiter, 4, 0), 0); /* it took nothing */
    equal(leat_limiter_take_until(limiter, 1, 0), -ETIMEDOUT);
    leat_limiter_free(limiter);
    return 0;
}

struct line {
    struct leat_limiter *limiter;
    _Atomic int *begun, *served;
    double need;
    leat_time patience;
    int place, result;
};

static int stand_in_line(void *arg) {
    struct line *line = arg;
    lt_fetch_add(line->begun, 1, relaxed);
    line->result = leat_limiter_take_until(line->limiter, line->need, leat_after(line->patience));
    if (!line->result)
        line->place = lt_fetch_add(line->served, 1, relaxed);
    return 0;
}

/* A large request first in line is not overtaken by small ones, unless it gives up or is cancelled. */
static int in_order(void *arg) {
    (void)arg;
    enum { COUNT = 6 };
    for (int first_leaves = 0; first_leaves < 3; first_leaves++) {
        struct leat_limiter *limiter = leat_limiter_new(first_leaves ? 1e-6 : 40, 10);
        _Atomic int begun = 0, served = 0;
        struct line lines[COUNT];
        struct leat_scope *scope = leat_scope_open(NULL), *first = leat_scope_open(NULL);
        for (int i = 0; i < COUNT; i++) {
            lines[i] = (struct line){limiter, &begun, &served, i ? 1 : 12, LEAT_FOREVER, -1, -1};
            if (i == 0 && first_leaves == 1)
                lines[i].patience = 30 * LEAT_MILLISECOND;
            leat_go(i ? scope : first, stand_in_line, &lines[i]);
            while (begun <= i)
                leat_yield();
        }
        if (first_leaves == 2) {
            settle();
            equal(leat_limiter_take_try(limiter, 1), -EAGAIN);
            leat_scope_cancel(first, 0);
        }
        leat_scope_close(first);
        equal(leat_scope_close(scope), 0);
        equal(lines[0].result, first_leaves == 0 ? 0 : first_leaves == 1 ? -ETIMEDOUT : -ECANCELED);
        /* On one worker a task that has begun stands in line before the next one begins. */
        for (int i = 0; i < COUNT && leat_workers() == 1; i++)
            equal(lines[i].place, i - (first_leaves ? 1 : 0));
        equal(served, COUNT - (first_leaves ? 1 : 0));
        leat_limiter_free(limiter);
    }
    return 0;
}

static int take_slowly(void *arg) {
    return leat_limiter_take(arg, 1);
}

static int new_rate(void *arg) {
    (void)arg;
    struct leat_limiter *limiter = leat_limiter_new(1e-6, 1);
    equal(leat_limiter_take(limiter, 1), 0);
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < 5; i++)
        leat_go(scope, take_slowly, limiter);
    settle();
    equal(leat_limiter_set(limiter, 1e5), 0); /* those who wait already feel it */
    equal(leat_scope_close(scope), 0);
    leat_limiter_free(limiter);
    return 0;
}

struct crowd {
    struct leat_limiter *limiter;
    size_t rounds;
    uint64_t seed;
    _Atomic uint64_t taken;
};

static int take_at_random(void *arg) {
    struct crowd *crowd = arg;
    uint64_t seed = crowd->seed + leat_task_id() * 77777;
    for (size_t i = 0; i < crowd->rounds; i++) {
        unsigned need = (unsigned)(next_random(&seed) % 5);
        leat_time patience = (leat_time)(next_random(&seed) % 300) * LEAT_MICROSECOND;
        int error = next_random(&seed) % 3 ? leat_limiter_take(crowd->limiter, need)
                                           : leat_limiter_take_until(crowd->limiter, need, leat_after(patience));
        if (!error)
            lt_fetch_add(&crowd->taken, need, relaxed);
        else
            equal(error, -ETIMEDOUT);
    }
    return 0;
}

static int never_too_many(void *arg) {
    (void)arg;
    const double rate = 200000, burst = 10;
    struct crowd crowd = {.limiter = leat_limiter_new(rate, burst), .rounds = scaled(1500), .seed = seeded(99)};
    leat_time begin = leat_now();
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < 8; i++)
        leat_go(scope, take_at_random, &crowd);
    equal(leat_scope_close(scope), 0);
    double seconds = (double)(leat_now() - begin) * 1e-9;
    check((double)crowd.taken <= rate * seconds + burst + 1);
    leat_limiter_free(crowd.limiter);
    return 0;
}

static const struct test tests[] = {
    {"a burst at once, the rest at the rate", burst_then_wait},
    {"wrong arguments are refused", wrong_arguments},
    {"who gives up takes nothing", gives_up},
    {"served in the order of arrival", in_order},
    {"a new rate reaches those who wait", new_rate},
    {"never more than the rate allows", never_too_many},
};

int main(int argc, char **argv) {
    return run_group("limiter", tests, sizeof tests / sizeof *tests, argc, argv);
}
