/* SPDX-License-Identifier: MIT */
#include "ends/ldap/text.h"

#include <stdlib.h>
#include <string.h>

/* Room for `size` bytes and a NUL. */
static bool reserve(struct lt_text *text, size_t size) {
    if (text->failed)
        return false;
    if (size < text->room - text->size)
        return true;
    size_t room = text->room * 2 + size + 64;
    char *data = realloc(text->data, room);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->room = room;
    return true;
}

void lt_text_put_bytes(struct lt_text *text, struct leat_bytes bytes) {
    if (!reserve(text, bytes.size))
        return;
    if (bytes.size)
        memcpy(text->data + text->size, bytes.data, bytes.size);
    text->size += bytes.size;
    text->data[text->size] = '\0';
}

void lt_text_put(struct lt_text *text, const char *more) {
    lt_text_put_bytes(text, (struct leat_bytes){more, strlen(more)});
}

static void put_value(struct lt_text *text, struct leat_bytes value) {
    static const char digits[] = "0123456789abcdef";
    if (!reserve(text, value.size * 3))
        return;
    char *out = text->data + text->size;
    for (size_t i = 0; i < value.size; i++) {
        unsigned char byte = (unsigned char)value.data[i];
        bool plain = byte >= ' ' && byte < 0x7f && byte != '*' && byte != '(' && byte != ')' && byte != '\\';
        if (plain) {
            *out++ = (char)byte;
            continue;
        }
        *out++ = '\\';
        *out++ = digits[byte >> 4];
        *out++ = digits[byte & 15];
    }
    *out = '\0';
    text->size = (size_t)(out - text->data);
}

void lt_text_put_match(struct lt_text *text, const char *attribute, struct leat_bytes value, bool initial) {
    lt_text_put(text, "(");
    lt_text_put(text, attribute);
    lt_text_put(text, "=");
    put_value(text, value);
    lt_text_put(text, initial ? "*)" : ")");
}
