/* SPDX-License-Identifier: MIT */
/**
 * How often each duration was seen, in buckets that are as wide as their values
 * are large (the layout of HdrHistogram): exact below 2^bits nanoseconds, and
 * above that each power of two is cut into 2^(bits - 1) equal buckets.
 *
 * Invariants: a value lies in the bucket whose upper edge is not below it and at
 * most value >> (bits - 1) above it; a percentile is the upper edge of the bucket
 * that holds the value of that rank (never less than that value), cut to the
 * largest value; the largest value is exact, also when it lies past the buckets.
 * One thread adds; others may read meanwhile and see some moment of each bucket.
 *
 * Rejected: keeping all values (memory without a bound), a sample of them (no
 * maximum, and p99.9 of a thousand samples is one of them), buckets of equal
 * width (microseconds and minutes have to fit).
 */
#ifndef LEAT_BASE_HISTOGRAM_H
#define LEAT_BASE_HISTOGRAM_H

#include "base/atomic.h"
#include "leat.h"

#include <stddef.h>
#include <stdint.h>

enum lt_histogram_bits {
    LT_HISTOGRAM_COARSE = 7, /* within 1.6 %, 19 KiB */
    LT_HISTOGRAM_FINE = 11,  /* within 0.1 %: three significant digits, 264 KiB */
};

struct lt_histogram {
    unsigned bits;
    size_t room; /* buckets */
    _Atomic uint64_t *counts;
    _Atomic uint64_t total;
    _Atomic leat_time most;
};

/** 0 or -ENOMEM. */
int lt_histogram_open(struct lt_histogram *histogram, enum lt_histogram_bits bits);
void lt_histogram_close(struct lt_histogram *histogram);

/** What is below 0 counts as 0. */
void lt_histogram_add(struct lt_histogram *histogram, leat_time value);
/** `count` times. */
void lt_histogram_add_many(struct lt_histogram *histogram, leat_time value, uint64_t count);

/** Add all that `from` has seen; both have the same bits. */
void lt_histogram_merge(struct lt_histogram *into, const struct lt_histogram *from);

/** The value that `share` (0 to 1) of all do not exceed; 0 when there are none. */
leat_time lt_histogram_at(const struct lt_histogram *histogram, double share);

#endif
