/* SPDX-License-Identifier: MIT */
/**
 * Questions about 64 bytes at once; bit i of an answer is byte i. What the
 * answers mean is worked out in ordinary 64-bit arithmetic, once for all
 * processors. A function that asks is inlined into one function for each unit,
 * compiled for it; the unit is a constant there.
 */
#ifndef LEAT_BASE_BLOCK_H
#define LEAT_BASE_BLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && !defined(LEAT_PLAIN_SCAN)
#define LT_BLOCK_X86
#include <immintrin.h>
#elif defined(__aarch64__) && !defined(LEAT_PLAIN_SCAN)
#define LT_BLOCK_NEON
#include <arm_neon.h>
#endif

enum { LT_BLOCK_SIZE = 64 };

enum lt_block_unit { LT_BLOCK_BASE, LT_BLOCK_AVX2, LT_BLOCK_AVX512 };

#if !defined(LEAT_BEST_UNIT)
#define LEAT_BEST_UNIT LT_BLOCK_AVX512 /* tests choose others */
#endif

/** The best that this processor has. */
static inline enum lt_block_unit lt_block_unit(void) {
#if defined(LT_BLOCK_X86)
    if (LEAT_BEST_UNIT >= LT_BLOCK_AVX512 && __builtin_cpu_supports("avx512bw"))
        return LT_BLOCK_AVX512;
    if (LEAT_BEST_UNIT >= LT_BLOCK_AVX2 && __builtin_cpu_supports("avx2"))
        return LT_BLOCK_AVX2;
#endif
    return LT_BLOCK_BASE;
}

#if defined(LT_BLOCK_X86)

__attribute__((target("avx512f,avx512bw"))) static inline uint64_t lt_equal_avx512(const char *at, char with,
                                                                                   char byte) {
    __m512i bytes = _mm512_or_si512(_mm512_loadu_si512(at), _mm512_set1_epi8(with));
    return _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(byte));
}

__attribute__((target("avx512f,avx512bw"))) static inline uint64_t lt_from_avx512(const char *at, char with,
                                                                                  char byte) {
    __m512i bytes = _mm512_or_si512(_mm512_loadu_si512(at), _mm512_set1_epi8(with));
    return _mm512_cmpge_epu8_mask(bytes, _mm512_set1_epi8(byte));
}

__attribute__((target("avx2"))) static inline uint64_t lt_equal_avx2(const char *at, char with, char byte) {
    const __m256i set = _mm256_set1_epi8(with), wanted = _mm256_set1_epi8(byte);
    __m256i low = _mm256_or_si256(_mm256_loadu_si256((const __m256i *)at), set);
    __m256i high = _mm256_or_si256(_mm256_loadu_si256((const __m256i *)(at + 32)), set);
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted)) |
           (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted)) << 32;
}

__attribute__((target("avx2"))) static inline uint64_t lt_from_avx2(const char *at, char with, char byte) {
    const __m256i set = _mm256_set1_epi8(with), least = _mm256_set1_epi8(byte);
    __m256i low = _mm256_or_si256(_mm256_loadu_si256((const __m256i *)at), set);
    __m256i high = _mm256_or_si256(_mm256_loadu_si256((const __m256i *)(at + 32)), set);
    low = _mm256_cmpeq_epi8(_mm256_max_epu8(low, least), low);
    high = _mm256_cmpeq_epi8(_mm256_max_epu8(high, least), high);
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

static inline uint64_t lt_equal_base(const char *at, char with, char byte) {
    uint64_t found = 0;
    for (unsigned i = 0; i < LT_BLOCK_SIZE; i += 16) {
        __m128i bytes = _mm_or_si128(_mm_loadu_si128((const __m128i *)(at + i)), _mm_set1_epi8(with));
        found |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(byte))) << i;
    }
    return found;
}

static inline uint64_t lt_from_base(const char *at, char with, char byte) {
    uint64_t found = 0;
    for (unsigned i = 0; i < LT_BLOCK_SIZE; i += 16) {
        __m128i bytes = _mm_or_si128(_mm_loadu_si128((const __m128i *)(at + i)), _mm_set1_epi8(with));
        __m128i larger = _mm_max_epu8(bytes, _mm_set1_epi8(byte));
        found |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(larger, bytes)) << i;
    }
    return found;
}

#elif defined(LT_BLOCK_NEON)

