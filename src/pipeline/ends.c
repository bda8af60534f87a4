/* SPDX-License-Identifier: MIT */
/**
 * Opening and closing what a plan names. Opened: source, stages with the state
 * of the first worker, error file, dead end, sink; the sink last, because opening
 * one may empty a file. Closed in the reverse order and all from the same task, so
 * that an end may keep a scope open from its open to its close. (The states of
 * further workers are opened by these, in mid-run, and closed here.)
 */
#include "base/error.h"
#include "pipeline/engine.h"

#include <errno.h>
#include <string.h>

static bool fail_start(struct lt_pipeline *pipeline, const char *spelling, const struct leat_error *error) {
    pipeline->error = *error;
    if (strcmp(spelling, "-") != 0 && strncmp(error->text, spelling, strlen(spelling)) != 0)
        lt_error_prefix(&pipeline->error, "%s", spelling);
    lt_store(&pipeline->failed_to_start, true, release);
    return false;
}

static bool fail_stage(struct lt_pipeline *pipeline, size_t index, const struct leat_error *error) {
    const struct lt_planned_stage *stage = &pipeline->plan->stages[index];
    fail_start(pipeline, stage->segment.spelling, error);
    if (stage->place)
        lt_error_prefix(&pipeline->error, "%s", stage->place);
    return false;
}

static bool open_stages(struct lt_pipeline *pipeline, struct leat_error *error) {
    const struct lt_plan *plan = pipeline->plan;
    for (size_t s = 0; s < plan->stage_count; s++) {
        const struct lt_planned_stage *stage = &plan->stages[s];
        if (stage->type->open && stage->type->open(&pipeline->stages[s], &stage->segment, error) < 0)
            return fail_stage(pipeline, s, error);
        pipeline->stages_opened = s + 1;
    }
    for (size_t g = 0; g < pipeline->group_count; g++) {
        struct lt_group *group = &pipeline->groups[g];
        struct lt_worker *worker = group->members[0];
        if (lt_worker_open(worker, error) < 0)
            return fail_stage(pipeline, group->first + worker->opened, error);
    }
    return true;
}

bool lt_open_ends(struct lt_pipeline *pipeline) {
    const struct lt_plan *plan = pipeline->plan;
    struct leat_error error = {.code = 0, .text = "it could not be opened and did not say why"};
    if (plan->source->open(&pipeline->source, &plan->from, &error) < 0)
        return fail_start(pipeline, plan->from.spelling, &error);
    pipeline->source_open = true;
    if (!open_stages(pipeline, &error))
        return false;
    if (lt_errors_open(&pipeline->errors, plan->options.errors, &error) < 0)
        return fail_start(pipeline, "error file", &error);
    if (lt_resume_open(&pipeline->resume, plan->options.resume, &error) < 0)
        return fail_start(pipeline, "--resume", &error);
    if (plan->dead) {
        if (plan->dead->open(&pipeline->dead, &plan->dead_to, &error) < 0)
            return fail_start(pipeline, plan->dead_to.spelling, &error);
        pipeline->dead_open = true;
    }
    if (plan->sink->open(&pipeline->sink, &plan->to, &error) < 0)
        return fail_start(pipeline, plan->to.spelling, &error);
    pipeline->sink_open = true;
    return true;
}

/* ----------------------------------------------------------------- asking */

static void ask_source(struct lt_pipeline *pipeline) {
    const struct leat_source_type *type = pipeline->plan->source;
    if (type->total)
        pipeline->total = type->total(pipeline->source);
    if (type->counters)
        pipeline->source_counters.count = type->counters(pipeline->source, pipeline->source_counters.list);
}

static void ask_sink(struct lt_pipeline *pipeline) {
    const struct leat_sink_type *type = pipeline->plan->sink;
    if (type->counters)
        pipeline->sink_counters.count = type->counters(pipeline->sink, pipeline->sink_counters.list);
}

void lt_ask_ends(struct lt_pipeline *pipeline, struct lt_snapshot *snapshot) {
    pthread_mutex_lock(&pipeline->mutex);
    if (pipeline->source_may_answer)
        ask_source(pipeline);
    if (pipeline->sink_may_answer)
        ask_sink(pipeline);
    snapshot->total = pipeline->total;
    snapshot->source_counters = pipeline->source_counters;
    snapshot->sink_counters = pipeline->sink_counters;
    pthread_mutex_unlock(&pipeline->mutex);
}

/** Ask once more, and then never again: it is about to be closed. */
static void silence(struct lt_pipeline *pipeline, bool *may_answer, void (*ask)(struct lt_pipeline *pipeline)) {
    pthread_mutex_lock(&pipeline->mutex);
    if (*may_answer)
        ask(pipeline);
    *may_answer = false;
    pthread_mutex_unlock(&pipeline->mutex);
}

/* ---------------------------------------------------------------- closing */

static void close_dead(struct lt_pipeline *pipeline) {
    const struct leat_sink_type *type = pipeline->plan->dead;
    struct leat_error error = {.code = 0, .text = "it could not be flushed and did not say why"};
    if (!pipeline->dead_open)
        return;
    if (!pipeline->dead_broken && type->flush && type->flush(pipeline->dead, &error) < 0)
        lt_break(pipeline, pipeline->plan->dead_to.spelling, &error, LT_DRAINING);
    if (type->close)
        type->close(pipeline->dead);
}

static void close_workers(struct lt_pipeline *pipeline, struct lt_group *group) {
    for (unsigned w = 0; w < group->started; w++) {
        struct lt_worker *worker = group->members[w];
        for (size_t s = worker->opened; s-- > 0;) {
            const struct leat_stage_type *type = pipeline->plan->stages[group->first + s].type;
            if (type->close_worker)
                type->close_worker(pipeline->stages[group->first + s], worker->states[s]);
        }
    }
}

static void close_stages(struct lt_pipeline *pipeline) {
    for (size_t g = pipeline->group_count; g-- > 0;)
        close_workers(pipeline, &pipeline->groups[g]);
    for (size_t s = pipeline->stages_opened; s-- > 0;)
        if (pipeline->plan->stages[s].type->close)
            pipeline->plan->stages[s].type->close(pipeline->stages[s]);
}

void lt_close_ends(struct lt_pipeline *pipeline) {
    const struct lt_plan *plan = pipeline->plan;
    silence(pipeline, &pipeline->sink_may_answer, ask_sink);
    if (pipeline->sink_open && plan->sink->close)
        plan->sink->close(pipeline->sink);
    lt_settle(pipeline);
    close_dead(pipeline);
    lt_errors_close(&pipeline->errors);
    lt_resume_close(&pipeline->resume);
    close_stages(pipeline);
    silence(pipeline, &pipeline->source_may_answer, ask_source);
    if (pipeline->source_open && plan->source->close)
        plan->source->close(pipeline->source);
}
