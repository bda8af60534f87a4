/* SPDX-License-Identifier: MIT */
/**
 * Waiting for descriptors, on one epoll.
 *
 * Invariants
 * - An entry for each descriptor number holds at most one waiter to read and
 *   one to write; both are cleared under the entry's lock before the waiter
 *   returns.
 * - Registrations are one-shot: an event that nobody waits for disarms itself.
 *   Edge-triggered registration for ever was rejected: it saves a system call
 *   for each wait, but must remember readiness that only the reader can judge.
 * - `generation` goes up with each registration and travels in the event, so
 *   that an event of a file that was closed elsewhere while a duplicate of it
 *   lives on does not reach the number's next owner.
 */
#include "base/clock.h"
#include "sched/park.h"
#include "sched/runtime.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { CHUNK = 256, CHUNKS = 4096, EVENTS = 128 };
static const uint64_t INTERRUPT = UINT64_MAX;

struct waiter {
    struct lt_task *task;
    uint64_t token;
};

struct entry {
    struct lt_lock lock;
    uint32_t generation;
    bool registered;
    struct waiter reader, writer;
};

static struct {
    int epoll, interrupt;
    struct entry *_Atomic chunks[CHUNKS];
} poller = {.epoll = -1, .interrupt = -1};

int lt_poll_start(void) {
    poller.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (poller.epoll < 0)
        return -errno;
    poller.interrupt = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = INTERRUPT};
    if (poller.interrupt >= 0 && epoll_ctl(poller.epoll, EPOLL_CTL_ADD, poller.interrupt, &event) == 0)
        return 0;
    int error = -errno;
    lt_poll_end();
    return error;
}

void lt_poll_end(void) {
    if (poller.interrupt >= 0)
        close(poller.interrupt);
    if (poller.epoll >= 0)
        close(poller.epoll);
    poller.epoll = poller.interrupt = -1;
    for (int i = 0; i < CHUNKS; i++) {
        free(lt_load(&poller.chunks[i], relaxed));
        lt_store(&poller.chunks[i], NULL, relaxed);
    }
}

static struct entry *entry_of(int fd) {
    if (fd < 0 || fd >= CHUNK * CHUNKS)
        return NULL;
    struct entry *_Atomic *slot = &poller.chunks[fd / CHUNK];
    struct entry *chunk = lt_load(slot, acquire);
    if (chunk)
        return &chunk[fd % CHUNK];
    struct entry *fresh = calloc(CHUNK, sizeof *fresh);
    if (!fresh)
        return NULL;
    if (lt_cas(slot, &chunk, fresh, acq_rel))
        return &fresh[fd % CHUNK];
    free(fresh);
    return &chunk[fd % CHUNK];
}

/* Tell the kernel what the entry's waiters want. Under its lock. 0 or a negative errno value. */
static int arm_entry(int fd, struct entry *entry) {
    uint32_t events = EPOLLONESHOT;
    if (entry->reader.task)
        events |= EPOLLIN | EPOLLRDHUP;
    if (entry->writer.task)
        events |= EPOLLOUT;
    for (int tries = 0; tries < 2; tries++) {
        int operation = entry->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
        entry->generation++;
        struct epoll_event event = {.events = events, .data.u64 = (uint64_t)entry->generation << 32 | (uint32_t)fd};
        if (epoll_ctl(poller.epoll, operation, fd, &event) == 0) {
            entry->registered = true;
            return 0;
        }
        /* The number was closed and is another file now, or the other way round. */
        if (errno != ENOENT && errno != EEXIST)
            break;
        entry->registered = errno == EEXIST;
    }
    return -errno;
}

static struct lt_task *collect(struct waiter *waiter, int result, struct lt_task *list) {
    struct waiter found = *waiter;
    waiter->task = NULL;
    if (!found.task || !lt_fire(found.task, found.token, result))
        return list;
    found.task->next = list;
    return found.task;
}

static struct lt_task *handle(const struct epoll_event *event, struct lt_task *list) {
    int fd = (int)(uint32_t)event->data.u64;
    struct entry *entry = entry_of(fd);
    if (!entry)
        return list;
    int ready = 0;
    if (event->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        ready |= LEAT_READABLE;
    if (event->events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        ready |= LEAT_WRITABLE;
    lt_lock(&entry->lock);
    if (entry->generation == event->data.u64 >> 32) {
        if (ready & LEAT_READABLE)
            list = collect(&entry->reader, ready, list);
        if (ready & LEAT_WRITABLE)
            list = collect(&entry->writer, ready, list);
        if (entry->reader.task || entry->writer.task)
            arm_entry(fd, entry);
    }
    lt_unlock(&entry->lock);
    return list;
}

static int milliseconds(leat_time left) {
    leat_time rounded = left <= 0 ? 0 : (left + LEAT_MILLISECOND - 1) / LEAT_MILLISECOND;
    return rounded < INT_MAX ? (int)rounded : INT_MAX;
}

struct lt_task *lt_poll(leat_time deadline) {
    struct epoll_event events[EVENTS];
    leat_time left = deadline == 0 ? 0 : deadline - lt_now();
    struct timespec timeout = lt_timespec(left);
    int count = epoll_pwait2(poller.epoll, events, EVENTS, deadline == LEAT_FOREVER ? NULL : &timeout, NULL);
    if (count < 0 && errno == ENOSYS) /* before Linux 5.11: whole milliseconds, rather late than early */
        count = epoll_wait(poller.epoll, events, EVENTS, deadline == LEAT_FOREVER ? -1 : milliseconds(left));
    struct lt_task *list = NULL;
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 != INTERRUPT) {
            list = handle(&events[i], list);
            continue;
        }
        /* A look in passing leaves the interruption to the sleeper it is meant for. */
        uint64_t value;
        if (deadline != 0)
            (void)!read(poller.interrupt, &value, sizeof value);
    }
    return list;
}

