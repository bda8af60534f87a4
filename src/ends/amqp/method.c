/* SPDX-License-Identifier: MIT */
#include "ends/amqp/method.h"

#include <stdlib.h>

uint8_t *lt_amqp_extend(struct lt_amqp_output *output, size_t size) {
    if (output->broken)
        return NULL;
    if (output->room - output->size < size) {
        size_t room = output->room ? output->room * 2 : 4096;
        while (room - output->size < size)
            room *= 2;
        uint8_t *data = realloc(output->data, room);
        if (!data) {
            output->broken = true;
            return NULL;
        }
        output->data = data;
        output->room = room;
    }
    output->size += size;
    return output->data + output->size - size;
}

/* ---------------------------------------------------------------- reading */

static void read_reason(struct lt_amqp_view *view, struct lt_amqp_method *method) {
    method->code = (uint16_t)lt_amqp_number(view, 2);
    method->text = lt_amqp_short_text(view);
}

static void read_arguments(struct lt_amqp_view *view, struct lt_amqp_method *method) {
    switch (method->id) {
    case LT_CONNECTION_START:
        lt_amqp_number(view, 2);
        lt_amqp_long_text(view); /* what the server is */
        method->text = lt_amqp_long_text(view);
        lt_amqp_long_text(view); /* locales */
        break;
    case LT_CONNECTION_TUNE:
        method->channel_max = (uint16_t)lt_amqp_number(view, 2);
        method->frame_max = (uint32_t)lt_amqp_number(view, 4);
        method->heartbeat = (uint16_t)lt_amqp_number(view, 2);
        break;
    case LT_CONNECTION_CLOSE:
    case LT_CHANNEL_CLOSE:
        read_reason(view, method);
        method->cause = (uint32_t)lt_amqp_number(view, 4);
        break;
    case LT_CONNECTION_BLOCKED:
    case LT_BASIC_CANCEL:
        method->text = lt_amqp_short_text(view);
        break;
    case LT_CHANNEL_FLOW:
        method->active = lt_amqp_number(view, 1) & 1;
        break;
    case LT_QUEUE_DECLARE_OK:
        method->key = lt_amqp_short_text(view);
        method->messages = (uint32_t)lt_amqp_number(view, 4);
        lt_amqp_number(view, 4);
        break;
    case LT_BASIC_DELIVER:
        lt_amqp_short_text(view); /* the consumer, of which there is one */
        method->tag = lt_amqp_number(view, 8);
        method->redelivered = lt_amqp_number(view, 1) & 1;
        method->exchange = lt_amqp_short_text(view);
        method->key = lt_amqp_short_text(view);
        break;
    case LT_BASIC_RETURN:
        read_reason(view, method);
        method->exchange = lt_amqp_short_text(view);
        method->key = lt_amqp_short_text(view);
        break;
    case LT_BASIC_ACK:
    case LT_BASIC_NACK:
        method->tag = lt_amqp_number(view, 8);
        method->multiple = lt_amqp_number(view, 1) & 1;
        break;
    default:
        break; /* what stands there is of no interest */
    }
}

bool lt_amqp_method_read(struct lt_amqp_method *method, uint16_t channel, struct leat_bytes payload) {
    struct lt_amqp_view view = lt_amqp_view(payload.data, payload.size);
    *method = (struct lt_amqp_method){.channel = channel, .id = (uint32_t)lt_amqp_number(&view, 4)};
    read_arguments(&view, method);
    return !view.broken;
}

const char *lt_amqp_method_name(uint32_t id) {
    switch (id) {
    case LT_CONNECTION_OPEN:
        return "connection.open";
    case LT_CHANNEL_OPEN:
        return "channel.open";
    case LT_EXCHANGE_DECLARE:
        return "exchange.declare";
    case LT_QUEUE_DECLARE:
        return "queue.declare";
    case LT_BASIC_CONSUME:
        return "basic.consume";
    case LT_BASIC_PUBLISH:
        return "basic.publish";
    case LT_BASIC_ACK:
        return "basic.ack";
    default:
        return "";
    }
}

/* ---------------------------------------------------------------- writing */

enum { FRAME_HEAD = 7, FRAME_TAIL = 1 };

/* Begin a method frame; its size is filled in by end_frame(). Returns where it begins. */
static size_t begin_method(struct lt_amqp_output *output, uint16_t channel, uint32_t id) {
    size_t start = output->size;
    lt_amqp_put(output, 1, LT_FRAME_METHOD);
    lt_amqp_put(output, 2, channel);
    lt_amqp_put(output, 4, 0);
    lt_amqp_put(output, 4, id);
    return start;
}

static void end_frame(struct lt_amqp_output *output, size_t start) {
    lt_amqp_put(output, 1, LT_FRAME_END);
    if (!output->broken)
        lt_amqp_store(output->data + start + 3, 4, output->size - start - FRAME_HEAD - FRAME_TAIL);
}

static struct leat_bytes text_of(const char *text) {
    return (struct leat_bytes){text, strlen(text)};
}

