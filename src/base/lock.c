/* SPDX-License-Identifier: MIT */
#include "base/lock.h"

#include <sched.h>

/* In pauses, of some ten nanoseconds each. */
enum { FIRST = 4, LONGEST = 128 };

/**
 * Look ever less often. Every look takes the line away from the holder, who
 * wants it back for the next operation; left alone for a microsecond it does a
 * hundred of them, and both sides get further.
 */
void lt_lock_contended(struct lt_lock *lock) {
    for (;;) {
        for (int wait = FIRST; wait <= LONGEST; wait *= 2) {
            for (int i = 0; i < wait; i++)
                lt_pause();
            if (lt_lock_try(lock))
                return;
        }
        sched_yield();
    }
}
