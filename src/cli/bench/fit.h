/* SPDX-License-Identifier: MIT */
/**
 * The Universal Scalability Law, X(N) = λN / (1 + σ(N−1) + κN(N−1)), fitted to
 * measured throughputs (N. J. Gunther, Guerrilla Capacity Planning, 2007).
 *
 * With y = N/X it is linear: y = a + b(N−1) + cN(N−1), where λ = 1/a, σ = b/a,
 * κ = c/a. Least squares in X are, to first order, least squares in y weighted with
 * X⁴/N²; a negative σ or κ has no meaning, so the fit is then made without it.
 * Intervals are the middle 90 % of fits to trials drawn anew (bootstrap).
 *
 * Refused, rather than drawn: fewer than six numbers of workers, or fewer than three
 * trials of each, since three parameters go through anything; and peaks beyond twice
 * the largest number that was measured.
 */
#ifndef LEAT_CLI_BENCH_FIT_H
#define LEAT_CLI_BENCH_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LT_FIT_NUMBERS = 6, LT_FIT_TRIALS = 3 };

/** What was measured with one number of workers. */
struct lt_point {
    unsigned workers;
    size_t count;
    const double *rates; /**< of its trials */
};

struct lt_range {
    double value, low, high;
};

struct lt_fit {
    struct lt_range lambda, sigma, kappa;
    bool has_peak; /**< κ > 0, and the peak is not beyond twice the largest number */
    struct lt_range peak;
};

/** False: too little was measured, or it makes no sense (a rate of 0). */
bool lt_fit(const struct lt_point *points, size_t count, uint64_t seed, struct lt_fit *fit);

/** The throughput that it foresees. */
double lt_fit_at(const struct lt_fit *fit, double workers);

/** The middle one, or the mean of the two in the middle; 0 of none. At most 1024 values count. */
double lt_median(const double *values, size_t count);

#endif
