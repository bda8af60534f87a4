/* SPDX-License-Identifier: MIT */
/**
 * A small hash whose values never change: the ids of items are made of it and
 * stand in files that outlive the program. Not for tables that strangers fill.
 *
 * FNV-1a with a final mix. Faster hashes exist; names are short, and this one
 * can be read at a glance by whoever has to compute it elsewhere.
 */
#ifndef LEAT_BASE_HASH_H
#define LEAT_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/** Spread the bits of `value` over the whole word; different values stay different. */
static inline uint64_t lt_hash_mix(uint64_t value) {
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}

#define LT_HASH_BEGIN 0xcbf29ce484222325u

/** What stands before the last mix, so that a common beginning is gone through once. */
static inline uint64_t lt_hash_more(uint64_t hash, const void *data, size_t size) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

static inline uint64_t lt_hash(const void *data, size_t size) {
    return lt_hash_mix(lt_hash_more(LT_HASH_BEGIN, data, size));
}

#endif
