/* SPDX-License-Identifier: MIT */
/**
 * One pass over a text that marks, for several patterns at once, where their
 * anchors may be: a bit for each byte of the text and each pattern.
 *
 * A marked place satisfies the quick conditions of one of the pattern's
 * triggers; every place that satisfies all conditions of one is marked.
 */
#ifndef LEAT_STAGES_MATCH_SCAN_H
#define LEAT_STAGES_MATCH_SCAN_H

#include "stages/match/anchor.h"

enum { LT_MOST_CLASSES = 64 };

struct lt_scan_class {
    struct lt_set set;
    uint8_t rows[16]; /* for a byte's low four bits: which high ones make it a member */
};

struct lt_scan_step {
    uint8_t class;
    uint8_t offset;
    bool last; /* of its trigger */
};

struct lt_scan_row {
    struct lt_scan_step steps[LT_MOST_TRIGGERS * LT_MOST_CONDITIONS];
    uint32_t count;
};

enum lt_scan_unit { LT_SCAN_BYTES, LT_SCAN_AVX2, LT_SCAN_AVX512 };

struct lt_scan {
    struct lt_scan_class classes[LT_MOST_CLASSES];
    uint64_t of_byte[256]; /* the classes that a byte belongs to */
    uint32_t class_count;
    struct lt_scan_row *rows;
    uint32_t row_count;
    enum lt_scan_unit unit; /* the best that this processor has; tests choose others */
};

/** Room for `rows` patterns. 0 or -ENOMEM. */
int lt_scan_open(struct lt_scan *scan, size_t rows);
void lt_scan_close(struct lt_scan *scan);

/** The number of the anchor's row, or -1 if it would need more classes than there is room for. */
int lt_scan_add(struct lt_scan *scan, const struct lt_anchor *anchor);

/** Words of 64 bytes each. */
static inline size_t lt_scan_words(size_t size) {
    return (size + 63) / 64;
}

/** A row: a bit for each byte of the text, then a bit for each of these words that is not 0. */
static inline size_t lt_scan_stride(size_t size) {
    return lt_scan_words(size) + lt_scan_words(lt_scan_words(size));
}

/** Fill `marks`, lt_scan_stride(text.size) words for each row, row after row. */
void lt_scan_text(const struct lt_scan *scan, struct leat_bytes text, uint64_t *marks);

#endif
