/* SPDX-License-Identifier: MIT */
/* The report of a bench as a page with two drawings: throughput over workers, and what the parts did with their time.
 */
#include "cli/bench/result.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 860, HEIGHT = 320, LEFT = 100, RIGHT = 20, TOP = 20, BOTTOM = 70, SAMPLES = 100 };
enum { LABEL = 40 }; /* room for a number below the axis, in the letters of a phone */
enum { ACROSS = WIDTH - LEFT - RIGHT, DOWN = HEIGHT - TOP - BOTTOM };

static const struct {
    enum leat_state state;
    const char *name, *colour;
} shown[] = {{LEAT_BUSY, "busy", "#0072b2"},
             {LEAT_WAITS_OUTSIDE, "waits for the outside", "#e69f00"},
             {LEAT_THROTTLED, "held back by a rate", "#cc79a7"},
             {LEAT_WAITS_OUTPUT, "waits for its output", "#d55e00"},
             {LEAT_WAITS_INPUT, "waits for input", "#c9ced3"}};
enum { SHOWN = sizeof shown / sizeof *shown };

static void put_escaped(FILE *file, const char *text) {
    for (; *text; text++) {
        const char *name = *text == '<' ? "&lt;" : *text == '>' ? "&gt;" : *text == '&' ? "&amp;" : NULL;
        if (name)
            fputs(name, file);
        else
            fputc(*text, file);
    }
}

/* ------------------------------------------------------------------- curve */

struct scale {
    double workers, rate; /* at the right and at the upper end */
};

static double x_of(const struct scale *scale, double workers) {
    return LEFT + ACROSS * workers / scale->workers;
}

static double y_of(const struct scale *scale, double rate) {
    return TOP + DOWN * (1 - rate / scale->rate);
}

static void put_axes(FILE *file, const struct lt_bench_result *result, const struct scale *scale) {
    for (int tick = 0; tick <= 4; tick++) {
        double rate = scale->rate * tick / 4;
        char text[32];
        fprintf(file,
                "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#8884\"/>"
                "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                LEFT, y_of(scale, rate), LEFT + ACROSS, y_of(scale, rate), LEFT - 8, y_of(scale, rate) + 4,
                lt_bench_scaled(rate, text, sizeof text));
    }
    double free_from = 0;
    for (size_t s = 0; s < result->sweep; s++) {
        double x = x_of(scale, result->steps[s].workers);
        if (x < free_from)
            continue;
        free_from = x + LABEL;
        fprintf(file, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%u</text>\n", x, TOP + DOWN + 26,
                result->steps[s].workers);
    }
    fprintf(file, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">workers; items a second upwards</text>\n",
            LEFT + ACROSS / 2, HEIGHT - 8);
}

static void put_fitted(FILE *file, const struct lt_bench_result *result, const struct scale *scale) {
    if (!result->fitted)
        return;
    fputs("<polyline fill=\"none\" stroke=\"#d55e00\" stroke-width=\"1.5\" stroke-dasharray=\"5 4\" points=\"", file);
    for (int i = 1; i <= SAMPLES; i++) {
        double workers = scale->workers * i / SAMPLES;
        if (workers >= 1)
            fprintf(file, "%.1f,%.1f ", x_of(scale, workers), y_of(scale, lt_fit_at(&result->fit, workers)));
    }
    fputs("\"/>\n", file);
}

