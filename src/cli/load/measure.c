/* SPDX-License-Identifier: MIT */
#include "cli/load/measure.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FIRST_WIDTH (100 * LEAT_MILLISECOND)
#define LAG_ALLOWED LEAT_MILLISECOND /* or this share of the median latency, whichever is more: */
#define LAG_SHARE 0.05
#define RATE_SHARE 0.99 /* of what was asked for */

int lt_measure_open(struct lt_measure *measure) {
    memset(measure, 0, sizeof *measure);
    measure->timeline.width = FIRST_WIDTH;
    int code = lt_histogram_open(&measure->latency, LT_HISTOGRAM_FINE);
    return code ? code : lt_histogram_open(&measure->lag, LT_HISTOGRAM_FINE);
}

void lt_measure_close(struct lt_measure *measure) {
    lt_histogram_close(&measure->latency);
    lt_histogram_close(&measure->lag);
    for (size_t i = 0; i < LT_TIMELINE; i++)
        lt_histogram_close(&measure->timeline.places[i]);
}

static leat_time later(leat_time left, leat_time right) {
    return left > right ? left : right;
}

static void increase(_Atomic uint64_t *counter) {
    lt_store(counter, lt_load(counter, relaxed) + 1, relaxed);
}

void lt_measure_sent(struct lt_measure *measure, leat_time due, leat_time able, leat_time now) {
    lt_histogram_add(&measure->lag, now - later(due, able));
    measure->last_due = due;
    measure->last_sent = now;
    increase(&measure->sent);
}

/* ---------------------------------------------------------------- timeline */

/* Two neighbours become one. */
static void fold(struct lt_timeline *timeline) {
    for (size_t i = 0; i < LT_TIMELINE / 2; i++) {
        struct lt_histogram left = timeline->places[2 * i], right = timeline->places[2 * i + 1];
        memset(&timeline->places[2 * i], 0, 2 * sizeof left);
        if (left.counts && right.counts) {
            lt_histogram_merge(&left, &right);
            lt_histogram_close(&right);
        }
        timeline->places[i] = left.counts ? left : right;
    }
    timeline->width *= 2;
    timeline->used = (timeline->used + 1) / 2;
}

static int add_to_timeline(struct lt_timeline *timeline, leat_time due, leat_time latency) {
    while (due / timeline->width >= LT_TIMELINE)
        fold(timeline);
    size_t index = (size_t)(due / timeline->width);
    struct lt_histogram *place = &timeline->places[index];
    if (!place->counts && lt_histogram_open(place, LT_HISTOGRAM_COARSE))
        return -ENOMEM;
    if (timeline->used <= index)
        timeline->used = index + 1;
    lt_histogram_add(place, latency);
    return 0;
}

void lt_measure_confirmed(struct lt_measure *measure, leat_time due, leat_time now, bool timed) {
    increase(&measure->confirmed);
    measure->last_confirmed = now;
    uint64_t count = lt_load(&measure->confirmed, relaxed);
    if (count == measure->middle_from)
        measure->middle_begin = now;
    if (count == measure->middle_to)
        measure->middle_end = now;
    if (!timed)
        return;
    lt_histogram_add(&measure->latency, now - due);
    if (add_to_timeline(&measure->timeline, due, now - due))
        measure->short_of_memory = true;
}

/* ----------------------------------------------------------------- judging */

void lt_measure_time_text(leat_time time, char *text, size_t size) {
    static const char *const units[] = {"ns", "\xc2\xb5s", "ms", "s"};
    double value = (double)time;
    size_t unit = 0;
    for (; value >= 999.5 && unit < 3; unit++)
        value /= 1000;
    if (time == 0)
        snprintf(text, size, "0");
    else
        snprintf(text, size, "%.3g %s", value, units[unit]);
}

/* The lengths of both schedules, as it should have been and as it was, with the gap after the last message. */
static double achieved(const struct lt_measure_facts *facts) {
    double gap = (double)LEAT_SECOND / facts->rate;
    return ((double)facts->last_due + gap) / ((double)later(facts->last_sent, facts->last_due) + gap);
}

double lt_measure_steady_rate(const struct lt_measure *measure) {
    enum { LEAST_PART = 4 };
    leat_time middle = measure->middle_end - measure->middle_begin;
    if (!measure->middle_begin || middle <= 0 || middle < measure->last_confirmed / LEAST_PART)
        return 0;
    return (double)(measure->middle_to - measure->middle_from) * (double)LEAT_SECOND / (double)middle;
}

void lt_measure_judge(const struct lt_measure_facts *facts, struct lt_measure_verdict *verdict) {
    *verdict = (struct lt_measure_verdict){.valid = true};
    if (facts->sent == 0) {
        verdict->valid = false;
        snprintf(verdict->text, sizeof verdict->text, "nothing was sent");
        return;
    }
    double allowed = LAG_SHARE * (double)facts->latency_p50;
    if (allowed < (double)LAG_ALLOWED)
        allowed = (double)LAG_ALLOWED;
    if ((double)facts->lag_p99 > allowed) {
        char lag[32], limit[32];
        lt_measure_time_text(facts->lag_p99, lag, sizeof lag);
        lt_measure_time_text((leat_time)allowed, limit, sizeof limit);
        verdict->valid = false;
        snprintf(verdict->text, sizeof verdict->text,
                 "the generator itself was late: one message in a hundred by %s or more, %s is allowed", lag, limit);
    } else if (achieved(facts) < RATE_SHARE) {
        verdict->valid = false;
        snprintf(verdict->text, sizeof verdict->text,
                 "%.1f %% of the rate was reached: the target takes no more, or this machine makes no more",
                 100 * achieved(facts));
    }
}
