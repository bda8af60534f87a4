/* SPDX-License-Identifier: MIT */
/**
 * The engine's side of a batch: making, reusing, freeing. What sources, stages
 * and sinks do with batches and items is in leat-pipeline.h; batch.c and item.c
 * implement it, except for leat_batch_confirm() and leat_batch_state(), which
 * are the engine's.
 */
#ifndef LEAT_PIPELINE_BATCH_H
#define LEAT_PIPELINE_BATCH_H

#include "leat-pipeline.h"

struct lt_arena;

/**
 * A batch that is full at `item_limit` items (at least 1) or `byte_limit` bytes
 * of bodies: the item that reaches the limit still fits, however large it is.
 * NULL when memory is short.
 */
struct leat_batch *lt_batch_new(size_t item_limit, size_t byte_limit);

/** New limits for a batch that is empty; as many items as there is memory for. */
void lt_batch_limit(struct leat_batch *batch, size_t item_limit, size_t byte_limit);

/** Release what was held, forget the items, keep the memory for the next ones (not that of a giant item). */
void lt_batch_reset(struct leat_batch *batch);

/** Reset and free it. NULL is nothing. */
void lt_batch_free(struct leat_batch *batch);

/** The batch's memory, for pieces whose size turns out only after they were taken. */
struct lt_arena *lt_batch_arena(struct leat_batch *batch);

/** The body as it came from the source. */
struct leat_bytes lt_item_origin(const struct leat_item *item);

/** What is known of a body. The kinds of leat_item.shape. */
enum lt_shape {
    LT_SHAPE_UNKNOWN,
    LT_SHAPE_PLAIN,  /**< does not begin as an object */
    LT_SHAPE_OBJECT, /**< a valid object */
    LT_SHAPE_BROKEN, /**< begins as an object, but is none */
};

#endif
