/* SPDX-License-Identifier: MIT */
/**
 * A run from beginning to end: make everything it needs, open, flow, close,
 * report. What goes on in between is in flow.c and acknowledge.c; engine.h has
 * the picture.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/os.h"
#include "pipeline/batch.h"
#include "pipeline/engine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WORKERS = 65536 };

/* ------------------------------------------------------------------ making */

static unsigned workers_of(const struct lt_pipeline *pipeline, const struct leat_segment *segment) {
    uint64_t workers = pipeline->plan->options.workers;
    if (segment->workers)
        workers = segment->workers;
    if (workers == 0)
        workers = pipeline->processors;
    return workers < MOST_WORKERS ? (unsigned)workers : MOST_WORKERS;
}

static bool starts_group(const struct lt_plan *plan, size_t stage) {
    return stage == 0 || plan->stages[stage].segment.workers || plan->stages[stage - 1].segment.workers;
}

static char *join_names(const struct lt_plan *plan, size_t first, size_t count) {
    size_t size = 1;
    for (size_t s = first; s < first + count; s++)
        size += strlen(plan->stages[s].segment.name) + 1;
    char *name = malloc(size), *end = name;
    for (size_t s = first; name && s < first + count; s++) {
        if (s > first)
            *end++ = '+';
        end = stpcpy(end, plan->stages[s].segment.name);
    }
    return name;
}

static bool make_group(struct lt_pipeline *pipeline, struct lt_group *group) {
    const struct lt_plan *plan = pipeline->plan;
    group->workers = workers_of(pipeline, &plan->stages[group->first].segment);
    group->left = group->workers;
    group->name = join_names(plan, group->first, group->count);
    group->in = leat_chan_new_with(sizeof(struct leat_batch *), group->workers < 2 ? 2 : group->workers,
                                   &(struct leat_chan_options){.name = group->name});
    size_t size = sizeof(struct lt_worker) * group->workers;
    group->members = aligned_alloc(_Alignof(struct lt_worker), size);
    if (!group->name || !group->in || !group->members)
        return false;
    memset(group->members, 0, size);
    for (unsigned w = 0; w < group->workers; w++) {
        struct lt_worker *worker = &group->members[w];
        worker->pipeline = pipeline;
        worker->group = group;
        worker->states = calloc(group->count, sizeof(void *));
        if (!worker->states)
            return false;
    }
    return true;
}

static bool make_groups(struct lt_pipeline *pipeline) {
    const struct lt_plan *plan = pipeline->plan;
    pipeline->stages = calloc(plan->stage_count + 1, sizeof(void *));
    pipeline->groups = calloc(plan->stage_count + 1, sizeof(struct lt_group));
    if (!pipeline->stages || !pipeline->groups)
        return false;
    for (size_t first = 0, count; first < plan->stage_count; first += count) {
        struct lt_group *group = &pipeline->groups[pipeline->group_count];
        for (count = 1; first + count < plan->stage_count && !starts_group(plan, first + count);)
            count++;
        group->first = first;
        group->count = count;
        group->index = pipeline->group_count++;
        if (!make_group(pipeline, group))
            return false;
    }
    return true;
}

/** Enough that every worker has a batch, every queue is full, and the sink has two calls' worth. */
static size_t batches_needed(const struct lt_pipeline *pipeline) {
    size_t count = 2 + LT_SINK_QUEUE + LT_SINK_TAKES;
    for (size_t g = 0; g < pipeline->group_count; g++)
        count += pipeline->groups[g].workers + leat_chan_cap(pipeline->groups[g].in);
    return count;
}

static void set_limits(struct lt_pipeline *pipeline) {
    const struct lt_run_options *options = &pipeline->plan->options;
    uint64_t share = LT_BYTES_IN_FLIGHT / pipeline->slot_count;
    pipeline->most_items = options->batch_items ? options->batch_items : LT_DEFAULT_ITEMS;
    pipeline->most_bytes = options->batch_bytes ? options->batch_bytes : LT_DEFAULT_BYTES;
    if (share < LT_LEAST_BYTES)
        share = LT_LEAST_BYTES;
    if (pipeline->most_bytes > share)
        pipeline->most_bytes = share;
    pipeline->most_in_flight = share * pipeline->slot_count;
}

