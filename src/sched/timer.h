/* SPDX-License-Identifier: MIT */
/**
 * Timers: a 4-ary heap for each worker, under a small lock.
 *
 * Invariants
 * - A timer stands in at most one heap; `index` is its place, or LT_TIMER_OUT.
 * - lt_timer_stop() returns only when nobody will touch the timer again: a
 *   timer in the heap is removed at once, and one that is being fired is waited
 *   for. So timers may live on a stack or in a record that is used again, and
 *   no generation numbers are needed (lazy removal was rejected: a cancelled
 *   deadline a minute away would hold its task's record for a minute).
 * - Any worker may fire the timers of any heap; `earliest` may be read without
 *   the lock.
 */
#ifndef LEAT_SCHED_TIMER_H
#define LEAT_SCHED_TIMER_H

#include "base/atomic.h"
#include "base/lock.h"
#include "leat.h"

enum { LT_TIMER_OUT = UINT32_MAX };

struct lt_timer {
    leat_time when;
    uint32_t index;
    _Atomic uint32_t firing;
    struct lt_timer_heap *heap;
    /**
     * Called under the heap's lock. Returns a task to make ready (or NULL); or,
     * for work that must not hold the lock, sets `later`, which is then called
     * without it before lt_timer_stop() may return.
     */
    struct lt_task *(*fire)(struct lt_timer *timer);
    void (*later)(struct lt_timer *timer);
    uint64_t token; /* of the wait that a task's timer ends */
};

struct lt_timer_entry {
    leat_time when;
    struct lt_timer *timer;
};

struct lt_timer_heap {
    struct lt_lock lock;
    uint32_t count, room;
    struct lt_timer_entry *entries;
    _Atomic leat_time earliest; /* LEAT_FOREVER: none */
};

void lt_timer_heap_open(struct lt_timer_heap *heap);
void lt_timer_heap_close(struct lt_timer_heap *heap);

/** 0 or -ENOMEM. */
int lt_timer_start(struct lt_timer_heap *heap, struct lt_timer *timer, leat_time when);
/** After this nobody touches the timer. */
void lt_timer_stop(struct lt_timer *timer);

/** Fire what is due at `now`; tasks become a list through `next`. */
struct lt_task *lt_timer_expire(struct lt_timer_heap *heap, leat_time now);

#endif
