/* SPDX-License-Identifier: MIT */
/**
 * The end of every item's way: its batch is confirmed, what failed is recorded,
 * fates are counted, the source is told, the batch is used again. In this order
 * and nowhere else, which is what makes delivery at least once: a source learns
 * of an item only when the item is safe somewhere else.
 *
 * A confirmation may come from any task or thread, also from within the sink's
 * write and in any order. It is a compare-and-swap on the batch's place, so that
 * a second one for the same batch does nothing, and a send into a channel that
 * has room for every batch, so that a sink's own thread never waits here.
 */
#include "base/clock.h"
#include "pipeline/batch.h"
#include "pipeline/engine.h"

#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ------------------------------------------------------------ confirmation */

static uint64_t microseconds_since(leat_time time) {
    leat_time now = lt_now();
    return now > time ? (uint64_t)((now - time) / LEAT_MICROSECOND) : 0;
}

static int send_confirmed(void *argument) {
    struct leat_batch *batch = argument;
    struct lt_slot *slot = batch->engine;
    return leat_send(slot->confirmed, &batch);
}

void leat_batch_confirm(struct leat_batch *batch) {
    struct lt_slot *slot = batch->engine;
    uint32_t expected = LT_SINKING;
    if (!slot || !lt_cas(&slot->place, &expected, LT_CONFIRMED, acq_rel))
        return;
    if (slot->unconfirmed) {
        uint64_t time = microseconds_since(lt_load(&slot->since, relaxed));
        lt_fetch_add(&slot->pipeline->tally.with_sink, time * batch->count, relaxed);
        lt_fetch_sub(slot->unconfirmed, 1, release);
    }
    if (slot->notes)
        lt_trace_confirmed(slot);
    int code = send_confirmed(batch);
    if (code == -ECANCELED || code == -ETIMEDOUT)
        leat_shield(send_confirmed, batch);
}

/* The acknowledge task waits for the dead end, and for nothing else then: it must get its batch back. */
static void abandon_dead(struct leat_batch *batch, const struct leat_error *error) {
    for (size_t i = 0; i < batch->count; i++)
        if (batch->items[i].fate == LEAT_LIVE)
            leat_item_fail(batch, &batch->items[i], error->code, "%s", error->text);
    leat_batch_confirm(batch);
}

void leat_batch_abandon(struct leat_batch *batch, const struct leat_error *error) {
    struct lt_slot *slot = batch->engine;
    if (!slot)
        return;
    if (batch == slot->pipeline->dead_batch)
        abandon_dead(batch, error);
    else
        lt_break(slot->pipeline, slot->pipeline->plan->to.spelling, error, LT_DROPPING);
}

void lt_pass_by(struct leat_batch *batch) {
    lt_slot_move(batch, LT_CONFIRMED, 0);
    send_confirmed(batch);
}

/* -------------------------------------------------------------- dead items */

/** A batch for --dead with the failed items as they came, without those that did not come whole. Its bytes stay in
 * `batch`. */
static size_t fill_dead(struct leat_batch *dead, struct leat_batch *batch) {
    lt_batch_reset(dead);
    for (size_t i = 0; i < batch->count; i++) {
        const struct leat_item *item = &batch->items[i];
        if (item->fate != LEAT_FAILED || item->whole)
            continue;
        struct leat_item *copy = leat_batch_add(dead);
        leat_item_set(dead, copy, lt_item_origin(item), item->kind);
        copy->text = item->origin.data ? copy->body : item->text;
        copy->id = item->id;
        copy->position = item->position;
        copy->envelope = item->envelope;
    }
    return dead->count;
}

static int deliver_dead(struct lt_pipeline *pipeline, struct leat_batch *batch, struct leat_error *error) {
    const struct leat_sink_type *type = pipeline->plan->dead;
    struct leat_batch *dead = pipeline->dead_batch;
    if (pipeline->dead_broken)
        return leat_fail(error, -EIO, "it is broken");
    if (!fill_dead(dead, batch))
        return 0;
    lt_slot_take(dead, LT_SINKING, 0, &pipeline->acknowledge_line);
    int code = type->write(pipeline->dead, &dead, 1, error);
    if (code == 0)
        code = leat_recv(pipeline->dead_confirmed, &dead);
    for (size_t i = 0; code == 0 && i < dead->count; i++)
        if (dead->items[i].fate == LEAT_FAILED)
            code = leat_fail(error, -EIO, "it refused item %llu: %.*s", (unsigned long long)dead->items[i].position,
                             (int)dead->items[i].reason.size, dead->items[i].reason.data);
    pipeline->dead_broken = code < 0;
    return code;
}

/* -------------------------------------------------------------- the finish */

/** Failed items whose record could not be kept would be lost: their source keeps them. */
static void keep_with_source(struct leat_batch *batch) {
    for (size_t i = 0; i < batch->count; i++)
        if (batch->items[i].fate == LEAT_FAILED)
            batch->items[i].fate = LEAT_RETURNED;
}

static void record_failures(struct lt_pipeline *pipeline, struct leat_batch *batch) {
    const struct lt_plan *plan = pipeline->plan;
    struct leat_error error = {.code = 0, .text = "it failed and did not say why"};
    if (lt_errors_write(&pipeline->errors, plan, batch, &error) < 0) {
        keep_with_source(batch);
        lt_break(pipeline, "error file", &error, LT_DRAINING);
        return;
    }
    if (pipeline->dead && deliver_dead(pipeline, batch, &error) < 0) {
        keep_with_source(batch);
        lt_break(pipeline, plan->dead_to.spelling, &error, LT_DRAINING);
    }
}

