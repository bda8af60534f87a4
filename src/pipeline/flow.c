/* SPDX-License-Identifier: MIT */
/**
 * The tasks through which items flow: the source's, the workers', the sink's.
 *
 * Each ends when what it receives from is closed and empty, and then closes
 * what it sends to (for a group of workers, its foreman does). A stop never
 * breaks that chain: it only decides what is done with a batch on its way.
 */
#include "base/clock.h"
#include "base/error.h"
#include "pipeline/batch.h"
#include "pipeline/engine.h"
#include "sched/look.h"

#include <errno.h>

void lt_close_input(struct lt_pipeline *pipeline, size_t group) {
    if (group == pipeline->group_count) {
        leat_chan_close(pipeline->to_sink);
        return;
    }
    leat_chan_close(pipeline->groups[group].in);
    leat_chan_close(pipeline->groups[group].ended);
    leat_chan_close(pipeline->groups[group].more);
}

void lt_return_items(struct leat_batch *batch) {
    for (size_t i = 0; i < batch->count; i++)
        if (batch->items[i].fate == LEAT_LIVE)
            batch->items[i].fate = LEAT_RETURNED;
}

size_t lt_stamp(struct lt_pipeline *pipeline, struct leat_batch *batch, const char *place) {
    size_t live = 0, failed = 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct leat_item *item = &batch->items[i];
        if (item->fate == LEAT_LIVE)
            live++;
        if (item->fate != LEAT_FAILED || item->stage)
            continue;
        item->stage = place;
        /* The stop, not the item, is to blame. */
        if (item->code == -ECANCELED && lt_is_called_off(pipeline))
            item->fate = LEAT_RETURNED;
        else
            failed++;
    }
    lt_halt_count(pipeline, LT_HALT_FAIL, failed);
    return live;
}

/** A call was cut short. True: by a stop, which ended the reach, so try again. False: by the end of everything. */
static bool try_again(struct lt_pipeline *pipeline, struct lt_reach *reach) {
    bool stopped = reach->scope != NULL;
    lt_reach_close(pipeline, reach);
    return stopped;
}

/** Send to a group or the sink in spite of a stop that reaches the caller: the batch must go on. The channel is closed
 * only after its senders. */
static void hand_on(struct lt_pipeline *pipeline, struct lt_reach *reach, size_t group, struct leat_batch *batch) {
    struct lt_group *next = group < pipeline->group_count ? &pipeline->groups[group] : NULL;
    struct leat_chan *chan = next ? next->in : pipeline->to_sink;
    if (next)
        lt_crew_expect(next);
    for (int code; (code = leat_send(chan, &batch)) < 0;) {
        /* For a larger buffer. Those before the channel wait, too, so those behind it will empty it. */
        if (code == -ENOMEM)
            leat_sleep(LEAT_MILLISECOND);
        else if (!try_again(pipeline, reach))
            return;
    }
    if (next)
        lt_crew_tell(next);
}

bool lt_begin(struct lt_pipeline *pipeline) {
    leat_wg_done(&pipeline->beginning);
    return leat_wg_wait(&pipeline->gate) == 0;
}

/* ------------------------------------------------------------------ source */

/** What was read joins the run. */
static void take_in(struct lt_pipeline *pipeline, struct leat_batch *batch, uint64_t sequence) {
    struct lt_slot *slot = batch->engine;
    struct lt_tally *tally = &pipeline->tally;
    batch->sequence = sequence;
    lt_stamp(pipeline, batch, pipeline->plan->from.spelling);
    lt_resume_skip(&pipeline->resume, batch);
    slot->read = lt_now();
    lt_store(&slot->count, batch->count, relaxed);
    lt_store(&slot->position, batch->items[0].position, relaxed);
    lt_store(&slot->id, batch->items[0].id, relaxed);
    lt_line_add(&pipeline->source_line, batch->count, batch->bytes);
    lt_fetch_add(&tally->bytes_held, batch->bytes, relaxed);
    lt_fetch_add(&tally->bytes_in, batch->bytes, release);
    lt_fetch_add(&tally->in, batch->count, release);
}

