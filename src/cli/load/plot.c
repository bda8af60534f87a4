/* SPDX-License-Identifier: MIT */
/*
 * Two drawings of latencies, as plain SVG: over the time at which messages were
 * due, and over the percentiles with the rare ones spread out (each step to the
 * right is ten times rarer). Latencies stand on a logarithmic axis, since a
 * target that is well and one that is not differ by orders of magnitude.
 */
#include "cli/load/result.h"

#include <math.h>
#include <string.h>

enum { LEFT = 80, RIGHT = 40, TOP = 40, BOTTOM = 45, POINTS = 200 };
enum { PLOT_WIDTH = LT_PLOT_WIDTH - LEFT - RIGHT, PLOT_HEIGHT = LT_PLOT_HEIGHT - TOP - BOTTOM };

/* A logarithmic axis from 10^low to 10^high nanoseconds. */
struct axis {
    double low, high;
};

static double height(const struct axis *axis, leat_time latency) {
    double exponent = latency > 0 ? log10((double)latency) : axis->low;
    double share = (exponent - axis->low) / (axis->high - axis->low);
    share = share < 0 ? 0 : share > 1 ? 1 : share;
    return TOP + PLOT_HEIGHT * (1 - share);
}

static struct axis axis_of(const struct lt_histogram *histogram) {
    leat_time least = lt_histogram_at(histogram, 0), most = lt_histogram_at(histogram, 1);
    double low = floor(log10(least > 0 ? (double)least : 1)), high = ceil(log10(most > 0 ? (double)most : 1));
    return (struct axis){.low = low, .high = high > low ? high : low + 1};
}

static void write_text(FILE *file, double x, double y, const char *anchor, const char *text) {
    fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor, text);
}

static void write_line(FILE *file, double x1, double y1, double x2, double y2) {
    fprintf(file, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#ccc\"/>\n", x1, y1, x2, y2);
}

static void begin_plot(FILE *file, const struct axis *axis, int y, const char *title) {
    fprintf(file,
            "<svg y=\"%d\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" xmlns=\"http://www.w3.org/2000/svg\" "
            "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
            y, LT_PLOT_WIDTH, LT_PLOT_HEIGHT, LT_PLOT_WIDTH, LT_PLOT_HEIGHT);
    fprintf(file, "<text x=\"%d\" y=\"20\" font-size=\"14\" font-weight=\"bold\">%s</text>\n", LEFT, title);
    for (double exponent = axis->low; exponent <= axis->high; exponent++) {
        char text[32];
        leat_time latency = (leat_time)(pow(10, exponent) + 0.5);
        lt_measure_time_text(latency, text, sizeof text);
        write_line(file, LEFT, height(axis, latency), LEFT + PLOT_WIDTH, height(axis, latency));
        write_text(file, LEFT - 6, height(axis, latency) + 4, "end", text);
    }
}

/* ---------------------------------------------------------------- timeline */

static const struct series {
    const char *name, *colour;
    double share;
} all_series[] = {{"max", "#bbb", 1}, {"p99", "#d62728", 0.99}, {"p50", "#1f77b4", 0.5}};
enum { SERIES = sizeof all_series / sizeof all_series[0] };

static double across(const struct lt_timeline *timeline, double place) {
    return LEFT + PLOT_WIDTH * place / (double)(timeline->used ? timeline->used : 1);
}

/* A step for each place; a gap where nothing was due. */
static void write_series(FILE *file, const struct lt_timeline *timeline, const struct axis *axis,
                         const struct series *series) {
    bool open = false;
    fputs("<path fill=\"none\" stroke-width=\"1.5\" d=\"", file);
    for (size_t i = 0; i < timeline->used; i++) {
        const struct lt_histogram *place = &timeline->places[i];
        if (place->counts) {
            double y = height(axis, lt_histogram_at(place, series->share));
            fprintf(file, "%c%.1f %.1fH%.1f", open ? 'L' : 'M', across(timeline, (double)i), y,
                    across(timeline, (double)i + 1));
        }
        open = place->counts;
    }
    fprintf(file, "\" stroke=\"%s\"/>\n", series->colour);
}

void lt_plot_timeline(FILE *file, const struct lt_measure *measure, int y) {
    const struct lt_timeline *timeline = &measure->timeline;
    struct axis axis = axis_of(&measure->latency);
    double length = (double)timeline->width * (double)timeline->used / (double)LEAT_SECOND;
    begin_plot(file, &axis, y, "Latency over the time at which messages were due");
    for (int tick = 0; tick <= 5; tick++) {
        char text[32];
        snprintf(text, sizeof text, "%.3g s", length * tick / 5);
        write_text(file, LEFT + PLOT_WIDTH * tick / 5.0, TOP + PLOT_HEIGHT + 18, "middle", text);
    }
    for (size_t s = 0; s < SERIES; s++) {
        write_series(file, timeline, &axis, &all_series[s]);
        fprintf(file, "<text x=\"%d\" y=\"20\" text-anchor=\"end\" font-weight=\"bold\" fill=\"%s\">%s</text>\n",
                LEFT + PLOT_WIDTH - (int)(SERIES - 1 - s) * 45, all_series[s].colour, all_series[s].name);
    }
    fputs("</svg>\n", file);
}

/* ------------------------------------------------------------ distribution */

/* As many decades as there are messages to tell them apart. */
static double decades_of(const struct lt_histogram *histogram) {
    double decades = ceil(log10((double)lt_load(&histogram->total, relaxed) + 1));
    return decades < 2 ? 2 : decades;
}

void lt_plot_distribution(FILE *file, const struct lt_measure *measure, int y) {
    const struct lt_histogram *latency = &measure->latency;
    struct axis axis = axis_of(latency);
    double decades = decades_of(latency);
    begin_plot(file, &axis, y, "Latency by percentile");
    for (int decade = 0; decade <= (int)decades; decade++) {
        char text[32];
        double x = LEFT + PLOT_WIDTH * decade / decades;
        snprintf(text, sizeof text, decade ? "%.*f %%" : "0 %%", decade > 2 ? decade - 2 : 0,
                 100 * (1 - pow(10, -decade)));
        write_line(file, x, TOP, x, TOP + PLOT_HEIGHT);
        write_text(file, x, TOP + PLOT_HEIGHT + 18, "middle", text);
    }
    fputs("<polyline fill=\"none\" stroke=\"#1f77b4\" stroke-width=\"1.5\" points=\"", file);
    for (int point = 0; point <= POINTS; point++) {
        double share = point == POINTS ? 1 : 1 - pow(10, -decades * point / POINTS);
        fprintf(file, "%.1f,%.1f ", LEFT + (double)PLOT_WIDTH * point / POINTS,
                height(&axis, lt_histogram_at(latency, share)));
    }
    fputs("\"/>\n</svg>\n", file);
}
