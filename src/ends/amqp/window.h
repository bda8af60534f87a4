/* SPDX-License-Identifier: MIT */
/**
 * What was published on a channel and is not confirmed: from the server's number
 * (1, 2, 3, … since confirms were asked for) to the letter. A confirmation of
 * several settles all up to its number; single ones may come in any order.
 */
#ifndef LEAT_ENDS_AMQP_WINDOW_H
#define LEAT_ENDS_AMQP_WINDOW_H

#include "leat-pipeline.h"

/** An item on its way to the server. */
struct lt_amqp_letter {
    struct lt_amqp_held *held; /**< the batch it belongs to; NULL: settled */
    struct leat_item *item;
    leat_time refused; /**< when the server first refused it; 0: never */
    uint32_t key;      /**< hash of its routing key */
    bool returned;     /**< it came back, so its confirmation is not one of delivery */
};

struct lt_amqp_window {
    struct lt_amqp_letter *letters; /* by number modulo size */
    size_t size;                    /* a power of two */
    size_t limit;                   /* letters at once */
    uint64_t first;                 /* the oldest that is not settled; what is below it is */
    uint64_t next;                  /* of the next letter */
    size_t open;
};

/** 0 or -ENOMEM. */
int lt_amqp_window_open(struct lt_amqp_window *window, size_t limit);
void lt_amqp_window_close(struct lt_amqp_window *window);

/** How many more letters may go out. One that is old and open keeps others back. */
static inline size_t lt_amqp_window_room(const struct lt_amqp_window *window) {
    return window->limit - (size_t)(window->next - window->first);
}

void lt_amqp_window_add(struct lt_amqp_window *window, const struct lt_amqp_letter *letter);

/** The letter with that number, or NULL: settled, or never sent. */
struct lt_amqp_letter *lt_amqp_window_find(struct lt_amqp_window *window, uint64_t number);

/** Take out the next letter that a confirmation of `number` settles; false: no more. `*from` begins as 0. */
bool lt_amqp_window_settle(struct lt_amqp_window *window, uint64_t number, bool multiple, uint64_t *from,
                           struct lt_amqp_letter *letter);

/** A new channel, after all letters were taken out (settle with number next - 1, multiple): numbers begin anew. */
void lt_amqp_window_restart(struct lt_amqp_window *window);

#endif