/** The lowest bit of each pair of bytes, and so on: 64 bytes of all ones or none to 64 bits. */
static inline uint64_t lt_bits_neon(const uint8x16_t *found) {
    const uint8x16_t bits = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    uint8x16_t low = vpaddq_u8(vandq_u8(found[0], bits), vandq_u8(found[1], bits));
    uint8x16_t high = vpaddq_u8(vandq_u8(found[2], bits), vandq_u8(found[3], bits));
    uint8x16_t sum = vpaddq_u8(low, high);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(sum, sum)), 0);
}

static inline uint64_t lt_equal_base(const char *at, char with, char byte) {
    uint8x16_t found[4];
    for (unsigned i = 0; i < 4; i++)
        found[i] = vceqq_u8(vorrq_u8(vld1q_u8((const uint8_t *)at + 16 * i), vdupq_n_u8((uint8_t)with)),
                            vdupq_n_u8((uint8_t)byte));
    return lt_bits_neon(found);
}

static inline uint64_t lt_from_base(const char *at, char with, char byte) {
    uint8x16_t found[4];
    for (unsigned i = 0; i < 4; i++)
        found[i] = vcgeq_u8(vorrq_u8(vld1q_u8((const uint8_t *)at + 16 * i), vdupq_n_u8((uint8_t)with)),
                            vdupq_n_u8((uint8_t)byte));
    return lt_bits_neon(found);
}

#else

#define LT_EACH_BYTE UINT64_C(0x0101010101010101)

/** Eight bytes, the first one lowest, each with the bits of `with` set. */
static inline uint64_t lt_eight_bytes(const char *at, char with) {
    uint64_t bytes;
    memcpy(&bytes, at, sizeof bytes);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    bytes = __builtin_bswap64(bytes);
#endif
    return bytes | (unsigned char)with * LT_EACH_BYTE;
}

/** The highest bit of each byte. */
static inline uint64_t lt_high_bits(uint64_t bytes) {
    return (bytes >> 7 & LT_EACH_BYTE) * UINT64_C(0x0102040810204080) >> 56;
}

static inline uint64_t lt_equal_base(const char *at, char with, char byte) {
    uint64_t found = 0;
    for (unsigned i = 0; i < LT_BLOCK_SIZE; i += 8) {
        uint64_t differ = lt_eight_bytes(at + i, with) ^ (unsigned char)byte * LT_EACH_BYTE;
        uint64_t any = ((differ & 0x7F * LT_EACH_BYTE) + 0x7F * LT_EACH_BYTE) | differ;
        found |= lt_high_bits(~any) << i;
    }
    return found;
}

static inline uint64_t lt_from_base(const char *at, char with, char byte) {
    uint64_t found = 0;
    unsigned least = (unsigned char)byte;
    for (unsigned i = 0; i < LT_BLOCK_SIZE; i += 8) {
        uint64_t bytes = lt_eight_bytes(at + i, with);
        uint64_t low = (bytes & 0x7F * LT_EACH_BYTE) + (0x80 - (least & 0x7F)) * LT_EACH_BYTE;
        found |= lt_high_bits(least < 0x80 ? low | bytes : low & bytes) << i;
    }
    return found;
}

#endif

/** The bytes that are `byte` once the bits of `with` are set in them. */
static inline __attribute__((always_inline)) uint64_t lt_block_equal(enum lt_block_unit unit, const char *at, char with,
                                                                     char byte) {
#if defined(LT_BLOCK_X86)
    if (unit == LT_BLOCK_AVX512)
        return lt_equal_avx512(at, with, byte);
    if (unit == LT_BLOCK_AVX2)
        return lt_equal_avx2(at, with, byte);
#endif
    (void)unit;
    return lt_equal_base(at, with, byte);
}

/** The bytes that are `byte` or more, as unsigned ones, once the bits of `with` are set in them. */
static inline __attribute__((always_inline)) uint64_t lt_block_from(enum lt_block_unit unit, const char *at, char with,
                                                                    char byte) {
#if defined(LT_BLOCK_X86)
    if (unit == LT_BLOCK_AVX512)
        return lt_from_avx512(at, with, byte);
    if (unit == LT_BLOCK_AVX2)
        return lt_from_avx2(at, with, byte);
#endif
    (void)unit;
    return lt_from_base(at, with, byte);
}

#endif
