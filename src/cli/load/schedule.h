/* SPDX-License-Identifier: MIT */
/**
 * When messages are due: an absolute schedule, made of the rate alone. Message i
 * is due i / rate after the start, or, with random gaps, after the sum of i gaps;
 * nothing that happens meanwhile moves any of them. That is what makes the load
 * open: a target that stalls meets the same messages, later, and their waiting
 * counts. (A generator that waits for answers measures the moments when the
 * target was well.)
 *
 * Times are offsets from the start. Even gaps are divided out anew for each
 * message, so that no rounding adds up.
 */
#ifndef LEAT_CLI_LOAD_SCHEDULE_H
#define LEAT_CLI_LOAD_SCHEDULE_H

#include "leat.h"

#include <stdbool.h>
#include <stdint.h>

struct lt_schedule {
    double rate;        /* a second */
    leat_time duration; /* what is due from here on is not in it any more */
    bool poisson;
    uint64_t seed;
    uint64_t number; /* of the next message, from 0 */
    leat_time due;   /* of the next message; LEAT_FOREVER: there is none */
};

void lt_schedule_begin(struct lt_schedule *schedule, double rate, leat_time duration, bool poisson, uint64_t seed);

/** The next message was sent: on to the one after it. */
void lt_schedule_advance(struct lt_schedule *schedule);

/** Messages of the whole schedule; 0: unknown (random gaps, or without an end). */
uint64_t lt_schedule_total(const struct lt_schedule *schedule);

#endif
