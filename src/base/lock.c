/* SPDX-License-Identifier: MIT */
#include "base/lock.h"

#include <sched.h>

enum { SPINS = 100 };

void lt_lock_contended(struct lt_lock *lock) {
    for (;;) {
        for (int i = 0; i < SPINS; i++) {
            if (lt_lock_try(lock))
                return;
            lt_pause();
        }
        sched_yield();
    }
}
