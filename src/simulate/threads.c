/* SPDX-License-Identifier: MIT */
/** What base/os.h and base/clock.h say of threads and time, for virtual threads. */
#include "base/clock.h"
#include "base/os.h"
#include "simulate/virtual.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>

enum { SIGNAL_STACK = 64 << 10 };

static unsigned processors = 1;

/* Whoever would block outside of a simulation would do so for ever. */
static struct lt_virtual *present(void) {
    if (lt_present())
        return lt_present();
    static const char text[] = "leat: the simulation library can wait within leat_simulate() only\n";
    lt_report(2, text, sizeof text - 1);
    abort();
}

leat_time lt_now(void) {
    if (!lt_simulated()) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        return (leat_time)now.tv_sec * LEAT_SECOND + now.tv_nsec;
    }
    lt_before(LT_CLOCK, NULL, lt_site_here("clock"));
    return lt_virtual_time();
}

void lt_set_processors(unsigned count) {
    processors = count;
}

unsigned lt_processors(void) {
    return processors;
}

int lt_os_thread_id(void) {
    return 0;
}

leat_time lt_os_thread_delayed(int id) {
    (void)id;
    return 0;
}

unsigned lt_threads(void) {
    return lt_virtual_count();
}

/* ------------------------------------------------------------ threads */

int lt_os_thread_start(struct lt_os_thread *thread, void *(*function)(void *), void *arg) {
    if (!lt_simulated())
        return -ENOTSUP;
    lt_before_change(thread, lt_site_here("start a thread"));
    thread->simulated = lt_virtual_start(function, arg, false);
    return thread->simulated ? 0 : -EAGAIN;
}

int lt_os_thread_detached(void *(*function)(void *), void *arg) {
    if (!lt_simulated())
        return -ENOTSUP;
    lt_before_change(NULL, lt_site_here("start a thread"));
    return lt_virtual_start(function, arg, true) ? 0 : -EAGAIN;
}

void lt_os_thread_join(struct lt_os_thread *thread) {
    struct lt_virtual *self = present();
    const struct lt_site *site = lt_site_here("join a thread");
    lt_before(LT_SLEEP, thread->simulated, site);
    if (thread->simulated->state == LT_ENDED)
        return;
    self->joined = thread->simulated;
    lt_virtual_sleep(LEAT_FOREVER, site);
}

void lt_os_thread_at_end(void (*function)(void *), void *value) {
    struct lt_virtual *self = lt_present();
    if (!self)
        return;
    self->at_end = function;
    self->at_end_value = value;
}

void lt_os_yield(void) {
    lt_spin(lt_site_here("yield"));
}

/* All virtual threads are one of the system's, which has one signal stack while any of them wants one. */
void lt_os_signal_stack(void *memory, size_t size) {
    static char stack[SIGNAL_STACK];
    static stack_t before;
    static unsigned users;
    (void)size;
    if (memory && users++ == 0)
        sigaltstack(&(stack_t){.ss_sp = stack, .ss_size = sizeof stack}, &before);
    else if (!memory && --users == 0)
        sigaltstack(&before, NULL);
}

/* ------------------------------------------------------------ sleeping */

int lt_futex_wait(_Atomic uint32_t *word, uint32_t expected, leat_time deadline) {
    struct lt_virtual *self = present();
    const struct lt_site *site = lt_site_here("sleep on a word");
    lt_before(LT_SLEEP, word, site);
    lt_drain(self);
    if (atomic_load_explicit(word, memory_order_relaxed) != expected)
        return 0;
    if (deadline <= lt_virtual_time())
        return -ETIMEDOUT;
    self->word = word;
    return lt_virtual_sleep(deadline, site) ? 0 : -ETIMEDOUT;
}

struct wake {
    const volatile void *word;
    int count;
};

static bool wake_one(struct lt_virtual *thread, void *arg) {
    struct wake *wake = arg;
    if (thread->state == LT_ASLEEP && thread->word == wake->word) {
        lt_virtual_wake(thread);
        wake->count--;
    }
    return wake->count > 0;
}

void lt_futex_wake(_Atomic uint32_t *word, int count) {
    if (!lt_simulated())
        return;
    lt_before(LT_WAKE, word, lt_site_here("wake who sleeps on a word"));
    lt_drain(lt_present());
    lt_virtual_each(wake_one, &(struct wake){word, count});
}

/* Sleep until a look says that the descriptor is ready. False: timed out. */
static bool wait_for_descriptor(int fd, int events, leat_time deadline, const struct lt_site *site) {
    struct lt_virtual *self = present();
    if (deadline <= lt_virtual_time())
        return false;
    self->descriptor = fd;
    self->events = events;
    return lt_virtual_sleep(deadline, site);
}

int lt_epoll_wait(int epoll, struct epoll_event *events, int room, leat_time deadline) {
    const struct lt_site *site = lt_site_here("wait for descriptors");
    lt_before(LT_SLEEP, NULL, site);
    for (;;) {
        int count = epoll_wait(epoll, events, room, 0);
        if (count != 0)
            return count < 0 ? -errno : count;
        if (deadline == 0 || !wait_for_descriptor(epoll, POLLIN, deadline, site))
            return 0;
    }
}

int lt_poll_one(struct pollfd *poll_fd, leat_time deadline) {
    const struct lt_site *site = lt_site_here("wait for a descriptor");
    lt_before(LT_SLEEP, NULL, site);
    for (;;) {
        int count = poll(poll_fd, 1, 0);
        if (count != 0)
            return count < 0 ? -errno : count;
        if (!wait_for_descriptor(poll_fd->fd, poll_fd->events, deadline, site))
            return 0;
    }
}
