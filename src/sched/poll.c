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
 * - Who stands in an entry is registered with the kernel, for the file that has
 *   the number. Closing breaks that, so leat_close_fd() looks before and after
 *   it: who came in between is woken unless the number has a new file that he is
 *   registered for. A close without leat is found by whoever comes next. The
 *   test is EPOLL_CTL_MOD, which fails for a file that is not registered; an
 *   EPOLL_CTL_ADD would have him wait for a file he never meant. Rejected:
 *   holding the lock while closing (a close may linger), and refusing waits
 *   meanwhile (the number may have its next owner before close returns).
 * - Somebody looks for events as long as a task waits: the worker that registers
 *   the wait counts it in `descriptor_waits` and is awake. Before it sleeps it
 *   reads that count; so it polls itself, or has seen another one in the poller's
 *   place. That one, when it leaves the place, is awake and knows of the wait
 *   (both pass the idle lock), and the same holds for it. A worker that computes
 *   meanwhile is not asleep, so the monitor is awake, and polls.
 */
#include "base/os.h"
#include "sched/park.h"
#include "sched/runtime.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#if defined(LEAT_SIMULATION)
enum { CHUNK = 256, CHUNKS = 16, EVENTS = 128 };
#else
enum { CHUNK = 256, CHUNKS = 4096, EVENTS = 128 };
#endif
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

static bool is_waited_for(const struct entry *entry) {
    return entry->reader.task || entry->writer.task;
}

/* Tell the kernel what the entry's waiters want. Under its lock, as all that follows. 0 or a negative errno value. */
static int control(int fd, struct entry *entry, int operation) {
    uint32_t events = EPOLLONESHOT;
    if (entry->reader.task)
        events |= EPOLLIN | EPOLLRDHUP;
    if (entry->writer.task)
        events |= EPOLLOUT;
    entry->generation++;
    struct epoll_event event = {.events = events, .data.u64 = (uint64_t)entry->generation << 32 | (uint32_t)fd};
    int error = epoll_ctl(poller.epoll, operation, fd, &event) == 0 ? 0 : -errno;
    entry->registered = error == 0 || error == -EEXIST;
    return error;
}

/* Register the first waiter. The number may have been closed and be another file now, or the other way round. */
static int register_entry(int fd, struct entry *entry) {
    int error = control(fd, entry, entry->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD);
    if (error == -ENOENT || error == -EEXIST)
        error = control(fd, entry, entry->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD);
    return error;
}

/* A wait for both directions stands in both places. */
static void forget(struct entry *entry, struct waiter waiter) {
    if (entry->reader.task == waiter.task && entry->reader.token == waiter.token)
        entry->reader.task = NULL;
    if (entry->writer.task == waiter.task && entry->writer.token == waiter.token)
        entry->writer.task = NULL;
}

static struct lt_task *collect(struct entry *entry, struct waiter found, int result, struct lt_task *list) {
    if (!found.task)
        return list;
    forget(entry, found);
    if (!lt_fire(found.task, found.token, result))
        return list;
    found.task->next = list;
    return found.task;
}

/* Their file is gone. */
static struct lt_task *evict(int fd, struct entry *entry, struct lt_task *list) {
    (void)fd;
    entry->generation++;
    entry->registered = false;
    list = collect(entry, entry->reader, -EBADF, list);
    return collect(entry, entry->writer, -EBADF, list);
}

/* Register again who waits; evict them if their file is gone. */
static struct lt_task *renew(int fd, struct entry *entry, struct lt_task *list) {
    if (!is_waited_for(entry) || control(fd, entry, EPOLL_CTL_MOD) == 0)
        return list;
    return evict(fd, entry, list);
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
            list = collect(entry, entry->reader, ready, list);
        if (ready & LEAT_WRITABLE)
            list = collect(entry, entry->writer, ready, list);
        list = renew(fd, entry, list);
    }
    lt_unlock(&entry->lock);
    return list;
}

struct lt_task *lt_poll(leat_time deadline) {
    struct epoll_event events[EVENTS];
    if (LT_HOSTILE && lt_perhaps(4))
        return NULL;
    int count = lt_epoll_wait(poller.epoll, events, EVENTS, deadline);
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
    int count = lt_poll_one(&poll, deadline);
    if (count < 0)
        return count;
    if (count == 0)
        return -ETIMEDOUT;
    if (poll.revents & POLLNVAL)
        return -EBADF;
    int ready = poll.revents & (POLLIN | POLLHUP | POLLERR) ? LEAT_READABLE : 0;
    ready |= poll.revents & (POLLOUT | POLLHUP | POLLERR) ? LEAT_WRITABLE : 0;
    return ready & events;
}

static void put(struct entry *entry, int events, struct waiter waiter) {
    if (events & LEAT_READABLE)
        entry->reader = waiter;
    if (events & LEAT_WRITABLE)
        entry->writer = waiter;
}

/* Put the waiter in and tell the kernel. `*evicted`: waiters for a file that had this number before. */
static int enlist(int fd, struct entry *entry, int events, struct waiter waiter, struct lt_task **evicted) {
    bool taken = (events & LEAT_READABLE && entry->reader.task) || (events & LEAT_WRITABLE && entry->writer.task);
    if (is_waited_for(entry)) {
        if (!taken)
            put(entry, events, waiter);
        if (control(fd, entry, EPOLL_CTL_MOD) == 0)
            return taken ? -EBUSY : 0;
        forget(entry, waiter);
        *evicted = evict(fd, entry, NULL);
    }
    put(entry, events, waiter);
    int error = register_entry(fd, entry);
    if (error < 0)
        forget(entry, waiter);
    return error;
}

int leat_wait_fd_until(int fd, int events, leat_time deadline) {
    lt_disturb();
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
    struct waiter waiter = {self, token};
    struct lt_task *evicted = NULL;
    int error = lt_cancelled(self);
    if (!error)
        error = enlist(fd, entry, events, waiter, &evicted);
    lt_ready_list(evicted);
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
    forget(entry, waiter);
    lt_unlock(&entry->lock);
    /* Ready comes before timed out, and the timer may have been faster than the news. */
    if (result == -ETIMEDOUT && !lt_cancelled(self))
        return thread_wait(fd, events, 0);
    return result > 0 ? result & events : result;
}

int leat_wait_fd(int fd, int events) {
    return leat_wait_fd_until(fd, events, LEAT_FOREVER);
}

static void wake_waiters(int fd, struct lt_task *(*which)(int fd, struct entry *entry, struct lt_task *list)) {
    struct lt_task *list = NULL;
    struct entry *entry = lt_visit() ? entry_of(fd) : NULL;
    if (entry) {
        lt_lock(&entry->lock);
        list = which(fd, entry, NULL);
        lt_unlock(&entry->lock);
    }
    lt_visit_end();
    lt_ready_list(list);
}

int leat_close_fd(int fd) {
    wake_waiters(fd, evict);
    int error = close(fd) == 0 ? 0 : -errno;
    wake_waiters(fd, renew);
    return error;
}
