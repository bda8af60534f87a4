/* SPDX-License-Identifier: MIT */
/**
 * Atomic operations, the only ones in the project: a simulation, which chooses
 * the interleaving, has its own (simulate/atomic.h), as it has its own clock
 * and threads.
 *
 * They are macros because C has no other way to take any atomic type. The
 * memory order is always written: relaxed, acquire, release, acq_rel, seq_cst.
 */
#ifndef LEAT_BASE_ATOMIC_H
#define LEAT_BASE_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>

#if defined(LEAT_SIMULATION)
#include "simulate/atomic.h"
#else

#define lt_load(pointer, order) atomic_load_explicit(pointer, memory_order_##order)
#define lt_store(pointer, value, order) atomic_store_explicit(pointer, value, memory_order_##order)
#define lt_exchange(pointer, value, order) atomic_exchange_explicit(pointer, value, memory_order_##order)
#define lt_fetch_add(pointer, value, order) atomic_fetch_add_explicit(pointer, value, memory_order_##order)
#define lt_fetch_sub(pointer, value, order) atomic_fetch_sub_explicit(pointer, value, memory_order_##order)
#define lt_fetch_or(pointer, value, order) atomic_fetch_or_explicit(pointer, value, memory_order_##order)
#define lt_fetch_and(pointer, value, order) atomic_fetch_and_explicit(pointer, value, memory_order_##order)

#define lt_fence(order) atomic_thread_fence(memory_order_##order)

/** Strong compare and swap; a failure loads with acquire at most. `expected` is a pointer and is updated. */
#define lt_cas(pointer, expected, desired, order)                                                                      \
    atomic_compare_exchange_strong_explicit(pointer, expected, desired, memory_order_##order, memory_order_acquire)

/** Tell the processor that this thread spins. */
static inline void lt_pause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory");
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

#endif
#endif
