/* SPDX-License-Identifier: MIT */
/**
 * Where runnable tasks stand: each worker's ring, and one injection queue.
 *
 * The ring is Go's: the owner appends at the tail and takes from the head, a
 * thief copies half of it and then claims it by moving the head. Slots are
 * atomics because a thief may read one that the owner writes again; such a
 * thief fails to move the head and forgets what it read. A Chase-Lev deque was
 * rejected: its owner takes the newest task, which starves the oldest.
 */
#ifndef LEAT_SCHED_QUEUE_H
#define LEAT_SCHED_QUEUE_H

#include "base/atomic.h"
#include "base/lock.h"

#include <stddef.h>
#include <stdint.h>

struct lt_task;

#if !defined(LT_RING_SLOTS) && defined(LEAT_SIMULATION)
#define LT_RING_SLOTS 4
#elif !defined(LT_RING_SLOTS)
#define LT_RING_SLOTS 256 /* a power of two */
#endif

struct lt_ring {
    _Alignas(64) _Atomic uint32_t head; /* moved by owner and thieves */
    _Atomic uint32_t tail;              /* moved by the owner */
    struct lt_task *_Atomic slots[LT_RING_SLOTS];
};

/** Tasks from ordinary threads and from full rings; first in, first out. */
struct lt_injection {
    struct lt_lock lock;
    struct lt_task *head, *tail;
    _Atomic size_t count;
};

static inline uint32_t lt_ring_count(struct lt_ring *ring) {
    uint32_t head = lt_load(&ring->head, acquire);
    uint32_t tail = lt_load(&ring->tail, acquire);
    return tail - head;
}

/** Owner only. False: full. */
static inline bool lt_ring_push(struct lt_ring *ring, struct lt_task *task) {
    uint32_t tail = lt_load(&ring->tail, relaxed);
    if (tail - lt_load(&ring->head, acquire) >= LT_RING_SLOTS)
        return false;
    lt_store(&ring->slots[tail % LT_RING_SLOTS], task, relaxed);
    lt_store(&ring->tail, tail + 1, release);
    return true;
}

/** Owner only. The oldest, or NULL. */
static inline struct lt_task *lt_ring_pop(struct lt_ring *ring) {
    uint32_t head = lt_load(&ring->head, acquire);
    for (;;) {
        if (head == lt_load(&ring->tail, relaxed))
            return NULL;
        struct lt_task *task = lt_load(&ring->slots[head % LT_RING_SLOTS], relaxed);
        if (lt_cas(&ring->head, &head, head + 1, acq_rel))
            return task;
    }
}

/** Owner only: take the older half out, as a list through `next`. Returns how many. */
uint32_t lt_ring_spill(struct lt_ring *ring, struct lt_task **list);

/** Move half of the victim's tasks to the thief's own (empty) ring; returns one of them to run, or NULL. */
struct lt_task *lt_ring_steal(struct lt_ring *thief, struct lt_ring *victim);

/** Append a list linked by `next`, `count` long. */
void lt_inject(struct lt_injection *injection, struct lt_task *head, struct lt_task *tail, size_t count);

/** Take up to `most`; the first is returned, the others go to `ring`. */
struct lt_task *lt_injection_take(struct lt_injection *injection, struct lt_ring *ring, size_t most);

#endif
