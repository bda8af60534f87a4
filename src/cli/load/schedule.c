/* SPDX-License-Identifier: MIT */
#include "cli/load/schedule.h"
#include "base/hash.h"

#include <math.h>

static leat_time even(const struct lt_schedule *schedule, uint64_t number) {
    double offset = (double)number * (double)LEAT_SECOND / schedule->rate;
    return offset < (double)LEAT_FOREVER ? (leat_time)offset : LEAT_FOREVER;
}

/* Exponential: so are the gaps between events that know nothing of each other. */
static leat_time gap(const struct lt_schedule *schedule) {
    uint64_t bits = lt_hash_mix(lt_hash_mix(schedule->seed) + schedule->number);
    double uniform = ((double)(bits >> 11) + 0.5) * 0x1p-53; /* never 0, never 1 */
    double length = -log(uniform) / schedule->rate * (double)LEAT_SECOND;
    return length < (double)LEAT_FOREVER ? (leat_time)length : LEAT_FOREVER;
}

static leat_time within(const struct lt_schedule *schedule, leat_time due) {
    return due < schedule->duration ? due : LEAT_FOREVER;
}

static leat_time after(leat_time due, leat_time gap) {
    return gap < LEAT_FOREVER - due ? due + gap : LEAT_FOREVER;
}

void lt_schedule_begin(struct lt_schedule *schedule, double rate, leat_time duration, bool poisson, uint64_t seed) {
    *schedule = (struct lt_schedule){.rate = rate, .duration = duration, .poisson = poisson, .seed = seed};
    schedule->due = within(schedule, poisson ? gap(schedule) : 0);
}

void lt_schedule_advance(struct lt_schedule *schedule) {
    schedule->number++;
    leat_time due = schedule->poisson ? after(schedule->due, gap(schedule)) : even(schedule, schedule->number);
    schedule->due = within(schedule, due);
}

uint64_t lt_schedule_total(const struct lt_schedule *schedule) {
    if (schedule->poisson || schedule->duration == LEAT_FOREVER)
        return 0;
    double about = (double)schedule->duration / (double)LEAT_SECOND * schedule->rate;
    if (about >= 0x1p53)
        return 0;
    uint64_t total = (uint64_t)about;
    while (even(schedule, total) < schedule->duration)
        total++;
    while (total > 0 && even(schedule, total - 1) >= schedule->duration)
        total--;
    return total;
}
