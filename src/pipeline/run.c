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

enum { MOST_WORKERS = 65536, FIRST_ITEMS = 64 };

/* ------------------------------------------------------------------ making */

static unsigned workers_of(const struct lt_pipeline *pipeline, const struct leat_segment *segment) {
    uint64_t workers = pipeline->plan->options.workers;
    if (segment->workers)
        workers = segment->workers;
    if (workers == 0 || workers == LEAT_WORKERS_AUTO)
        workers = pipeline->processors;
    return workers < MOST_WORKERS ? (unsigned)workers : MOST_WORKERS;
}

static bool is_automatic(const struct lt_plan *plan, const struct leat_segment *segment) {
    return (segment->workers ? segment->workers : plan->options.workers) == LEAT_WORKERS_AUTO;
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

/** It has its room from the beginning: a send that had to ask for memory could fail, and a batch would be lost. */
static struct leat_chan *make_channel(const char *name, size_t element_size, size_t capacity) {
    struct leat_chan *chan = leat_chan_new_with(element_size, capacity, &(struct leat_chan_options){.name = name});
    struct leat_batch *nothing = NULL;
    size_t filled = 0;
    while (chan && filled < capacity && leat_send_try(chan, &nothing) == 0)
        filled++;
    for (size_t i = 0; i < filled; i++)
        leat_recv_try(chan, NULL);
    if (filled == capacity)
        return chan;
    leat_chan_free(chan);
    return NULL;
}

static bool has_commands(const struct lt_plan *plan, size_t first, size_t count) {
    for (size_t s = first; s < first + count; s++)
        if (plan->stages[s].type->command)
            return true;
    return false;
}

static bool make_group(struct lt_pipeline *pipeline, struct lt_group *group) {
    const struct lt_plan *plan = pipeline->plan;
    group->pipeline = pipeline;
    group->workers = workers_of(pipeline, &plan->stages[group->first].segment);
    group->name = join_names(plan, group->first, group->count);
    group->automatic = is_automatic(plan, &plan->stages[group->first].segment);
    group->has_commands = has_commands(plan, group->first, group->count);
    pipeline->has_commands |= group->has_commands;
    lt_store(&group->admitted, group->workers, relaxed);
    if (group->workers < plan->options.workers_room)
        group->workers = (unsigned)plan->options.workers_room;
    group->in = make_channel(group->name, sizeof(struct leat_batch *), group->workers < 2 ? 2 : group->workers);
    group->more = make_channel(group->name, 0, 1);
    group->ended = make_channel(group->name, 0, 1);
    group->members = calloc(group->workers, sizeof(struct lt_worker *));
    return group->name && group->in && group->more && group->ended && group->members && lt_worker_new(group);
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

/** Enough that every worker has a batch, every queue is full, and the sink has two calls' worth. `all`: of the workers
 * there can be; else of the first of each group. */
static size_t batches_needed(const struct lt_pipeline *pipeline, bool all) {
    size_t count = 2 + LT_SINK_QUEUE + LT_SINK_TAKES + pipeline->plan->source->last_read;
    for (size_t g = 0; g < pipeline->group_count; g++) {
        size_t workers = all ? pipeline->groups[g].workers : 1;
        count += workers + (workers < 2 ? 2 : workers);
    }
    uint64_t asked = pipeline->plan->options.batches;
    return count < asked ? (size_t)asked : count;
}

static int add_batch(struct lt_pipeline *pipeline) {
    struct leat_batch *batch =
        lt_batch_new(pipeline->most_items < FIRST_ITEMS ? pipeline->most_items : FIRST_ITEMS, pipeline->most_bytes);
    leat_time *notes = lt_trace_room(pipeline) ? calloc(lt_trace_room(pipeline), sizeof *notes) : NULL;
    if (!batch || (lt_trace_room(pipeline) && !notes)) {
        lt_batch_free(batch);
        return -ENOMEM;
    }
    pthread_mutex_lock(&pipeline->mutex);
    size_t count = lt_load(&pipeline->slot_count, relaxed);
    if (count == pipeline->slot_most) {
        pthread_mutex_unlock(&pipeline->mutex);
        lt_batch_free(batch);
        free(notes);
        return 0;
    }
    struct lt_slot *slot = &pipeline->slots[count];
    batch->engine = slot;
    slot->batch = batch;
    slot->pipeline = pipeline;
    slot->confirmed = pipeline->confirmed;
    slot->unconfirmed = &pipeline->unconfirmed;
    slot->notes = notes;
    lt_store(&pipeline->slot_count, count + 1, release);
    pthread_mutex_unlock(&pipeline->mutex);
    return leat_send_try(pipeline->free_batches, &batch);
}

int lt_add_batches(struct lt_pipeline *pipeline, size_t count) {
    int error = 0;
    while (!error && count-- > 0)
        error = add_batch(pipeline);
    return error;
}

static bool make_batches(struct lt_pipeline *pipeline) {
    const struct lt_run_options *options = &pipeline->plan->options;
    size_t size = sizeof(struct leat_batch *);
    pipeline->most_items = options->batch_items ? options->batch_items : LT_DEFAULT_ITEMS;
    for (size_t s = 0; s < pipeline->plan->stage_count; s++)
        if (pipeline->plan->stages[s].type->single)
            pipeline->most_items = 1;
    pipeline->most_bytes = options->batch_bytes ? options->batch_bytes : LT_DEFAULT_BYTES;
    pipeline->slot_least = batches_needed(pipeline, false);
    pipeline->slot_most = batches_needed(pipeline, true) + pipeline->plan->sink->holds;
    pipeline->slots = calloc(pipeline->slot_most, sizeof(struct lt_slot));
    pipeline->spare = calloc(pipeline->slot_most, size);
    pipeline->free_batches = make_channel("free batches", size, pipeline->slot_most);
    pipeline->confirmed = make_channel("confirmed", size, pipeline->slot_most);
    pipeline->to_sink = make_channel("sink", size, LT_SINK_QUEUE);
    pipeline->resumed = make_channel("resumed", 0, 1);
    if (!pipeline->slots || !pipeline->spare || !pipeline->free_batches || !pipeline->confirmed || !pipeline->to_sink ||
        !pipeline->resumed)
        return false;
    return lt_add_batches(pipeline, pipeline->slot_least) == 0 &&
           lt_order_open(&pipeline->order, pipeline->slot_most) == 0;
}

static bool make_dead(struct lt_pipeline *pipeline) {
    if (!pipeline->plan->dead)
        return true;
    pipeline->dead_confirmed = make_channel("dead, confirmed", sizeof(struct leat_batch *), 1);
    pipeline->dead_batch = lt_batch_new(pipeline->most_items, SIZE_MAX);
    if (!pipeline->dead_confirmed || !pipeline->dead_batch)
        return false;
    pipeline->dead_slot =
        (struct lt_slot){.batch = pipeline->dead_batch, .pipeline = pipeline, .confirmed = pipeline->dead_confirmed};
    pipeline->dead_batch->engine = &pipeline->dead_slot;
    return true;
}

struct lt_pipeline *lt_pipeline_new(const struct lt_plan *plan, struct leat_error *error) {
    if (plan->stage_count > LT_MAX_STAGES) {
        leat_fail(error, -EINVAL, "%zu stages are more than the %d there can be", plan->stage_count, LT_MAX_STAGES);
        return NULL;
    }
    struct lt_trace trace;
    if (lt_trace_read(&trace, plan->options.trace, error) < 0)
        return NULL;
    struct lt_pipeline *pipeline = aligned_alloc(_Alignof(struct lt_pipeline), sizeof *pipeline);
    if (pipeline) {
        memset(pipeline, 0, sizeof *pipeline);
        pthread_mutex_init(&pipeline->mutex, NULL);
        pipeline->plan = plan;
        pipeline->processors = lt_processors();
        pipeline->grace = plan->options.grace > 0 ? plan->options.grace : LT_DEFAULT_GRACE;
        pipeline->errors.fd = -1;
        pipeline->resume.fd = -1;
        pipeline->trace = trace;
        if (lt_histogram_open(&pipeline->latency, LT_HISTOGRAM_COARSE) == 0 && make_groups(pipeline) &&
            make_batches(pipeline) && make_dead(pipeline))
            return pipeline;
    }
    lt_pipeline_free(pipeline);
    leat_fail(error, -ENOMEM, "out of memory for the batches and workers of the run");
    return NULL;
}

static void free_group(struct lt_group *group) {
    for (unsigned w = 0; w < lt_load(&group->started, relaxed); w++)
        free(group->members[w]);
    free(group->members);
    free(group->name);
    leat_chan_free(group->in);
    leat_chan_free(group->more);
    leat_chan_free(group->ended);
}

static void free_slot(struct lt_slot *slot) {
    lt_batch_free(slot->batch);
    free(slot->notes);
}

void lt_pipeline_free(struct lt_pipeline *pipeline) {
    if (!pipeline)
        return;
    for (size_t g = 0; g < pipeline->group_count; g++)
        free_group(&pipeline->groups[g]);
    for (size_t s = 0; s < lt_load(&pipeline->slot_count, relaxed); s++)
        free_slot(&pipeline->slots[s]);
    lt_batch_free(pipeline->dead_batch);
    lt_order_close(&pipeline->order);
    leat_chan_free(pipeline->free_batches);
    leat_chan_free(pipeline->confirmed);
    leat_chan_free(pipeline->to_sink);
    leat_chan_free(pipeline->dead_confirmed);
    leat_chan_free(pipeline->resumed);
    leat_limiter_free(pipeline->limiter);
    leat_limiter_free(pipeline->next_limiter);
    lt_histogram_close(&pipeline->latency);
    free(pipeline->slots);
    free(pipeline->spare);
    free(pipeline->groups);
    free(pipeline->stages);
    pthread_mutex_destroy(&pipeline->mutex);
    free(pipeline);
}

/* ----------------------------------------------------------------- running */

int lt_spawn(struct leat_scope *scope, leat_fn *task, void *argument, const char *name) {
    struct leat_task_options options = {.name = name, .stack = LEAT_STACK_LARGE};
    return leat_go_with(scope, task, argument, &options);
}

static bool spawn_foremen(struct lt_pipeline *pipeline, struct leat_scope *scope, leat_time now) {
    for (size_t g = 0; g < pipeline->group_count; g++) {
        struct lt_group *group = &pipeline->groups[g];
        lt_line_start(&group->members[0]->line, LEAT_WAITS_INPUT, now);
        struct leat_task_options options = {.name = group->name};
        if (leat_go_with(scope, lt_foreman_task, group, &options) < 0)
            return false;
    }
    return true;
}

static bool spawn_all(struct lt_pipeline *pipeline, struct leat_scope *scope) {
    const struct lt_plan *plan = pipeline->plan;
    leat_time now = lt_now();
    lt_store(&pipeline->flowing, now, release);
    lt_line_start(&pipeline->source_line, LEAT_WAITS_OUTPUT, now);
    lt_line_start(&pipeline->sink_line, LEAT_WAITS_INPUT, now);
    lt_line_start(&pipeline->acknowledge_line, LEAT_WAITS_INPUT, now);
    return lt_spawn(scope, lt_acknowledge_task, pipeline, "acknowledge") == 0 &&
           lt_spawn(scope, lt_sink_task, pipeline, plan->to.spelling) == 0 && spawn_foremen(pipeline, scope, now) &&
           lt_spawn(scope, lt_source_task, pipeline, plan->from.spelling) == 0;
}

/**
 * A task gets its stack when it begins; without memory for one it ends there, and whoever waits for it would wait for
 * ever. So all (the source, the first worker of each group, the sink, the one that acknowledges) wait in lt_begin()
 * until all have begun; one that cannot cancels the scope, and with it the start. Later nothing does: the tasks return
 * 0, and workers that are started later have a scope of their own (crew.c).
 */
static void flow(struct lt_pipeline *pipeline) {
    struct leat_scope *scope = leat_scope_open(&(struct leat_scope_options){.name = "pipeline"});
    size_t tasks = 3 + pipeline->group_count;
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
    pipeline->source_may_answer = pipeline->source_open;
    pipeline->sink_may_answer = pipeline->sink_open;
    pthread_mutex_unlock(&pipeline->mutex);
    return stopped;
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
    lt_close_ends(pipeline);
    leat_scope_close(scope);
    lt_delayed(pipeline);
    return 0;
}

/* The first task of a runtime has a small stack; opening an end may need more. */
static int run_inside(void *argument) {
    struct lt_pipeline *pipeline = argument;
    pipeline->entered = true;
    if (lt_spawn(NULL, run_open, pipeline, "pipeline") == 0)
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
    if (lt_load(&pipeline->halted, acquire)) {
        *error = pipeline->halt_error;
        return LT_HALTED;
    }
    bool never_ran = stopped && lt_load(&pipeline->source_line.since, acquire) == 0;
    return never_ran || lt_load(&pipeline->asked, acquire) == LT_DROPPING ? LT_STOPPED : LT_FINISHED;
}

void lt_pipeline_run(struct lt_pipeline *pipeline, struct lt_report *report) {
    memset(report, 0, sizeof *report);
    pipeline->cpu_before = lt_process_cpu();
    if (pipeline->has_commands)
        lt_children_use(&pipeline->children_before);
    lt_store(&pipeline->started, lt_now(), release);
    int code = lt_watchdog_start(pipeline);
    if (code == 0) {
        code = leat_run_with(&(struct leat_options){.workers = 0}, run_inside, pipeline);
        lt_watchdog_end(pipeline);
    }
    lt_store(&pipeline->children.next, 0, relaxed);
    lt_look_at_children(pipeline);
    lt_store(&pipeline->cpu_after, lt_process_cpu(), release);
    lt_store(&pipeline->ended, lt_now(), release);
    report->outcome = outcome(pipeline, code, &report->error);
    lt_pipeline_snapshot(pipeline, &report->last);
}
