/* SPDX-License-Identifier: MIT */
/**
 * AMQP's numbers and strings, as they stand on the wire (big endian).
 *
 * A view that was read past its end is broken, gives zeros from then on, and is
 * asked once when everything was read. An output that could not grow is broken
 * in the same way. So neither needs a check for each value.
 */
#ifndef LEAT_ENDS_AMQP_WIRE_H
#define LEAT_ENDS_AMQP_WIRE_H

#include "leat-pipeline.h"

#include <string.h>

struct lt_amqp_view {
    const uint8_t *at, *end;
    bool broken;
};

static inline struct lt_amqp_view lt_amqp_view(const void *data, size_t size) {
    return (struct lt_amqp_view){.at = data, .end = size ? (const uint8_t *)data + size : data};
}

/** The next `size` bytes, or NULL. */
static inline const uint8_t *lt_amqp_take(struct lt_amqp_view *view, size_t size) {
    if (view->broken || (size_t)(view->end - view->at) < size) {
        view->broken = true;
        return NULL;
    }
    view->at += size;
    return view->at - size;
}

/** A number of `width` bytes, up to 8. */
static inline uint64_t lt_amqp_number(struct lt_amqp_view *view, size_t width) {
    const uint8_t *bytes = lt_amqp_take(view, width);
    uint64_t value = 0;
    for (size_t i = 0; bytes && i < width; i++)
        value = value << 8 | bytes[i];
    return value;
}

static inline struct leat_bytes lt_amqp_bytes(struct lt_amqp_view *view, size_t size) {
    const uint8_t *bytes = lt_amqp_take(view, size);
    return bytes ? (struct leat_bytes){(const char *)bytes, size} : (struct leat_bytes){"", 0};
}

/** At most 255 bytes. */
static inline struct leat_bytes lt_amqp_short_text(struct lt_amqp_view *view) {
    return lt_amqp_bytes(view, lt_amqp_number(view, 1));
}

/** Also a table: its entries. */
static inline struct leat_bytes lt_amqp_long_text(struct lt_amqp_view *view) {
    return lt_amqp_bytes(view, lt_amqp_number(view, 4));
}

/** Bytes that grow. */
struct lt_amqp_output {
    uint8_t *data;
    size_t size, room;
    bool broken; /* memory was short; nothing is added any more */
};

/** Room for `size` more bytes, which then count; NULL when memory is short. */
uint8_t *lt_amqp_extend(struct lt_amqp_output *output, size_t size);

static inline void lt_amqp_store(uint8_t *place, size_t width, uint64_t value) {
    for (size_t i = width; i-- > 0; value >>= 8)
        place[i] = (uint8_t)value;
}

static inline void lt_amqp_put(struct lt_amqp_output *output, size_t width, uint64_t value) {
    uint8_t *place = lt_amqp_extend(output, width);
    if (place)
        lt_amqp_store(place, width, value);
}

static inline void lt_amqp_put_bytes(struct lt_amqp_output *output, const void *data, size_t size) {
    uint8_t *place = lt_amqp_extend(output, size);
    if (place && size)
        memcpy(place, data, size);
}

/** `size` at most 255; the caller has checked it. */
static inline void lt_amqp_put_short_text(struct lt_amqp_output *output, struct leat_bytes text) {
    lt_amqp_put(output, 1, text.size);
    lt_amqp_put_bytes(output, text.data, text.size);
}

static inline void lt_amqp_put_long_text(struct lt_amqp_output *output, struct leat_bytes text) {
    lt_amqp_put(output, 4, text.size);
    lt_amqp_put_bytes(output, text.data, text.size);
}

#endif