static struct leat_chan *make_channel(const char *name, size_t capacity) {
    return leat_chan_new_with(sizeof(struct leat_batch *), capacity, &(struct leat_chan_options){.name = name});
}

static bool make_batches(struct lt_pipeline *pipeline) {
    pipeline->slot_count = batches_needed(pipeline);
    set_limits(pipeline);
    pipeline->slots = calloc(pipeline->slot_count, sizeof(struct lt_slot));
    pipeline->spare = calloc(pipeline->slot_count, sizeof(struct leat_batch *));
    pipeline->free_batches = make_channel("free batches", pipeline->slot_count);
    pipeline->confirmed = make_channel("confirmed", pipeline->slot_count);
    pipeline->to_sink = make_channel("sink", LT_SINK_QUEUE);
    if (!pipeline->slots || !pipeline->spare || !pipeline->free_batches || !pipeline->confirmed || !pipeline->to_sink)
        return false;
    for (size_t s = 0; s < pipeline->slot_count; s++) {
        struct lt_slot *slot = &pipeline->slots[s];
        slot->batch = lt_batch_new(pipeline->most_items, pipeline->most_bytes);
        if (!slot->batch)
            return false;
        slot->batch->engine = slot;
        slot->confirmed = pipeline->confirmed;
        if (leat_send_try(pipeline->free_batches, &slot->batch) < 0)
            return false;
    }
    return lt_order_open(&pipeline->order, pipeline->slot_count) == 0;
}

static bool make_dead(struct lt_pipeline *pipeline) {
    if (!pipeline->plan->dead)
        return true;
    pipeline->dead_confirmed = make_channel("dead, confirmed", 1);
    pipeline->dead_batch = lt_batch_new(pipeline->most_items, SIZE_MAX);
    if (!pipeline->dead_confirmed || !pipeline->dead_batch)
        return false;
    pipeline->dead_slot = (struct lt_slot){.batch = pipeline->dead_batch, .confirmed = pipeline->dead_confirmed};
    pipeline->dead_batch->engine = &pipeline->dead_slot;
    return true;
}

struct lt_pipeline *lt_pipeline_new(const struct lt_plan *plan, struct leat_error *error) {
    if (plan->stage_count > LT_MAX_STAGES) {
        leat_fail(error, -EINVAL, "%zu stages are more than the %d there can be", plan->stage_count, LT_MAX_STAGES);
        return NULL;
    }
    struct lt_pipeline *pipeline = aligned_alloc(_Alignof(struct lt_pipeline), sizeof *pipeline);
    if (pipeline) {
        memset(pipeline, 0, sizeof *pipeline);
        pthread_mutex_init(&pipeline->mutex, NULL);
        pipeline->plan = plan;
        pipeline->processors = lt_processors();
        pipeline->grace = plan->options.grace > 0 ? plan->options.grace : LT_DEFAULT_GRACE;
        pipeline->errors.fd = -1;
        if (make_groups(pipeline) && make_batches(pipeline) && make_dead(pipeline))
            return pipeline;
    }
    lt_pipeline_free(pipeline);
    leat_fail(error, -ENOMEM, "out of memory for the batches and workers of the run");
    return NULL;
}

static void free_group(struct lt_group *group) {
    for (unsigned w = 0; group->members && w < group->workers; w++)
        free(group->members[w].states);
    free(group->members);
    free(group->name);
    leat_chan_free(group->in);
}

