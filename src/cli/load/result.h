/* SPDX-License-Identifier: MIT */
/**
 * What came out of a load, in one struct, and its forms: lines for a terminal,
 * JSON, SVG, an HTML page. The page refers to nothing outside of itself.
 */
#ifndef LEAT_CLI_LOAD_RESULT_H
#define LEAT_CLI_LOAD_RESULT_H

#include "cli/load/load.h"
#include "pipeline/run.h"

#include <stdio.h>

struct lt_load_result {
    const struct lt_load *load;
    const struct lt_snapshot *last;
    const struct lt_verdict *bottleneck;
    const char *to;
    int code;              /* exit code */
    double seconds;        /* from the first message due to the last one confirmed */
    double sent_rate;      /* a second */
    double confirmed_rate; /* a second */
    double emptied;     /* seconds from the last confirmation until all was taken; 0: not waited for, or not come to */
    double steady_rate; /* of the middle 90 % of a backlog; 0: unknown */
};

void lt_load_result(struct lt_load_result *result, const struct lt_load *load, const struct lt_report *report,
                    const struct lt_verdict *bottleneck, int code);

/** Percentiles that every form shows. */
struct lt_percentile {
    const char *name;
    double share;
};
extern const struct lt_percentile lt_percentiles[]; /* name NULL: the end */

void lt_load_print(FILE *file, const struct lt_load_result *result);
void lt_load_json(FILE *file, const struct lt_load_result *result);
void lt_load_svg(FILE *file, const struct lt_load_result *result);
void lt_load_html(FILE *file, const struct lt_load_result *result);

/** plot.c: one drawing, as an SVG element of LT_PLOT_WIDTH by LT_PLOT_HEIGHT at `y`. */
enum { LT_PLOT_WIDTH = 900, LT_PLOT_HEIGHT = 330 };
void lt_plot_timeline(FILE *file, const struct lt_measure *measure, int y);
void lt_plot_distribution(FILE *file, const struct lt_measure *measure, int y);

#endif
