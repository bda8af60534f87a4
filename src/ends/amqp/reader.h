/* SPDX-License-Identifier: MIT */
/**
 * Bytes in, methods and messages out: a connection's incoming half without the
 * connection. It believes nothing that the server says: sizes, order and ends of
 * frames are checked, and memory is taken as bytes come, not as they are
 * promised.
 *
 * Invariants
 * - A frame is handled when all of it is there; the rest of a frame waits at the
 *   beginning of the room, so that one frame needs no second copy.
 * - One message at a time is put together, on LT_AMQP_CHANNEL.
 * - After an error nothing more is read.
 */
#ifndef LEAT_ENDS_AMQP_READER_H
#define LEAT_ENDS_AMQP_READER_H

#include "ends/amqp/method.h"

enum {
    LT_AMQP_LEAST_FRAME = 4096,     /* frame_max before it has been agreed on, and the least that the protocol allows */
    LT_AMQP_MOST_FRAME = 1 << 20,   /* what leat agrees to */
    LT_AMQP_READ_ROOM = 256 * 1024, /* for one read; a frame may need more */
    LT_AMQP_LARGEST_MESSAGE = 1 << 29, /* what any RabbitMQ can be set to */
};

/** A delivered (or returned) message: one piece of memory, free() it. */
struct lt_amqp_message {
    struct lt_amqp_message *next; /**< the holder's own */
    uint64_t tag;
    bool redelivered;
    size_t properties_size, body_size;
    char data[]; /* the properties as on the wire, then the body */
};

static inline struct leat_bytes lt_amqp_message_properties(const struct lt_amqp_message *message) {
    return (struct leat_bytes){message->data, message->properties_size};
}

static inline struct leat_bytes lt_amqp_message_body(const struct lt_amqp_message *message) {
    return (struct leat_bytes){message->data + message->properties_size, message->body_size};
}

struct lt_amqp_handler {
    /** A method without content. Negative: reading ends with that. */
    int (*method)(void *arg, const struct lt_amqp_method *method, struct leat_error *error);
    /** A delivery or a return (its method is in `method`, without texts for a delivery). `message` is the handler's to
     * free. */
    int (*message)(void *arg, const struct lt_amqp_method *method, struct lt_amqp_message *message,
                   struct leat_error *error);
};

struct lt_amqp_reader {
    const struct lt_amqp_handler *handler;
    void *arg;
    uint32_t frame_max;
    uint8_t *room;
    size_t size, used;
    /* the message in the making */
    enum { LT_AMQP_IDLE, LT_AMQP_WANTS_HEADER, LT_AMQP_WANTS_BODY } state;
    struct lt_amqp_method content; /* its method; texts in `texts` */
    struct lt_amqp_message *message;
    size_t message_room, body_size;
    char texts[3 * 256];
};

int lt_amqp_reader_open(struct lt_amqp_reader *reader, const struct lt_amqp_handler *handler, void *arg);
void lt_amqp_reader_close(struct lt_amqp_reader *reader);
/** A new connection: forget what came on the old one. */
void lt_amqp_reader_reset(struct lt_amqp_reader *reader);
/** What has been agreed on. 0 or -ENOMEM. */
int lt_amqp_reader_tune(struct lt_amqp_reader *reader, uint32_t frame_max);

/** Where to put the next bytes; `*size` is never 0. */
uint8_t *lt_amqp_reader_room(struct lt_amqp_reader *reader, size_t *size);
/** `count` bytes were put there. 0, -EPROTO, -ENOMEM, or what a handler returned; `error` says what was wrong. */
int lt_amqp_reader_take(struct lt_amqp_reader *reader, size_t count, struct leat_error *error);

#endif
