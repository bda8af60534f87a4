/* SPDX-License-Identifier: MIT */
/**
 * The methods of AMQP 0-9-1 that leat sends and understands.
 *
 * Rejected: librabbitmq's codec. Its tables are decoded by unbounded recursion
 * (0.11), every frame is allocated, and what would be left of the library next
 * to a dispatcher, a writer and a reconnection of our own is a login that
 * blocks. The few methods that a worker needs fit on two pages.
 */
#ifndef LEAT_ENDS_AMQP_METHOD_H
#define LEAT_ENDS_AMQP_METHOD_H

#include "ends/amqp/wire.h"

enum { LT_AMQP_CHANNEL = 1 }; /* the one channel that leat uses on a connection */

enum lt_amqp_frame {
    LT_FRAME_METHOD = 1,
    LT_FRAME_HEADER = 2,
    LT_FRAME_BODY = 3,
    LT_FRAME_HEARTBEAT = 8,
    LT_FRAME_END = 0xCE
};

/* Class in the upper half, method in the lower. */
enum lt_amqp_id {
    LT_CONNECTION_START = 10 << 16 | 10,
    LT_CONNECTION_START_OK = 10 << 16 | 11,
    LT_CONNECTION_SECURE = 10 << 16 | 20,
    LT_CONNECTION_TUNE = 10 << 16 | 30,
    LT_CONNECTION_TUNE_OK = 10 << 16 | 31,
    LT_CONNECTION_OPEN = 10 << 16 | 40,
    LT_CONNECTION_OPEN_OK = 10 << 16 | 41,
    LT_CONNECTION_CLOSE = 10 << 16 | 50,
    LT_CONNECTION_CLOSE_OK = 10 << 16 | 51,
    LT_CONNECTION_BLOCKED = 10 << 16 | 60,
    LT_CONNECTION_UNBLOCKED = 10 << 16 | 61,
    LT_CHANNEL_OPEN = 20 << 16 | 10,
    LT_CHANNEL_OPEN_OK = 20 << 16 | 11,
    LT_CHANNEL_FLOW = 20 << 16 | 20,
    LT_CHANNEL_FLOW_OK = 20 << 16 | 21,
    LT_CHANNEL_CLOSE = 20 << 16 | 40,
    LT_CHANNEL_CLOSE_OK = 20 << 16 | 41,
    LT_EXCHANGE_DECLARE = 40 << 16 | 10,
    LT_EXCHANGE_DECLARE_OK = 40 << 16 | 11,
    LT_QUEUE_DECLARE = 50 << 16 | 10,
    LT_QUEUE_DECLARE_OK = 50 << 16 | 11,
    LT_BASIC_QOS = 60 << 16 | 10,
    LT_BASIC_QOS_OK = 60 << 16 | 11,
    LT_BASIC_CONSUME = 60 << 16 | 20,
    LT_BASIC_CONSUME_OK = 60 << 16 | 21,
    LT_BASIC_CANCEL = 60 << 16 | 30,
    LT_BASIC_CANCEL_OK = 60 << 16 | 31,
    LT_BASIC_PUBLISH = 60 << 16 | 40,
    LT_BASIC_RETURN = 60 << 16 | 50,
    LT_BASIC_DELIVER = 60 << 16 | 60,
    LT_BASIC_ACK = 60 << 16 | 80,
    LT_BASIC_REJECT = 60 << 16 | 90,
    LT_BASIC_NACK = 60 << 16 | 120,
    LT_CONFIRM_SELECT = 85 << 16 | 10,
    LT_CONFIRM_SELECT_OK = 85 << 16 | 11,
};

/** What came. Texts point into the frame and are good until the handler returns. Which members mean something depends
 * on the id. */
struct lt_amqp_method {
    uint16_t channel;
    uint32_t id;
    uint64_t tag;               /**< deliver, ack, nack */
    bool multiple, redelivered; /**< ack, nack; deliver */
    bool active;                /**< flow */
    uint16_t code;              /**< close, return */
    uint32_t cause;             /**< close: the method that caused it */
    struct leat_bytes text;     /**< close, return, blocked: why; start: mechanisms */
    struct leat_bytes exchange, key;
    uint32_t messages; /**< queue.declare-ok: ready ones */
    uint16_t channel_max, heartbeat;
    uint32_t frame_max;
};

/** Read a method frame's payload. False: it is cut short or too long. Unknown ids are read as having no arguments. */
bool lt_amqp_method_read(struct lt_amqp_method *method, uint16_t channel, struct leat_bytes payload);

/** Name of an id, for messages. */
const char *lt_amqp_method_name(uint32_t id);

struct lt_amqp_login {
    const char *user, *password, *vhost;
};

enum lt_amqp_queue_type { LT_QUEUE_EXISTS, LT_QUEUE_CLASSIC, LT_QUEUE_QUORUM };

struct lt_amqp_queue {
    const char *name;
    enum lt_amqp_queue_type type; /**< EXISTS: ask, make nothing */
    const char *dead_letter;      /**< exchange for what is rejected; NULL: none */
};

void lt_amqp_put_header(struct lt_amqp_output *output); /* "AMQP" 0 0 9 1: the first bytes of a connection */
void lt_amqp_put_start_ok(struct lt_amqp_output *output, const struct lt_amqp_login *login);
void lt_amqp_put_tune_ok(struct lt_amqp_output *output, uint16_t channel_max, uint32_t frame_max, uint16_t heartbeat);
void lt_amqp_put_open(struct lt_amqp_output *output, const char *vhost);
void lt_amqp_put_close(struct lt_amqp_output *output);
void lt_amqp_put_heartbeat(struct lt_amqp_output *output);
/** A method without arguments, or with bits only. */
void lt_amqp_put_plain(struct lt_amqp_output *output, uint16_t channel, uint32_t id);
void lt_amqp_put_channel_open(struct lt_amqp_output *output);
void lt_amqp_put_flow_ok(struct lt_amqp_output *output, bool active);
void lt_amqp_put_exchange_check(struct lt_amqp_output *output, const char *name);
void lt_amqp_put_queue_declare(struct lt_amqp_output *output, const struct lt_amqp_queue *queue);
void lt_amqp_put_qos(struct lt_amqp_output *output, uint16_t prefetch);
void lt_amqp_put_consume(struct lt_amqp_output *output, const char *queue, const char *consumer);
void lt_amqp_put_cancel(struct lt_amqp_output *output, const char *consumer);
void lt_amqp_put_confirm_select(struct lt_amqp_output *output);
void lt_amqp_put_ack(struct lt_amqp_output *output, uint64_t tag, bool multiple);
void lt_amqp_put_nack(struct lt_amqp_output *output, uint64_t tag, bool multiple, bool requeue);
void lt_amqp_put_reject(struct lt_amqp_output *output, uint64_t tag, bool requeue);

struct lt_amqp_publication {
    struct leat_bytes exchange, key; /**< at most 255 bytes each */
    bool mandatory;
    struct leat_bytes properties; /**< as on the wire: flags, then values */
    struct leat_bytes body;
};

/** What a frame has room for: the server takes a content header in one only. */
size_t lt_amqp_most_properties(uint32_t frame_max);

/** A whole message: method, header, and as many body frames as `frame_max` asks for. */
void lt_amqp_put_publication(struct lt_amqp_output *output, const struct lt_amqp_publication *publication,
                             uint32_t frame_max);

#endif
