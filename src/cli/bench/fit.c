/* SPDX-License-Identifier: MIT */
#include "cli/bench/fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1024, DRAWS = 200, TERMS = 3, MOST_POINTS = 64 };

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double lt_median(const double *values, size_t count) {
    double sorted[MOST];
    count = count < MOST ? count : MOST;
    if (!count)
        return 0;
    memcpy(sorted, values, count * sizeof *values);
    qsort(sorted, count, sizeof *sorted, by_value);
    return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

/* ------------------------------------------------------------ least squares */

/** The terms that take part are those with a set bit; the others are 0. */
struct system {
    double matrix[TERMS][TERMS], right[TERMS];
};

/* Gauss with pivots; false: there is no single solution. */
static bool solve(struct system *system, unsigned terms, double solution[TERMS]) {
    unsigned list[TERMS], count = 0;
    for (unsigned t = 0; t < TERMS; t++)
        if (terms >> t & 1)
            list[count++] = t;
    for (unsigned step = 0; step < count; step++) {
        unsigned best = step;
        for (unsigned row = step; row < count; row++)
            if (fabs(system->matrix[list[row]][list[step]]) > fabs(system->matrix[list[best]][list[step]]))
                best = row;
        for (unsigned column = 0; column < count; column++) {
            double other = system->matrix[list[step]][list[column]];
            system->matrix[list[step]][list[column]] = system->matrix[list[best]][list[column]];
            system->matrix[list[best]][list[column]] = other;
        }
        double other = system->right[list[step]];
        system->right[list[step]] = system->right[list[best]];
        system->right[list[best]] = other;
        double pivot = system->matrix[list[step]][list[step]];
        if (fabs(pivot) < 1e-300)
            return false;
        for (unsigned row = step + 1; row < count; row++) {
            double factor = system->matrix[list[row]][list[step]] / pivot;
            for (unsigned column = step; column < count; column++)
                system->matrix[list[row]][list[column]] -= factor * system->matrix[list[step]][list[column]];
            system->right[list[row]] -= factor * system->right[list[step]];
        }
    }
    for (unsigned step = count; step-- > 0;) {
        double rest = system->right[list[step]];
        for (unsigned column = step + 1; column < count; column++)
            rest -= system->matrix[list[step]][list[column]] * solution[list[column]];
        solution[list[step]] = rest / system->matrix[list[step]][list[step]];
    }
    return true;
}

static bool fit_terms(const double *workers, const double *rates, size_t count, unsigned terms, double result[TERMS]) {
    struct system system = {0};
    for (size_t i = 0; i < count; i++) {
        double n = workers[i], x = rates[i], y = n / x, weight = x * x * x * x / (n * n);
        double values[TERMS] = {1, n - 1, n * (n - 1)};
        for (unsigned row = 0; row < TERMS; row++) {
            for (unsigned column = 0; column < TERMS; column++)
                system.matrix[row][column] += weight * values[row] * values[column];
            system.right[row] += weight * values[row] * y;
        }
    }
    memset(result, 0, TERMS * sizeof *result);
    return solve(&system, terms, result) && result[0] > 0;
}

/* The best fit without a term that would be negative. */
static bool fit_all(const double *workers, const double *rates, size_t count, double result[TERMS]) {
    enum { LAMBDA = 1, SIGMA = 2, KAPPA = 4 };
    if (fit_terms(workers, rates, count, LAMBDA | SIGMA | KAPPA, result) && result[1] >= 0 && result[2] >= 0)
        return true;
    unsigned without = result[1] < 0 ? LAMBDA | KAPPA : LAMBDA | SIGMA;
    if (fit_terms(workers, rates, count, without, result) && result[1] >= 0 && result[2] >= 0)
        return true;
    return fit_terms(workers, rates, count, LAMBDA, result);
}

/* ------------------------------------------------------------------ bootstrap */

static uint64_t next_random(uint64_t *state) {
    *state += 0x9e3779b97f4a7c15u;
    uint64_t mixed = (*state ^ *state >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return mixed ^ mixed >> 31;
}

static double median_of_draw(const struct lt_point *point, uint64_t *state) {
    double drawn[MOST];
    size_t count = point->count < MOST ? point->count : MOST;
    for (size_t i = 0; i < count; i++)
        drawn[i] = point->rates[next_random(state) % point->count];
    return lt_median(drawn, count);
}

static double peak_of(const double result[TERMS]) {
    double sigma = result[1] / result[0], kappa = result[2] / result[0];
    return kappa > 0 && sigma < 1 ? sqrt((1 - sigma) / kappa) : INFINITY;
}

static struct lt_range range_of(double value, double *drawn, size_t count) {
    qsort(drawn, count, sizeof *drawn, by_value);
    return (struct lt_range){value, drawn[count / 20], drawn[count - 1 - count / 20]};
}

static bool is_enough(const struct lt_point *points, size_t count) {
    for (size_t p = 0; p < count; p++)
        if (points[p].count < LT_FIT_TRIALS || lt_median(points[p].rates, points[p].count) <= 0)
            return false;
    return count >= LT_FIT_NUMBERS && count <= MOST_POINTS;
}

bool lt_fit(const struct lt_point *points, size_t count, uint64_t seed, struct lt_fit *fit) {
    double workers[MOST_POINTS], rates[MOST_POINTS], best[TERMS], result[TERMS];
    double lambda[DRAWS], sigma[DRAWS], kappa[DRAWS], peak[DRAWS];
    if (!is_enough(points, count))
        return false;
    for (size_t p = 0; p < count; p++) {
        workers[p] = points[p].workers;
        rates[p] = lt_median(points[p].rates, points[p].count);
    }
    if (!fit_all(workers, rates, count, best))
        return false;
    size_t drawn = 0;
    for (unsigned draw = 0; draw < DRAWS; draw++) {
        for (size_t p = 0; p < count; p++)
            rates[p] = median_of_draw(&points[p], &seed);
        if (!fit_all(workers, rates, count, result))
            continue;
        lambda[drawn] = 1 / result[0];
        sigma[drawn] = result[1] / result[0];
        kappa[drawn] = result[2] / result[0];
        peak[drawn++] = peak_of(result);
    }
    if (!drawn)
        return false;
    fit->lambda = range_of(1 / best[0], lambda, drawn);
    fit->sigma = range_of(best[1] / best[0], sigma, drawn);
    fit->kappa = range_of(best[2] / best[0], kappa, drawn);
    fit->peak = range_of(peak_of(best), peak, drawn);
    /* One that nearly all drawn fits have nowhere is none. */
    fit->has_peak = fit->peak.value <= 2 * workers[count - 1] && isfinite(fit->peak.low);
    return true;
}

double lt_fit_at(const struct lt_fit *fit, double workers) {
    return fit->lambda.value * workers /
           (1 + fit->sigma.value * (workers - 1) + fit->kappa.value * workers * (workers - 1));
}
