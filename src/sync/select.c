/* SPDX-License-Identifier: MIT */
/**
 * Select: one operation of several, whichever can go on.
 *
 * 1. Look at the channels' peek lines, choose among what looks ready (each as
 *    likely, or the first), and do it under that channel's lock alone. Nothing
 *    looked ready, and nothing has changed since: none was ready at one instant,
 *    which is all that a select that never waits needs to know.
 * 2. Else, or to wait: lock all channels in the order of their addresses and
 *    look again in earnest; do a ready case, or stand in all queues with one
 *    ticket, and park; the locks are released on the next stack.
 * 3. Awake: leave the queues where the wait did not end.
 *
 * Invariants
 * - Exactly one case is done: who does a case on our behalf wins our ticket.
 *   The active side of a match never stands in a queue itself, so one ticket
 *   decides.
 * - A waiter is out of every queue before its memory (this stack) goes.
 */
#include "base/clock.h"
#include "sync/channel.h"

#include <stdlib.h>

enum { ON_STACK = 16, MOST_CASES = 65535 };
static const leat_time NEVER_WAIT = -1;

struct wait {
    struct lt_task *self;
    struct leat_case *cases;
    size_t count;
    enum leat_select_flags flags;
    struct lt_waiter *waiters; /* one for each case */
    struct leat_chan **locked; /* each channel once, in order */
    size_t locked_count;
};

/* ------------------------------------------------------------ the quick way */

/* What the channel of the case may do and how often that has changed. */
static uint32_t peek(const struct leat_case *candidate) {
    if (LT_HOSTILE && lt_perhaps(4))
        lt_thread_yield();
    return candidate->chan ? lt_load(&candidate->chan->peek, acquire) : 0;
}

/* Counts only grow: the sum is the same when all are. */
static uint64_t changes(const struct wait *wait) {
    uint64_t sum = 0;
    for (size_t i = 0; i < wait->count; i++)
        sum += peek(&wait->cases[i]) / (LT_MAY_BOTH + 1);
    return sum;
}

/* The case to try: the first, or each of those that look ready with the same chance; count: none. */
static size_t choose(const struct wait *wait, uint64_t *changes) {
    size_t chosen = wait->count, seen = 0;
    *changes = 0;
    for (size_t i = 0; i < wait->count; i++) {
        uint32_t may = peek(&wait->cases[i]);
        *changes += may / (LT_MAY_BOTH + 1);
        if (!(may & (wait->cases[i].op == LEAT_SEND ? LT_MAY_SEND : LT_MAY_RECEIVE)))
            continue;
        if (wait->flags & LEAT_ORDERED)
            return i;
        /* Keep the newcomer with a chance of one in those seen so far. */
        if (++seen == 1 || (lt_random(wait->self) >> 32) % seen == 0)
            chosen = i;
    }
    return chosen;
}

/* Under the channel's lock. 0 or -EPIPE: done; else not. */
static int attempt(struct leat_case *chosen, struct lt_task **wake) {
    return chosen->op == LEAT_SEND ? lt_chan_put(chosen->chan, chosen->value, wake)
                                   : lt_chan_take(chosen->chan, chosen->value, wake);
}

static bool is_done(int result) {
    return result == 0 || result == -EPIPE;
}

/* The index of the case done; -EAGAIN: there was an instant at which none was ready; -EBUSY: cannot tell. */
static int quick(struct wait *wait, enum lt_placement placement) {
    uint64_t before;
    size_t index = choose(wait, &before);
    if (index == wait->count)
        return changes(wait) == before ? -EAGAIN : -EBUSY;
    struct leat_case *chosen = &wait->cases[index];
    struct lt_task *wake = NULL;
    int result;
    do {
        lt_lock(&chosen->chan->lock);
        result = attempt(chosen, &wake);
        char *buffer = lt_chan_shrink(chosen->chan);
        lt_unlock(&chosen->chan->lock);
        free(buffer);
        if (result == LT_NEEDS_ROOM && lt_chan_grow(chosen->chan) < 0)
            return -ENOMEM;
    } while (result == LT_NEEDS_ROOM);
    lt_chan_wake(wake, placement);
    if (!is_done(result))
        return -EBUSY; /* it looked ready, but was not */
    chosen->error = result;
    return (int)index;
}

