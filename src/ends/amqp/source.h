/* SPDX-License-Identifier: MIT */
/**
 * The messages of a RabbitMQ queue.
 *
 * The connection's task puts deliveries into a list; read() takes from it;
 * finish() tells the server. Nothing is acknowledged before the engine says that
 * it is delivered, filtered or set aside; what is set aside is rejected, so that
 * the queue's dead-letter exchange gets it; what is returned is given back.
 *
 * Invariants
 * - A token is the number of the connection (16 bits) and the delivery's tag.
 *   The server gives everything out again after a lost connection, so a fate
 *   that comes with an old number is not told to anybody.
 * - The list holds nothing of an old connection: lost() empties it.
 * - Memory is bounded by --prefetch: the server gives out no more than that.
 *
 * Consuming begins with the first read, not with the open: what is taken and given
 * back counts as a delivery in a quorum queue, so that runs that cannot start (the
 * sink is wrong, a file cannot be written) would use up those of good messages.
 * open() only looks whether the queue is there.
 *
 * The end, when not to wait for ever. The queue is empty when the server twice
 * in succession said that nothing is ready in it, and nothing was delivered from
 * before the first question until after the second answer. Once is not enough: a
 * message that is on its way from the queue to the channel is no longer ready
 * and may come after the answer, but not after the answer to a question that was
 * asked then. And nothing may be in flight: what this run has taken and not
 * finished would come back if the connection were lost. That is waited for as
 * long as something gets finished at least once in PATIENCE; a sink may confirm
 * everything only at its end, and would wait for this source's. What another
 * consumer holds is that one's.
 *
 * The last words. A quorum queue's channel passes on 32 commands to the queue and
 * keeps what comes after them, until the queue says that it has done some; what
 * it still keeps when it is closed is lost, and those messages come again. So the
 * end is: acknowledge and cancel; when basic.cancel is answered, the queue has
 * done all that it was told, and has said so to the channel or is about to; ask
 * once more how much is ready: the queue answers that after what it was about to
 * say, so when we hear of it, the channel has passed on what it kept. Then one
 * command gives back the rest, and the channel may go. The order matters: what is
 * returned must not be given back before the cancel (it would be delivered
 * again), and nothing but the cancel has to wait for the queue, so it must come
 * after all acknowledgements.
 *
 * Rejected: asking with basic.get (it takes what it finds); an idle time (a slow
 * queue then looks like an empty one).
 */
#ifndef LEAT_ENDS_AMQP_SOURCE_H
#define LEAT_ENDS_AMQP_SOURCE_H

#include "ends/amqp/amqp.h"
#include "ends/amqp/tags.h"

#define LT_AMQP_CONSUMER "leat"
#define LT_AMQP_SOON (20 * LEAT_MILLISECOND) /* until the next question after an answer */

enum { LT_AMQP_TAG_BITS = 48 };

struct lt_amqp_source_settings {
    struct lt_amqp_common common;
    uint64_t prefetch, max_deliveries;
};

/** How far the end has come on this connection. */
enum lt_amqp_farewell { LT_AMQP_CONSUMING, LT_AMQP_CANCELLED, LT_AMQP_SETTLED };

struct lt_amqp_source {
    struct lt_amqp_source_settings settings;
    struct lt_amqp_target target;
    struct lt_amqp_link link;
    bool forever;
    uint64_t position; /* read()'s own */

    struct lt_amqp_bell bell;
    pthread_mutex_t mutex; /* of what follows; held for a few instructions, taken after link.writing */
    struct lt_amqp_message *first, **last;
    bool fresh; /* something was added since the last ring */
    struct lt_amqp_tags tags;
    uint64_t generation;
    bool up, over;
    bool wanted;                    /* somebody has read: from now on every connection begins to consume */
    bool consuming;                 /* this connection was told to, or is about to be */
    enum lt_amqp_farewell farewell; /* the last answer to it */
    struct leat_error error;        /* when over */
    uint64_t in_flight;             /* given to read() and not finished */
    leat_time moved;                /* when something last was finished */
    bool asked, spoiled;            /* a question is on its way; something came meanwhile */
    unsigned zeros;                 /* answers in succession that nothing is ready */
    leat_time next_question;
    uint64_t given, waiting, depth, redelivered, stale;
};

/** The connection's side: deliveries, answers, losses. */
extern const struct lt_amqp_owner lt_amqp_source_owner;
/** Ask how much is ready, if no question is on its way; within lt_amqp_begin() and lt_amqp_end(). */
void lt_amqp_put_question(struct lt_amqp_source *source);
/** Begin to consume, if this connection does not yet; within lt_amqp_begin() and lt_amqp_end(). */
void lt_amqp_put_beginning(struct lt_amqp_source *source);
/** Forget what was delivered and not read. */
void lt_amqp_forget_deliveries(void *source);
/** leat_batch_hold() function for a list of messages. */
void lt_amqp_free_messages(void *messages);

#endif
