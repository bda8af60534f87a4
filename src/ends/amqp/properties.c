/* SPDX-License-Identifier: MIT */
#include "ends/amqp/properties.h"

const char lt_amqp_form[] = "amqp 0-9-1 basic properties";

bool lt_amqp_properties_read(struct lt_amqp_properties *properties, struct leat_bytes wire) {
    struct lt_amqp_view view = lt_amqp_view(wire.data, wire.size);
    uint16_t flags = (uint16_t)lt_amqp_number(&view, 2);
    *properties = (struct lt_amqp_properties){.flags = flags};
    if (flags & 3)
        return false;
    if (flags & LT_CONTENT_TYPE)
        properties->content_type = lt_amqp_short_text(&view);
    if (flags & LT_CONTENT_ENCODING)
        properties->content_encoding = lt_amqp_short_text(&view);
    if (flags & LT_HEADERS)
        properties->headers = lt_amqp_long_text(&view);
    if (flags & LT_DELIVERY_MODE)
        properties->delivery_mode = (uint8_t)lt_amqp_number(&view, 1);
    if (flags & LT_PRIORITY)
        properties->priority = (uint8_t)lt_amqp_number(&view, 1);
    if (flags & LT_CORRELATION_ID)
        properties->correlation_id = lt_amqp_short_text(&view);
    if (flags & LT_REPLY_TO)
        properties->reply_to = lt_amqp_short_text(&view);
    if (flags & LT_EXPIRATION)
        lt_amqp_short_text(&view);
    if (flags & LT_MESSAGE_ID)
        properties->message_id = lt_amqp_short_text(&view);
    if (flags & LT_TIMESTAMP)
        properties->timestamp = lt_amqp_number(&view, 8);
    if (flags & LT_TYPE)
        properties->type = lt_amqp_short_text(&view);
    if (flags & LT_USER_ID)
        lt_amqp_short_text(&view);
    if (flags & LT_APP_ID)
        properties->app_id = lt_amqp_short_text(&view);
    if (flags & LT_CLUSTER_ID)
        lt_amqp_short_text(&view);
    return !view.broken;
}

/* ---------------------------------------------------------------- headers */

struct field {
    struct leat_bytes name, whole; /* `whole` with name and type */
    char type;
    struct leat_bytes value;
};

/* Bytes of a value of this type; -1: four bytes tell; -2: no such type. */
static int width_of(char type) {
    switch (type) {
    case 'V':
        return 0;
    case 't':
    case 'b':
    case 'B':
        return 1;
    case 's':
    case 'u':
        return 2;
    case 'I':
    case 'i':
    case 'f':
        return 4;
    case 'D':
        return 5;
    case 'l':
    case 'L':
    case 'd':
    case 'T':
        return 8;
    case 'S':
    case 'A':
    case 'F':
    case 'x':
        return -1;
    default:
        return -2;
    }
}

/* False at the end, and at what cannot be understood. */
static bool next_field(struct lt_amqp_view *view, struct field *field) {
    const uint8_t *start = view->at;
    if (view->at == view->end)
        return false;
    field->name = lt_amqp_short_text(view);
    field->type = (char)lt_amqp_number(view, 1);
    int width = width_of(field->type);
    if (view->broken || width == -2)
        return false;
    field->value = width < 0 ? lt_amqp_long_text(view) : lt_amqp_bytes(view, (size_t)width);
    field->whole = (struct leat_bytes){(const char *)start, (size_t)(view->at - start)};
    return !view->broken;
}

static bool is_called(const struct field *field, const char *name) {
    return field->name.size == strlen(name) && memcmp(field->name.data, name, field->name.size) == 0;
}

static bool begins(const struct field *field, const char *name) {
    size_t length = strlen(name);
    return field->name.size >= length && memcmp(field->name.data, name, length) == 0;
}

static bool belongs_to_delivery(const struct field *field) {
    return is_called(field, "x-delivery-count") || begins(field, "x-death") || begins(field, "x-first-death-") ||
           begins(field, "x-last-death-") || is_called(field, "CC") || is_called(field, "BCC");
}

int64_t lt_amqp_delivery_count(const struct lt_amqp_properties *properties) {
    struct lt_amqp_view view = lt_amqp_view(properties->headers.data, properties->headers.size);
    for (struct field field; next_field(&view, &field);) {
        if (!is_called(&field, "x-delivery-count") || !strchr("bBsuIil", field.type))
            continue;
        struct lt_amqp_view value = lt_amqp_view(field.value.data, field.value.size);
        uint64_t count = lt_amqp_number(&value, field.value.size);
        return count <= INT64_MAX ? (int64_t)count : -1;
    }
    return -1;
}

static void put_headers(struct lt_amqp_output *output, struct leat_bytes headers) {
    lt_amqp_put(output, 4, 0);
    size_t start = output->size;
    struct lt_amqp_view view = lt_amqp_view(headers.data, headers.size);
    for (struct field field; next_field(&view, &field);)
        if (!belongs_to_delivery(&field))
            lt_amqp_put_bytes(output, field.whole.data, field.whole.size);
    if (!output->broken)
        lt_amqp_store(output->data + start - 4, 4, output->size - start);
}

void lt_amqp_properties_put(struct lt_amqp_output *output, const struct lt_amqp_properties *properties) {
    uint16_t flags = properties->flags & (uint16_t) ~(LT_EXPIRATION | LT_USER_ID | LT_CLUSTER_ID);
    lt_amqp_put(output, 2, flags);
    if (flags & LT_CONTENT_TYPE)
        lt_amqp_put_short_text(output, properties->content_type);
    if (flags & LT_CONTENT_ENCODING)
        lt_amqp_put_short_text(output, properties->content_encoding);
    if (flags & LT_HEADERS)
        put_headers(output, properties->headers);
    if (flags & LT_DELIVERY_MODE)
        lt_amqp_put(output, 1, properties->delivery_mode);
    if (flags & LT_PRIORITY)
        lt_amqp_put(output, 1, properties->priority);
    if (flags & LT_CORRELATION_ID)
        lt_amqp_put_short_text(output, properties->correlation_id);
    if (flags & LT_REPLY_TO)
        lt_amqp_put_short_text(output, properties->reply_to);
    if (flags & LT_MESSAGE_ID)
        lt_amqp_put_short_text(output, properties->message_id);
    if (flags & LT_TIMESTAMP)
        lt_amqp_put(output, 8, properties->timestamp);
    if (flags & LT_TYPE)
        lt_amqp_put_short_text(output, properties->type);
    if (flags & LT_APP_ID)
        lt_amqp_put_short_text(output, properties->app_id);
}