/* ------------------------------------------------------------ the whole way */

static int by_address(const void *a, const void *b) {
    uintptr_t left = (uintptr_t) * (struct leat_chan *const *)a, right = (uintptr_t) * (struct leat_chan *const *)b;
    return left < right ? -1 : left > right;
}

static void sort_channels(struct wait *wait) {
    size_t count = 0;
    for (size_t i = 0; i < wait->count; i++)
        if (wait->cases[i].chan)
            wait->locked[count++] = wait->cases[i].chan;
    if (count > ON_STACK) {
        qsort(wait->locked, count, sizeof *wait->locked, by_address);
    } else {
        for (size_t i = 1; i < count; i++) {
            struct leat_chan *chan = wait->locked[i];
            size_t j = i;
            for (; j > 0 && (uintptr_t)wait->locked[j - 1] > (uintptr_t)chan; j--)
                wait->locked[j] = wait->locked[j - 1];
            wait->locked[j] = chan;
        }
    }
    wait->locked_count = 0;
    for (size_t i = 0; i < count; i++)
        if (i == 0 || wait->locked[i] != wait->locked[i - 1])
            wait->locked[wait->locked_count++] = wait->locked[i];
}

static void lock_all(struct wait *wait) {
    for (size_t i = 0; i < wait->locked_count; i++)
        lt_lock(&wait->locked[i]->lock);
}

static void unlock_all(void *arg) {
    const struct wait *wait = arg;
    /* The task may go on as soon as the last lock is free: nothing of its is read after that. */
    struct leat_chan **locked = wait->locked;
    for (size_t i = wait->locked_count; i-- > 0;)
        lt_unlock(&locked[i]->lock);
}

static struct lt_waiters *queue_of(const struct leat_case *one) {
    return one->op == LEAT_SEND ? &one->chan->senders : &one->chan->receivers;
}

static void enlist(struct wait *wait, uint64_t token) {
    for (size_t i = 0; i < wait->count; i++) {
        struct leat_case *one = &wait->cases[i];
        wait->waiters[i] =
            (struct lt_waiter){.task = wait->self, .token = token, .value = one->value, .room = 1, .index = (int)i};
        if (one->chan)
            lt_waiters_append(queue_of(one), &wait->waiters[i]);
    }
    for (size_t i = 0; i < wait->locked_count; i++)
        lt_chan_publish(wait->locked[i]);
}

static void delist(struct wait *wait) {
    for (size_t i = 0; i < wait->count; i++) {
        struct leat_case *one = &wait->cases[i];
        if (!one->chan)
            continue;
        lt_lock(&one->chan->lock);
        lt_waiters_remove(queue_of(one), &wait->waiters[i]);
        lt_chan_publish(one->chan);
        lt_unlock(&one->chan->lock);
    }
}

/* Under all locks: do a case that is ready now. Its index, -EAGAIN, or LT_NEEDS_ROOM's case in `*needs_room`. */
static int do_ready(struct wait *wait, struct lt_task **wake, struct leat_chan **needs_room) {
    size_t start = wait->flags & LEAT_ORDERED ? 0 : (lt_random(wait->self) >> 32) % wait->count;
    for (size_t i = 0; i < wait->count; i++) {
        size_t index = start + i < wait->count ? start + i : start + i - wait->count;
        struct leat_case *one = &wait->cases[index];
        int result = one->chan ? attempt(one, wake) : -EAGAIN;
        if (result == LT_NEEDS_ROOM)
            *needs_room = one->chan;
        if (!is_done(result))
            continue;
        one->error = result;
        return (int)index;
    }
    return -EAGAIN;
}

