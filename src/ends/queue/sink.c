/* SPDX-License-Identifier: MIT */
/**
 * Items as messages at the end of a queue. What comes in one call of write goes
 * into one transaction, and is confirmed when that is on the disk: while one
 * commit waits for the disk the engine gathers the batches for the next.
 */
#include "ends/ends.h"
#include "ends/queue/queue.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct sink {
    struct lt_queue *queue;
    struct leat_bytes *bodies; /* of the write at hand */
    size_t room;
};

/* One blocking call: opening or putting. */
struct call {
    struct sink *sink;
    const char *target;
    size_t count;
    struct leat_error *error;
};

static int run_blocking(leat_fn *work, struct call *call, const char *name) {
    call->error->text[0] = 0;
    int result = leat_block(work, call);
    if (result < 0 && !call->error->text[0])
        return leat_fail(call->error, result, "queue:%s: %s", name, strerrordesc_np(-result));
    return result;
}

static int open_blocking(void *arg) {
    struct call *call = arg;
    return lt_queue_open(&call->sink->queue, call->target, LT_STORE_CREATE, call->error);
}

static void close_sink(void *arg) {
    struct sink *sink = arg;
    lt_queue_close(sink->queue);
    free(sink->bodies);
    free(sink);
}

static int open_sink(void **opened, const struct leat_segment *segment, struct leat_error *error) {
    struct sink *sink = calloc(1, sizeof *sink);
    if (!sink)
        return leat_fail(error, -ENOMEM, "%s: memory is short", segment->spelling);
    struct call call = {.sink = sink, .target = segment->target, .error = error};
    int result = run_blocking(open_blocking, &call, segment->target);
    if (result < 0) {
        close_sink(sink);
        return result;
    }
    *opened = sink;
    return 0;
}

static bool make_room(struct sink *sink, size_t count) {
    if (count <= sink->room)
        return true;
    struct leat_bytes *bodies = realloc(sink->bodies, count * sizeof *bodies);
    if (!bodies)
        return false;
    sink->bodies = bodies;
    sink->room = count;
    return true;
}

/* The bytes of an item, or false: it has been set aside. */
static bool render(struct leat_batch *batch, struct leat_item *item, struct leat_bytes *body) {
    struct leat_error reason;
    int result = leat_item_render(batch, item, body, &reason);
    if (result == 0 && body->size > LT_QUEUE_LARGEST)
        result = leat_fail(&reason, -EMSGSIZE, "a message of %zu bytes is too large; %d is the limit", body->size,
                           LT_QUEUE_LARGEST);
    if (result < 0)
        leat_item_fail(batch, item, result, "%s", reason.text);
    return result == 0;
}

static int put_blocking(void *arg) {
    struct call *call = arg;
    return lt_queue_put(call->sink->queue, call->sink->bodies, call->count, call->error);
}

static int write_sink(void *arg, struct leat_batch **batches, size_t count, struct leat_error *error) {
    struct sink *sink = arg;
    struct call call = {.sink = sink, .error = error};
    size_t most = 0;
    for (size_t b = 0; b < count; b++)
        most += batches[b]->count;
    if (!make_room(sink, most))
        return leat_fail(error, -ENOMEM, "queue:%s: memory is short to write %zu messages", sink->queue->label, most);
    for (size_t b = 0; b < count; b++)
        for (size_t i = 0; i < batches[b]->count; i++) {
            struct leat_item *item = &batches[b]->items[i];
            if (item->fate == LEAT_LIVE)
                call.count += render(batches[b], item, &sink->bodies[call.count]);
        }
    int result = call.count ? run_blocking(put_blocking, &call, sink->queue->label) : 0;
    if (result < 0)
        return result;
    for (size_t b = 0; b < count; b++) {
        for (size_t i = 0; i < batches[b]->count; i++)
            if (batches[b]->items[i].fate == LEAT_LIVE)
                batches[b]->items[i].fate = LEAT_DELIVERED;
        leat_batch_confirm(batches[b]);
    }
    return 0;
}

/* Nothing stays behind between two writes. */
static int flush_sink(void *arg, struct leat_error *error) {
    (void)arg;
    (void)error;
    return 0;
}

static const struct leat_option no_options[] = {{NULL}};

const struct leat_sink_type lt_queue_sink = {
    .scheme = "queue",
    .syntax = "queue:FILE[#NAME]",
    .summary = "Messages in a durable queue; confirmed when they are on the disk.",
    .options = no_options,
    .renders = true,
    .check = lt_queue_check_segment,
    .open = open_sink,
    .write = write_sink,
    .flush = flush_sink,
    .close = close_sink,
};