/** Batches that are not kept by a sink that gathers. */
static uint64_t travelling(const struct lt_pipeline *pipeline) {
    size_t count = lt_load(&pipeline->slot_count, relaxed);
    size_t kept = pipeline->plan->sink->holds ? lt_load(&pipeline->unconfirmed, relaxed) : 0;
    return kept + pipeline->slot_least < count ? count - kept : pipeline->slot_least;
}

/** What all batches may hold, for one of them: less the more there are. A limit that the user set is kept exactly. */
static uint64_t share_of_batch(const struct lt_pipeline *pipeline) {
    uint64_t memory = pipeline->plan->options.memory;
    if (memory)
        return memory / travelling(pipeline) + 1;
    uint64_t share = LT_BYTES_IN_FLIGHT / travelling(pipeline);
    return share < LT_LEAST_BYTES ? LT_LEAST_BYTES : share;
}

uint64_t lt_most_in_flight(const struct lt_pipeline *pipeline) {
    if (pipeline->plan->options.memory)
        return pipeline->plan->options.memory;
    uint64_t kept = pipeline->plan->sink->holds ? LEAT_HELD_BYTES : 0;
    return share_of_batch(pipeline) * travelling(pipeline) + kept;
}

/** A batch to read into, once what is on its way leaves room. NULL: stopped meanwhile. */
static struct leat_batch *free_batch(struct lt_pipeline *pipeline) {
    for (;;) {
        bool room = lt_load(&pipeline->tally.bytes_held, relaxed) < lt_most_in_flight(pipeline);
        if (room && pipeline->spare_count > 0)
            return pipeline->spare[--pipeline->spare_count];
        /* Every settled batch comes this way: none is waited for that could not come. */
        struct leat_batch *batch;
        if (leat_recv(pipeline->free_batches, &batch) < 0)
            return NULL;
        pipeline->spare[pipeline->spare_count++] = batch;
    }
}

/** After a stop: `*last`, which was put aside for this, with the reach cancelled again. NULL: no last word. */
static struct leat_batch *last_batch(struct lt_pipeline *pipeline, struct leat_batch **last) {
    struct leat_batch *batch = *last;
    *last = NULL;
    if (!batch || pipeline->reading.scope)
        return batch;
    return lt_reach_open(pipeline, &pipeline->reading, LT_DRAINING) == 0 ? batch : NULL;
}

/** Read one batch. True: there may be more. */
static bool read_batch(struct lt_pipeline *pipeline, struct leat_batch *batch) {
    const struct lt_plan *plan = pipeline->plan;
    struct leat_error error = {.code = 0, .text = "it failed and did not say why"};
    uint64_t share = share_of_batch(pipeline);
    lt_batch_limit(batch, lt_steer_items(pipeline, lt_pace(pipeline)),
                   pipeline->most_bytes < share ? pipeline->most_bytes : share);
    lt_line_switch(&pipeline->source_line, LEAT_BUSY);
    int code = plan->source->read(pipeline->source, batch, &error);
    if (code >= 0 && batch->count == 0)
        code = leat_fail(&error, -EPROTO, "it gave neither items nor the end");
    if (code >= 0)
        return true;
    if (code == -ENODATA)
        lt_store(&pipeline->all_read, true, release);
    if (code == -ENODATA || (code == -ECANCELED && lt_level(pipeline) != LT_RUNNING))
        return false;
    lt_break(pipeline, plan->from.spelling, &error, LT_DRAINING);
    lt_return_items(batch);
    return false;
}

