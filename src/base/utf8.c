/* SPDX-License-Identifier: MIT */
/*
 * Validation looks at 32 bytes at a time together with the 1, 2 and 3 bytes
 * before each of them, which is one unaligned load for each distance: whether a
 * byte may stand where it does depends on nothing else. Blocks of pure ASCII
 * after a complete sequence cost two tests.
 *
 * Rejected: the nibble tables of Keiser and Lemire (fewer operations, but three
 * tables that nobody can check by reading, and a byte shuffle that plain x86-64
 * lacks); a state machine, which goes one byte at a time.
 *
 * The block function is compiled twice on x86, plain and for AVX2, from one
 * source, and falls back to the byte-wise one to say where the fault is.
 */
#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

enum { BLOCK = 32, BEFORE = 3 };

typedef uint8_t block __attribute__((vector_size(BLOCK)));
typedef uint64_t words __attribute__((vector_size(BLOCK)));

/** Valid values of the second byte after `lead`. */
static void second_byte_range(unsigned char lead, unsigned char *low, unsigned char *high) {
    *low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    *high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
}

static unsigned length_by_lead(unsigned char lead) {
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4)
        return 0;
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

/** How many bytes at `at` fit a sequence; `*length` is what it ought to have, 0 for a byte that begins none. */
static unsigned matching(const char *at, const char *end, unsigned *length) {
    const unsigned char *bytes = (const unsigned char *)at;
    size_t left = (size_t)(end - at);
    *length = length_by_lead(bytes[0]);
    if (*length < 2 || left < 2)
        return *length ? 1 : 0;
    unsigned char low, high;
    second_byte_range(bytes[0], &low, &high);
    if (bytes[1] < low || bytes[1] > high)
        return 1;
    unsigned count = 2;
    while (count < *length && count < left && (bytes[count] & 0xC0) == 0x80)
        count++;
    return count;
}

unsigned lt_utf8_sequence(const char *at, const char *end) {
    unsigned length;
    return matching(at, end, &length) == length ? length : 0;
}

unsigned lt_utf8_broken(const char *at, const char *end) {
    unsigned length;
    unsigned count = matching(at, end, &length);
    return count ? count : 1;
}

unsigned lt_utf8_write(uint32_t code_point, char *room) {
    if (code_point < 0x80) {
        room[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        room[0] = (char)(0xC0 | code_point >> 6);
        room[1] = (char)(0x80 | (code_point & 0x3F));
        return 2;
    }
    if (code_point < 0x10000) {
        room[0] = (char)(0xE0 | code_point >> 12);
        room[1] = (char)(0x80 | (code_point >> 6 & 0x3F));
        room[2] = (char)(0x80 | (code_point & 0x3F));
        return 3;
    }
    room[0] = (char)(0xF0 | code_point >> 18);
    room[1] = (char)(0x80 | (code_point >> 12 & 0x3F));
    room[2] = (char)(0x80 | (code_point >> 6 & 0x3F));
    room[3] = (char)(0x80 | (code_point & 0x3F));
    return 4;
}

/** Byte-wise, from `from`, where a sequence begins. */
static size_t prefix_by_bytes(const char *data, size_t size, size_t from) {
    const char *end = data + size;
    while (from < size) {
        unsigned length = lt_utf8_sequence(data + from, end);
        if (length == 0)
            return from;
        from += length;
    }
    return size;
}

/** The begin of the sequence that may reach over `at` (or `at`), given that all before it is valid as far as it goes.
 */
static size_t sequence_start(const char *data, size_t at) {
    for (size_t back = 1; back <= BEFORE && back <= at; back++) {
        unsigned char byte = (unsigned char)data[at - back];
        if ((byte & 0xC0) != 0x80)
            return byte >= 0xC0 ? at - back : at;
    }
    return at;
}

static inline __attribute__((always_inline)) bool any(const words *mask) {
    return ((*mask)[0] | (*mask)[1] | (*mask)[2] | (*mask)[3]) != 0;
}

/**
 * Whether the 32 bytes at `at` may follow the three before them. A sequence cut
 * off by the block's end is the next block's matter.
 */
static inline __attribute__((always_inline)) bool block_valid(const char *at) {
    block now, one, two, three;
    memcpy(&now, at, BLOCK);
    memcpy(&one, at - 1, BLOCK);
    memcpy(&two, at - 2, BLOCK);
    memcpy(&three, at - 3, BLOCK);
    block follows = (block)(one >= 0xC0) | (block)(two >= 0xE0) | (block)(three >= 0xF0);
    block continues = (block)((now & 0xC0) == 0x80);
    block wrong = (follows ^ continues) | (block)((now & 0xFE) == 0xC0) | (block)(now >= 0xF5);
    wrong |= (block)(one == 0xE0) & (block)(now < 0xA0);
    wrong |= (block)(one == 0xED) & (block)(now >= 0xA0);
    wrong |= (block)(one == 0xF0) & (block)(now < 0x90);
    wrong |= (block)(one == 0xF4) & (block)(now >= 0x90);
    words mask = (words)wrong;
    return !any(&mask);
}

static inline __attribute__((always_inline)) bool block_ascii(const char *at) {
    words bytes;
    memcpy(&bytes, at, BLOCK);
    bytes &= 0x8080808080808080u;
    return !any(&bytes);
}

/** The same, cheaply, for a block without anything but ASCII in it and before it. */
static inline __attribute__((always_inline)) bool block_plain(const char *at) {
    uint32_t before;
    memcpy(&before, at - BEFORE, sizeof before);
    return (before & 0x80808080u) == 0 && block_ascii(at);
}

/** An offset before which all is valid, except that a sequence may not be complete there. Close to the end or to the
 * fault. */
static inline __attribute__((always_inline)) size_t prefix_by_blocks(const char *data, size_t size) {
    size_t at = 0;
    while (at + BLOCK <= size && block_ascii(data + at))
        at += BLOCK;
    if (at == 0)
        at = prefix_by_bytes(data, size < BLOCK ? size : BLOCK, 0);
    if (at < BEFORE)
        return at;
    for (; at + BLOCK <= size; at += BLOCK)
        if (!block_plain(data + at) && !block_valid(data + at))
            return at;
    bool last_overlaps = size >= BLOCK + BEFORE;
    return last_overlaps && block_valid(data + size - BLOCK) ? size : at;
}

#if defined(__x86_64__) && !defined(LEAT_PLAIN_SCAN)
__attribute__((target("avx2"))) static size_t prefix_avx2(const char *data, size_t size) {
    return prefix_by_blocks(data, size);
}
#endif

static size_t prefix_plain(const char *data, size_t size) {
    return prefix_by_blocks(data, size);
}

size_t lt_utf8_prefix(const char *data, size_t size) {
    size_t at;
#if defined(__x86_64__) && !defined(LEAT_PLAIN_SCAN)
    at = __builtin_cpu_supports("avx2") ? prefix_avx2(data, size) : prefix_plain(data, size);
#else
    at = prefix_plain(data, size);
#endif
    return prefix_by_bytes(data, size, sequence_start(data, at));
}
