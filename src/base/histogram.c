/* SPDX-License-Identifier: MIT */
#include "base/histogram.h"

#include <errno.h>
#include <stdlib.h>

/* Past this (73 minutes) everything is one bucket: the last. */
#define LAST_VALUE (((leat_time)1 << 42) - 1)

static size_t bucket_of(unsigned bits, leat_time value) {
    if (value < (leat_time)1 << bits)
        return (size_t)value;
    unsigned highest = 63 - (unsigned)__builtin_clzll((unsigned long long)value);
    unsigned shift = highest - (bits - 1);
    return ((size_t)shift << (bits - 1)) + (size_t)(value >> shift);
}

static leat_time upper_edge(unsigned bits, size_t bucket) {
    if (bucket < (size_t)1 << bits)
        return (leat_time)bucket;
    unsigned shift = (unsigned)(bucket >> (bits - 1)) - 1;
    leat_time first = (leat_time)(bucket - ((size_t)shift << (bits - 1)));
    return ((first + 1) << shift) - 1;
}

int lt_histogram_open(struct lt_histogram *histogram, enum lt_histogram_bits bits) {
    *histogram = (struct lt_histogram){.bits = bits, .room = bucket_of(bits, LAST_VALUE) + 1};
    histogram->counts = calloc(histogram->room, sizeof *histogram->counts);
    return histogram->counts ? 0 : -ENOMEM;
}

void lt_histogram_close(struct lt_histogram *histogram) {
    free((void *)histogram->counts);
    histogram->counts = NULL;
}

/* There is one writer, so a load and a store are enough. */
static void increase(_Atomic uint64_t *counter, uint64_t count) {
    lt_store(counter, lt_load(counter, relaxed) + count, relaxed);
}

void lt_histogram_add(struct lt_histogram *histogram, leat_time value) {
    lt_histogram_add_many(histogram, value, 1);
}

void lt_histogram_add_many(struct lt_histogram *histogram, leat_time value, uint64_t count) {
    if (value < 0)
        value = 0;
    if (value > lt_load(&histogram->most, relaxed))
        lt_store(&histogram->most, value, relaxed);
    increase(&histogram->counts[bucket_of(histogram->bits, value < LAST_VALUE ? value : LAST_VALUE)], count);
    increase(&histogram->total, count);
}

void lt_histogram_merge(struct lt_histogram *into, const struct lt_histogram *from) {
    uint64_t total = 0;
    for (size_t bucket = 0; bucket < from->room; bucket++) {
        uint64_t count = lt_load(&from->counts[bucket], relaxed);
        if (count)
            increase(&into->counts[bucket], count);
        total += count;
    }
    increase(&into->total, total);
    leat_time most = lt_load(&from->most, relaxed);
    if (most > lt_load(&into->most, relaxed))
        lt_store(&into->most, most, relaxed);
}

/* The smallest rank that covers the share; 0.07 of 100 is the seventh, though 0.07 * 100 is more than 7. */
static uint64_t rank_of(double share, uint64_t total) {
    double wanted = share * (double)total * (1 - 1e-12);
    uint64_t rank = (uint64_t)wanted;
    return rank < wanted || rank == 0 ? rank + 1 : rank;
}

leat_time lt_histogram_at(const struct lt_histogram *histogram, double share) {
    uint64_t total = lt_load(&histogram->total, relaxed), rank = rank_of(share, total), seen = 0;
    leat_time most = lt_load(&histogram->most, relaxed);
    for (size_t bucket = 0; total > 0 && rank < total && bucket + 1 < histogram->room; bucket++) {
        seen += lt_load(&histogram->counts[bucket], relaxed);
        leat_time edge = upper_edge(histogram->bits, bucket);
        if (seen >= rank)
            return edge < most ? edge : most;
    }
    return total > 0 ? most : 0;
}
