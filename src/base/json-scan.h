/* SPDX-License-Identifier: MIT */
/**
 * Which of the next LT_BLOCK bytes need a look: the vector part of json.c and
 * json-text.c. A mask has bit i set for byte i. Only baseline instructions
 * (SSE2, NEON), so that nothing is chosen at run time within a string of a few
 * bytes, which most strings are.
 */
#ifndef LEAT_BASE_JSON_SCAN_H
#define LEAT_BASE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(LEAT_PLAIN_SCAN)
#include <emmintrin.h>

enum { LT_BLOCK = 32 };

static inline uint32_t lt_scan_half(const char *at, bool high) {
    __m128i bytes = _mm_loadu_si128((const __m128i *)at);
    __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i escape = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
    __m128i found = _mm_or_si128(_mm_or_si128(quote, escape), control);
    if (high)
        found = _mm_or_si128(found, bytes);
    return (uint32_t)_mm_movemask_epi8(found);
}

static inline uint64_t lt_scan(const char *at, bool high) {
    return lt_scan_half(at, high) | (uint64_t)lt_scan_half(at + 16, high) << 16;
}

#elif defined(__aarch64__) && !defined(LEAT_PLAIN_SCAN)
#include <arm_neon.h>

enum { LT_BLOCK = 32 };

static inline uint8x16_t lt_scan_half(const char *at, bool high) {
    uint8x16_t bytes = vld1q_u8((const uint8_t *)at);
    uint8x16_t found = vorrq_u8(vceqq_u8(bytes, vdupq_n_u8('"')), vceqq_u8(bytes, vdupq_n_u8('\\')));
    found = vorrq_u8(found, vcltq_u8(bytes, vdupq_n_u8(0x20)));
    return high ? vorrq_u8(found, vcgeq_u8(bytes, vdupq_n_u8(0x80))) : found;
}

static inline uint64_t lt_scan(const char *at, bool high) {
    const uint8x16_t bits = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t sum = vpaddq_u8(vandq_u8(lt_scan_half(at, high), bits), vandq_u8(lt_scan_half(at + 16, high), bits));
    sum = vpaddq_u8(sum, sum);
    sum = vpaddq_u8(sum, sum);
    return vgetq_lane_u32(vreinterpretq_u32_u8(sum), 0);
}

#else

enum { LT_BLOCK = 8 };

static inline uint64_t lt_scan(const char *at, bool high) {
    uint64_t mask = 0;
    for (unsigned i = 0; i < LT_BLOCK; i++) {
        unsigned char byte = (unsigned char)at[i];
        bool found = byte == '"' || byte == '\\' || byte < 0x20 || (high && byte >= 0x80);
        mask |= (uint64_t)found << i;
    }
    return mask;
}

#endif

/** Bytes of a string that end it or need a closer look: quote, backslash, control characters. Reads LT_BLOCK bytes. */
static inline uint64_t lt_scan_string(const char *at) {
    return lt_scan(at, false);
}

/** Bytes of a text that cannot be copied into a string as they are, or must be checked: the same and all non-ASCII. */
static inline uint64_t lt_scan_text(const char *at) {
    return lt_scan(at, true);
}

#endif