/* A table is a long text; its length is filled in afterwards. */
static size_t begin_table(struct lt_amqp_output *output) {
    lt_amqp_put(output, 4, 0);
    return output->size;
}

static void end_table(struct lt_amqp_output *output, size_t start) {
    if (!output->broken)
        lt_amqp_store(output->data + start - 4, 4, output->size - start);
}

static void put_entry_text(struct lt_amqp_output *output, const char *name, const char *value) {
    lt_amqp_put_short_text(output, text_of(name));
    lt_amqp_put(output, 1, 'S');
    lt_amqp_put_long_text(output, text_of(value));
}

static void put_entry_true(struct lt_amqp_output *output, const char *name) {
    lt_amqp_put_short_text(output, text_of(name));
    lt_amqp_put(output, 2, 't' << 8 | 1);
}

void lt_amqp_put_header(struct lt_amqp_output *output) {
    lt_amqp_put_bytes(output, "AMQP\0\0\t\1", 8);
}

void lt_amqp_put_start_ok(struct lt_amqp_output *output, const struct lt_amqp_login *login) {
    size_t frame = begin_method(output, 0, LT_CONNECTION_START_OK);
    size_t table = begin_table(output);
    put_entry_text(output, "product", "leat");
    put_entry_text(output, "version", LEAT_VERSION);
    lt_amqp_put_short_text(output, text_of("capabilities"));
    lt_amqp_put(output, 1, 'F');
    size_t inner = begin_table(output);
    put_entry_true(output, "basic.nack");
    put_entry_true(output, "publisher_confirms");
    put_entry_true(output, "connection.blocked");
    put_entry_true(output, "consumer_cancel_notify");
    put_entry_true(output, "authentication_failure_close");
    end_table(output, inner);
    end_table(output, table);
    lt_amqp_put_short_text(output, text_of("PLAIN"));
    size_t answer = begin_table(output);
    lt_amqp_put(output, 1, 0);
    lt_amqp_put_bytes(output, login->user, strlen(login->user));
    lt_amqp_put(output, 1, 0);
    lt_amqp_put_bytes(output, login->password, strlen(login->password));
    end_table(output, answer);
    lt_amqp_put_short_text(output, text_of("en_US"));
    end_frame(output, frame);
}

void lt_amqp_put_tune_ok(struct lt_amqp_output *output, uint16_t channel_max, uint32_t frame_max, uint16_t heartbeat) {
    size_t frame = begin_method(output, 0, LT_CONNECTION_TUNE_OK);
    lt_amqp_put(output, 2, channel_max);
    lt_amqp_put(output, 4, frame_max);
    lt_amqp_put(output, 2, heartbeat);
    end_frame(output, frame);
}

void lt_amqp_put_open(struct lt_amqp_output *output, const char *vhost) {
    size_t frame = begin_method(output, 0, LT_CONNECTION_OPEN);
    lt_amqp_put_short_text(output, text_of(vhost));
    lt_amqp_put(output, 2, 0);
    end_frame(output, frame);
}

void lt_amqp_put_close(struct lt_amqp_output *output) {
    size_t frame = begin_method(output, 0, LT_CONNECTION_CLOSE);
    lt_amqp_put(output, 2, 200);
    lt_amqp_put_short_text(output, text_of("done"));
    lt_amqp_put(output, 4, 0);
    end_frame(output, frame);
}

void lt_amqp_put_heartbeat(struct lt_amqp_output *output) {
    lt_amqp_put(output, 1, LT_FRAME_HEARTBEAT);
    lt_amqp_put(output, 6, 0);
    lt_amqp_put(output, 1, LT_FRAME_END);
}

void lt_amqp_put_plain(struct lt_amqp_output *output, uint16_t channel, uint32_t id) {
    end_frame(output, begin_method(output, channel, id));
}

void lt_amqp_put_channel_open(struct lt_amqp_output *output) {
    size_t frame = begin_method(output, LT_AMQP_CHANNEL, LT_CHANNEL_OPEN);
    lt_amqp_put(output, 1, 0);
    end_frame(output, frame);
}

void lt_amqp_put_flow_ok(struct lt_amqp_output *output, bool active) {
    size_t frame = begin_method(output, LT_AMQP_CHANNEL, LT_CHANNEL_FLOW_OK);
    lt_amqp_put(output, 1, active);
    end_frame(output, frame);
}

void lt_amqp_put_exchange_check(struct lt_amqp_output *output, const char *name) {
    enum { PASSIVE = 1 };
    size_t frame = begin_method(output, LT_AMQP_CHANNEL, LT_EXCHANGE_DECLARE);
    lt_amqp_put(output, 2, 0);
    lt_amqp_put_short_text(output, text_of(name));
    lt_amqp_put_short_text(output, text_of("direct"));
    lt_amqp_put(output, 1, PASSIVE);
    lt_amqp_put(output, 4, 0);
    end_frame(output, frame);
}

