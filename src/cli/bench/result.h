/* SPDX-License-Identifier: MIT */
/** What a bench has found, and how it is told. */
#ifndef LEAT_CLI_BENCH_RESULT_H
#define LEAT_CLI_BENCH_RESULT_H

#include "cli/bench/fit.h"
#include "cli/bench/options.h"
#include "cli/bench/trial.h"

#include <jansson.h>
#include <stdio.h>

/** All trials with one number of workers. */
struct lt_step {
    unsigned workers;
    size_t stage;     /* as in lt_trial */
    const char *name; /* of that stage; NULL: none */
    const struct lt_trial **trials;
    size_t count;
    double *rates;          /* of them */
    double rate, low, high; /* median, least, most */
    double cpu;             /* median, seconds for an item */
    double baseline;        /* the rate in the baseline; 0: none */
    bool slower;            /* than the baseline, beyond all noise of both */
};

struct lt_bench_result {
    const char *pipeline; /* its parts in words */
    unsigned processors;
    struct lt_step *steps; /* of the sweep, workers rising; then those of single stages */
    size_t count, sweep;   /* all; of the sweep */
    size_t best;           /* index of the one with the highest rate */
    bool fitted;
    struct lt_fit fit;
    bool compared, regressed;
};

/** ln X2/X1 by ln W2/W1: 1 is as many times faster as there are more workers, 0 no faster. */
double lt_bench_elasticity(const struct lt_step *from, const struct lt_step *to);

void lt_bench_print(FILE *file, const struct lt_bench_result *result);
void lt_bench_json(FILE *file, const struct lt_bench_result *result);
void lt_bench_html(FILE *file, const struct lt_bench_result *result);

/** Its trial with the rate that is nearest to the median. */
const struct lt_trial *lt_bench_typical(const struct lt_step *step);

/** "1.05 M", "49.9": three digits, by 1000. Returns `text`; 16 bytes are enough. */
const char *lt_bench_scaled(double value, char *text, size_t room);

/** Read a report of before; the caller gives `*report` back, also after an error. 0 or a negative errno value. */
int lt_bench_load(json_t **report, const char *path, struct leat_error *error);

/** Look every step up in it. */
void lt_bench_compare(struct lt_bench_result *result, const json_t *report);

#endif