static int park(struct wait *wait, leat_time deadline) {
    struct lt_task *self = wait->self;
    uint64_t token = lt_arm(self);
    int cancelled = lt_cancelled(self);
    if (cancelled && lt_disarm(self, token)) {
        unlock_all(wait);
        return cancelled;
    }
    enlist(wait, token);
    struct leat_chan *first = wait->locked_count ? wait->locked[0] : NULL;
    lt_waits(self, LT_WAIT_SELECT, first, first ? first->name : NULL);
    /* Without a lock that is held nothing keeps the task from going on while its callback reads. */
    int result = lt_park_until(self, token, deadline, wait->locked_count ? unlock_all : NULL, wait);
    delist(wait);
    if (result >= 0)
        wait->cases[result].error = wait->waiters[result].closed ? -EPIPE : 0;
    return result;
}

static int thorough(struct wait *wait, leat_time deadline) {
    sort_channels(wait);
    for (;;) {
        struct lt_task *wake = NULL;
        struct leat_chan *needs_room = NULL;
        lock_all(wait);
        int result = wait->count ? do_ready(wait, &wake, &needs_room) : -EAGAIN;
        bool again = result == -EAGAIN && (needs_room || (wake && deadline != NEVER_WAIT));
        if (result == -EAGAIN && !again && deadline != NEVER_WAIT) {
            if (deadline == LEAT_FOREVER || deadline > lt_now())
                return park(wait, deadline);
            result = -ETIMEDOUT;
        }
        unlock_all(wait);
        lt_chan_wake(wake, deadline == NEVER_WAIT ? LT_SHARE : LT_RUN_NEXT);
        if (!again)
            return result;
        if (needs_room && lt_chan_grow(needs_room) < 0)
            return -ENOMEM;
    }
}

static int run(struct wait *wait, leat_time deadline) {
    int cancelled = lt_cancelled(wait->self);
    if (cancelled)
        return cancelled;
    int result = quick(wait, deadline == NEVER_WAIT ? LT_SHARE : LT_RUN_NEXT);
    if (result != -EBUSY && (result != -EAGAIN || deadline == NEVER_WAIT))
        return result;
    if (wait->count <= ON_STACK) {
        struct lt_waiter waiters[ON_STACK];
        struct leat_chan *locked[ON_STACK];
        wait->waiters = waiters;
        wait->locked = locked;
        return thorough(wait, deadline);
    }
    wait->waiters = malloc(wait->count * (sizeof *wait->waiters + sizeof *wait->locked));
    if (!wait->waiters)
        return -ENOMEM;
    wait->locked = (struct leat_chan **)(wait->waiters + wait->count);
    result = thorough(wait, deadline);
    free(wait->waiters);
    return result;
}

int leat_select_with(struct leat_case *cases, size_t count, enum leat_select_flags flags, leat_time deadline) {
    lt_disturb();
    if (count > MOST_CASES)
        return -EINVAL;
    struct wait wait = {.self = lt_self(), .cases = cases, .count = count, .flags = flags};
    return wait.self ? run(&wait, deadline < 0 ? 0 : deadline) : -ENOMEM;
}

int leat_select(struct leat_case *cases, size_t count) {
    return leat_select_with(cases, count, LEAT_FAIR, LEAT_FOREVER);
}

int leat_select_try(struct leat_case *cases, size_t count) {
    lt_disturb_here();
    if (count > MOST_CASES)
        return -EINVAL;
    struct wait wait = {.self = lt_self(), .cases = cases, .count = count, .flags = LEAT_FAIR};
    return wait.self ? run(&wait, NEVER_WAIT) : -ENOMEM;
}

int leat_select_until(struct leat_case *cases, size_t count, leat_time deadline) {
    return leat_select_with(cases, count, LEAT_FAIR, deadline);
}