void lt_poll_interrupt(void) {
    uint64_t one = 1;
    (void)!write(poller.interrupt, &one, sizeof one);
}

/* An ordinary thread may block as threads do. */
static int thread_wait(int fd, int events, leat_time deadline) {
    struct pollfd poll = {.fd = fd};
    poll.events |= events & LEAT_READABLE ? POLLIN : 0;
    poll.events |= events & LEAT_WRITABLE ? POLLOUT : 0;
    struct timespec timeout = lt_timespec(deadline - lt_now());
    int count = ppoll(&poll, 1, deadline == LEAT_FOREVER ? NULL : &timeout, NULL);
    if (count < 0)
        return errno == EINTR ? thread_wait(fd, events, deadline) : -errno;
    if (count == 0)
        return -ETIMEDOUT;
    if (poll.revents & POLLNVAL)
        return -EBADF;
    int ready = poll.revents & (POLLIN | POLLHUP | POLLERR) ? LEAT_READABLE : 0;
    ready |= poll.revents & (POLLOUT | POLLHUP | POLLERR) ? LEAT_WRITABLE : 0;
    return ready & events;
}

static void forget(struct entry *entry, struct lt_task *self, uint64_t token) {
    if (entry->reader.task == self && entry->reader.token == token)
        entry->reader.task = NULL;
    if (entry->writer.task == self && entry->writer.token == token)
        entry->writer.task = NULL;
}

/* Put the waiter in and tell the kernel; under the entry's lock. */
static int enlist(int fd, struct entry *entry, int events, struct waiter waiter) {
    if ((events & LEAT_READABLE && entry->reader.task) || (events & LEAT_WRITABLE && entry->writer.task))
        return -EBUSY;
    if (events & LEAT_READABLE)
        entry->reader = waiter;
    if (events & LEAT_WRITABLE)
        entry->writer = waiter;
    int error = arm_entry(fd, entry);
    if (error < 0)
        forget(entry, waiter.task, waiter.token);
    return error;
}

int leat_wait_fd_until(int fd, int events, leat_time deadline) {
    events &= LEAT_READABLE | LEAT_WRITABLE;
    if (!events)
        return -EINVAL;
    struct lt_task *self = lt_self();
    if (!self)
        return -ENOMEM;
    if (lt_load(&self->kind, relaxed) == LT_THREAD)
        return thread_wait(fd, events, deadline);
    struct entry *entry = entry_of(fd);
    if (!entry)
        return fd < 0 || fd >= CHUNK * CHUNKS ? -EBADF : -ENOMEM;
    struct lt_runtime *runtime = lt_the_runtime();
    lt_lock(&entry->lock);
    uint64_t token = lt_arm(self);
    int error = lt_cancelled(self);
    if (!error)
        error = enlist(fd, entry, events, (struct waiter){self, token});
    if (error < 0 && lt_disarm(self, token)) {
        lt_unlock(&entry->lock);
        /* Files that epoll refuses (regular ones) never make one wait. */
        return error == -EPERM ? events : error;
    }
    lt_fetch_add(&runtime->descriptor_waits, 1, seq_cst);
    lt_waits(self, LT_WAIT_DESCRIPTOR, (const void *)(intptr_t)fd, NULL);
    int result = lt_park_until(self, token, deadline, lt_commit_unlock, &entry->lock);
    lt_fetch_sub(&runtime->descriptor_waits, 1, seq_cst);
    lt_lock(&entry->lock);
    forget(entry, self, token);
    lt_unlock(&entry->lock);
    /* Ready comes before timed out, and the timer may have been faster than the news. */
    if (result == -ETIMEDOUT && !lt_cancelled(self))
        return thread_wait(fd, events, 0);
    return result > 0 ? result & events : result;
}

int leat_wait_fd(int fd, int events) {
    return leat_wait_fd_until(fd, events, LEAT_FOREVER);
}

int leat_close_fd(int fd) {
    struct lt_task *list = NULL;
    struct entry *entry = lt_visit() ? entry_of(fd) : NULL;
    if (entry) {
        lt_lock(&entry->lock);
        list = collect(&entry->reader, -EBADF, list);
        list = collect(&entry->writer, -EBADF, list);
        entry->generation++;
        entry->registered = false;
        lt_unlock(&entry->lock);
    }
    lt_visit_end();
    lt_ready_list(list);
    return close(fd) == 0 ? 0 : -errno;
}
