/* SPDX-License-Identifier: MIT */
/** The monotonic clock: the only place that reads it; and one that goes on while the machine sleeps. */
#ifndef LEAT_BASE_CLOCK_H
#define LEAT_BASE_CLOCK_H

#include "leat.h"

#include <time.h>

#if defined(LEAT_SIMULATION)
leat_time lt_now(void);
#else
static inline leat_time lt_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (leat_time)now.tv_sec * LEAT_SECOND + now.tv_nsec;
}
#endif

/** Nanoseconds since the machine was started, with those in which it slept, which no other time here counts. */
static inline leat_time lt_since_boot(void) {
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (leat_time)now.tv_sec * LEAT_SECOND + now.tv_nsec;
}

/** The moment `duration` from now, without overflow: what lies too far away is LEAT_FOREVER. */
static inline leat_time lt_after(leat_time duration) {
    leat_time now = lt_now();
    if (duration <= 0)
        return now;
    return duration >= LEAT_FOREVER - now ? LEAT_FOREVER : now + duration;
}

static inline struct timespec lt_timespec(leat_time moment) {
    if (moment < 0)
        moment = 0;
    return (struct timespec){.tv_sec = moment / LEAT_SECOND, .tv_nsec = moment % LEAT_SECOND};
}

#endif
