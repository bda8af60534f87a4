/* SPDX-License-Identifier: MIT */
/* The law of scaling: exact data gives its own parameters back, noisy data intervals around them; too little is
 * refused. */
#include "cli/bench/fit.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { POINTS = 8, TRIALS = 5 };
static const unsigned numbers[POINTS] = {1, 2, 4, 6, 8, 12, 16, 24};

struct law {
    double lambda, sigma, kappa;
};

struct data {
    double rates[POINTS][TRIALS];
    struct lt_point points[POINTS];
};

static double law_at(const struct law *law, double n) {
    return law->lambda * n / (1 + law->sigma * (n - 1) + law->kappa * n * (n - 1));
}

/* Each trial off by up to `noise`, in a way that repeats. */
static void measure(const struct law *law, double noise, struct data *data) {
    unsigned seed = 1;
    for (size_t p = 0; p < POINTS; p++) {
        for (size_t t = 0; t < TRIALS; t++)
            data->rates[p][t] = law_at(law, numbers[p]) * (1 + noise * (2.0 * rand_r(&seed) / RAND_MAX - 1));
        data->points[p] = (struct lt_point){numbers[p], TRIALS, data->rates[p]};
    }
}

static void assert_near(double value, double wanted, double relative) {
    if (fabs(value - wanted) > relative * fabs(wanted) + 1e-9)
        fail_msg("%g where %g was expected", value, wanted);
}

static void exact_data(void **state) {
    static const struct law laws[] = {
        {996, 0.0267, 0.00077}, {5e6, 0.4, 0.03}, {10, 0.9, 0}, {123, 0, 0.01}, {7, 0, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof laws / sizeof *laws; i++) {
        struct data data;
        struct lt_fit fit;
        measure(&laws[i], 0, &data);
        assert_true(lt_fit(data.points, POINTS, 1, &fit));
        assert_near(fit.lambda.value, laws[i].lambda, 1e-6);
        assert_near(fit.sigma.value, laws[i].sigma, 1e-6);
        assert_near(fit.kappa.value, laws[i].kappa, 1e-6);
        for (size_t p = 0; p < POINTS; p++)
            assert_near(lt_fit_at(&fit, numbers[p]), law_at(&laws[i], numbers[p]), 1e-6);
        double peak = sqrt((1 - laws[i].sigma) / laws[i].kappa);
        assert_int_equal(fit.has_peak, peak <= 48);
        if (fit.has_peak)
            assert_near(fit.peak.value, peak, 1e-6);
    }
}

static void noisy_data(void **state) {
    static const struct law law = {1000, 0.05, 0.002};
    struct data data;
    struct lt_fit fit;
    (void)state;
    measure(&law, 0.02, &data);
    assert_true(lt_fit(data.points, POINTS, 1, &fit));
    assert_near(fit.lambda.value, law.lambda, 0.05);
    assert_near(fit.sigma.value, law.sigma, 0.3);
    assert_near(fit.kappa.value, law.kappa, 0.3);
    assert_true(fit.lambda.low < fit.lambda.value && fit.lambda.value < fit.lambda.high);
    assert_true(fit.sigma.low < fit.sigma.high && fit.kappa.low < fit.kappa.high);
    assert_true(fit.peak.low <= fit.peak.value && fit.peak.value <= fit.peak.high);
}

/* What rises faster than the workers would want a negative sigma, which means nothing. */
static void never_negative(void **state) {
    struct data data;
    struct lt_fit fit;
    (void)state;
    measure(&(struct law){100, -0.02, 0.001}, 0, &data);
    assert_true(lt_fit(data.points, POINTS, 1, &fit));
    assert_true(fit.sigma.value == 0 && fit.kappa.value >= 0);
    measure(&(struct law){100, 0.1, -0.0005}, 0, &data);
    assert_true(lt_fit(data.points, POINTS, 1, &fit));
    assert_true(fit.sigma.value >= 0 && fit.kappa.value == 0 && !fit.has_peak);
}

static void too_little(void **state) {
    struct data data;
    struct lt_fit fit;
    (void)state;
    measure(&(struct law){100, 0.1, 0.001}, 0, &data);
    assert_true(lt_fit(data.points, LT_FIT_NUMBERS, 1, &fit));
    assert_false(lt_fit(data.points, LT_FIT_NUMBERS - 1, 1, &fit));
    data.points[3].count = LT_FIT_TRIALS - 1;
    assert_false(lt_fit(data.points, POINTS, 1, &fit));
    data.points[3].count = TRIALS;
    for (size_t t = 0; t < TRIALS; t++)
        data.rates[2][t] = 0;
    assert_false(lt_fit(data.points, POINTS, 1, &fit));
}

static void medians(void **state) {
    (void)state;
    assert_true(lt_median(NULL, 0) == 0);
    assert_true(lt_median((double[]){3}, 1) == 3);
    assert_true(lt_median((double[]){9, 1, 5}, 3) == 5);
    assert_true(lt_median((double[]){9, 1, 5, 6}, 4) == 5.5);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(exact_data), cmocka_unit_test(noisy_data),
                                       cmocka_unit_test(never_negative), cmocka_unit_test(too_little),
                                       cmocka_unit_test(medians)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
