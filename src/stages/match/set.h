/* SPDX-License-Identifier: MIT */
/**
 * A set of bytes as patterns distinguish them in UTF-8 text: each ASCII
 * character for itself, and all bytes of other characters together.
 */
#ifndef LEAT_STAGES_MATCH_SET_H
#define LEAT_STAGES_MATCH_SET_H

#include <stdbool.h>
#include <stdint.h>

struct lt_set {
    uint64_t ascii[2]; /* bit c: character c */
    bool wide;         /* bytes from 0x80 */
};

static inline bool lt_set_has(const struct lt_set *set, unsigned char byte) {
    return byte < 128 ? set->ascii[byte >> 6] >> (byte & 63) & 1 : set->wide;
}

static inline void lt_set_add(struct lt_set *set, unsigned char byte) {
    if (byte < 128)
        set->ascii[byte >> 6] |= (uint64_t)1 << (byte & 63);
    else
        set->wide = true;
}

static inline void lt_set_join(struct lt_set *set, const struct lt_set *other) {
    set->ascii[0] |= other->ascii[0];
    set->ascii[1] |= other->ascii[1];
    set->wide |= other->wide;
}

static inline bool lt_set_equal(const struct lt_set *one, const struct lt_set *other) {
    return one->ascii[0] == other->ascii[0] && one->ascii[1] == other->ascii[1] && one->wide == other->wide;
}

static inline struct lt_set lt_set_all(void) {
    return (struct lt_set){{UINT64_MAX, UINT64_MAX}, true};
}

#endif
