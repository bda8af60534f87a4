/* SPDX-License-Identifier: MIT */
/*
 * The text is read in blocks of 64 bytes. For each class of bytes that some
 * condition asks for, a block gives a word with a bit for each member; a
 * condition at an offset shifts in bits of the block that follows, so that the
 * pass works one block behind what it reads. Steps of a trigger are in order of
 * what they exclude: mostly the first leaves nothing.
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

int lt_scan_open(struct lt_scan *scan, size_t rows) {
    *scan = (struct lt_scan){.rows = calloc(rows ? rows : 1, sizeof *scan->rows)};
#if defined(__x86_64__)
    scan->vectors = __builtin_cpu_supports("avx2");
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

static void classify(const struct lt_scan *scan, const char *block, uint64_t *members) {
    memset(members, 0, scan->class_count * sizeof *members);
    for (unsigned i = 0; i < 64; i++)
        for (uint64_t classes = scan->of_byte[(unsigned char)block[i]]; classes; classes &= classes - 1)
            members[__builtin_ctzll(classes)] |= (uint64_t)1 << i;
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
        members[i] = sign_bits(_mm256_cmpeq_epi8(low_rows, low_bit), _mm256_cmpeq_epi8(high_rows, high_bit));
        if (class->set.wide)
            members[i] |= wide;
    }
}
#endif

/** The marks of one block, from its own members and those of the block that follows. */
static inline __attribute__((always_inline)) uint64_t mark(const struct lt_scan_row *row, const uint64_t *here,
                                                           const uint64_t *next) {
    uint64_t marks = 0;
    uint64_t all = UINT64_MAX;
    for (uint32_t i = 0; i < row->count; i++) {
        const struct lt_scan_step *step = &row->steps[i];
        uint64_t members = here[step->class];
        if (step->offset)
            members = members >> step->offset | next[step->class] << (64 - step->offset);
        all &= members;
        if (step->last) {
            marks |= all;
            all = UINT64_MAX;
        }
    }
    return marks;
}

static inline __attribute__((always_inline)) void read_block(const struct lt_scan *scan, struct leat_bytes text,
                                                             size_t at, bool vectors, uint64_t *members) {
    char padded[64] = {0};
    const char *block = text.data + at;
    size_t left = text.size - at;
    if (left < 64)
        block = memcpy(padded, block, left);
#if defined(__x86_64__)
    if (vectors)
        classify_avx2(scan, block, members);
    else
#endif
        classify(scan, block, members);
    (void)vectors;
    if (left < 64)
        for (uint32_t i = 0; i < scan->class_count; i++)
            members[i] &= ((uint64_t)1 << left) - 1;
}

static inline __attribute__((always_inline)) void scan_text(const struct lt_scan *scan, struct leat_bytes text,
                                                            uint64_t *marks, bool vectors) {
    uint64_t members[2][LT_MOST_CLASSES];
    size_t words = lt_scan_words(text.size);
    if (words)
        read_block(scan, text, 0, vectors, members[0]);
    for (size_t word = 0; word < words; word++) {
        const uint64_t *here = members[word & 1];
        uint64_t *next = members[~word & 1];
        if (word + 1 < words)
            read_block(scan, text, (word + 1) * 64, vectors, next);
        else
            memset(next, 0, scan->class_count * sizeof *next);
        for (uint32_t row = 0; row < scan->row_count; row++)
            marks[row * words + word] = mark(&scan->rows[row], here, next);
    }
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void scan_avx2(const struct lt_scan *scan, struct leat_bytes text,
                                                      uint64_t *marks) {
    scan_text(scan, text, marks, true);
}
#endif

void lt_scan_text(const struct lt_scan *scan, struct leat_bytes text, uint64_t *marks) {
#if defined(__x86_64__)
    if (scan->vectors) {
        scan_avx2(scan, text, marks);
        return;
    }
#endif
    scan_text(scan, text, marks, false);
}
