/* SPDX-License-Identifier: MIT */
#include "base/lock.h"
#include "base/os.h"

/* In pauses, of some ten nanoseconds each. */
#if defined(LEAT_SIMULATION)
enum { FIRST = 1, LONGEST = 1 }; /* a pause ends when another thread has done something */
#else
enum { FIRST = 4, LONGEST = 128 };
#endif

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
        lt_os_yield();
    }
}
