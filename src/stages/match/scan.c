/* SPDX-License-Identifier: MIT */
/*
 * The text is read in blocks of 64 bytes. For each class of bytes that some
 * condition asks for, a block gives a word with a bit for each member; a
 * condition at an offset shifts in bits of the block that follows. Words are
 * combined a tile at a time, several in one vector; the pass reads one block
 * more than it marks.
 *
 * Membership is two byte shuffles: the low four bits of a byte select a row set
 * (which high halves make a member), the high four bits select the bit. For
 * bytes from 0x80 both shuffles are arranged to disagree; a class that has them
 * adds their sign bits.
 *
 * Rejected: a pass for each pattern (memchr-like): the text is short and the
 * start of each pass costs more than all of ours; one automaton for all patterns
 * (Hyperscan's way): it finds ends, not begins, and decides matches, which is
 * PCRE2's part.
 */
#include "stages/match/scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum {
    BLOCK = 64,
    TILE = 16,          /* blocks that are marked together; a divisor of 64 */
    COLUMNS = TILE + 1, /* the members of a class in them, and in the block that follows */
    LANES = 8,
};

typedef uint64_t lanes __attribute__((vector_size(LANES * sizeof(uint64_t))));

int lt_scan_open(struct lt_scan *scan, size_t rows) {
    *scan = (struct lt_scan){.rows = calloc(rows ? rows : 1, sizeof *scan->rows)};
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512bw"))
        scan->unit = LT_SCAN_AVX512;
    else if (__builtin_cpu_supports("avx2"))
        scan->unit = LT_SCAN_AVX2;
#endif
    return scan->rows ? 0 : -ENOMEM;
}

void lt_scan_close(struct lt_scan *scan) {
    free(scan->rows);
    *scan = (struct lt_scan){0};
}

static int add_class(struct lt_scan *scan, const struct lt_set *set) {
    for (uint32_t i = 0; i < scan->class_count; i++)
        if (lt_set_equal(&scan->classes[i].set, set))
            return (int)i;
    if (scan->class_count == LT_MOST_CLASSES)
        return -1;
    struct lt_scan_class *class = &scan->classes[scan->class_count];
    class->set = *set;
    for (unsigned byte = 0; byte < 256; byte++) {
        if (!lt_set_has(set, (unsigned char)byte))
            continue;
        scan->of_byte[byte] |= (uint64_t)1 << scan->class_count;
        if (byte < 128)
            class->rows[byte & 15] |= (uint8_t)(1 << (byte >> 4));
    }
    return (int)scan->class_count++;
}

int lt_scan_add(struct lt_scan *scan, const struct lt_anchor *anchor) {
    struct lt_scan_row *row = &scan->rows[scan->row_count];
    *row = (struct lt_scan_row){0};
    for (uint32_t i = 0; i < anchor->count; i++) {
        const struct lt_trigger *trigger = &anchor->triggers[i];
        for (uint32_t j = 0; j < trigger->quick; j++) {
            int class = add_class(scan, &trigger->conditions[j].set);
            if (class < 0)
                return -1;
            row->steps[row->count++] = (struct lt_scan_step){
                .class = (uint8_t) class,
                .offset = (uint8_t)trigger->conditions[j].offset,
                .last = j + 1 == trigger->quick,
            };
        }
    }
    return (int)scan->row_count++;
}

static inline void classify_bytes(const struct lt_scan *scan, const char *block, uint64_t *members) {
    for (uint32_t i = 0; i < scan->class_count; i++)
        members[i * COLUMNS] = 0;
    for (unsigned i = 0; i < BLOCK; i++)
        for (uint64_t classes = scan->of_byte[(unsigned char)block[i]]; classes; classes &= classes - 1)
            members[__builtin_ctzll(classes) * COLUMNS] |= (uint64_t)1 << i;
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static inline uint64_t sign_bits(__m256i low, __m256i high) {
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

__attribute__((target("avx2"))) static inline void classify_avx2(const struct lt_scan *scan, const char *block,
                                                                 uint64_t *members) {
    const __m256i nibble = _mm256_set1_epi8(15);
    const __m256i bits =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, (char)128, -1, -1, -1, -1, -1, -1, -1, -1));
    __m256i low = _mm256_loadu_si256((const __m256i *)block);
    __m256i high = _mm256_loadu_si256((const __m256i *)(block + 32));
    __m256i low_bit = _mm256_shuffle_epi8(bits, _mm256_and_si256(_mm256_srli_epi16(low, 4), nibble));
    __m256i high_bit = _mm256_shuffle_epi8(bits, _mm256_and_si256(_mm256_srli_epi16(high, 4), nibble));
    uint64_t wide = sign_bits(low, high);
    for (uint32_t i = 0; i < scan->class_count; i++) {
        const struct lt_scan_class *class = &scan->classes[i];
        __m256i rows = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)class->rows));
        __m256i low_rows = _mm256_and_si256(_mm256_shuffle_epi8(rows, low), low_bit);
        __m256i high_rows = _mm256_and_si256(_mm256_shuffle_epi8(rows, high), high_bit);
        uint64_t found = sign_bits(_mm256_cmpeq_epi8(low_rows, low_bit), _mm256_cmpeq_epi8(high_rows, high_bit));
        members[i * COLUMNS] = class->set.wide ? found | wide : found;
    }
}

