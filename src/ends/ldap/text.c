/* SPDX-License-Identifier: MIT */
#include "ends/ldap/text.h"

static void put_value(struct lt_text *text, struct leat_bytes value) {
    static const char digits[] = "0123456789abcdef";
    char *out = lt_text_room(text, value.size * 3);
    if (!out)
        return;
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
