/* SPDX-License-Identifier: MIT */
/**
 * The hostile build (meson option `hostile`): everything that may happen, but
 * rarely does, happens all the time. Operations that may wait yield first, a
 * task goes on with another worker than the one it left, run queues hold four
 * tasks, no task is favoured, waits return for no reason, wake-ups come that
 * nobody needs, and the stack of a task that has ended holds rubbish.
 * Operations that never wait do not yield there either: a caller may rely on
 * staying on its thread, and may hold an ordinary mutex.
 *
 * Whatever the code does differently there is written as `if (LT_HOSTILE && …)`,
 * so it is compiled, read and formatted as all the rest, and nothing is left of
 * it in the ordinary build.
 *
 * Rejected: a switch at run time (it would cost a load for each operation);
 * doing it by preprocessor in the middle of functions (two programs in one
 * text).
 */
#ifndef LEAT_BASE_HOSTILE_H
#define LEAT_BASE_HOSTILE_H

#include <stdbool.h>

#if defined(LEAT_HOSTILE)

enum { LT_HOSTILE = 1 };

/** True once in `chance` times, by a generator of the calling thread; $LEAT_HOSTILE_SEED changes the numbers. */
bool lt_perhaps(unsigned chance);

/** The calling thread has taken a lock of base/lock.h (1), or given it back (-1). */
void lt_locks_count(int change);
/** How many it holds: with one, it must not yield. */
int lt_locks_held(void);

#else

enum { LT_HOSTILE = 0 };

static inline bool lt_perhaps(unsigned chance) {
    (void)chance;
    return false;
}

static inline void lt_locks_count(int change) {
    (void)change;
}

#endif

#endif
