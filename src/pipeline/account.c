/* SPDX-License-Identifier: MIT */
/**
 * Accounting: what every task does with its time, where every batch is, how the
 * items fared, and the snapshot of all that from any thread.
 *
 * Every line has one writer, which pays one clock reading and a few plain
 * stores for each switch, and switches a few times for each batch. A reader
 * that meets a write in progress reads again. Rejected: sampling (says nothing
 * about waits of tasks, which have no thread to sample) and a lock.
 */
#include "base/clock.h"
#include "pipeline/engine.h"
#include "sched/look.h"

#include <string.h>
#include <sys/resource.h>

enum { LOOK_SHARE = 50 };
static const leat_time LOOK_REST = LEAT_SECOND / 5;

void lt_line_start(struct lt_line *line, enum leat_state state, leat_time since) {
    lt_store(&line->state, (uint32_t)state, relaxed);
    lt_store(&line->since, since, release);
}

static void begin_write(struct lt_line *line) {
    lt_store(&line->version, lt_load(&line->version, relaxed) + 1, relaxed);
    lt_fence(release);
}

static void end_write(struct lt_line *line) {
    lt_store(&line->version, lt_load(&line->version, relaxed) + 1, release);
}

enum leat_state lt_line_switch(struct lt_line *line, enum leat_state state) {
    enum leat_state before = lt_load(&line->state, relaxed);
    if (before == state)
        return before;
    leat_time now = lt_now(), since = lt_load(&line->since, relaxed);
    begin_write(line);
    lt_store(&line->time[before], lt_load(&line->time[before], relaxed) + now - since, relaxed);
    lt_store(&line->since, now, relaxed);
    lt_store(&line->state, (uint32_t)state, relaxed);
    end_write(line);
    return before;
}

void lt_line_halt(struct lt_line *line) {
    lt_line_switch(line, LEAT_WAITS_INPUT);
    leat_time since = lt_load(&line->since, relaxed);
    begin_write(line);
    lt_store(&line->time[LEAT_WAITS_INPUT], lt_load(&line->time[LEAT_WAITS_INPUT], relaxed) + lt_now() - since,
             relaxed);
    lt_store(&line->since, 0, relaxed);
    end_write(line);
}

void lt_line_add(struct lt_line *line, uint64_t items, uint64_t bytes) {
    lt_store(&line->items, lt_load(&line->items, relaxed) + items, relaxed);
    lt_store(&line->bytes, lt_load(&line->bytes, relaxed) + bytes, relaxed);
}

void lt_line_view(struct lt_line *line, struct lt_line_view *view) {
    uint32_t version;
    do {
        while ((version = lt_load(&line->version, acquire)) & 1)
            lt_pause();
        for (int s = 0; s < LEAT_STATES; s++)
            view->time[s] = lt_load(&line->time[s], relaxed);
        view->state = lt_load(&line->state, relaxed);
        view->since = lt_load(&line->since, relaxed);
        view->items = lt_load(&line->items, relaxed);
        view->bytes = lt_load(&line->bytes, relaxed);
        lt_fence(acquire);
    } while (lt_load(&line->version, relaxed) != version);
}

enum leat_state leat_batch_state(struct leat_batch *batch, enum leat_state state) {
    struct lt_slot *slot = batch->engine;
    if (!slot || !slot->line || (unsigned)state >= LEAT_STATES)
        return LEAT_BUSY;
    return lt_line_switch(slot->line, state);
}

void lt_slot_move(struct leat_batch *batch, enum lt_place place, size_t column) {
    struct lt_slot *slot = batch->engine;
    leat_time now = lt_now();
    slot->line = NULL;
    if (slot->notes)
        lt_trace_note(slot, now);
    lt_store(&slot->column, (uint32_t)column, relaxed);
    lt_store(&slot->since, now, relaxed);
    lt_store(&slot->place, (uint32_t)place, release);
}

void lt_slot_take(struct leat_batch *batch, enum lt_place place, size_t column, struct lt_line *line) {
    struct lt_slot *slot = batch->engine;
    lt_slot_move(batch, place, column);
    slot->line = line;
}

