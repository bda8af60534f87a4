/* SPDX-License-Identifier: MIT */
/**
 * The messages of a queue, in the order in which they came.
 *
 * - Reading runs ahead of acknowledging: `next` is where the next batch begins,
 *   in memory only. What is read and not yet finished is still in the file, so
 *   that a process that dies leaves all of it to the next one.
 * - An item's id, position and token are its sequence number.
 * - finish() takes delivered and filtered items out of the file and moves failed
 *   ones to the list of the dead, all batches of a call in one transaction.
 *   Returned ones stay where they are; the next run reads them.
 * - The end, when not to wait for ever, is the end of the queue. It is not put off until
 *   what was read is finished: a sink may confirm only at its end, and nothing
 *   comes back in the same run.
 * - Bodies are copied once, into the batch: LMDB's pages may be used anew after
 *   the transaction, and one held open for the life of a batch would keep the
 *   file from using any page anew.
 *
 * Waiting for more is polling (5 to 50 ms). Rejected: inotify on the file, which
 * does not see what is written through a map of another kind of file system and
 * wakes for this process's own acknowledgements.
 */
#include "ends/ends.h"
#include "ends/queue/queue.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const leat_time SHORTEST_WAIT = 5 * LEAT_MILLISECOND, LONGEST_WAIT = 50 * LEAT_MILLISECOND;

struct source {
    struct lt_queue *queue;
    bool forever;
    uint64_t next;
    uint64_t total;
    struct lt_queue_end *ends; /* of the finish at hand */
    size_t room;
};

/* --------------------------------------------------------------- opening */

struct opening {
    struct source *source;
    const char *target;
    struct leat_error *error;
};

static int open_blocking(void *arg) {
    struct opening *opening = arg;
    struct source *source = opening->source;
    struct lt_queue_state state;
    int result = lt_queue_open(&source->queue, opening->target, source->forever ? LT_STORE_CREATE : LT_STORE_OPEN,
                               opening->error);
    if (result == 0)
        result = lt_queue_lease(source->queue, opening->error);
    if (result == 0)
        result = lt_queue_state(source->queue, &state, opening->error);
    if (result == 0)
        source->total = state.ready;
    return result;
}

static void close_source(void *arg) {
    struct source *source = arg;
    lt_queue_close(source->queue);
    free(source->ends);
    free(source);
}

/* What leat_block() itself may fail with leaves no message. */
static int run_blocking(leat_fn *work, void *arg, const char *name, struct leat_error *error) {
    error->text[0] = 0;
    int result = leat_block(work, arg);
    if (result < 0 && !error->text[0])
        return leat_fail(error, result, "queue:%s: %s", name, strerrordesc_np(-result));
    return result;
}

static int open_source(void **opened, const struct leat_segment *segment, struct leat_error *error) {
    struct source *source = calloc(1, sizeof *source);
    if (!source)
        return leat_fail(error, -ENOMEM, "%s: memory is short", segment->spelling);
    source->forever = segment->forever;
    struct opening opening = {.source = source, .target = segment->target, .error = error};
    int result = run_blocking(open_blocking, &opening, segment->target, error);
    if (result < 0) {
        close_source(source);
        return result;
    }
    *opened = source;
    return 0;
}

/* --------------------------------------------------------------- reading */

struct reading {
    struct source *source;
    struct leat_batch *batch;
    struct leat_error *error;
    bool short_of_memory;
};

static bool take(void *arg, const struct lt_queue_message *message) {
    struct reading *reading = arg;
    struct leat_batch *batch = reading->batch;
    struct leat_item *item = leat_batch_add(batch);
    if (!item)
        return false;
    char *body = leat_batch_alloc(batch, message->body.size ? message->body.size : 1);
    if (!body) {
        reading->short_of_memory = true;
        return false;
    }
    memcpy(body, message->body.data, message->body.size);
    leat_item_set(batch, item, (struct leat_bytes){body, message->body.size}, "message");
    item->id = item->position = item->token = message->sequence;
    reading->source->next = message->sequence + 1;
    return true;
}

static int read_blocking(void *arg) {
    struct reading *reading = arg;
    struct source *source = reading->source;
    int result = lt_queue_read(source->queue, source->next, take, reading, reading->error);
    if (result == 0 && reading->short_of_memory)
        return leat_fail(reading->error, -ENOMEM, "queue:%s: memory is short for message %llu", source->queue->label,
                         (unsigned long long)source->next);
    return result;
}

static int read_source(void *arg, struct leat_batch *batch, struct leat_error *error) {
    struct source *source = arg;
    struct reading reading = {.source = source, .batch = batch, .error = error};
    for (leat_time wait = SHORTEST_WAIT;; wait = wait * 2 < LONGEST_WAIT ? wait * 2 : LONGEST_WAIT) {
        int result = run_blocking(read_blocking, &reading, source->queue->label, error);
        if (result < 0 || batch->count > 0)
            return result;
        if (!source->forever)
            return -ENODATA;
        result = leat_sleep(wait);
        if (result < 0)
            return result;
    }
}

/* ------------------------------------------------------------- finishing */

struct finishing {
    struct source *source;
    size_t count;
    struct leat_error *error;
};

static int finish_blocking(void *arg) {
    struct finishing *finishing = arg;
    return lt_queue_settle(finishing->source->queue, finishing->source->ends, finishing->count, finishing->error);
}

static bool make_room(struct source *source, size_t count) {
    if (count <= source->room)
        return true;
    struct lt_queue_end *ends = realloc(source->ends, count * sizeof *ends);
    if (!ends)
        return false;
    source->ends = ends;
    source->room = count;
    return true;
}

static int finish_source(void *arg, struct leat_batch **batches, size_t count, struct leat_error *error) {
    struct source *source = arg;
    struct finishing finishing = {.source = source, .error = error};
    size_t most = 0;
    for (size_t b = 0; b < count; b++)
        most += batches[b]->count;
    if (!make_room(source, most))
        return leat_fail(error, -ENOMEM, "queue:%s: memory is short to acknowledge %zu messages", source->queue->label,
                         most);
    for (size_t b = 0; b < count; b++) {
        for (size_t i = 0; i < batches[b]->count; i++) {
            const struct leat_item *item = &batches[b]->items[i];
            if (item->fate == LEAT_RETURNED)
                continue;
            struct lt_queue_end *end = &source->ends[finishing.count++];
            *end = (struct lt_queue_end){.sequence = item->token};
            if (item->fate != LEAT_FAILED)
                continue;
            end->stage = item->stage ? item->stage : "";
            end->reason = item->reason;
            end->code = item->code;
        }
    }
    return finishing.count ? run_blocking(finish_blocking, &finishing, source->queue->label, error) : 0;
}

static uint64_t total_of(void *arg) {
    const struct source *source = arg;
    return source->total;
}

static const struct leat_option no_options[] = {{NULL}};

const struct leat_source_type lt_queue_source = {
    .scheme = "queue",
    .syntax = "queue:FILE[#NAME]",
    .summary = "The messages of a durable queue; each leaves it when its result is delivered.",
    .options = no_options,
    .check = lt_queue_check_segment,
    .forgets = true,
    .open = open_source,
    .read = read_source,
    .finish = finish_source,
    .total = total_of,
    .close = close_source,
};
