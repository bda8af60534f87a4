/* SPDX-License-Identifier: MIT */
/** Threads of the operating system: starting, sleeping, waking, counting them. A simulation has its own. */
#include "base/atomic.h"
#include "base/clock.h"
#include "base/hostile.h"
#include "base/os.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

int lt_os_thread_start(struct lt_os_thread *thread, void *(*function)(void *), void *arg) {
    return -pthread_create(&thread->real, NULL, function, arg);
}

void lt_os_thread_join(struct lt_os_thread *thread) {
    pthread_join(thread->real, NULL);
}

int lt_os_thread_detached(void *(*function)(void *), void *arg) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_t thread;
    int error = pthread_create(&thread, &attributes, function, arg);
    pthread_attr_destroy(&attributes);
    return -error;
}

static struct {
    pthread_once_t once;
    pthread_key_t key;
    void (*_Atomic function)(void *); /* the same for all threads */
} at_end = {.once = PTHREAD_ONCE_INIT};

static void make_key(void) {
    pthread_key_create(&at_end.key, lt_load(&at_end.function, relaxed));
}

void lt_os_thread_at_end(void (*function)(void *), void *value) {
    lt_store(&at_end.function, function, relaxed);
    pthread_once(&at_end.once, make_key);
    pthread_setspecific(at_end.key, value);
}

void lt_os_yield(void) {
    sched_yield();
}

void lt_os_signal_stack(void *memory, size_t size) {
    stack_t stack = {.ss_sp = memory, .ss_size = size, .ss_flags = memory ? 0 : SS_DISABLE};
    sigaltstack(&stack, NULL);
}

static int milliseconds(leat_time left) {
    leat_time rounded = left <= 0 ? 0 : (left + LEAT_MILLISECOND - 1) / LEAT_MILLISECOND;
    return rounded < INT_MAX ? (int)rounded : INT_MAX;
}

int lt_epoll_wait(int epoll, struct epoll_event *events, int room, leat_time deadline) {
    leat_time left = deadline == 0 ? 0 : deadline - lt_now();
    struct timespec timeout = lt_timespec(left);
    int count = epoll_pwait2(epoll, events, room, deadline == LEAT_FOREVER ? NULL : &timeout, NULL);
    if (count < 0 && errno == ENOSYS) /* before Linux 5.11: whole milliseconds, rather late than early */
        count = epoll_wait(epoll, events, room, deadline == LEAT_FOREVER ? -1 : milliseconds(left));
    return count < 0 ? -errno : count;
}

int lt_poll_one(struct pollfd *poll, leat_time deadline) {
    for (;;) {
        struct timespec timeout = lt_timespec(deadline - lt_now());
        int count = ppoll(poll, 1, deadline == LEAT_FOREVER ? NULL : &timeout, NULL);
        if (count >= 0 || errno != EINTR)
            return count < 0 ? -errno : count;
    }
}

int lt_futex_wait(_Atomic uint32_t *word, uint32_t expected, leat_time deadline) {
    struct timespec until = lt_timespec(deadline);
    if (LT_HOSTILE && lt_perhaps(4)) {
        sched_yield();
        return 0;
    }
    /* The BITSET form takes an absolute monotonic time, so a restart after a signal does not sleep longer. */
    long result = syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected,
                          deadline == LEAT_FOREVER ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
    return result < 0 && errno == ETIMEDOUT ? -ETIMEDOUT : 0;
}

void lt_futex_wake(_Atomic uint32_t *word, int count) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

/* The quota of control group version 2 in whole processors, rounded up; 0: none. */
static unsigned group_quota(void) {
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (!file)
        return 0;
    unsigned long long quota = 0, period = 0;
    int fields = fscanf(file, "%llu %llu", &quota, &period);
    fclose(file);
    if (fields != 2 || quota == 0 || period == 0)
        return 0;
    return (unsigned)((quota + period - 1) / period);
}

unsigned lt_processors(void) {
    cpu_set_t set;
    unsigned count = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        count = (unsigned)CPU_COUNT(&set);
    unsigned quota = group_quota();
    if (quota && quota < count)
        count = quota;
    return count ? count : 1;
}

int lt_os_thread_id(void) {
    return (int)syscall(SYS_gettid);
}

leat_time lt_os_thread_delayed(int id) {
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/schedstat", id);
    FILE *file = fopen(path, "re");
    long long ran, delayed = 0;
    if (file && fscanf(file, "%lld %lld", &ran, &delayed) != 2)
        delayed = 0;
    if (file)
        fclose(file);
    return delayed;
}

unsigned lt_threads(void) {
    DIR *directory = opendir("/proc/self/task");
    if (!directory)
        return 0;
    unsigned count = 0;
    for (struct dirent *entry; (entry = readdir(directory));)
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count;
}
