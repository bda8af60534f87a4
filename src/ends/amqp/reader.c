/* SPDX-License-Identifier: MIT */
#include "ends/amqp/reader.h"

#include <errno.h>
#include <stdlib.h>

enum { HEAD = 7, TAIL = 1, FIRST_ROOM = 1 << 20 };

static int wrong(struct leat_error *error, const char *what) {
    return leat_fail(error, -EPROTO, "the server broke the protocol: %s", what);
}

int lt_amqp_reader_open(struct lt_amqp_reader *reader, const struct lt_amqp_handler *handler, void *arg) {
    *reader = (struct lt_amqp_reader){.handler = handler, .arg = arg, .frame_max = LT_AMQP_LEAST_FRAME};
    reader->size = LT_AMQP_READ_ROOM;
    reader->room = malloc(reader->size);
    return reader->room ? 0 : -ENOMEM;
}

static void drop_message(struct lt_amqp_reader *reader) {
    free(reader->message);
    reader->message = NULL;
    reader->state = LT_AMQP_IDLE;
}

void lt_amqp_reader_close(struct lt_amqp_reader *reader) {
    drop_message(reader);
    free(reader->room);
    reader->room = NULL;
}

void lt_amqp_reader_reset(struct lt_amqp_reader *reader) {
    drop_message(reader);
    reader->used = 0;
    reader->frame_max = LT_AMQP_LEAST_FRAME;
}

int lt_amqp_reader_tune(struct lt_amqp_reader *reader, uint32_t frame_max) {
    reader->frame_max = frame_max;
    if (reader->size >= (size_t)frame_max * 2)
        return 0;
    uint8_t *room = realloc(reader->room, (size_t)frame_max * 2);
    if (!room)
        return -ENOMEM;
    reader->room = room;
    reader->size = (size_t)frame_max * 2;
    return 0;
}

uint8_t *lt_amqp_reader_room(struct lt_amqp_reader *reader, size_t *size) {
    *size = reader->size - reader->used;
    return reader->room + reader->used;
}

/* --------------------------------------------------------------- messages */

/* The frame's memory is used again before the message is complete. */
static void keep_text(struct leat_bytes *text, char *place) {
    if (text->size)
        memcpy(place, text->data, text->size);
    text->data = place;
}

static void begin_content(struct lt_amqp_reader *reader, const struct lt_amqp_method *method) {
    reader->content = *method;
    keep_text(&reader->content.text, reader->texts);
    keep_text(&reader->content.exchange, reader->texts + 256);
    keep_text(&reader->content.key, reader->texts + 512);
    reader->state = LT_AMQP_WANTS_HEADER;
}

static int hand_over(struct lt_amqp_reader *reader, struct leat_error *error) {
    struct lt_amqp_message *message = reader->message;
    reader->message = NULL;
    reader->state = LT_AMQP_IDLE;
    return reader->handler->message(reader->arg, &reader->content, message, error);
}

static int take_header(struct lt_amqp_reader *reader, struct leat_bytes payload, struct leat_error *error) {
    struct lt_amqp_view view = lt_amqp_view(payload.data, payload.size);
    if (reader->state != LT_AMQP_WANTS_HEADER)
        return wrong(error, "a content header without a method before it");
    lt_amqp_number(&view, 4);
    uint64_t size = lt_amqp_number(&view, 8);
    if (view.broken)
        return wrong(error, "a content header that is cut short");
    if (size > LT_AMQP_LARGEST_MESSAGE)
        return leat_fail(error, -EPROTO, "the server announced a message of %llu bytes", (unsigned long long)size);
    size_t properties = (size_t)(view.end - view.at);
    size_t room = properties + (size < FIRST_ROOM ? (size_t)size : FIRST_ROOM);
    struct lt_amqp_message *message = malloc(sizeof *message + room);
    if (!message)
        return leat_fail(error, -ENOMEM, "out of memory for a message");
    *message = (struct lt_amqp_message){
        .tag = reader->content.tag, .redelivered = reader->content.redelivered, .properties_size = properties};
    memcpy(message->data, view.at, properties);
    reader->message = message;
    reader->message_room = room;
    reader->body_size = (size_t)size;
    reader->state = LT_AMQP_WANTS_BODY;
    return size ? 0 : hand_over(reader, error);
}

