/* SPDX-License-Identifier: MIT */
/*
 * JSON strings: to plain text and back. Both directions copy whole blocks and
 * then advance by what of them was plain: the room is large enough for what is
 * copied too far, because neither direction's output runs ahead of its input
 * (decode) or of six times its input (encode).
 */
#include "base/block.h"
#include "base/json-scan.h"
#include "base/json-walk.h"
#include "base/utf8.h"

#include <errno.h>

static const char replacement[] = "\xEF\xBF\xBD"; /* U+FFFD */

static const uint8_t hex_value[256] = {
    ['0'] = 0,  ['1'] = 1,  ['2'] = 2,  ['3'] = 3,  ['4'] = 4,  ['5'] = 5,  ['6'] = 6,  ['7'] = 7,
    ['8'] = 8,  ['9'] = 9,  ['a'] = 10, ['b'] = 11, ['c'] = 12, ['d'] = 13, ['e'] = 14, ['f'] = 15,
    ['A'] = 10, ['B'] = 11, ['C'] = 12, ['D'] = 13, ['E'] = 14, ['F'] = 15};

static uint32_t hex_digit(char digit) {
    return hex_value[(unsigned char)digit];
}

static uint32_t hex4(const char *at) {
    return hex_digit(at[0]) << 12 | hex_digit(at[1]) << 8 | hex_digit(at[2]) << 4 | hex_digit(at[3]);
}

