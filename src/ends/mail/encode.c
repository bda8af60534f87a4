/* SPDX-License-Identifier: MIT */
#include "ends/mail/encode.h"
#include "base/utf8.h"

enum { LINE = 76, AROUND = 12 }; /* bytes of a line; of an encoded word besides the text */

void lt_mail_clean(struct lt_text *text, struct leat_bytes bytes, bool lines) {
    const char *at = bytes.data, *end = bytes.data + bytes.size;
    while (at < end) {
        const char *plain = at;
        unsigned length = 0;
        while (at < end && (unsigned char)*at >= ' ' && *at != 0x7f && (length = lt_utf8_sequence(at, end)))
            at += length;
        lt_text_put_bytes(text, (struct leat_bytes){plain, (size_t)(at - plain)});
        if (at == end)
            break;
        bool control = (unsigned char)*at < ' ' || *at == 0x7f;
        if (control && *at == '\r' && at + 1 < end && at[1] == '\n')
            at++;
        lt_text_put(text, !control ? "\xEF\xBF\xBD" : *at == '\n' && lines ? "\n" : " ");
        at += control ? 1 : lt_utf8_broken(at, end);
    }
}

/* ---------------------------------------------------------------- headers */

static bool is_ascii(struct leat_bytes value) {
    for (size_t i = 0; i < value.size; i++)
        if ((unsigned char)value.data[i] < ' ' || (unsigned char)value.data[i] > '~')
            return false;
    return true;
}

static void put_base64(struct lt_text *mail, const char *data, size_t size) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        unsigned value = (unsigned char)data[i] << 16;
        value |= i + 1 < size ? (unsigned char)data[i + 1] << 8 : 0;
        value |= i + 2 < size ? (unsigned char)data[i + 2] : 0;
        char out[5] = {letters[value >> 18], letters[value >> 12 & 63], i + 1 < size ? letters[value >> 6 & 63] : '=',
                       i + 2 < size ? letters[value & 63] : '=', '\0'};
        lt_text_put(mail, out);
    }
}

/* Words that are encoded, each of whole characters; the first one behind `used` bytes of its line, the others on lines
 * of their own. */
static void put_words(struct lt_text *mail, size_t used, struct leat_bytes value) {
    size_t most = (LINE - used - AROUND) / 4 * 3;
    for (size_t i = 0; i < value.size; most = (LINE - 1 - AROUND) / 4 * 3) {
        size_t rest = value.size - i, size = rest <= most ? rest : lt_utf8_prefix(value.data + i, most);
        lt_text_put(mail, i ? "\r\n =?UTF-8?B?" : "=?UTF-8?B?");
        put_base64(mail, value.data + i, size);
        lt_text_put(mail, "?=");
        i += size;
    }
}

static void put_value(struct lt_text *mail, size_t name, struct leat_bytes value, bool phrase) {
    bool plain = is_ascii(value) && name + 2 + value.size <= LINE && !memmem(value.data, value.size, "=?", 2);
    if (!plain) {
        put_words(mail, name + 2, value);
        return;
    }
    if (!phrase) {
        lt_text_put_bytes(mail, value);
        return;
    }
    lt_text_put(mail, "\"");
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] == '"' || value.data[i] == '\\')
            lt_text_put(mail, "\\");
        lt_text_put_bytes(mail, (struct leat_bytes){value.data + i, 1});
    }
    lt_text_put(mail, "\"");
}

void lt_mail_header(struct lt_text *mail, const char *name, struct leat_bytes value) {
    lt_text_print(mail, "%s: ", name);
    put_value(mail, strlen(name), value, false);
    lt_text_put(mail, "\r\n");
}

void lt_mail_header_address(struct lt_text *mail, const char *name, struct leat_bytes person,
                            struct leat_bytes address) {
    lt_text_print(mail, "%s: ", name);
    if (person.size) {
        put_value(mail, strlen(name), person, true);
        lt_text_put(mail, "\r\n <");
    }
    lt_text_put_bytes(mail, address);
    lt_text_put(mail, person.size ? ">\r\n" : "\r\n");
}

void lt_mail_header_list(struct lt_text *mail, const char *name, struct leat_bytes addresses) {
    lt_text_print(mail, "%s:", name);
    for (size_t i = 0; i < addresses.size;) {
        const char *comma = memchr(addresses.data + i, ',', addresses.size - i);
        size_t end = comma ? (size_t)(comma - addresses.data) + 1 : addresses.size;
        lt_text_put(mail, i ? "\r\n" : "");
        if (i == 0)
            lt_text_put(mail, " ");
        lt_text_put_bytes(mail, (struct leat_bytes){addresses.data + i, end - i});
        i = end;
    }
    lt_text_put(mail, "\r\n");
}

/* ------------------------------------------------------------------ bodies */

static void put_quoted_line(struct lt_text *mail, const char *at, const char *end) {
    static const char digits[] = "0123456789ABCDEF";
    for (size_t used = 0; at < end; at++) {
        unsigned char byte = (unsigned char)*at;
        bool last = at + 1 == end;
        bool plain = (byte > ' ' && byte <= '~' && byte != '=') || (byte == ' ' && !last);
        char out[4] = {(char)byte, '\0'};
        if (!plain)
            memcpy(out, (char[]){'=', digits[byte >> 4], digits[byte & 15], '\0'}, 4);
        size_t size = plain ? 1 : 3;
        if (used + size > LINE - 1) {
            lt_text_put(mail, "=\r\n");
            used = 0;
        }
        lt_text_put(mail, out);
        used += size;
    }
}

void lt_mail_quoted(struct lt_text *mail, struct leat_bytes text) {
    const char *at = text.data, *end = text.data + text.size;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *line_end = newline ? newline : end;
        put_quoted_line(mail, at, line_end);
        lt_text_put(mail, "\r\n");
        at = line_end + 1;
    }
}
