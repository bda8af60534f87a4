/* SPDX-License-Identifier: MIT */
/**
 * The window that restores the order of reading (-k).
 *
 * Why it cannot overflow: while the batch with number `next` is missing it is in
 * flight, and so is every later one that was read, each in a batch of its own.
 * The highest number is therefore below next + room, where room is the number
 * of batches that exist.
 */
#include "pipeline/engine.h"

#include <errno.h>
#include <stdlib.h>

int lt_order_open(struct lt_order *order, size_t room) {
    order->window = calloc(room, sizeof(struct leat_batch *));
    order->room = room;
    order->next = 0;
    return order->window ? 0 : -ENOMEM;
}

void lt_order_put(struct lt_order *order, struct leat_batch *batch) {
    order->window[batch->sequence % order->room] = batch;
}

struct leat_batch *lt_order_take(struct lt_order *order) {
    struct leat_batch **place = &order->window[order->next % order->room];
    struct leat_batch *batch = *place;
    if (!batch)
        return NULL;
    *place = NULL;
    order->next++;
    return batch;
}

void lt_order_close(struct lt_order *order) {
    free(order->window);
    order->window = NULL;
}
