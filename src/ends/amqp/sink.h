/* SPDX-License-Identifier: MIT */
/**
 * Items as messages of a RabbitMQ exchange or queue, confirmed by the server.
 *
 * write() puts batches into a list; a task of the sink's own publishes from it,
 * as many messages with one system call as there are, as far as the window of
 * unconfirmed ones allows; the connection's task takes the confirmations. Three
 * tasks, because a batch must be published again after a lost connection even
 * when the engine has nothing new to write, and because a publisher that read
 * confirmations itself would wait for the server while it waits for it.
 *
 * Invariants
 * - An item that is live when it comes is settled exactly once: delivered
 *   (confirmed and not returned) or failed. A batch is confirmed when all its
 *   items are, and not touched afterwards.
 * - A letter is in the window (published on this connection, not confirmed), or
 *   in the list `again` (to be published once more: refused, or its connection
 *   was lost), never in both. Both together are no more than the window's limit,
 *   since nothing new goes out while `again` has something.
 * - Everything of an item and its batch happens under the mutex.
 *
 * What is published to a queue by its name is returned only when the queue is gone.
 * That ends the connection: the next one finds out whether the run can go on. With a
 * key of one's own it is the item that fails.
 *
 * A returned message says nothing but what it is and where it was to go, and
 * comes before its confirmation, in the order of publishing. So it belongs to
 * the first letter behind the last returned one whose key and bytes are the
 * same. Rejected: a header with a number of our own (consumers would see it).
 *
 * Refused (basic.nack: the queue is full and rejects, or the server has trouble)
 * is not lost: it is published again after a pause, until --reconnect is over;
 * then the item is set aside.
 */
#ifndef LEAT_ENDS_AMQP_SINK_H
#define LEAT_ENDS_AMQP_SINK_H

#include "ends/amqp/amqp.h"
#include "ends/amqp/window.h"

#define LT_AMQP_FIRST_PAUSE (50 * LEAT_MILLISECOND) /* before what was refused is published again */

struct lt_amqp_sink_settings {
    struct lt_amqp_common common;
    const char *exchange, *key, *content_type;
    uint64_t window;
    bool transient, optional;
};

/** A batch that is not confirmed. */
struct lt_amqp_held {
    struct lt_amqp_held *next;          /* of those that were not all published yet */
    struct lt_amqp_held **back, *later; /* of all */
    struct leat_batch *batch;
    size_t cursor; /* the next item to publish */
    size_t open;   /* items that are not settled */
};

struct lt_amqp_sink {
    struct lt_amqp_sink_settings settings;
    struct lt_amqp_target target;
    struct lt_amqp_link link;
    struct lt_amqp_helper publisher;
    const char *exchange, *key;       /* key NULL: the queue's name */
    struct lt_amqp_output properties; /* the publisher's: of the message in the making */

    struct lt_amqp_bell work, settled; /* the publisher waits for one, write() and flush() for the other */
    pthread_mutex_t mutex;             /* of what follows; taken after link.writing */
    bool up, blocked, over, closing;
    struct leat_error error; /* when over */
    struct lt_amqp_held *unpublished, **unpublished_end, *all;
    size_t batches, unpublished_items;
    struct lt_amqp_window window;
    struct lt_amqp_letter *again; /* as many as the window's limit */
    size_t again_first, again_count;
    leat_time again_at, pause; /* when to publish them; the next pause */
    uint64_t last_returned;
    leat_time blocked_since, blocked_time; /* when it last began; all earlier ones together */
    size_t wanted_room;                    /* the publisher waits for so much */
    bool settled_any;                      /* since the last ring */
    uint64_t answers;                      /* to questions how much is ready in the queue … */
    uint32_t left;                         /* … and the last one */
    uint64_t confirmed, returned, refused;
};

/** Settle an item; under the mutex. */
void lt_amqp_settle(struct lt_amqp_sink *sink, struct lt_amqp_held *held, struct leat_item *item);
/** The connection's side: confirmations, returns, losses. */
extern const struct lt_amqp_owner lt_amqp_sink_owner;
/** The task that publishes. */
int lt_amqp_publisher(void *sink);

/** What stands for a routing key in a letter. */
uint32_t lt_amqp_key_hash(struct leat_bytes key);

static inline struct leat_bytes lt_amqp_text(const char *text) {
    return (struct leat_bytes){text, strlen(text)};
}

#endif