leat_time lt_process_cpu(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * LEAT_SECOND +
           (use.ru_utime.tv_usec + use.ru_stime.tv_usec) * LEAT_MICROSECOND;
}

bool lt_balanced(const struct lt_pipeline *pipeline) {
    const struct lt_tally *tally = &pipeline->tally;
    return lt_load(&tally->in, relaxed) == lt_load(&tally->delivered, relaxed) + lt_load(&tally->filtered, relaxed) +
                                               lt_load(&tally->failed, relaxed) + lt_load(&tally->returned, relaxed);
}

/* ---------------------------------------------------------------- snapshot */

/** Fates before arrivals: so a run in progress never shows more items gone than came. */
static void count(struct lt_tally *tally, struct lt_counts *counts) {
    counts->delivered = lt_load(&tally->delivered, acquire);
    counts->filtered = lt_load(&tally->filtered, acquire);
    counts->failed = lt_load(&tally->failed, acquire);
    counts->returned = lt_load(&tally->returned, acquire);
    counts->bytes_out = lt_load(&tally->bytes_out, acquire);
    counts->in = lt_load(&tally->in, acquire);
    counts->bytes_in = lt_load(&tally->bytes_in, acquire);
}

/** The clock is read after the line, and the elapsed time after all lines: no line ever shows more time than there was.
 */
static void add_line(struct lt_stage_snapshot *stage, struct lt_line *line, leat_time ended) {
    struct lt_line_view view;
    lt_line_view(line, &view);
    leat_time now = ended ? ended : lt_now();
    for (int s = 0; s < LEAT_STATES; s++)
        stage->time[s] += view.time[s];
    if (view.since && now > view.since)
        stage->time[view.state] += now - view.since;
    stage->items += view.items;
    stage->bytes += view.bytes;
}

/** A worker that was not started has waited for input all the time, and one that was, until then. */
static void add_group(struct lt_stage_snapshot *stage, struct lt_group *group, leat_time ended) {
    unsigned started = lt_load(&group->started, acquire);
    for (unsigned w = 0; w < started; w++)
        add_line(stage, &group->members[w]->line, ended);
    stage->time[LEAT_WAITS_INPUT] += lt_crew_waited(group, ended ? ended : lt_now());
}

static void add_latency(const struct lt_histogram *histogram, struct lt_latency *latency) {
    *latency = (struct lt_latency){
        .median = lt_histogram_at(histogram, 0.5),
        .p90 = lt_histogram_at(histogram, 0.9),
        .p99 = lt_histogram_at(histogram, 0.99),
        .most = lt_load(&histogram->most, relaxed),
    };
}

static void add_queue(struct lt_stage_snapshot *stage, const struct leat_chan *chan) {
    if (!chan)
        return;
    stage->queued = leat_chan_len(chan);
    stage->queue_capacity = leat_chan_cap(chan);
}

/** What the sink has now; batches that come to it meanwhile may count, but never more than there were. */
static uint64_t count_unconfirmed(struct lt_pipeline *pipeline, const struct lt_counts *counts) {
    uint64_t items = 0;
    for (size_t s = 0; s < pipeline->slot_count; s++)
        if (lt_load(&pipeline->slots[s].place, acquire) == LT_SINKING)
            items += lt_load(&pipeline->slots[s].count, relaxed);
    uint64_t open = counts->in - counts->delivered - counts->filtered - counts->failed - counts->returned;
    return items < open ? items : open;
}

static void rise(_Atomic leat_time *last, leat_time now) {
    for (leat_time before = lt_load(last, relaxed); now > before;)
        if (lt_cas(last, &before, now, acq_rel))
            return;
}

void lt_look_at_children(struct lt_pipeline *pipeline) {
    const struct lt_children_use *before = &pipeline->children_before;
    struct lt_children_use use;
    leat_time now = lt_now();
    if (!pipeline->has_commands || lt_load(&pipeline->cpu_after, acquire) ||
        now < lt_load(&pipeline->children.next, relaxed))
        return;
    lt_children_use(&use);
    rise(&pipeline->children.cpu, use.cpu - before->cpu);
    rise(&pipeline->children.delayed, use.delayed - before->delayed);
    rise(&pipeline->children.machine, use.machine - before->machine);
    /* With very many children that takes long, too; but who compares two seconds needs a look in each. */
    leat_time after = lt_now(), wait = LOOK_SHARE * (after - now);
    lt_store(&pipeline->children.next, after + (wait < LOOK_REST ? wait : LOOK_REST), relaxed);
}