int lt_source_task(void *argument) {
    struct lt_pipeline *pipeline = argument;
    if (!lt_begin(pipeline))
        return 0;
    struct lt_line *line = &pipeline->source_line;
    uint64_t sequence = 0;
    bool more = lt_reach_open(pipeline, &pipeline->reading, LT_DRAINING) == 0;
    if (!more)
        lt_break(pipeline, pipeline->plan->from.spelling, &(struct leat_error){-ENOMEM, "out of memory"}, LT_DRAINING);
    struct leat_batch *last = more && pipeline->plan->source->last_read ? free_batch(pipeline) : NULL;
    while (more) {
        lt_steer_before(pipeline);
        lt_line_switch(line, LEAT_WAITS_OUTPUT);
        struct leat_batch *batch = lt_level(pipeline) == LT_RUNNING ? free_batch(pipeline) : NULL;
        if (!batch)
            batch = last_batch(pipeline, &last);
        if (!batch)
            break;
        lt_slot_take(batch, LT_READING, 0, line);
        more = read_batch(pipeline, batch);
        if (batch->count == 0) {
            lt_slot_move(batch, LT_FREE, 0);
            break;
        }
        take_in(pipeline, batch, sequence++);
        lt_steer_after(pipeline, batch->count);
        lt_line_switch(line, LEAT_WAITS_OUTPUT);
        lt_slot_move(batch, LT_QUEUED, 1);
        hand_on(pipeline, &pipeline->reading, 0, batch);
    }
    lt_line_switch(line, LEAT_WAITS_OUTPUT); /* from now on it is not the source that holds anybody up */
    lt_reach_close(pipeline, &pipeline->reading);
    lt_close_input(pipeline, 0);
    return 0;
}

/* ----------------------------------------------------------------- workers */

static bool returns_all(struct lt_pipeline *pipeline, const struct lt_group *group) {
    return lt_level(pipeline) == LT_DROPPING || lt_load(&pipeline->returned_below, acquire) > group->index;
}

/** A stage that cannot go on: nothing more comes to it, what is behind it is delivered. */
static void break_stage(struct lt_pipeline *pipeline, const struct lt_group *group, const char *spelling,
                        const struct leat_error *error) {
    pthread_mutex_lock(&pipeline->mutex);
    if (lt_load(&pipeline->returned_below, relaxed) <= group->index)
        lt_store(&pipeline->returned_below, (uint32_t)group->index + 1, release);
    pthread_mutex_unlock(&pipeline->mutex);
    lt_break(pipeline, spelling, error, LT_DRAINING);
}

/** Make what the sink will write. What fails here fails there again, and is set aside there. */
static void render(struct leat_batch *batch) {
    struct leat_bytes out;
    struct leat_error reason;
    for (size_t i = 0; i < batch->count; i++)
        if (batch->items[i].fate == LEAT_LIVE)
            leat_item_render(batch, &batch->items[i], &out, &reason);
}

/** What commands wrote is held like what was read: the source waits for it, too. */
static void account(struct lt_pipeline *pipeline, struct leat_batch *batch) {
    size_t bytes = 0;
    for (size_t i = 0; i < batch->count; i++)
        bytes += batch->items[i].body.size + batch->items[i].origin.size;
    lt_fetch_add(&pipeline->tally.bytes_held, (uint64_t)bytes - batch->bytes, relaxed);
    batch->bytes = bytes;
}

/** For --halt: what is live now has succeeded. */
static void count_passed(struct lt_pipeline *pipeline, const struct leat_batch *batch) {
    size_t passed = 0, filtered = 0;
    for (size_t i = 0; i < batch->count; i++) {
        passed += batch->items[i].fate == LEAT_LIVE;
        filtered += batch->items[i].fate == LEAT_FILTERED && !batch->items[i].before;
    }
    lt_halt_count(pipeline, LT_HALT_SUCCESS, passed);
    lt_halt_count(pipeline, LT_HALT_DONE, filtered);
}