void lt_amqp_put_queue_declare(struct lt_amqp_output *output, const struct lt_amqp_queue *queue) {
    enum { PASSIVE = 1, DURABLE = 2 };
    size_t frame = begin_method(output, LT_AMQP_CHANNEL, LT_QUEUE_DECLARE);
    lt_amqp_put(output, 2, 0);
    lt_amqp_put_short_text(output, text_of(queue->name));
    lt_amqp_put(output, 1, queue->type == LT_QUEUE_EXISTS ? PASSIVE : DURABLE);
    size_t table = begin_table(output);
    if (queue->type == LT_QUEUE_QUORUM)
        put_entry_text(output, "x-queue-type", "quorum");
    if (queue->type != LT_QUEUE_EXISTS && queue->dead_letter)
        put_entry_text(output, "x-dead-letter-exchange", queue->dead_letter);
    end_table(output, table);
    end_frame(output, frame);
}

void lt_amqp_put_qos(struct lt_amqp_output *output, uint16_t prefetch) {
    size_t frame = begin_method(output, LT_AMQP_CHANNEL, LT_BASIC_QOS);
    lt_amqp_put(output, 4, 0);
    lt_amqp_put(output, 2, prefetch);
    lt_amqp_put(output, 1, 0);
    end_frame(output, frame);
}

void lt_amqp_put_consume(struct lt_amqp_output *output, const char *queue, const char *consumer) {
    size_t frame = begin_method(output, LT_AMQP_CHANNEL, LT_BASIC_CONSUME);
    lt_amqp_put(output, 2, 0);
    lt_amqp_put_short_text(output, text_of(queue));
    lt_amqp_put_short_text(output, text_of(consumer));
    lt_amqp_put(output, 1, 0);
    lt_amqp_put(output, 4, 0);
    end_frame(output, frame);
}

void lt_amqp_put_cancel(struct lt_amqp_output *output, const char *consumer) {
    size_t frame = begin_method(output, LT_AMQP_CHANNEL, LT_BASIC_CANCEL);
    lt_amqp_put_short_text(output, text_of(consumer));
    lt_amqp_put(output, 1, 0);
    end_frame(output, frame);
}

void lt_amqp_put_confirm_select(struct lt_amqp_output *output) {
    size_t frame = begin_method(output, LT_AMQP_CHANNEL, LT_CONFIRM_SELECT);
    lt_amqp_put(output, 1, 0);
    end_frame(output, frame);
}

static void put_settlement(struct lt_amqp_output *output, uint32_t id, uint64_t tag, unsigned bits) {
    size_t frame = begin_method(output, LT_AMQP_CHANNEL, id);
    lt_amqp_put(output, 8, tag);
    lt_amqp_put(output, 1, bits);
    end_frame(output, frame);
}

void lt_amqp_put_ack(struct lt_amqp_output *output, uint64_t tag, bool multiple) {
    put_settlement(output, LT_BASIC_ACK, tag, multiple);
}

void lt_amqp_put_nack(struct lt_amqp_output *output, uint64_t tag, bool multiple, bool requeue) {
    put_settlement(output, LT_BASIC_NACK, tag, (unsigned)multiple | (unsigned)requeue << 1);
}

void lt_amqp_put_reject(struct lt_amqp_output *output, uint64_t tag, bool requeue) {
    put_settlement(output, LT_BASIC_REJECT, tag, requeue);
}

enum { HEADER_HEAD = 12 }; /* class, weight and size, before the properties */

size_t lt_amqp_most_properties(uint32_t frame_max) {
    return frame_max - FRAME_HEAD - FRAME_TAIL - HEADER_HEAD;
}

void lt_amqp_put_publication(struct lt_amqp_output *output, const struct lt_amqp_publication *publication,
                             uint32_t frame_max) {
    enum { MANDATORY = 1, BASIC_CLASS = 60 };
    size_t frame = begin_method(output, LT_AMQP_CHANNEL, LT_BASIC_PUBLISH);
    lt_amqp_put(output, 2, 0);
    lt_amqp_put_short_text(output, publication->exchange);
    lt_amqp_put_short_text(output, publication->key);
    lt_amqp_put(output, 1, publication->mandatory ? MANDATORY : 0);
    end_frame(output, frame);

    size_t header = HEADER_HEAD + publication->properties.size;
    lt_amqp_put(output, 1, LT_FRAME_HEADER);
    lt_amqp_put(output, 2, LT_AMQP_CHANNEL);
    lt_amqp_put(output, 4, header);
    lt_amqp_put(output, 4, BASIC_CLASS << 16);
    lt_amqp_put(output, 8, publication->body.size);
    lt_amqp_put_bytes(output, publication->properties.data, publication->properties.size);
    lt_amqp_put(output, 1, LT_FRAME_END);

    size_t most = frame_max - FRAME_HEAD - FRAME_TAIL, part;
    for (size_t at = 0; at < publication->body.size; at += part) {
        part = publication->body.size - at < most ? publication->body.size - at : most;
        lt_amqp_put(output, 1, LT_FRAME_BODY);
        lt_amqp_put(output, 2, LT_AMQP_CHANNEL);
        lt_amqp_put(output, 4, part);
        lt_amqp_put_bytes(output, publication->body.data + at, part);
        lt_amqp_put(output, 1, LT_FRAME_END);
    }
}
