/* SPDX-License-Identifier: MIT */
/**
 * What the tests of the runtime share.
 *
 * A test is a table entry: a sentence and a body. The body is run as the first
 * task of a runtime, once for each number of workers in $LEAT_TEST_WORKERS
 * ("1 2 8" when unset). An entry with `plain` starts its runtimes itself.
 *
 * cmocka's assertions leave by longjmp, which a task on another stack must not
 * do; so bodies use check() and equal(), which note the failure and go on. A
 * test that hangs is ended by an alarm, with a dump of all tasks. The alarm is a
 * signal and no thread, because a thread of its own could still wake somebody
 * as far as the runtime can tell, and would silence its report of deadlocks.
 *
 * $LEAT_TEST_SCALE multiplies the number of repetitions (1; 0.1 under ThreadSanitizer); $LEAT_TEST_SEED changes what
 * is drawn by chance.
 *
 * Compiled with LEAT_SIMULATION the same tests run in simulation: each under
 * $LEAT_TEST_SEEDS schedules (120), with far fewer repetitions of its own, since
 * the schedules differ. $LEAT_SEED and $LEAT_SCHEDULE repeat one: see
 * leat_simulate_many(). An entry that needs real threads, processes or time says
 * why in `real`, and is left out.
 */
#ifndef LEAT_TESTS_RUNTIME_H
#define LEAT_TESTS_RUNTIME_H

#include "leat.h"

#include "base/atomic.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(LEAT_SIMULATION)
#include "runtime/simulated.h"
#endif

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZER 1
#endif
#endif
#ifndef THREAD_SANITIZER
#define THREAD_SANITIZER 0
#endif

#if defined(__SANITIZE_ADDRESS__)
#define ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER 1
#endif
#endif
#ifndef ADDRESS_SANITIZER
#define ADDRESS_SANITIZER 0
#endif

#if defined(LEAT_SIMULATION)
#define WORKER_COUNTS "1 2 3"
#define SIMULATED 1
#else
#define WORKER_COUNTS "1 2 8"
#define SIMULATED 0
#endif

enum { MAX_WORKER_COUNTS = 16, SHOWN_FAILURES = 20 };

struct test {
    const char *name;
    leat_fn *body;       /* run as the first task */
    void (*plain)(void); /* or this, run outside of any runtime */
    const char *real;    /* why it cannot be simulated */
};

static _Atomic int failures;
static const struct test *present;

/* The macros are there for the text and the place of the condition. */
#define check(condition) check_at((condition), #condition, __FILE__, __LINE__)
#define equal(value, wanted) equal_at((long long)(value), (long long)(wanted), #value, __FILE__, __LINE__)

static inline bool check_at(bool holds, const char *text, const char *file, int line) {
    if (holds)
        return true;
#if defined(LEAT_SIMULATION)
    cut_short("%s:%d: check failed: %s", file, line, text);
#endif
    if (lt_fetch_add(&failures, 1, relaxed) < SHOWN_FAILURES)
        dprintf(2, "# %s:%d: failed, %u workers: %s\n", file, line, leat_workers(), text);
    return false;
}

static inline bool equal_at(long long value, long long wanted, const char *text, const char *file, int line) {
    if (value == wanted)
        return true;
#if defined(LEAT_SIMULATION)
    cut_short("%s:%d: %s is %lld, not %lld", file, line, text, value, wanted);
#endif
    if (lt_fetch_add(&failures, 1, relaxed) < SHOWN_FAILURES)
        dprintf(2, "# %s:%d: failed, %u workers: %s is %lld, not %lld\n", file, line, leat_workers(), text, value,
                wanted);
    return false;
}

/* `count` times $LEAT_TEST_SCALE, at least 1. */
static inline size_t scaled(size_t count) {
    const char *text = getenv("LEAT_TEST_SCALE");
#if defined(LEAT_SIMULATION)
    double scale = text ? atof(text) : 0.002;
#else
    double scale = text ? atof(text) : THREAD_SANITIZER ? 0.1 : 1;
#endif
    double result = (double)count * scale;
    return result < 1 ? 1 : (size_t)result;
}

