/* SPDX-License-Identifier: MIT */
/*
 * The source of a load. With a rate, one read takes all messages that are due at
 * its moment and hands them on as one batch; so the batches are small while the
 * sink keeps up, and when it held the run up the next one has all that became due
 * meanwhile. A message's token is the offset at which it was due.
 */
#include "base/error.h"
#include "cli/load/load.h"
#include "ends/gen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { DIGITS = 24 };

static int open_load(void **source, const struct leat_segment *segment, struct leat_error *error) {
    (void)error;
    *source = (void *)segment->settings;
    return 0;
}

/* ---------------------------------------------------------------- messages */

static bool make_body(const struct lt_load *load, struct leat_batch *batch, uint64_t number, struct leat_bytes *body) {
    if (!load->bodies.count)
        return lt_gen_message(batch, load->options->seed, number, load->options->size, body);
    *body = load->bodies.list[(number - 1) % load->bodies.count];
    return true;
}

static int stamp_item(const struct lt_load *load, struct leat_batch *batch, struct leat_item *item, leat_time due) {
    char *text = leat_batch_alloc(batch, DIGITS);
    if (!text)
        return -ENOMEM;
    int size = snprintf(text, DIGITS, "%lld", (long long)(load->measure.begin + load->wall + due));
    return leat_item_add(batch, item, load->stamp, (struct leat_bytes){text, (size_t)size});
}

/* 1: the batch is full; 0; -ENOMEM. */
static int add_message(struct lt_load *load, struct leat_batch *batch, uint64_t number, leat_time due,
                       struct leat_error *error) {
    struct leat_item *item = leat_batch_add(batch);
    struct leat_bytes body;
    if (!item)
        return 1;
    int code = make_body(load, batch, number, &body) ? 0 : -ENOMEM;
    if (code == 0) {
        leat_item_set(batch, item, body, "line");
        code = load->stamp.size ? stamp_item(load, batch, item, due) : 0;
    }
    item->position = number;
    item->id = lt_gen_id(load->options->seed, number);
    item->token = (uint64_t)due;
    return code ? leat_fail(error, code, "out of memory at message %llu", (unsigned long long)number) : 0;
}

/* ----------------------------------------------------------------- reading */

static int read_fill(struct lt_load *load, struct leat_batch *batch, struct leat_error *error) {
    struct lt_measure *measure = &load->measure;
    if (load->made >= load->options->fill)
        return -ENODATA;
    leat_time due = leat_now() - measure->begin;
    int code = leat_cancelled();
    while (code == 0 && load->made < load->options->fill) {
        code = add_message(load, batch, load->made + 1, due, error);
        load->made += code == 0;
    }
    for (size_t i = 0; i < batch->count; i++)
        lt_measure_sent(measure, due, due, due);
    return code < 0 ? code : 0;
}

static int wait_until_due(struct lt_load *load, struct leat_batch *batch, struct leat_error *error) {
    enum leat_state before = leat_batch_state(batch, LEAT_THROTTLED);
    int code = leat_sleep_until(load->measure.begin + load->schedule.due);
    leat_batch_state(batch, before);
    return code ? leat_fail(error, code, "%s", strerror(-code)) : 0;
}

static int read_due(struct lt_load *load, struct leat_batch *batch, struct leat_error *error) {
    struct lt_schedule *schedule = &load->schedule;
    struct lt_measure *measure = &load->measure;
    leat_time able = leat_now() - measure->begin;
    if (schedule->due == LEAT_FOREVER || lt_load_until_reached(&load->until, measure, able))
        return -ENODATA;
    int code = wait_until_due(load, batch, error);
    if (code)
        return code;
    leat_time now = leat_now() - measure->begin;
    while (code == 0 && schedule->due <= now) {
        code = add_message(load, batch, schedule->number + 1, schedule->due, error);
        if (code == 0)
            lt_schedule_advance(schedule);
    }
    leat_time sent = leat_now() - measure->begin;
    for (size_t i = 0; i < batch->count; i++)
        lt_measure_sent(measure, (leat_time)batch->items[i].token, able, sent);
    return code < 0 ? code : 0;
}

static int read_load(void *source, struct leat_batch *batch, struct leat_error *error) {
    struct lt_load *load = source;
    if (load->measure.begin == 0)
        load->measure.begin = leat_now();
    return load->options->fill ? read_fill(load, batch, error) : read_due(load, batch, error);
}

/* ---------------------------------------------------------------- settling */

static int finish_load(void *source, struct leat_batch **batches, size_t count, struct leat_error *error) {
    struct lt_load *load = source;
    struct lt_measure *measure = &load->measure;
    leat_time now = leat_now() - measure->begin;
    (void)error;
    for (size_t b = 0; b < count; b++) {
        for (size_t i = 0; i < batches[b]->count; i++) {
            const struct leat_item *item = &batches[b]->items[i];
            if (item->fate == LEAT_DELIVERED)
                lt_measure_confirmed(measure, (leat_time)item->token, now, !load->options->fill);
        }
    }
    return 0;
}

static uint64_t total_load(void *source) {
    const struct lt_load *load = source;
    return load->options->fill ? load->options->fill : lt_schedule_total(&load->schedule);
}

const struct leat_source_type lt_load_source = {
    .open = open_load,
    .read = read_load,
    .finish = finish_load,
    .total = total_load,
};