void lt_pipeline_free(struct lt_pipeline *pipeline) {
    if (!pipeline)
        return;
    for (size_t g = 0; g < pipeline->group_count; g++)
        free_group(&pipeline->groups[g]);
    for (size_t s = 0; pipeline->slots && s < pipeline->slot_count; s++)
        lt_batch_free(pipeline->slots[s].batch);
    lt_batch_free(pipeline->dead_batch);
    lt_order_close(&pipeline->order);
    leat_chan_free(pipeline->free_batches);
    leat_chan_free(pipeline->confirmed);
    leat_chan_free(pipeline->to_sink);
    leat_chan_free(pipeline->dead_confirmed);
    free(pipeline->slots);
    free(pipeline->spare);
    free(pipeline->groups);
    free(pipeline->stages);
    pthread_mutex_destroy(&pipeline->mutex);
    free(pipeline);
}

/* ----------------------------------------------------------------- running */

/* The ends are written by others: they get the room that libraries expect. */
static int spawn(struct leat_scope *scope, leat_fn *task, void *argument, const char *name) {
    struct leat_task_options options = {.name = name, .stack = LEAT_STACK_LARGE};
    return leat_go_with(scope, task, argument, &options);
}

static bool spawn_workers(struct lt_pipeline *pipeline, struct leat_scope *scope) {
    for (size_t g = 0; g < pipeline->group_count; g++) {
        struct lt_group *group = &pipeline->groups[g];
        for (unsigned w = 0; w < group->workers; w++) {
            lt_line_start(&group->members[w].line, LEAT_WAITS_INPUT);
            if (spawn(scope, lt_worker_task, &group->members[w], group->name) < 0)
                return false;
        }
    }
    return true;
}

static bool spawn_all(struct lt_pipeline *pipeline, struct leat_scope *scope) {
    const struct lt_plan *plan = pipeline->plan;
    lt_line_start(&pipeline->source_line, LEAT_WAITS_OUTPUT);
    lt_line_start(&pipeline->sink_line, LEAT_WAITS_INPUT);
    lt_line_start(&pipeline->acknowledge_line, LEAT_WAITS_INPUT);
    return spawn(scope, lt_acknowledge_task, pipeline, "acknowledge") == 0 &&
           spawn(scope, lt_sink_task, pipeline, plan->to.spelling) == 0 && spawn_workers(pipeline, scope) &&
           spawn(scope, lt_source_task, pipeline, plan->from.spelling) == 0;
}

/**
 * A task gets its stack when it begins; without memory for one it ends there, and whoever waits for it would wait for
 * ever. So all wait in lt_begin() until all have begun; one that cannot cancels the scope, and with it the start. Later
 * nothing does: the tasks return 0.
 */
static void flow(struct lt_pipeline *pipeline) {
    struct leat_scope *scope = leat_scope_open(&(struct leat_scope_options){.name = "pipeline"});
    size_t tasks = 3;
    for (size_t g = 0; g < pipeline->group_count; g++)
        tasks += pipeline->groups[g].workers;
    leat_wg_add(&pipeline->beginning, (int)tasks);
    leat_wg_add(&pipeline->gate, 1);
    bool begun = scope && spawn_all(pipeline, scope) && leat_wg_wait(&pipeline->beginning) == 0;
    if (begun)
        leat_wg_done(&pipeline->gate);
    else if (scope)
        leat_scope_cancel(scope, -ENOMEM);
    leat_scope_close(scope);
    if (begun)
        return;
    leat_fail(&pipeline->error, -ENOMEM, "out of memory for the %zu tasks of the run", tasks);
    lt_store(&pipeline->failed_to_start, true, release);
}

/** Opening is over: no stop cancels the scope around the ends any more. True when one did. */
static bool end_opening(struct lt_pipeline *pipeline) {
    pthread_mutex_lock(&pipeline->mutex);
    pipeline->opening.scope = NULL;
    bool stopped = lt_load(&pipeline->level, relaxed) != LT_RUNNING;
    lt_store(&pipeline->source_may_answer, pipeline->source_open && !stopped, relaxed);
    pthread_mutex_unlock(&pipeline->mutex);
    return stopped;
}

