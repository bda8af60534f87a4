/* SPDX-License-Identifier: MIT */
/**
 * The inside of a channel, for channel.c and select.c.
 *
 * Invariants (under the lock)
 * - At least one of the queues of waiting senders and receivers is empty, save
 *   that one select may wait for both.
 * - Values waiting: no receiver waits. Room left: no sender waits.
 * - Values leave in the order in which they came; the values of waiting senders
 *   come after those in the buffer.
 * - `peek` says what an operation would find; it is written under the lock, only
 *   when it changes, and read without it by operations that must not wait. It
 *   has a cache line of its own, so that a try that fails takes nothing from
 *   those at work. It also counts its changes: who looks at several channels one
 *   after the other, and then finds all counts as they were, has seen what was
 *   true of all of them at one instant. (The count wraps after a thousand
 *   million changes, which do not fit between two such looks.)
 * - Closed stays closed.
 *
 * Why a lock: lock-free channels with select need to win two tickets at once,
 * and the fast ones give up order or exactness. The lock is one exchange and
 * one store, and its section a few instructions.
 */
#ifndef LEAT_SYNC_CHANNEL_H
#define LEAT_SYNC_CHANNEL_H

#include "sync/waiters.h"

#include <errno.h>
#include <string.h>

struct leat_chan {
    struct lt_lock lock;
    bool closed;
    bool keeps_memory; /* bounded: the buffer stays when it is empty */
    uint32_t element_size;
    char *buffer;
    size_t head, count, room; /* in elements; room: of the buffer */
    size_t capacity;
    struct lt_waiters receivers, senders;
    size_t bytes, byte_limit;
    size_t (*weigh)(const void *value);
    const char *name;
    _Atomic size_t references;

    _Alignas(64) _Atomic uint32_t peek; /* LT_MAY_…, and above them the count */
};

enum { LT_MAY_RECEIVE = 1, LT_MAY_SEND = 2, LT_MAY_BOTH = 3 };

/** What lt_chan_put finds besides 0, -EPIPE and -EAGAIN: the buffer must grow first (lt_chan_grow, without the lock).
 */
enum { LT_NEEDS_ROOM = 1 };

int lt_chan_grow(struct leat_chan *chan);
/** When an unbounded channel has run empty: its large buffer, to be freed without the lock. */
char *lt_chan_shrink(struct leat_chan *chan);

static inline char *lt_chan_slot(struct leat_chan *chan, size_t index) {
    size_t at = chan->head + index;
    if (at >= chan->room)
        at -= chan->room;
    return chan->buffer + at * chan->element_size;
}

static inline void lt_chan_copy(const struct leat_chan *chan, void *to, const void *from) {
    if (!to)
        return;
    if (__builtin_expect(chan->element_size == 8, 1))
        memcpy(to, from, 8);
    else
        memcpy(to, from, chan->element_size);
}

static inline bool lt_chan_full(const struct leat_chan *chan) {
    return chan->count >= chan->capacity || (chan->byte_limit && chan->bytes >= chan->byte_limit);
}

#if defined(LEAT_SIMULATION)
/** The first three invariants, of waiters that can still be won. */
void lt_chan_must_be_sound(const struct leat_chan *chan);
#else
static inline void lt_chan_must_be_sound(const struct leat_chan *chan) {
    (void)chan;
}
#endif

static inline void lt_chan_publish(struct leat_chan *chan) {
    lt_chan_must_be_sound(chan);
    uint32_t may = 0;
    if (chan->count || chan->senders.head || chan->closed)
        may |= LT_MAY_RECEIVE;
    if (chan->receivers.head || chan->closed || !lt_chan_full(chan))
        may |= LT_MAY_SEND;
    uint32_t before = lt_load(&chan->peek, relaxed);
    if ((before & LT_MAY_BOTH) != may)
        lt_store(&chan->peek, (before | LT_MAY_BOTH) + 1 + may, release);
}

static inline void lt_chan_append(struct leat_chan *chan, const void *value) {
    if (chan->element_size)
        lt_chan_copy(chan, lt_chan_slot(chan, chan->count), value);
    chan->count++;
    if (__builtin_expect(chan->weigh != NULL, 0))
        chan->bytes += chan->weigh(value);
}

/* Room has come free: let waiting senders in, as many as there is room for. Returns the tasks as a list. */
static inline struct lt_task *lt_chan_admit(struct leat_chan *chan, struct lt_task *list) {
    while (chan->senders.head && !lt_chan_full(chan) && chan->count < chan->room) {
        struct lt_waiter *sender = lt_waiters_win(&chan->senders);
        if (!sender)
            break;
        const char *from = sender->value;
        while (sender->done < sender->room && !lt_chan_full(chan) && chan->count < chan->room) {
            lt_chan_append(chan, from);
            from += chan->element_size;
            sender->done++;
        }
        sender->task->next = list;
        list = sender->task;
    }
    return list;
}

/**
 * Send without waiting; under the lock. 0, -EPIPE, -EAGAIN or LT_NEEDS_ROOM.
 * `*wake`: a list of tasks to make ready after unlocking, whatever the result.
 */
static inline int lt_chan_put(struct leat_chan *chan, const void *value, struct lt_task **wake) {
    if (__builtin_expect(chan->closed, 0))
        return -EPIPE;
    struct lt_waiter *receiver = chan->receivers.head ? lt_waiters_win(&chan->receivers) : NULL;
    if (receiver) {
        lt_chan_copy(chan, receiver->value, value);
        receiver->done = 1;
        receiver->task->next = *wake;
        *wake = receiver->task;
        lt_chan_publish(chan);
        return 0;
    }
    /* With a byte limit one light value may leave room for several that wait: they come first. */
    if (__builtin_expect(chan->senders.head != NULL, 0))
        *wake = lt_chan_admit(chan, *wake);
    int result = 0;
    if (lt_chan_full(chan))
        result = -EAGAIN;
    else if (__builtin_expect(chan->count == chan->room, 0))
        result = LT_NEEDS_ROOM;
    else
        lt_chan_append(chan, value);
    lt_chan_publish(chan);
    return result;
}

/** Receive without waiting; under the lock. 0, -EPIPE or -EAGAIN. `*wake`: a list of tasks to make ready. */
static inline int lt_chan_take(struct leat_chan *chan, void *value, struct lt_task **wake) {
    if (chan->count) {
        const char *slot = lt_chan_slot(chan, 0);
        if (__builtin_expect(chan->weigh != NULL, 0))
            chan->bytes -= chan->weigh(slot);
        if (chan->element_size)
            lt_chan_copy(chan, value, slot);
        if (++chan->head >= chan->room)
            chan->head = 0;
        chan->count--;
        if (chan->senders.head)
            *wake = lt_chan_admit(chan, *wake);
        lt_chan_publish(chan);
        return 0;
    }
    struct lt_waiter *sender = chan->senders.head ? lt_waiters_win(&chan->senders) : NULL;
    if (sender) {
        lt_chan_copy(chan, value, sender->value);
        sender->done = 1;
        sender->task->next = *wake;
        *wake = sender->task;
        lt_chan_publish(chan);
        return 0;
    }
    lt_chan_publish(chan);
    return chan->closed ? -EPIPE : -EAGAIN;
}

/** Make ready what an operation woke. */
static inline void lt_chan_wake(struct lt_task *list, enum lt_placement placement) {
    if (!list)
        return;
    struct lt_task *rest = list->next;
    list->next = NULL;
    lt_ready(list, placement);
    lt_ready_list(rest);
}

#endif