/** The processor time of children, shared out by the time in which columns with commands waited for them. */
static void share_commands(struct lt_pipeline *pipeline, struct lt_snapshot *snapshot) {
    lt_look_at_children(pipeline);
    leat_time cpu = lt_load(&pipeline->children.cpu, relaxed), left = cpu;
    double waited = 0;
    snapshot->commands_delayed = lt_load(&pipeline->children.delayed, relaxed);
    snapshot->machine = lt_load(&pipeline->children.machine, relaxed);
    for (size_t g = 0; g < pipeline->group_count; g++)
        if (pipeline->groups[g].has_commands)
            waited += (double)snapshot->stages[g + 1].time[LEAT_WAITS_OUTSIDE];
    struct lt_stage_snapshot *last = NULL;
    for (size_t g = 0; g < pipeline->group_count && waited > 0; g++) {
        if (!pipeline->groups[g].has_commands)
            continue;
        last = &snapshot->stages[g + 1];
        last->commands = (leat_time)((double)cpu * (double)last->time[LEAT_WAITS_OUTSIDE] / waited);
        left -= last->commands;
    }
    if (last)
        last->commands += left;
    for (size_t s = 0; s < snapshot->stage_count; s++)
        snapshot->stages[s].cpu += snapshot->stages[s].commands;
}

/** The processor time of the process, shared out by busy time: tasks move between threads, threads cannot be asked. */
static void share_cpu(struct lt_pipeline *pipeline, struct lt_snapshot *snapshot) {
    leat_time cpu = lt_load(&pipeline->cpu_after, acquire);
    cpu = (cpu ? cpu : lt_process_cpu()) - pipeline->cpu_before;
    double busy = 0;
    for (size_t s = 0; s < snapshot->stage_count; s++)
        busy += (double)snapshot->stages[s].time[LEAT_BUSY];
    leat_time left = cpu;
    for (size_t s = snapshot->stage_count; busy > 0 && s-- > 1;) {
        snapshot->stages[s].cpu = (leat_time)((double)cpu * (double)snapshot->stages[s].time[LEAT_BUSY] / busy);
        left -= snapshot->stages[s].cpu;
    }
    snapshot->stages[0].cpu = left > 0 ? left : 0;
}

leat_time lt_delayed(struct lt_pipeline *pipeline) {
    leat_time before = lt_load(&pipeline->delayed, relaxed), now = lt_workers_delayed();
    if (now <= before)
        return before;
    lt_store(&pipeline->delayed, now, relaxed);
    return now;
}

