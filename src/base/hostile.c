/* SPDX-License-Identifier: MIT */
/** Chance for the hostile build. No function is inlined: a task that calls one twice may be on another thread by then.
 */
#include "base/hostile.h"
#include "base/atomic.h"

#include <stdint.h>
#include <stdlib.h>

static _Thread_local uint64_t state;
static _Thread_local int locks;

static uint64_t first_state(void) {
    static _Atomic uint64_t threads;
    const char *seed = getenv("LEAT_HOSTILE_SEED");
    uint64_t number = (seed ? strtoull(seed, NULL, 10) : 1) * 1000003 + lt_fetch_add(&threads, 1, relaxed);
    return number * 0x9e3779b97f4a7c15 | 1;
}

__attribute__((noinline)) bool lt_perhaps(unsigned chance) {
    __asm__ volatile("" ::: "memory");
    uint64_t x = state ? state : first_state();
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    state = x;
    return (x >> 32) % chance == 0;
}

__attribute__((noinline)) void lt_locks_count(int change) {
    __asm__ volatile("" ::: "memory");
    locks += change;
}

__attribute__((noinline)) int lt_locks_held(void) {
    __asm__ volatile("" ::: "memory");
    return locks;
}
