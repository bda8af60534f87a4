/* SPDX-License-Identifier: MIT */
/**
 * Deliveries of one channel that the server still remembers as ours, and what to
 * tell it of them with the fewest words: "everything up to here", as far as the
 * finished ones go without a gap, and single tags only when the gap has held
 * back too many.
 *
 * Tags come as 1, 2, 3, …; whatever else comes is an error of the server.
 */
#ifndef LEAT_ENDS_AMQP_TAGS_H
#define LEAT_ENDS_AMQP_TAGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lt_amqp_tags {
    uint8_t *states; /* by tag modulo room */
    size_t room;     /* a power of two */
    uint64_t first;  /* the oldest that is not over; what is below it is */
    uint64_t next;   /* of the next delivery */
    size_t held;     /* finished, not told yet */
    size_t open;     /* not told yet, finished or not */
};

void lt_amqp_tags_init(struct lt_amqp_tags *tags);
void lt_amqp_tags_free(struct lt_amqp_tags *tags);
/** A new channel: all are forgotten. */
void lt_amqp_tags_reset(struct lt_amqp_tags *tags);

/** A delivery. 0, -EPROTO or -ENOMEM. */
int lt_amqp_tags_add(struct lt_amqp_tags *tags, uint64_t tag);
/** It is finished and to be acknowledged. */
void lt_amqp_tags_finish(struct lt_amqp_tags *tags, uint64_t tag);
/** The server is being told of it by itself: rejected or given back. */
void lt_amqp_tags_forget(struct lt_amqp_tags *tags, uint64_t tag);
/** The tag up to which all can be acknowledged at once, told from now on; 0: none. */
uint64_t lt_amqp_tags_prefix(struct lt_amqp_tags *tags);
/** The next finished tag from `*from` on behind a gap, told from now on; 0: no more. Begin with `*from` 0. */
uint64_t lt_amqp_tags_single(struct lt_amqp_tags *tags, uint64_t *from);

#endif