void lt_pipeline_snapshot(struct lt_pipeline *pipeline, struct lt_snapshot *snapshot) {
    const struct lt_plan *plan = pipeline->plan;
    memset(snapshot, 0, sizeof *snapshot);
    snapshot->stage_count = pipeline->group_count + 2;
    snapshot->flowing = lt_load(&pipeline->flowing, acquire) != 0;
    snapshot->stopping = lt_level(pipeline) != LT_RUNNING;
    add_latency(&pipeline->latency, &snapshot->latency);
    snapshot->paused = lt_load(&pipeline->paused, relaxed);
    snapshot->rate = lt_steer_rate(pipeline);
    count(&pipeline->tally, &snapshot->counts);
    snapshot->unconfirmed = count_unconfirmed(pipeline, &snapshot->counts);
    struct lt_stage_snapshot *source = &snapshot->stages[0], *sink = &snapshot->stages[pipeline->group_count + 1];
    source->name = plan->from.spelling;
    source->workers = 1;
    sink->name = plan->to.spelling;
    snapshot->source_server = plan->source->server;
    snapshot->sink_server = plan->sink->server;
    sink->workers = 1;
    for (size_t g = 0; g < pipeline->group_count; g++) {
        snapshot->stages[g + 1].name = pipeline->groups[g].name;
        snapshot->stages[g + 1].workers = lt_load(&pipeline->groups[g].admitted, relaxed);
        snapshot->stages[g + 1].automatic = pipeline->groups[g].automatic;
        snapshot->stages[g + 1].most_workers = pipeline->groups[g].workers;
    }
    leat_time started = lt_load(&pipeline->started, acquire), ended = lt_load(&pipeline->ended, acquire);
    if (!started)
        return;
    add_line(source, &pipeline->source_line, ended);
    for (size_t g = 0; g < pipeline->group_count; g++) {
        add_group(&snapshot->stages[g + 1], &pipeline->groups[g], ended);
        add_queue(&snapshot->stages[g + 1], pipeline->groups[g].in);
    }
    add_line(sink, &pipeline->sink_line, ended);
    add_queue(sink, pipeline->to_sink);
    struct lt_stage_snapshot acknowledge = {0}, pause = {0};
    add_line(&acknowledge, &pipeline->acknowledge_line, ended);
    snapshot->acknowledging = acknowledge.time[LEAT_BUSY];
    add_line(&pause, &pipeline->pause_line, ended);
    snapshot->resting = pause.time[LEAT_BUSY];
    snapshot->elapsed = (ended ? ended : lt_now()) - started;
    snapshot->emptied = lt_load(&pipeline->emptied, relaxed);
    snapshot->with_sink = lt_load(&pipeline->tally.with_sink, relaxed);
    snapshot->under_way = lt_load(&pipeline->tally.under_way, relaxed);
    share_cpu(pipeline, snapshot);
    if (pipeline->has_commands)
        share_commands(pipeline, snapshot);
    snapshot->delayed = lt_delayed(pipeline);
    snapshot->skipped = lt_load(&pipeline->resume.skipped, relaxed);
    lt_ask_ends(pipeline, snapshot);
}

/* ------------------------------------------------------------------ pacing */

/** What one item costs in a group since the last look; 0 when nothing passed. */
static leat_time cost_since(struct lt_pipeline *pipeline, size_t g, uint64_t *passed) {
    uint64_t items = 0;
    leat_time time = 0;
    struct lt_group *group = &pipeline->groups[g];
    unsigned started = lt_load(&group->started, acquire);
    for (unsigned w = 0; w < started; w++) {
        struct lt_line_view view;
        lt_line_view(&group->members[w]->line, &view);
        items += view.items;
        time += view.time[LEAT_BUSY] + view.time[LEAT_WAITS_OUTSIDE] + view.time[LEAT_THROTTLED];
    }
    *passed = items;
    uint64_t new_items = items - pipeline->pace_items[g];
    leat_time new_time = time - pipeline->pace_time[g];
    pipeline->pace_items[g] = items;
    pipeline->pace_time[g] = time;
    return new_items ? new_time / (leat_time)new_items : 0;
}

uint64_t lt_pace(struct lt_pipeline *pipeline) {
    if (!pipeline->group_count)
        return pipeline->most_items;
    leat_time now = lt_now();
    if (now < pipeline->pace_next)
        return pipeline->pace_limit;
    uint64_t proven = UINT64_MAX;
    leat_time slowest = 0;
    for (size_t g = 0; g < pipeline->group_count; g++) {
        uint64_t passed;
        leat_time cost = cost_since(pipeline, g, &passed);
        if (cost > slowest)
            slowest = cost;
        if (passed < proven)
            proven = passed;
    }
    /* With very many workers the look itself takes long: no more than a small part of the time goes into it. */
    leat_time after = lt_now(), wait = LOOK_SHARE * (after - now);
    pipeline->pace_next = after + (wait > LEAT_MILLISECOND ? wait : LEAT_MILLISECOND);
    if (slowest)
        pipeline->service = pipeline->service ? (pipeline->service + slowest) / 2 : slowest;
    uint64_t limit = pipeline->service ? (uint64_t)(LT_TARGET_WORK / pipeline->service) : pipeline->most_items;
    if (limit > 1 + proven / 4)
        limit = 1 + proven / 4;
    if (limit > pipeline->most_items)
        limit = pipeline->most_items;
    return pipeline->pace_limit = limit ? limit : 1;
}
