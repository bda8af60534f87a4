/* SPDX-License-Identifier: MIT */
/*
 * Where a JSON string ends, and whether it is one: 64 bytes at a time, without
 * going from one escape to the next. Which bytes are escaped follows from the
 * backslashes alone: in a run of them every second one is, and what follows a
 * run of odd length. Where in a block runs of odd length end, an addition tells:
 * it carries through a run, so that beginning at an even place it ends at an odd
 * one (found by Lemire and Langdale). The hexadecimal digits due after each \u
 * are compared with those there as in utf8.c.
 *
 * A fault makes the answer NULL: where and which it is tells whoever asks.
 *
 * Rejected: looking at each escape when the search meets it, which the processor
 * cannot predict, so that each costs more than a whole block here.
 */
#include "base/block.h"
#include "base/json-walk.h"

/** What the end of one block asks of the next: bits as in the next one's answers. */
struct open_ends {
    uint64_t escaped; /* its first byte is */
    uint64_t digits;  /* its hexadecimal ones */
};

struct marks {
    uint64_t quote;
    uint64_t backslash;
};

static const uint64_t even_places = UINT64_C(0x5555555555555555);

static inline __attribute__((always_inline)) uint64_t escaped_bytes(uint64_t backslash, struct open_ends *ends) {
    backslash &= ~ends->escaped;
    uint64_t follows = backslash << 1 | ends->escaped;
    uint64_t odd_begins = backslash & ~even_places & ~follows;
    uint64_t carried;
    ends->escaped = __builtin_add_overflow(odd_begins, backslash, &carried);
    return (even_places ^ carried << 1) & follows;
}

/** Of the escaped bytes those that may not be. `load`, `skip`: see string_block(). */
static inline __attribute__((always_inline)) uint64_t escapes_wrong(enum lt_block_unit unit, const char *load,
                                                                    unsigned skip, const struct marks *marks,
                                                                    uint64_t escaped, struct open_ends *ends) {
    uint64_t b_or_r = lt_block_equal(unit, load, 'b' ^ 'r', 'r');
    uint64_t f_or_n = lt_block_equal(unit, load, 'f' ^ 'n', 'n');
    uint64_t t_or_u = lt_block_equal(unit, load, 't' ^ 'u', 'u');
    uint64_t slash = lt_block_equal(unit, load, 0, '/');
    uint64_t letters = (b_or_r | f_or_n | t_or_u | slash) >> skip;
    uint64_t unicode = escaped & lt_block_equal(unit, load, 0, 'u') >> skip;
    uint64_t due = unicode << 1 | unicode << 2 | unicode << 3 | unicode << 4 | ends->digits;
    uint64_t wrong = escaped & ~(letters | marks->quote | marks->backslash);
    if (!due && !unicode)
        return wrong;
    uint64_t decimal = lt_block_from(unit, load, 0, '0') & ~lt_block_from(unit, load, 0, '9' + 1);
    uint64_t letter = lt_block_from(unit, load, 'a' ^ 'A', 'a') & ~lt_block_from(unit, load, 'a' ^ 'A', 'f' + 1);
    ends->digits = unicode >> 63 | unicode >> 62 | unicode >> 61 | unicode >> 60;
    return wrong | (due & ~((decimal | letter) >> skip));
}

/**
 * The bytes of a block up to its first fault or the string's closing quote, which
 * `*end` then says. The block is the 64 bytes at `load` without the first `skip`.
 */
static inline __attribute__((always_inline)) bool string_block(enum lt_block_unit unit, const char *load, unsigned skip,
                                                               struct open_ends *ends, bool *any, uint64_t *closing) {
    struct marks marks = {
        .quote = lt_block_equal(unit, load, 0, '"') >> skip,
        .backslash = lt_block_equal(unit, load, 0, '\\') >> skip,
    };
    uint64_t wrong = ~lt_block_from(unit, load, 0, ' ') >> skip;
    *closing = marks.quote;
    if (marks.backslash | ends->escaped | ends->digits) {
        uint64_t escaped = escaped_bytes(marks.backslash, ends);
        *any = true;
        *closing &= ~escaped;
        wrong |= escapes_wrong(unit, load, skip, &marks, escaped, ends);
    }
    uint64_t up_to_closing = *closing ^ (*closing - 1);
    return (wrong & up_to_closing) == 0;
}

static inline __attribute__((always_inline)) const char *string_end(enum lt_block_unit unit, struct leat_bytes text,
                                                                    const char *at, bool *escaped) {
    const char *end = text.data + text.size;
    struct open_ends ends = {0};
    uint64_t closing;
    *escaped = false;
    for (; end - at >= LT_BLOCK_SIZE; at += LT_BLOCK_SIZE) {
        if (!string_block(unit, at, 0, &ends, escaped, &closing))
            return NULL;
        if (closing)
            return at + __builtin_ctzll(closing) + 1;
    }
    if (at == end)
        return NULL;
    unsigned skip = LT_BLOCK_SIZE - (unsigned)(end - at);
    const char *load = end - LT_BLOCK_SIZE;
    char padded[LT_BLOCK_SIZE];
    if (text.size < LT_BLOCK_SIZE) {
        memset(padded, 0, sizeof padded);
        memcpy(padded + skip, at, LT_BLOCK_SIZE - skip);
        load = padded;
    }
    if (!string_block(unit, load, skip, &ends, escaped, &closing) || !closing)
        return NULL;
    return at + __builtin_ctzll(closing) + 1;
}

#if defined(LT_BLOCK_X86)
__attribute__((target("avx512f,avx512bw"))) static const char *string_end_avx512(struct leat_bytes text, const char *at,
                                                                                 bool *escaped) {
    return string_end(LT_BLOCK_AVX512, text, at, escaped);
}

__attribute__((target("avx2"))) static const char *string_end_avx2(struct leat_bytes text, const char *at,
                                                                   bool *escaped) {
    return string_end(LT_BLOCK_AVX2, text, at, escaped);
}
#endif

const char *lt_json_string_end(struct leat_bytes text, const char *at, bool *escaped) {
#if defined(LT_BLOCK_X86)
    enum lt_block_unit unit = lt_block_unit();
    if (unit == LT_BLOCK_AVX512)
        return string_end_avx512(text, at, escaped);
    if (unit == LT_BLOCK_AVX2)
        return string_end_avx2(text, at, escaped);
#endif
    return string_end(LT_BLOCK_BASE, text, at, escaped);
}