static bool make_room(struct lt_amqp_reader *reader, size_t more) {
    struct lt_amqp_message *message = reader->message;
    size_t needed = message->properties_size + message->body_size + more;
    if (needed <= reader->message_room)
        return true;
    size_t room = reader->message_room * 2, most = message->properties_size + reader->body_size;
    if (room < needed)
        room = needed;
    if (room > most)
        room = most;
    message = realloc(message, sizeof *message + room);
    if (!message)
        return false;
    reader->message = message;
    reader->message_room = room;
    return true;
}

static int take_body(struct lt_amqp_reader *reader, struct leat_bytes payload, struct leat_error *error) {
    if (reader->state != LT_AMQP_WANTS_BODY)
        return wrong(error, "a body without a header before it");
    if (payload.size > reader->body_size - reader->message->body_size)
        return wrong(error, "a body that is longer than its header said");
    if (!make_room(reader, payload.size))
        return leat_fail(error, -ENOMEM, "out of memory for a message of %zu bytes", reader->body_size);
    struct lt_amqp_message *message = reader->message;
    memcpy(message->data + message->properties_size + message->body_size, payload.data, payload.size);
    message->body_size += payload.size;
    return message->body_size == reader->body_size ? hand_over(reader, error) : 0;
}

/* ----------------------------------------------------------------- frames */

static int take_method(struct lt_amqp_reader *reader, uint16_t channel, struct leat_bytes payload,
                       struct leat_error *error) {
    struct lt_amqp_method method;
    if (!lt_amqp_method_read(&method, channel, payload))
        return wrong(error, "a method that is cut short");
    if (channel && reader->state != LT_AMQP_IDLE)
        return wrong(error, "a method in the middle of a message");
    if (method.id != LT_BASIC_DELIVER && method.id != LT_BASIC_RETURN)
        return reader->handler->method(reader->arg, &method, error);
    if (!channel)
        return wrong(error, "a message on channel 0");
    begin_content(reader, &method);
    return 0;
}

static int take_frame(struct lt_amqp_reader *reader, uint8_t type, uint16_t channel, struct leat_bytes payload,
                      struct leat_error *error) {
    if (channel != 0 && channel != LT_AMQP_CHANNEL)
        return leat_fail(error, -EPROTO, "the server broke the protocol: a frame on channel %u", channel);
    switch (type) {
    case LT_FRAME_METHOD:
        return take_method(reader, channel, payload, error);
    case LT_FRAME_HEADER:
        return take_header(reader, payload, error);
    case LT_FRAME_BODY:
        return take_body(reader, payload, error);
    case LT_FRAME_HEARTBEAT:
        return 0;
    default:
        return leat_fail(error, -EPROTO, "the server broke the protocol: a frame of the unknown type %u", type);
    }
}

/* A server that wants another version of the protocol answers with its own header. */
static int other_protocol(const uint8_t *at, size_t size, struct leat_error *error) {
    if (size < 8)
        return 0;
    return leat_fail(error, -EPROTO, "the server speaks AMQP %u-%u-%u, not 0-9-1", at[5], at[6], at[7]);
}

int lt_amqp_reader_take(struct lt_amqp_reader *reader, size_t count, struct leat_error *error) {
    reader->used += count;
    const uint8_t *at = reader->room, *end = reader->room + reader->used;
    int result = 0;
    while (result == 0 && end - at >= HEAD + TAIL) {
        if (memcmp(at, "AMQP", 4) == 0) {
            result = other_protocol(at, (size_t)(end - at), error);
            break;
        }
        struct lt_amqp_view head = lt_amqp_view(at, HEAD);
        uint8_t type = (uint8_t)lt_amqp_number(&head, 1);
        uint16_t channel = (uint16_t)lt_amqp_number(&head, 2);
        uint32_t size = (uint32_t)lt_amqp_number(&head, 4);
        if (size > reader->frame_max - HEAD - TAIL)
            return leat_fail(error, -EPROTO, "the server broke the protocol: a frame of %u bytes", size);
        if ((size_t)(end - at) < HEAD + TAIL + (size_t)size)
            break;
        if (at[HEAD + size] != LT_FRAME_END)
            return wrong(error, "a frame without its end");
        result = take_frame(reader, type, channel, (struct leat_bytes){(const char *)at + HEAD, size}, error);
        at += HEAD + TAIL + (size_t)size;
    }
    reader->used = (size_t)(end - at);
    memmove(reader->room, at, reader->used);
    return result;
}