/* `full` rounds; in a simulation, whose schedules differ, `few`. */
static inline int rounds(int full, int few) {
#if defined(LEAT_SIMULATION)
    (void)full;
    return few;
#else
    (void)few;
    return full;
#endif
}

static inline size_t worker_counts(unsigned counts[MAX_WORKER_COUNTS]) {
    const char *text = getenv("LEAT_TEST_WORKERS");
    size_t count = 0;
    for (char *end; count < MAX_WORKER_COUNTS; text = end) {
        unsigned long value = strtoul(text ? text : (text = WORKER_COUNTS), &end, 10);
        if (end == text)
            break;
        counts[count++] = (unsigned)value;
    }
    return count;
}

/* Give others the time to go as far as they can. Never needed for a test to pass, only for it to test the interesting
 * order. */
static inline void settle(void) {
    for (int i = 0; i < 3; i++)
        leat_yield();
    leat_sleep(2 * LEAT_MILLISECOND);
}

/* Where a sequence of random numbers begins: the same in every run with the same $LEAT_TEST_SEED. */
static inline uint64_t seeded(uint64_t constant) {
    const char *text = getenv("LEAT_TEST_SEED");
    uint64_t seed = constant + (text ? strtoull(text, NULL, 10) : 0) * 0x9E3779B97F4A7C15u;
    return seed ? seed : 1;
}

/* Small and fast. */
static inline uint64_t next_random(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static inline void on_alarm(int number) {
    (void)number;
    dprintf(2, "# hangs, %u workers: %s\n", leat_workers(), present ? present->name : "?");
    signal(SIGALRM, SIG_DFL);
    alarm(5);
    leat_dump(2);
    abort();
}

/* End the process with a report unless the present test is over in time. */
static inline void limit_time(void) {
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_NODEFER};
    sigaction(SIGALRM, &action, NULL);
    const char *text = getenv("LEAT_TEST_TIMEOUT");
    alarm(text ? (unsigned)atoi(text) : THREAD_SANITIZER ? 600 : 200);
}

static inline void run_entry(void **state) {
    const struct test *test = *state;
    present = test;
    lt_store(&failures, 0, relaxed);
    unsigned counts[MAX_WORKER_COUNTS];
    size_t count = worker_counts(counts);
    assert_true(count > 0);
#if defined(LEAT_SIMULATION)
    for (size_t i = 0; i < (test->plain ? 1 : count); i++)
        assert_int_equal(simulate_test(test->body, test->plain, counts[i], count), 0);
    return;
#endif
    if (test->plain) {
        limit_time();
        test->plain();
    }
    for (size_t i = 0; i < count && test->body; i++) {
        limit_time();
        int result = leat_run_with(&(struct leat_options){.workers = counts[i]}, test->body, NULL);
        if (result)
            dprintf(2, "# leat_run with %u workers returned %d\n", counts[i], result);
        assert_int_equal(result, 0);
    }
    alarm(0);
    assert_int_equal(lt_load(&failures, relaxed), 0);
}

/* All tests of a file; arguments choose those whose name contains one of them. */
static inline int run_group(const char *group, const struct test *tests, size_t count, int argc, char **argv) {
    struct CMUnitTest *all = calloc(count, sizeof *all);
    if (!all)
        return 1;
    size_t chosen = 0;
    for (size_t i = 0; i < count; i++) {
        bool wanted = argc < 2;
        for (int k = 1; k < argc; k++)
            wanted |= strstr(tests[i].name, argv[k]) != NULL;
#if defined(LEAT_SIMULATION)
        if (tests[i].real)
            continue;
#endif
        if (wanted)
            all[chosen++] =
                (struct CMUnitTest){.name = tests[i].name, .test_func = run_entry, .initial_state = (void *)&tests[i]};
    }
    int result = _cmocka_run_group_tests(group, all, chosen, NULL, NULL);
    free(all);
    return result;
}

#if defined(LEAT_SIMULATION)
#undef assert_true
#undef assert_int_equal
#define assert_true simulated_true
#define assert_int_equal simulated_equal
#endif

#endif
