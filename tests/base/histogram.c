/* SPDX-License-Identifier: MIT */
/* The histogram against the sorted values themselves. */
#include "base/histogram.h"
#include "base/hash.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const double shares[] = {0, 0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999, 1};
enum { SHARES = sizeof shares / sizeof shares[0] };

static int compare(const void *left, const void *right) {
    leat_time a = *(const leat_time *)left, b = *(const leat_time *)right;
    return (a > b) - (a < b);
}

static leat_time by_rank(const leat_time *sorted, size_t count, double share) {
    double rank = ceil(share * (double)count - 1e-6);
    return sorted[rank < 1 ? 0 : (size_t)rank - 1];
}

/* Every percentile is the value of that rank, or above it by one part in 2^(bits-1) at most. */
static void check_all(struct lt_histogram *histogram, leat_time *values, size_t count) {
    qsort(values, count, sizeof *values, compare);
    assert_int_equal(histogram->total, count);
    assert_int_equal(histogram->most, values[count - 1]);
    for (size_t i = 0; i < SHARES; i++) {
        leat_time exact = by_rank(values, count, shares[i]), told = lt_histogram_at(histogram, shares[i]);
        leat_time width = exact >> (histogram->bits - 1);
        if (told < exact || told > exact + width || told > values[count - 1])
            fail_msg("%zu values, share %g: %lld told, %lld exact", count, shares[i], (long long)told,
                     (long long)exact);
    }
}

/* From nanoseconds to an hour: as many of each order of magnitude. */
static leat_time some_value(uint64_t seed, uint64_t n) {
    uint64_t bits = lt_hash_mix(seed << 32 ^ n);
    return (leat_time)(bits >> (22 + bits % 41));
}

static void test_percentiles(void **state) {
    (void)state;
    static const size_t counts[] = {1, 2, 3, 10, 99, 100, 101, 1000, 100000};
    static const enum lt_histogram_bits bits[] = {LT_HISTOGRAM_COARSE, LT_HISTOGRAM_FINE};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        for (size_t b = 0; b < 2; b++) {
            struct lt_histogram histogram;
            assert_int_equal(lt_histogram_open(&histogram, bits[b]), 0);
            leat_time *values = calloc(counts[c], sizeof *values);
            for (size_t i = 0; i < counts[c]; i++)
                lt_histogram_add(&histogram, values[i] = some_value(c, i));
            check_all(&histogram, values, counts[c]);
            free(values);
            lt_histogram_close(&histogram);
        }
    }
}

/* Each value alone: it is told exactly, since it is the largest. Next to a larger one it shows its bucket's edge. */
static void test_edges(void **state) {
    (void)state;
    for (unsigned bit = 0; bit < 42; bit++) {
        for (leat_time value = ((leat_time)1 << bit) - 1; value <= ((leat_time)1 << bit) + 1; value++) {
            struct lt_histogram histogram;
            assert_int_equal(lt_histogram_open(&histogram, LT_HISTOGRAM_FINE), 0);
            lt_histogram_add(&histogram, value);
            assert_int_equal(lt_histogram_at(&histogram, 0.5), value);
            lt_histogram_add(&histogram, (leat_time)1 << 43);
            leat_time told = lt_histogram_at(&histogram, 0.5);
            assert_true(told >= value && told <= value + (value >> 10));
            lt_histogram_close(&histogram);
        }
    }
}

static void test_small_values_are_exact(void **state) {
    (void)state;
    struct lt_histogram histogram;
    assert_int_equal(lt_histogram_open(&histogram, LT_HISTOGRAM_FINE), 0);
    for (leat_time value = 0; value < 2000; value++)
        lt_histogram_add(&histogram, value);
    for (leat_time value = 0; value < 2000; value++)
        assert_int_equal(lt_histogram_at(&histogram, (double)(value + 1) / 2000), value);
    lt_histogram_close(&histogram);
}

/* Nothing, less than nothing, and more than any bucket holds. */
static void test_extremes(void **state) {
    (void)state;
    struct lt_histogram histogram;
    assert_int_equal(lt_histogram_open(&histogram, LT_HISTOGRAM_FINE), 0);
    assert_int_equal(lt_histogram_at(&histogram, 0.5), 0);
    assert_int_equal(lt_histogram_at(&histogram, 1), 0);
    lt_histogram_add(&histogram, -5);
    assert_int_equal(lt_histogram_at(&histogram, 1), 0);
    assert_int_equal(histogram.total, 1);
    lt_histogram_add(&histogram, LEAT_FOREVER);
    assert_true(lt_histogram_at(&histogram, 1) == LEAT_FOREVER);
    assert_int_equal(lt_histogram_at(&histogram, 0.5), 0);
    lt_histogram_add(&histogram, LEAT_FOREVER - 1);
    assert_true(lt_histogram_at(&histogram, 0.9) >= LEAT_FOREVER - 1);
    lt_histogram_close(&histogram);
}

/* Several workers' histograms together are that of all values. */
static void test_merge(void **state) {
    (void)state;
    enum { WORKERS = 7, EACH = 3000 };
    struct lt_histogram all, one;
    leat_time *values = calloc(WORKERS * EACH, sizeof *values);
    assert_int_equal(lt_histogram_open(&all, LT_HISTOGRAM_FINE), 0);
    for (size_t worker = 0; worker < WORKERS; worker++) {
        assert_int_equal(lt_histogram_open(&one, LT_HISTOGRAM_FINE), 0);
        for (size_t i = 0; i < EACH; i++)
            lt_histogram_add(&one, values[worker * EACH + i] = some_value(100 + worker, i));
        lt_histogram_merge(&all, &one);
        lt_histogram_close(&one);
    }
    check_all(&all, values, WORKERS * EACH);
    free(values);
    lt_histogram_close(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_percentiles), cmocka_unit_test(test_edges), cmocka_unit_test(test_small_values_are_exact),
        cmocka_unit_test(test_extremes),    cmocka_unit_test(test_merge),
    };
    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