/** \uXXXX at `at`, and the low surrogate behind a high one. */
static const char *unicode_escape(const char *at, const char *end, uint32_t *code_point) {
    uint32_t first = hex4(at + 2);
    at += 6;
    *code_point = first;
    if (first < 0xD800 || first > 0xDFFF)
        return at;
    *code_point = 0xFFFD;
    if (first > 0xDBFF || end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return at;
    uint32_t second = hex4(at + 2);
    if (second < 0xDC00 || second > 0xDFFF)
        return at;
    *code_point = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
    return at + 6;
}

/** What the letter after a backslash stands for; 0 for u. */
static const char escaped_byte[256] = {
    ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};

const char *lt_json_escape(const char *at, const char *end, uint32_t *code_point) {
    char byte = escaped_byte[(unsigned char)at[1]];
    if (!byte)
        return unicode_escape(at, end, code_point);
    *code_point = (unsigned char)byte;
    return at + 2;
}

bool lt_json_named(const struct lt_json_member *member, struct leat_bytes name) {
    size_t size = (size_t)(member->name_end - member->name);
    if (!member->escaped)
        return size == name.size && (size == 0 || memcmp(member->name, name.data, size) == 0);
    const char *at = member->name;
    size_t matched = 0;
    while (at < member->name_end) {
        char bytes[4] = {*at};
        unsigned length = 1;
        if (*at == '\\') {
            uint32_t code_point;
            at = lt_json_escape(at, member->name_end, &code_point);
            length = lt_utf8_write(code_point, bytes);
        } else {
            at++;
        }
        if (name.size - matched < length || memcmp(name.data + matched, bytes, length) != 0)
            return false;
        matched += length;
    }
    return matched == name.size;
}

enum { LONGEST_ESCAPE = 12 }; /* a pair of surrogates */

/** Decode the escape at `at` to `*out`; returns what follows it. */
static inline __attribute__((always_inline)) const char *decode_escape(const char *at, const char *end, char **out) {
    char byte = escaped_byte[(unsigned char)at[1]];
    if (byte) {
        *(*out)++ = byte;
        return at + 2;
    }
    uint32_t code_point;
    at = unicode_escape(at, end, &code_point);
    *out += lt_utf8_write(code_point, *out);
    return at;
}

/**
 * Decode blocks as long as they are whole and 64 bytes can be copied from
 * wherever the last escape in them ends; returns how far it came. A block is
 * copied at once, and after each escape in it again, to where the rest belongs.
 */
static inline __attribute__((always_inline)) const char *decode_blocks(enum lt_block_unit unit, const char *at,
                                                                       const char *end, char **to) {
    char *out = *to;
    while (end - at >= 2 * LT_BLOCK_SIZE + LONGEST_ESCAPE) {
        const char *block = at;
        uint64_t escapes = lt_block_equal(unit, block, 0, '\\');
        memcpy(out, at, LT_BLOCK_SIZE);
        while (escapes) {
            const char *escape = block + __builtin_ctzll(escapes);
            out += escape - at;
            at = decode_escape(escape, end, &out);
            memcpy(out, at, LT_BLOCK_SIZE);
            size_t done = (size_t)(at - block);
            escapes = done < LT_BLOCK_SIZE ? escapes & UINT64_MAX << done : 0;
        }
        const char *next = at > block + LT_BLOCK_SIZE ? at : block + LT_BLOCK_SIZE;
        out += next - at;
        at = next;
    }
    *to = out;
    return at;
}

#if defined(LT_BLOCK_X86)
__attribute__((target("avx512f,avx512bw"))) static const char *decode_avx512(const char *at, const char *end,
                                                                             char **out) {
    return decode_blocks(LT_BLOCK_AVX512, at, end, out);
}

__attribute__((target("avx2"))) static const char *decode_avx2(const char *at, const char *end, char **out) {
    return decode_blocks(LT_BLOCK_AVX2, at, end, out);
}
#endif

static const char *decode_most(const char *at, const char *end, char **out) {
#if defined(LT_BLOCK_X86)
    enum lt_block_unit unit = lt_block_unit();
    if (unit == LT_BLOCK_AVX512)
        return decode_avx512(at, end, out);
    if (unit == LT_BLOCK_AVX2)
        return decode_avx2(at, end, out);
#endif
    return decode_blocks(LT_BLOCK_BASE, at, end, out);
}

int lt_json_decode(struct leat_bytes json, char *room, struct leat_bytes *text) {
    if (json.size < 2 || json.data[0] != '"')
        return -EINVAL;
    const char *at = json.data + 1;
    const char *end = json.data + json.size - 1;
    const char *escape = memchr(at, '\\', (size_t)(end - at));
    if (!escape) {
        *text = (struct leat_bytes){at, json.size - 2};
        return 0;
    }
    char *out = room;
    at = decode_most(at, end, &out);
    while ((escape = memchr(at, '\\', (size_t)(end - at)))) {
        memcpy(out, at, (size_t)(escape - at));
        out += escape - at;
        at = decode_escape(escape, end, &out);
    }
    memcpy(out, at, (size_t)(end - at));
    out += end - at;
    *text = (struct leat_bytes){room, (size_t)(out - room)};
    return 0;
}

/** The letter after the backslash that stands for a byte; 0: there is none. */
static const char short_escape[256] = {
    ['"'] = '"', ['\\'] = '\\', ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};

static char *encode_control(unsigned char byte, char *out) {
    memcpy(out, "\\u00", 4);
    out[4] = (char)('0' + (byte >> 4));
    out[5] = "0123456789abcdef"[byte & 15];
    return out + 6;
}

/** Everything at `at` that is not ASCII. */
static const char *encode_high(const char *at, const char *end, char **out) {
    while (at < end && (unsigned char)*at >= 0x80) {
        unsigned length = lt_utf8_sequence(at, end);
        if (length == 0) {
            memcpy(*out, replacement, 3);
            *out += 3;
            at += lt_utf8_broken(at, end);
            continue;
        }
        memcpy(*out, at, length);
        *out += length;
        at += length;
    }
    return at;
}

/** The byte at `at`, which lt_scan_text() points at, and what belongs to it. */
static inline const char *encode_special(const char *at, const char *end, char **out) {
    unsigned char byte = (unsigned char)*at;
    if (byte >= 0x80)
        return encode_high(at, end, out);
    if (!short_escape[byte]) {
        *out = encode_control(byte, *out);
        return at + 1;
    }
    *(*out)++ = '\\';
    *(*out)++ = short_escape[byte];
    return at + 1;
}

/** Whether a byte stands for itself; one that is not ASCII does where all of the text is known to be valid. */
static bool stands_for_itself(char byte, bool valid) {
    unsigned char code = (unsigned char)byte;
    return code >= 0x20 && (code < 0x80 || valid) && code != '"' && code != '\\';
}

size_t lt_json_encode(struct leat_bytes text, char *room) {
    const char *at = text.data;
    const char *end = text.data + text.size;
    bool valid = lt_utf8_prefix(text.data, text.size) == text.size;
    char *out = room;
    *out++ = '"';
    while (end - at >= LT_BLOCK) {
        memcpy(out, at, LT_BLOCK);
        uint64_t mask = valid ? lt_scan_string(at) : lt_scan_text(at);
        unsigned plain = mask ? (unsigned)__builtin_ctzll(mask) : LT_BLOCK;
        out += plain;
        at += plain;
        if (mask)
            at = encode_special(at, end, &out);
    }
    while (at < end) {
        if (stands_for_itself(*at, valid))
            *out++ = *at++;
        else
            at = encode_special(at, end, &out);
    }
    *out++ = '"';
    return (size_t)(out - room);
}
