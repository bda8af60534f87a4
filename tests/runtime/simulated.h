/* SPDX-License-Identifier: MIT */
/** The tests of the runtime in simulation: threads of their own are virtual threads, too, and a failed check ends the
 * run. */
#ifndef LEAT_TESTS_SIMULATED_H
#define LEAT_TESTS_SIMULATED_H

#include "base/clock.h"
#include "base/os.h"
#include "explore/explore.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>

enum { SEEDS = 120, TOGETHER = 40 };

static inline __attribute__((format(printf, 1, 2))) void cut_short(const char *format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    lt_cut_short(LT_CHECK, text);
}

/* ------------------------------------------------------------ threads of the tests' own */

static inline int simulated_create(pthread_t *thread, const void *attributes, void *(*function)(void *), void *arg) {
    (void)attributes;
    struct lt_os_thread started;
    int error = lt_os_thread_start(&started, function, arg);
    *thread = (pthread_t)(uintptr_t)started.simulated;
    return -error;
}

static inline int simulated_join(pthread_t thread, void **result) {
    lt_os_thread_join(&(struct lt_os_thread){.simulated = (struct lt_virtual *)(uintptr_t)thread});
    if (result)
        *result = NULL;
    return 0;
}

static inline int simulated_usleep(useconds_t duration) {
    _Atomic uint32_t nobody = 0;
    lt_futex_wait(&nobody, 0, lt_after((leat_time)duration * LEAT_MICROSECOND));
    return 0;
}

/* A read that would block the one thread that there is. */
static inline ssize_t simulated_read(int fd, void *data, size_t size) {
    if (!(fcntl(fd, F_GETFL) & O_NONBLOCK))
        lt_poll_one(&(struct pollfd){.fd = fd, .events = POLLIN}, LEAT_FOREVER);
    return read(fd, data, size);
}

#define read simulated_read
#define pthread_create simulated_create
#define pthread_join simulated_join
#define usleep simulated_usleep
#define sched_yield() lt_os_yield()

/* ------------------------------------------------------------ a test under many schedules */

static void (*plain_test)(void);

static inline int run_plain(void *arg) {
    (void)arg;
    plain_test();
    return 0;
}

/* An equal share of the seeds for each number of workers; other ones each time. */
static inline int simulate_test(leat_fn *body, void (*plain)(void), unsigned workers, size_t shares) {
    const char *text = getenv("LEAT_TEST_SEEDS");
    uint64_t seeds = (text ? strtoull(text, NULL, 10) : SEEDS) / (plain ? 1 : shares) + 1;
    struct leat_simulation options = {.workers = workers, .together = TOGETHER, .steps = 20000000};
    plain_test = plain;
    struct lt_subject subject = {plain ? run_plain : body, NULL, plain != NULL};
    return lt_explore_many(workers * 1000000, seeds, &options, &subject);
}

/* cmocka's assertions leave by longjmp, which a virtual thread cannot. */
#define simulated_true(condition) check_at((condition), #condition, __FILE__, __LINE__)
#define simulated_equal(value, wanted) equal_at((long long)(value), (long long)(wanted), #value, __FILE__, __LINE__)

#endif