static void process(struct lt_worker *worker, struct leat_batch *batch) {
    struct lt_pipeline *pipeline = worker->pipeline;
    struct lt_group *group = worker->group;
    for (size_t s = 0; s < group->count; s++) {
        const struct lt_planned_stage *stage = &pipeline->plan->stages[group->first + s];
        struct leat_error error = {.code = 0, .text = "it failed and did not say why"};
        if (returns_all(pipeline, group)) {
            lt_return_items(batch);
            return;
        }
        int code = stage->type->process(pipeline->stages[group->first + s], worker->states[s], batch, &error);
        size_t live = lt_stamp(pipeline, batch, stage->segment.name);
        if (stage->type->acts)
            account(pipeline, batch);
        if (code < 0) {
            if (code != -ECANCELED || !lt_is_called_off(pipeline))
                break_stage(pipeline, group, stage->segment.spelling, &error);
            lt_return_items(batch);
            return;
        }
        lt_line_switch(&worker->line, LEAT_BUSY);
        if (!live)
            break;
    }
    if (group->index + 1 == pipeline->group_count)
        count_passed(pipeline, batch);
    if (pipeline->plan->sink->renders && group->index + 1 == pipeline->group_count)
        render(batch);
}

/** The next batch; a stop that comes meanwhile only ends the reach. False: there is none any more. */
static bool next_batch(struct lt_worker *worker, struct leat_batch **batch) {
    for (;;) {
        int code = leat_recv(worker->group->in, batch);
        if (code == 0)
            return true;
        if (code == -EPIPE || !try_again(worker->pipeline, &worker->reach))
            return false;
    }
}

void lt_work(struct lt_worker *worker) {
    struct lt_group *group = worker->group;
    size_t column = group->index + 1;
    lt_store(&worker->task, lt_task_here(), relaxed);
    for (struct leat_batch *batch;;) {
        lt_stand_by(worker);
        lt_line_switch(&worker->line, LEAT_WAITS_INPUT);
        if (!next_batch(worker, &batch))
            break;
        lt_slot_take(batch, LT_WORKED, column, &worker->line);
        lt_line_switch(&worker->line, LEAT_BUSY);
        process(worker, batch);
        lt_line_add(&worker->line, batch->count, batch->bytes);
        lt_line_switch(&worker->line, LEAT_WAITS_OUTPUT);
        lt_slot_move(batch, LT_QUEUED, column + 1);
        hand_on(worker->pipeline, &worker->reach, group->index + 1, batch);
        lt_crew_passed(group);
    }
}

/* -------------------------------------------------------------------- sink */

static bool has_live(const struct leat_batch *batch) {
    for (size_t i = 0; i < batch->count; i++)
        if (batch->items[i].fate == LEAT_LIVE)
            return true;
    return false;
}

static void break_sink(struct lt_pipeline *pipeline, const struct leat_error *error) {
    pipeline->sink_broken = true;
    lt_break(pipeline, pipeline->plan->to.spelling, error, LT_DROPPING);
}

/** The sink keeps batches: make others, so that no fewer travel. */
static void replace_kept(struct lt_pipeline *pipeline) {
    size_t kept = lt_load(&pipeline->unconfirmed, relaxed), count = lt_load(&pipeline->slot_count, relaxed);
    if (!pipeline->plan->sink->holds || count >= pipeline->slot_least + kept)
        return;
    if (lt_add_batches(pipeline, pipeline->slot_least + kept - count) < 0)
        break_sink(pipeline, &(struct leat_error){-ENOMEM, "out of memory for what it gathers"});
}

