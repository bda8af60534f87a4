/* SPDX-License-Identifier: MIT */
#include "cli/tune.h"
#include "base/os.h"

#include <stdio.h>

static const leat_time LEAST = LEAT_SECOND, MOST = 10 * LEAT_SECOND, REST = 30 * LEAT_SECOND;
static const double WORTH = 1.03; /* times faster: what a change must bring, and promise, to be more than noise */
enum { ITEMS = 20 };              /* that tell a rate */

static uint64_t settled(const struct lt_snapshot *snapshot) {
    const struct lt_counts *counts = &snapshot->counts;
    return counts->delivered + counts->filtered + counts->failed;
}

static void start(struct lt_tune *tune, const struct lt_snapshot *now) {
    tune->from = *now;
    for (size_t c = 1; c + 1 < now->stage_count; c++)
        if (now->stages[c].automatic && !tune->first[c])
            tune->first[c] = now->stages[c].workers;
}

/* Was the change worth it? */
static bool was_worth_it(struct lt_tune *tune, struct lt_pipeline *pipeline, double rate, leat_time elapsed) {
    size_t column = tune->column;
    tune->column = 0;
    if (!column || rate >= tune->rate * WORTH)
        return true;
    lt_pipeline_set_workers(pipeline, column, tune->before);
    tune->rest[column] = elapsed + REST;
    return false;
}

static unsigned next_number(const struct lt_stage_snapshot *from, const struct lt_stage_snapshot *now) {
    leat_time busy = now->time[LEAT_BUSY] - from->time[LEAT_BUSY];
    leat_time outside = now->time[LEAT_WAITS_OUTSIDE] - from->time[LEAT_WAITS_OUTSIDE];
    unsigned more = outside > busy && now->workers > 2 ? now->workers / 2 : 1;
    unsigned room = now->most_workers - now->workers;
    return now->workers + (more < room ? more : room);
}

/* Times faster with so many workers: each that comes brings as much as one would, unless one meets another limit. */
static double promise(const struct lt_verdict *verdict, unsigned before, unsigned workers) {
    static const double ALL = 0.99;
    double more = verdict->gain - 1;
    return 1 + (more * before < ALL ? more : more * (workers - before));
}

static void change(struct lt_tune *tune, struct lt_pipeline *pipeline, const struct lt_snapshot *now, double rate) {
    struct lt_verdict verdict;
    lt_verdict(&tune->from, now, lt_processors(), &verdict);
    size_t c = verdict.stage;
    const struct lt_stage_snapshot *stage = &now->stages[c];
    if (verdict.kind != LT_LIMIT_STAGE || !stage->automatic || tune->rest[c] > now->elapsed)
        return;
    unsigned workers = next_number(&tune->from.stages[c], stage);
    if (promise(&verdict, stage->workers, workers) < WORTH || lt_pipeline_set_workers(pipeline, c, workers) < 0)
        return;
    tune->column = c;
    tune->before = stage->workers;
    tune->rate = rate;
    tune->tries++;
}

/* A pause, or another rate: what was measured before tells nothing of a number that is on trial. */
static bool was_steered(const struct lt_snapshot *from, const struct lt_snapshot *now) {
    return now->paused || now->resting != from->resting || now->rate != from->rate;
}

void lt_tune_look(struct lt_tune *tune, struct lt_pipeline *pipeline, const struct lt_snapshot *now) {
    if (!tune->from.flowing) {
        if (now->flowing)
            start(tune, now);
        return;
    }
    if (was_steered(&tune->from, now)) {
        tune->column = 0;
        start(tune, now);
        return;
    }
    leat_time window = now->elapsed - tune->from.elapsed;
    uint64_t items = settled(now) - settled(&tune->from);
    if (window < LEAST || (items < ITEMS && window < MOST) || now->stopping)
        return;
    double rate = (double)items * (double)LEAT_SECOND / (double)window;
    /* When a number was taken back the window tells of one that is no more. */
    if (was_worth_it(tune, pipeline, rate, now->elapsed))
        change(tune, pipeline, now, rate);
    start(tune, now);
}

void lt_tune_text(const struct lt_tune *tune, const struct lt_snapshot *last, char *text, size_t size) {
    size_t used = 0;
    *text = '\0';
    for (size_t c = 1; c + 1 < last->stage_count; c++) {
        if (!tune->first[c] || used >= size)
            continue;
        int length = snprintf(text + used, size - used, "%s%s from %u to %u workers", used ? ", " : "",
                              last->stages[c].name, tune->first[c], last->stages[c].workers);
        used += length > 0 ? (size_t)length : 0;
    }
    if (used && used < size)
        snprintf(text + used, size - used, " in %u tries", tune->tries);
}
