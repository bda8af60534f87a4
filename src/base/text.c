/* SPDX-License-Identifier: MIT */
#include "base/text.h"
#include "base/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void lt_text_tame(char *text, size_t size) {
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i], next = i + 1 < size ? (unsigned char)text[i + 1] : 0;
        bool pair = byte == 0xc2 && next >= 0x80 && next <= 0x9f;
        if (byte < ' ' || byte == 0x7f || pair)
            text[i] = '?';
        if (pair)
            text[++i] = '?';
    }
}

char *lt_text_room(struct lt_text *text, size_t size) {
    if (text->failed)
        return NULL;
    if (size < text->room - text->size)
        return text->data + text->size;
    size_t room = text->room * 2 + size + 64;
    char *data = realloc(text->data, room);
    if (!data) {
        text->failed = true;
        return NULL;
    }
    text->data = data;
    text->room = room;
    return data + text->size;
}

void lt_text_put_bytes(struct lt_text *text, struct leat_bytes bytes) {
    char *out = lt_text_room(text, bytes.size);
    if (!out)
        return;
    if (bytes.size)
        memcpy(out, bytes.data, bytes.size);
    text->size += bytes.size;
    text->data[text->size] = '\0';
}

void lt_text_put(struct lt_text *text, const char *more) {
    lt_text_put_bytes(text, lt_string(more));
}

void lt_text_print(struct lt_text *text, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    char *out = length < 0 ? NULL : lt_text_room(text, (size_t)length);
    if (out) {
        vsnprintf(out, (size_t)length + 1, format, again);
        text->size += (size_t)length;
    }
    va_end(again);
    va_end(arguments);
}

void lt_text_put_json(struct lt_text *text, struct leat_bytes bytes) {
    char *out = lt_text_room(text, lt_json_encoded_room(bytes.size));
    if (!out)
        return;
    text->size += lt_json_encode(bytes, out);
    text->data[text->size] = '\0';
}