/** Write what is live. After the call of write the batches belong to the sink or to the acknowledge task. */
static void write_batches(struct lt_pipeline *pipeline, struct leat_batch **batches, size_t count) {
    struct leat_batch *list[LT_SINK_TAKES];
    size_t listed = 0, items = 0, bytes = 0;
    struct leat_error error = {.code = 0, .text = "it failed and did not say why"};
    for (size_t b = 0; b < count; b++) {
        items += batches[b]->count;
        bytes += batches[b]->bytes;
        if (!pipeline->group_count)
            count_passed(pipeline, batches[b]);
        if (lt_level(pipeline) == LT_DROPPING)
            lt_return_items(batches[b]);
        if (!has_live(batches[b])) {
            lt_pass_by(batches[b]);
            continue;
        }
        lt_fetch_add(&pipeline->unconfirmed, 1, relaxed);
        lt_slot_take(batches[b], LT_SINKING, pipeline->group_count + 1, &pipeline->sink_line);
        list[listed++] = batches[b];
    }
    lt_line_add(&pipeline->sink_line, items, bytes);
    if (!listed)
        return;
    lt_line_switch(&pipeline->sink_line, LEAT_BUSY);
    if (pipeline->plan->sink->write(pipeline->sink, list, listed, &error) < 0)
        break_sink(pipeline, &error);
    else
        replace_kept(pipeline);
}

static void write_in_order(struct lt_pipeline *pipeline, struct leat_batch **batches, size_t count) {
    struct leat_batch *list[LT_SINK_TAKES];
    size_t listed = 0;
    for (size_t b = 0; b < count; b++)
        lt_order_put(&pipeline->order, batches[b]);
    while ((list[listed] = lt_order_take(&pipeline->order))) {
        if (++listed < LT_SINK_TAKES)
            continue;
        write_batches(pipeline, list, listed);
        listed = 0;
    }
    if (listed)
        write_batches(pipeline, list, listed);
}

static void flush_sink(struct lt_pipeline *pipeline) {
    struct leat_error error = {.code = 0, .text = "it failed and did not say why"};
    if (pipeline->sink_broken)
        return;
    lt_line_switch(&pipeline->sink_line, LEAT_WAITS_OUTSIDE);
    if (pipeline->plan->sink->flush && pipeline->plan->sink->flush(pipeline->sink, &error) < 0) {
        break_sink(pipeline, &error);
        return;
    }
    size_t open = lt_load(&pipeline->unconfirmed, acquire);
    if (!open)
        return;
    leat_fail(&error, -EPROTO, "it was flushed and has not confirmed %zu of its batches", open);
    break_sink(pipeline, &error);
}

/** Others take out of the sink's target what was written; a stop ends the waiting. */
static void wait_until_empty(struct lt_pipeline *pipeline) {
    const struct leat_sink_type *type = pipeline->plan->sink;
    struct leat_error error = {.code = 0, .text = "it did not say whether it is empty, nor why"};
    struct lt_reach *reach = &pipeline->emptying;
    if (!pipeline->plan->to.until_empty || pipeline->sink_broken || lt_level(pipeline) != LT_RUNNING)
        return;
    int code = lt_reach_open(pipeline, reach, LT_DRAINING);
    if (code == 0)
        code = type->emptied(pipeline->sink, &error);
    lt_reach_close(pipeline, reach);
    if (code == 0)
        lt_store(&pipeline->emptied, lt_now(), relaxed);
    else if (lt_level(pipeline) == LT_RUNNING)
        break_sink(pipeline, &error);
}

int lt_sink_task(void *argument) {
    struct lt_pipeline *pipeline = argument;
    if (!lt_begin(pipeline))
        return 0;
    struct lt_line *line = &pipeline->sink_line;
    struct leat_batch *batches[LT_SINK_TAKES];
    for (;;) {
        /* Waiting with batches unconfirmed is waiting for the outside: then no new ones may be able to come. */
        lt_line_switch(line, lt_load(&pipeline->unconfirmed, relaxed) ? LEAT_WAITS_OUTSIDE : LEAT_WAITS_INPUT);
        ptrdiff_t count = leat_recv_many(pipeline->to_sink, batches, LT_SINK_TAKES);
        if (count < 0)
            break;
        if (pipeline->plan->options.keep_order)
            write_in_order(pipeline, batches, (size_t)count);
        else
            write_batches(pipeline, batches, (size_t)count);
    }
    flush_sink(pipeline);
    wait_until_empty(pipeline);
    lt_line_switch(line, LEAT_WAITS_INPUT);
    leat_chan_close(pipeline->confirmed);
    return 0;
}
