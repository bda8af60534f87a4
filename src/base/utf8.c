/* SPDX-License-Identifier: MIT */
/*
 * Validation asks for 64 bytes at a time where leads and continuations are
 * (block.h) and compares, in 64-bit arithmetic, where continuations must be with
 * where they are. The first bytes with rules of their own for the second (E0, ED,
 * F0 and above) are rare enough to be asked about only where there are some.
 * The byte-wise function says where exactly the fault is.
 *
 * Rejected: the nibble tables of Keiser and Lemire (three tables that nobody can
 * check by reading, and a byte shuffle that plain x86-64 lacks); comparing in
 * vectors each byte with the three before it, which takes four loads and twice
 * the operations; a state machine, which goes one byte at a time.
 */
#include "base/utf8.h"
#include "base/block.h"

enum { BEFORE = 3 };

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

/** What the end of one block asks of the next: bits as in the next one's answers. */
struct open_ends {
    uint64_t continuations;
    uint64_t after_e0, after_ed, after_f0, after_f4; /* their second byte */
};

/** Bytes that must not stand where they do, where a lead has rules of its own. `load`, `skip`: see block_valid(). */
static inline __attribute__((always_inline)) uint64_t second_bytes_wrong(enum lt_block_unit unit, const char *load,
                                                                         unsigned skip, struct open_ends *ends) {
    uint64_t e0 = lt_block_equal(unit, load, 0, (char)0xE0) >> skip;
    uint64_t ed = lt_block_equal(unit, load, 0, (char)0xED) >> skip;
    uint64_t f0 = lt_block_equal(unit, load, 0, (char)0xF0) >> skip;
    uint64_t f4 = lt_block_equal(unit, load, 0, (char)0xF4) >> skip;
    uint64_t from_90 = lt_block_from(unit, load, 0, (char)0x90) >> skip;
    uint64_t from_a0 = lt_block_from(unit, load, 0, (char)0xA0) >> skip;
    uint64_t wrong = lt_block_from(unit, load, 0, (char)0xF5) >> skip;
    wrong |= (e0 << 1 | ends->after_e0) & ~from_a0;
    wrong |= (ed << 1 | ends->after_ed) & from_a0;
    wrong |= (f0 << 1 | ends->after_f0) & ~from_90;
    wrong |= (f4 << 1 | ends->after_f4) & from_90;
    ends->after_e0 = e0 >> 63;
    ends->after_ed = ed >> 63;
    ends->after_f0 = f0 >> 63;
    ends->after_f4 = f4 >> 63;
    return wrong;
}

/**
 * Whether a block may follow what `ends` tells of the one before; makes it tell
 * of this one. The block is the 64 bytes at `load` without the first `skip`.
 */
static inline __attribute__((always_inline)) bool block_valid(enum lt_block_unit unit, const char *load, unsigned skip,
                                                              struct open_ends *ends) {
    uint64_t high = lt_block_from(unit, load, 0, (char)0x80) >> skip;
    uint64_t leads = lt_block_from(unit, load, 0, (char)0xC0) >> skip;
    uint64_t from_c2 = lt_block_from(unit, load, 0, (char)0xC2) >> skip;
    uint64_t from_e0 = lt_block_from(unit, load, 0, (char)0xE0) >> skip;
    uint64_t from_f0 = lt_block_from(unit, load, 0, (char)0xF0) >> skip;
    uint64_t e0_or_ed = (lt_block_equal(unit, load, 0, (char)0xE0) | lt_block_equal(unit, load, 0, (char)0xED)) >> skip;
    uint64_t due = leads << 1 | from_e0 << 2 | from_f0 << 3 | ends->continuations;
    uint64_t wrong = (due ^ (high & ~leads)) | (leads & ~from_c2);
    uint64_t open = ends->after_e0 | ends->after_ed | ends->after_f0 | ends->after_f4;
    if (from_f0 | e0_or_ed | open)
        wrong |= second_bytes_wrong(unit, load, skip, ends);
    ends->continuations = leads >> 63 | from_e0 >> 62 | from_f0 >> 61;
    return wrong == 0;
}

enum { STRETCH = 4 * LT_BLOCK_SIZE };

/** Whether a stretch has nothing but ASCII. Texts that have more have it everywhere: asking of each block costs more
 * in wrong guesses than it saves. */
static inline __attribute__((always_inline)) bool stretch_ascii(enum lt_block_unit unit, const char *at) {
    uint64_t high = 0;
    for (unsigned i = 0; i < STRETCH; i += LT_BLOCK_SIZE)
        high |= lt_block_from(unit, at + i, 0, (char)0x80);
    return high == 0;
}

/** An offset before which all is valid, except that a sequence may not be complete there: `size`, or less than a block
 * before the fault. */
static inline __attribute__((always_inline)) size_t prefix_by_blocks(enum lt_block_unit unit, const char *data,
                                                                     size_t size) {
    struct open_ends ends = {0};
    size_t at = 0;
    while (at + LT_BLOCK_SIZE <= size) {
        if (at % STRETCH == 0 && at + STRETCH <= size && !ends.continuations && stretch_ascii(unit, data + at)) {
            at += STRETCH;
            continue;
        }
        if (!block_valid(unit, data + at, 0, &ends))
            return at;
        at += LT_BLOCK_SIZE;
    }
    if (at == size)
        return size;
    unsigned left = (unsigned)(size - at);
    const char *load = data + size - LT_BLOCK_SIZE;
    char padded[LT_BLOCK_SIZE];
    if (at == 0) {
        memset(padded, 0, sizeof padded);
        memcpy(padded + LT_BLOCK_SIZE - left, data, left);
        load = padded;
    }
    return block_valid(unit, load, LT_BLOCK_SIZE - left, &ends) ? size : at;
}

#if defined(LT_BLOCK_X86)
__attribute__((target("avx512f,avx512bw"))) static size_t prefix_avx512(const char *data, size_t size) {
    return prefix_by_blocks(LT_BLOCK_AVX512, data, size);
}

__attribute__((target("avx2"))) static size_t prefix_avx2(const char *data, size_t size) {
    return prefix_by_blocks(LT_BLOCK_AVX2, data, size);
}
#endif

static size_t prefix_base(const char *data, size_t size) {
    return prefix_by_blocks(LT_BLOCK_BASE, data, size);
}

static size_t prefix(const char *data, size_t size) {
#if defined(LT_BLOCK_X86)
    enum lt_block_unit unit = lt_block_unit();
    if (unit == LT_BLOCK_AVX512)
        return prefix_avx512(data, size);
    if (unit == LT_BLOCK_AVX2)
        return prefix_avx2(data, size);
#endif
    return prefix_base(data, size);
}

size_t lt_utf8_prefix(const char *data, size_t size) {
    return prefix_by_bytes(data, size, sequence_start(data, prefix(data, size)));
}