static void remember(struct lt_pipeline *pipeline, const struct leat_item *item) {
    struct lt_failures *failures = &pipeline->failures;
    struct lt_failure *failure = &failures->list[failures->total++ % LT_FAILURES];
    failure->position = item->position;
    snprintf(failure->stage, sizeof failure->stage, "%s", item->stage ? item->stage : "?");
    snprintf(failure->reason, sizeof failure->reason, "%.*s", (int)item->reason.size, item->reason.data);
}

/** Of more than there is room for the last ones are kept. */
static void remember_failures(struct lt_pipeline *pipeline, const struct leat_batch *batch) {
    pthread_mutex_lock(&pipeline->mutex);
    for (size_t i = 0; i < batch->count; i++)
        if (batch->items[i].fate == LEAT_FAILED)
            remember(pipeline, &batch->items[i]);
    pthread_mutex_unlock(&pipeline->mutex);
}

void lt_pipeline_failures(struct lt_pipeline *pipeline, struct lt_failures *failures) {
    pthread_mutex_lock(&pipeline->mutex);
    *failures = pipeline->failures;
    pthread_mutex_unlock(&pipeline->mutex);
}

static void add(_Atomic uint64_t *counter, uint64_t n) {
    lt_store(counter, lt_load(counter, relaxed) + n, release);
}

static void settle_batch(struct lt_pipeline *pipeline, struct leat_batch *batch) {
    uint64_t fates[LEAT_RETURNED + 1] = {0}, bytes = 0;
    bool failures = false;
    lt_stamp(pipeline, batch, pipeline->plan->to.spelling);
    for (size_t i = 0; i < batch->count; i++) {
        struct leat_item *item = &batch->items[i];
        if (item->fate == LEAT_LIVE)
            item->fate = LEAT_DELIVERED;
        failures |= item->fate == LEAT_FAILED;
    }
    if (failures) {
        remember_failures(pipeline, batch);
        record_failures(pipeline, batch);
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct leat_item *item = &batch->items[i];
        if (pipeline->plan->options.dry_run)
            item->fate = LEAT_RETURNED;
        fates[item->fate <= LEAT_RETURNED ? item->fate : LEAT_RETURNED]++;
        bytes += item->fate == LEAT_DELIVERED ? item->body.size : 0;
    }
    add(&pipeline->tally.delivered, fates[LEAT_DELIVERED]);
    add(&pipeline->tally.filtered, fates[LEAT_FILTERED]);
    add(&pipeline->tally.failed, fates[LEAT_FAILED]);
    add(&pipeline->tally.returned, fates[LEAT_RETURNED]);
    add(&pipeline->tally.bytes_out, bytes);
}

static void finish(struct lt_pipeline *pipeline, struct leat_batch **batches, size_t count) {
    const struct lt_plan *plan = pipeline->plan;
    struct leat_error error = {.code = 0, .text = "it failed and did not say why"};
    for (size_t b = 0; b < count; b++) {
        lt_slot_take(batches[b], LT_CONFIRMED, 0, NULL);
        settle_batch(pipeline, batches[b]);
        add(&pipeline->tally.under_way,
            microseconds_since(((struct lt_slot *)batches[b]->engine)->read) * batches[b]->count);
    }
    if (lt_resume_write(&pipeline->resume, plan->options.resume, batches, count, &error) < 0)
        lt_break(pipeline, "--resume", &error, LT_DRAINING);
    if (plan->source->finish && plan->source->finish(pipeline->source, batches, count, &error) < 0)
        lt_break(pipeline, plan->from.spelling, &error, LT_DRAINING);
    for (size_t b = 0; b < count; b++) {
        struct lt_slot *slot = batches[b]->engine;
        if (slot->notes) {
            lt_trace_settled(pipeline, batches[b]);
            lt_trace_forget(slot);
        }
        lt_histogram_add_many(&pipeline->latency, lt_now() - slot->read, batches[b]->count);
        lt_fetch_sub(&pipeline->tally.bytes_held, batches[b]->bytes, relaxed);
        lt_batch_reset(batches[b]);
        lt_slot_move(batches[b], LT_FREE, 0);
        leat_send(pipeline->free_batches, &batches[b]);
    }
}

int lt_acknowledge_task(void *argument) {
    struct lt_pipeline *pipeline = argument;
    if (!lt_begin(pipeline))
        return 0;
    struct leat_batch *batches[LT_SINK_TAKES];
    for (;;) {
        lt_line_switch(&pipeline->acknowledge_line, LEAT_WAITS_INPUT);
        ptrdiff_t count = leat_recv_many(pipeline->confirmed, batches, LT_SINK_TAKES);
        if (count < 0)
            break;
        lt_line_switch(&pipeline->acknowledge_line, LEAT_BUSY);
        finish(pipeline, batches, (size_t)count);
    }
    return 0;
}

void lt_settle(struct lt_pipeline *pipeline) {
    for (size_t s = 0; s < lt_load(&pipeline->slot_count, acquire); s++) {
        struct leat_batch *batch = pipeline->slots[s].batch;
        uint32_t place = lt_load(&pipeline->slots[s].place, acquire);
        if (place != LT_SINKING && place != LT_CONFIRMED)
            continue;
        for (size_t i = 0; place == LT_SINKING && i < batch->count; i++)
            if (batch->items[i].fate == LEAT_LIVE || batch->items[i].fate == LEAT_DELIVERED)
                batch->items[i].fate = LEAT_RETURNED;
        finish(pipeline, &batch, 1);
    }
}