__attribute__((target("avx512f,avx512bw"))) static inline void classify_avx512(const struct lt_scan *scan,
                                                                               const char *block, uint64_t *members) {
    const __m512i nibble = _mm512_set1_epi8(15);
    const __m512i bits =
        _mm512_broadcast_i32x4(_mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, (char)128, 0, 0, 0, 0, 0, 0, 0, 0));
    __m512i bytes = _mm512_loadu_si512(block);
    __m512i bit = _mm512_shuffle_epi8(bits, _mm512_and_si512(_mm512_srli_epi16(bytes, 4), nibble));
    uint64_t wide = _mm512_movepi8_mask(bytes);
    for (uint32_t i = 0; i < scan->class_count; i++) {
        const struct lt_scan_class *class = &scan->classes[i];
        __m512i rows = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)class->rows));
        uint64_t found = _mm512_test_epi8_mask(_mm512_shuffle_epi8(rows, bytes), bit);
        members[i * COLUMNS] = class->set.wide ? found | wide : found;
    }
}
#endif

/** The unit is a constant wherever this is inlined. */
static inline __attribute__((always_inline)) void classify(const struct lt_scan *scan, const char *block,
                                                           enum lt_scan_unit unit, uint64_t *members) {
#if defined(__x86_64__)
    if (unit == LT_SCAN_AVX512)
        classify_avx512(scan, block, members);
    else if (unit == LT_SCAN_AVX2)
        classify_avx2(scan, block, members);
    else
#endif
        classify_bytes(scan, block, members);
    (void)unit;
}

/** The members of the block `word`; none in a block behind the text. */
static inline __attribute__((always_inline)) void read_block(const struct lt_scan *scan, struct leat_bytes text,
                                                             size_t word, enum lt_scan_unit unit, uint64_t *members) {
    size_t at = word * BLOCK;
    if (at + BLOCK <= text.size) {
        classify(scan, text.data + at, unit, members);
        return;
    }
    size_t left = at < text.size ? text.size - at : 0;
    char padded[BLOCK] = {0};
    memcpy(padded, text.data + text.size - left, left);
    classify(scan, padded, unit, members);
    for (uint32_t i = 0; i < scan->class_count; i++)
        members[i * COLUMNS] &= ((uint64_t)1 << left) - 1;
}

/** The marks of a tile from `members`, of which there is one block more. */
static inline __attribute__((always_inline)) void mark(const struct lt_scan_row *row, const uint64_t *members,
                                                       uint64_t *marks) {
    for (unsigned lane = 0; lane < TILE; lane += LANES) {
        lanes found = {0};
        lanes all = ~found;
        for (uint32_t i = 0; i < row->count; i++) {
            const struct lt_scan_step *step = &row->steps[i];
            const uint64_t *from = members + step->class * (size_t)COLUMNS + lane;
            lanes here, next;
            memcpy(&here, from, sizeof here);
            memcpy(&next, from + 1, sizeof next);
            all &= here >> step->offset | next << 1 << (63 - step->offset);
            if (step->last) {
                found |= all;
                all = ~(lanes){0};
            }
        }
        memcpy(marks + lane, &found, sizeof found);
    }
}

/** Store the marks of `count` words from `word` on, and which of them are not 0. `word` is a multiple of TILE. */
static inline void store(uint64_t *row, size_t words, size_t word, size_t count, const uint64_t *marks) {
    uint64_t filled = 0;
    memcpy(row + word, marks, count * sizeof *marks);
    for (size_t i = 0; i < count; i++)
        filled |= (uint64_t)(marks[i] != 0) << i;
    uint64_t *summary = row + words + word / 64;
    *summary = word % 64 ? *summary | filled << word % 64 : filled;
}

static inline __attribute__((always_inline)) void scan_text(const struct lt_scan *scan, struct leat_bytes text,
                                                            uint64_t *marks, enum lt_scan_unit unit) {
    uint64_t members[LT_MOST_CLASSES * COLUMNS];
    uint64_t tile[TILE];
    size_t words = lt_scan_words(text.size);
    size_t stride = lt_scan_stride(text.size);
    if (words)
        read_block(scan, text, 0, unit, members);
    for (size_t word = 0; word < words; word += TILE) {
        size_t count = words - word < TILE ? words - word : TILE;
        if (count < TILE)
            for (uint32_t i = 0; i < scan->class_count; i++)
                memset(members + i * COLUMNS + 1, 0, TILE * sizeof *members);
        for (size_t i = 1; i <= count; i++)
            read_block(scan, text, word + i, unit, members + i);
        for (uint32_t row = 0; row < scan->row_count; row++) {
            mark(&scan->rows[row], members, tile);
            store(marks + row * stride, words, word, count, tile);
        }
        for (uint32_t i = 0; i < scan->class_count; i++)
            members[i * COLUMNS] = members[i * COLUMNS + count];
    }
}

#if defined(__x86_64__)
__attribute__((target("avx512f,avx512bw"))) static void scan_avx512(const struct lt_scan *scan, struct leat_bytes text,
                                                                    uint64_t *marks) {
    scan_text(scan, text, marks, LT_SCAN_AVX512);
}

__attribute__((target("avx2"))) static void scan_avx2(const struct lt_scan *scan, struct leat_bytes text,
                                                      uint64_t *marks) {
    scan_text(scan, text, marks, LT_SCAN_AVX2);
}
#endif

void lt_scan_text(const struct lt_scan *scan, struct leat_bytes text, uint64_t *marks) {
#if defined(__x86_64__)
    if (scan->unit == LT_SCAN_AVX512) {
        scan_avx512(scan, text, marks);
        return;
    }
    if (scan->unit == LT_SCAN_AVX2) {
        scan_avx2(scan, text, marks);
        return;
    }
#endif
    scan_text(scan, text, marks, LT_SCAN_BYTES);
}