static void put_curve(FILE *file, const struct lt_bench_result *result) {
    const struct lt_step *last = &result->steps[result->sweep - 1];
    struct scale scale = {.workers = last->workers + 0.5};
    for (size_t s = 0; s < result->sweep; s++)
        scale.rate = result->steps[s].high > scale.rate ? result->steps[s].high : scale.rate;
    scale.rate = scale.rate > 0 ? scale.rate * 1.1 : 1;
    fprintf(file,
            "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Throughput over workers\" "
            "fill=\"currentColor\">\n",
            WIDTH, HEIGHT);
    put_axes(file, result, &scale);
    put_fitted(file, result, &scale);
    fputs("<polyline fill=\"none\" stroke=\"#0072b2\" stroke-width=\"2\" points=\"", file);
    for (size_t s = 0; s < result->sweep; s++)
        fprintf(file, "%.1f,%.1f ", x_of(&scale, result->steps[s].workers), y_of(&scale, result->steps[s].rate));
    fputs("\"/>\n", file);
    for (size_t s = 0; s < result->sweep; s++) {
        const struct lt_step *step = &result->steps[s];
        fprintf(file,
                "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#0072b2\" stroke-width=\"2\"/>"
                "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"#0072b2\"/>\n",
                x_of(&scale, step->workers), y_of(&scale, step->low), x_of(&scale, step->workers),
                y_of(&scale, step->high), x_of(&scale, step->workers), y_of(&scale, step->rate));
    }
    fputs("</svg>\n", file);
}

/* ------------------------------------------------------------------ states */

static void put_bar(FILE *file, const struct lt_trial_part *part) {
    fputs("<tr><td>", file);
    put_escaped(file, part->name);
    fprintf(file, "</td><td>%u</td><td class=\"bar\"><div>", part->workers);
    for (size_t i = 0; i < SHOWN; i++)
        if (part->share[shown[i].state] >= 0.001)
            fprintf(file, "<i style=\"width:%.1f%%;background:%s\" title=\"%s %.0f %%\"></i>",
                    100 * part->share[shown[i].state], shown[i].colour, shown[i].name,
                    100 * part->share[shown[i].state]);
    fputs("</div></td></tr>\n", file);
}

static void put_states(FILE *file, const struct lt_bench_result *result) {
    fputs("<p>", file);
    for (size_t i = 0; i < SHOWN; i++)
        fprintf(file, "<span class=\"key\"><i style=\"background:%s\"></i>%s</span>", shown[i].colour, shown[i].name);
    fputs("</p>\n<table>\n", file);
    for (size_t s = 0; s < result->sweep; s++) {
        const struct lt_trial *trial = lt_bench_typical(&result->steps[s]);
        fprintf(file, "<tr><th colspan=\"3\">-j %u: ", result->steps[s].workers);
        put_escaped(file, trial->verdict.text);
        fputs("</th></tr>\n", file);
        for (size_t p = 0; p < trial->part_count; p++)
            put_bar(file, &trial->parts[p]);
    }
    fputs("</table>\n", file);
}

void lt_bench_html(FILE *file, const struct lt_bench_result *result) {
    fputs("<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><meta name=\"viewport\" "
          "content=\"width=device-width\"><title>leat bench</title>\n<style>\n"
          ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:56rem;margin:1.5rem auto;"
          "padding:0 1rem}pre{overflow-x:auto}svg{width:100%;font-size:14px}"
          "@media(max-width:40rem){svg{font-size:26px}}table{border-collapse:collapse;width:100%}"
          "td,th{text-align:left;padding:.15rem .6rem .15rem 0}th{padding-top:.8rem}.bar{width:60%}"
          ".bar div{display:flex;height:1rem}.key{margin-right:1rem}"
          ".key i{display:inline-block;width:1rem;height:.7rem;margin-right:.3rem}\n</style></head>\n<body>\n<h1>",
          file);
    put_escaped(file, result->pipeline);
    fputs("</h1>\n", file);
    put_curve(file, result);
    fputs("<pre>", file);
    char *text = NULL;
    size_t size = 0;
    FILE *table = open_memstream(&text, &size);
    if (table) {
        lt_bench_print(table, result);
        fclose(table);
        put_escaped(file, text);
    }
    free(text);
    fputs("</pre>\n<h2>What the parts did</h2>\n", file);
    put_states(file, result);
    fputs("</body>\n</html>\n", file);
}
