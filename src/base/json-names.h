/* SPDX-License-Identifier: MIT */
/**
 * Which names the members of an object may have: one bit in each of two words
 * for a name (a Bloom filter), so that "this one is not there" is sure and costs
 * nothing. No bits: no members.
 */
#ifndef LEAT_BASE_JSON_NAMES_H
#define LEAT_BASE_JSON_NAMES_H

#include "leat-pipeline.h"

#include <stdbool.h>
#include <string.h>

struct lt_json_names {
    uint64_t words[2];
};

/** Bits from the begin, the end and the length of a name; of a short one from all of it or nearly so. */
static inline uint64_t lt_json_name_hash(struct leat_bytes name) {
    uint64_t begin = 0, end = 0;
    uint32_t low, high;
    if (name.size >= sizeof begin) {
        memcpy(&begin, name.data, sizeof begin);
        memcpy(&end, name.data + name.size - sizeof end, sizeof end);
    } else if (name.size >= sizeof low) {
        memcpy(&low, name.data, sizeof low);
        memcpy(&high, name.data + name.size - sizeof high, sizeof high);
        begin = low;
        end = (uint64_t)high << 32;
    } else if (name.size > 0) {
        begin = (unsigned char)name.data[0];
        end = (unsigned)(unsigned char)name.data[name.size / 2] << 8 | (unsigned)(unsigned char)name.data[name.size - 1]
                                                                           << 16;
    }
    uint64_t mixed = (begin ^ end >> 29 ^ end << 35) + name.size;
    mixed *= UINT64_C(0x9E3779B97F4A7C15);
    mixed ^= mixed >> 32;
    return mixed * UINT64_C(0xD6E8FEB86659FD93);
}

static inline void lt_json_names_add(struct lt_json_names *names, struct leat_bytes name) {
    uint64_t hash = lt_json_name_hash(name);
    names->words[0] |= UINT64_C(1) << (hash >> 58);
    names->words[1] |= UINT64_C(1) << (hash >> 52 & 63);
}

/** A name that is written with escapes: any. */
static inline void lt_json_names_add_all(struct lt_json_names *names) {
    names->words[0] = names->words[1] = UINT64_MAX;
}

static inline bool lt_json_names_may_have(const struct lt_json_names *names, struct leat_bytes name) {
    uint64_t hash = lt_json_name_hash(name);
    return (names->words[0] >> (hash >> 58) & 1) && (names->words[1] >> (hash >> 52 & 63) & 1);
}

#endif
