/* SPDX-License-Identifier: MIT */
/**
 * The lock for critical sections of a few instructions: spin a little, then
 * give the processor away.
 *
 * Unlocking is a plain store, which is half the price of a lock that must ask
 * whether somebody sleeps on it; with sections this short a sleeper is a thread
 * whose holder was preempted, and yielding lets just that holder run. Whoever
 * holds it never blocks, allocates or calls user code. Rejected: futex locks
 * (two atomic operations instead of one for each channel operation).
 */
#ifndef LEAT_BASE_LOCK_H
#define LEAT_BASE_LOCK_H

#include "base/atomic.h"
#include "base/hostile.h"

#include <stdint.h>

struct lt_lock {
    _Atomic uint32_t held;
};

void lt_lock_contended(struct lt_lock *lock);

static inline bool lt_lock_try(struct lt_lock *lock) {
    bool taken = !lt_load(&lock->held, relaxed) && !lt_exchange(&lock->held, 1, acquire);
    if (LT_HOSTILE && taken)
        lt_locks_count(1);
    return taken;
}

static inline void lt_lock(struct lt_lock *lock) {
    if (__builtin_expect(lt_exchange(&lock->held, 1, acquire), 0))
        lt_lock_contended(lock);
    else
        lt_locks_count(1);
}

static inline void lt_unlock(struct lt_lock *lock) {
    lt_store(&lock->held, 0, release);
    lt_locks_count(-1);
}

#endif