static void silence_source(struct lt_pipeline *pipeline) {
    pthread_mutex_lock(&pipeline->mutex);
    if (lt_load(&pipeline->source_may_answer, relaxed) && pipeline->plan->source->total)
        pipeline->total = pipeline->plan->source->total(pipeline->source);
    lt_store(&pipeline->source_may_answer, false, relaxed);
    pthread_mutex_unlock(&pipeline->mutex);
}

static int run_open(void *argument) {
    struct lt_pipeline *pipeline = argument;
    if (lt_reach_open(pipeline, &pipeline->opening, LT_DRAINING) < 0) {
        leat_fail(&pipeline->error, -ENOMEM, "out of memory");
        lt_store(&pipeline->failed_to_start, true, release);
        return 0;
    }
    struct leat_scope *scope = pipeline->opening.scope;
    bool opened = lt_open_ends(pipeline);
    if (!end_opening(pipeline) && opened)
        flow(pipeline);
    silence_source(pipeline);
    lt_close_ends(pipeline);
    leat_scope_close(scope);
    return 0;
}

/* The first task of a runtime has a small stack; opening an end may need more. */
static int run_inside(void *argument) {
    struct lt_pipeline *pipeline = argument;
    pipeline->entered = true;
    if (spawn(NULL, run_open, pipeline, "pipeline") == 0)
        return 0;
    leat_fail(&pipeline->error, -ENOMEM, "out of memory for the first task");
    lt_store(&pipeline->failed_to_start, true, release);
    return 0;
}

/* --------------------------------------------------------------- reporting */

static enum lt_outcome outcome(struct lt_pipeline *pipeline, int code, struct leat_error *error) {
    if (!pipeline->entered) {
        leat_fail(error, code, "the runtime did not start: %s", strerror(-code));
        return LT_NOT_STARTED;
    }
    if (code == -EDEADLK) {
        leat_fail(error, code, "every task of the run waited for something that could no longer happen");
        return LT_INTERNAL;
    }
    if (code < 0) {
        leat_fail(error, code, "the run did not start: %s", strerror(-code));
        return LT_NOT_STARTED;
    }
    *error = pipeline->error;
    bool stopped = lt_load(&pipeline->asked, acquire) != LT_RUNNING;
    if (lt_load(&pipeline->failed_to_start, acquire) && !lt_load(&pipeline->late, acquire))
        return stopped ? LT_STOPPED : LT_NOT_STARTED;
    if (!lt_balanced(pipeline)) {
        leat_fail(error, -ENOTRECOVERABLE, "the counts do not balance");
        return LT_INTERNAL;
    }
    if (lt_load(&pipeline->broken, acquire))
        return LT_BROKEN;
    if (lt_load(&pipeline->late, acquire)) {
        leat_fail(error, -ETIMEDOUT, "%s; what was not delivered is with its source",
                  lt_load(&pipeline->late, acquire) == LT_PAST_DEADLINE ? "the deadline passed"
                                                                        : "the grace after the stop was over");
        return LT_LATE;
    }
    bool never_ran = stopped && lt_load(&pipeline->source_line.since, acquire) == 0;
    return never_ran || lt_load(&pipeline->asked, acquire) == LT_DROPPING ? LT_STOPPED : LT_FINISHED;
}

void lt_pipeline_run(struct lt_pipeline *pipeline, struct lt_report *report) {
    memset(report, 0, sizeof *report);
    pipeline->cpu_before = lt_process_cpu();
    lt_store(&pipeline->started, lt_now(), release);
    int code = lt_watchdog_start(pipeline);
    if (code == 0) {
        code = leat_run_with(&(struct leat_options){.workers = 0}, run_inside, pipeline);
        lt_watchdog_end(pipeline);
    }
    lt_store(&pipeline->cpu_after, lt_process_cpu(), release);
    lt_store(&pipeline->ended, lt_now(), release);
    report->outcome = outcome(pipeline, code, &report->error);
    lt_pipeline_snapshot(pipeline, &report->last);
}
