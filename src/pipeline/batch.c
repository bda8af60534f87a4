/* SPDX-License-Identifier: MIT */
/*
 * Batches and their memory.
 *
 * The array of items never moves while there are any, so that pointers to them
 * stay good; it grows with the limit before the first one comes. Everything else
 * comes from an arena. After a
 * reset the arena keeps up to four times the byte limit: bodies, a decoded copy
 * and a rendered one fit in that, so a batch of ordinary items never allocates
 * again, while a giant one's memory goes back.
 */
#include "pipeline/batch.h"
#include "base/arena.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { KEEP_LEAST = 64 * 1024, KEEP_MOST = 64 * 1024 * 1024 };

struct hold {
    struct hold *before;
    void (*release)(void *arg);
    void *arg;
};

struct owned_batch {
    struct leat_batch batch; /* first: a pointer to it is a pointer to this */
    struct lt_arena arena;
    struct hold *holds;
    size_t room; /* in the array of items */
};

static struct owned_batch *owned(struct leat_batch *batch) {
    return (struct owned_batch *)batch;
}

static size_t bytes_to_keep(size_t byte_limit) {
    if (byte_limit > KEEP_MOST / 4)
        return KEEP_MOST;
    return byte_limit * 4 < KEEP_LEAST ? KEEP_LEAST : byte_limit * 4;
}

struct leat_batch *lt_batch_new(size_t item_limit, size_t byte_limit) {
    struct owned_batch *made = calloc(1, sizeof *made);
    if (!made)
        return NULL;
    made->room = item_limit ? item_limit : 1;
    made->batch.item_limit = made->room;
    made->batch.byte_limit = byte_limit;
    made->batch.items = calloc(made->room, sizeof *made->batch.items);
    if (made->batch.items)
        return &made->batch;
    free(made);
    return NULL;
}

void lt_batch_limit(struct leat_batch *batch, size_t item_limit, size_t byte_limit) {
    struct owned_batch *self = owned(batch);
    if (item_limit > self->room) {
        size_t room = self->room * 2 > item_limit ? self->room * 2 : item_limit;
        struct leat_item *items = calloc(room, sizeof *items);
        if (items) {
            free(batch->items);
            batch->items = items;
            self->room = room;
        }
    }
    batch->item_limit = item_limit < self->room ? item_limit : self->room;
    batch->byte_limit = byte_limit;
}

void lt_batch_reset(struct leat_batch *batch) {
    struct owned_batch *self = owned(batch);
    while (self->holds) {
        struct hold *hold = self->holds;
        self->holds = hold->before;
        hold->release(hold->arg);
    }
    lt_arena_reset(&self->arena, bytes_to_keep(batch->byte_limit));
    batch->count = 0;
    batch->bytes = 0;
    batch->source_data = NULL;
}

void lt_batch_free(struct leat_batch *batch) {
    if (!batch)
        return;
    lt_batch_reset(batch);
    lt_arena_free(&owned(batch)->arena);
    free(batch->items);
    free(owned(batch));
}

struct lt_arena *lt_batch_arena(struct leat_batch *batch) {
    return &owned(batch)->arena;
}

struct leat_item *leat_batch_add(struct leat_batch *batch) {
    bool full = batch->count >= batch->item_limit || (batch->count > 0 && batch->bytes >= batch->byte_limit);
    if (full)
        return NULL;
    struct leat_item *item = &batch->items[batch->count++];
    memset(item, 0, sizeof *item);
    return item;
}

void leat_item_set(struct leat_batch *batch, struct leat_item *item, struct leat_bytes body, const char *kind) {
    batch->bytes += body.size - item->body.size;
    item->body = body;
    item->text = body;
    item->kind = kind;
    item->outgoing.data = NULL;
    item->shape = LT_SHAPE_UNKNOWN;
}

void leat_item_replace(struct leat_item *item, struct leat_bytes body, const char *kind) {
    if (!item->origin.data)
        item->origin = item->body;
    item->body = body;
    item->text = body;
    item->kind = kind;
    item->value_count = 0;
    item->outgoing.data = NULL;
    item->lines = false;
    item->shape = LT_SHAPE_UNKNOWN;
}

struct leat_bytes lt_item_origin(const struct leat_item *item) {
    return item->origin.data ? item->origin : item->body;
}

void *leat_batch_alloc(struct leat_batch *batch, size_t size) {
    return lt_arena_alloc(&owned(batch)->arena, size);
}

int leat_batch_hold(struct leat_batch *batch, void (*release)(void *arg), void *arg) {
    struct hold *hold = leat_batch_alloc(batch, sizeof *hold);
    if (!hold) {
        release(arg);
        return -ENOMEM;
    }
    *hold = (struct hold){.before = owned(batch)->holds, .release = release, .arg = arg};
    owned(batch)->holds = hold;
    return 0;
}
