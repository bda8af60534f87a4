/* SPDX-License-Identifier: MIT */
/* The drawings of a load with its numbers around them: an SVG file, an HTML page. */
#include "cli/load/result.h"

#include <inttypes.h>

enum { HEAD = 70 };

static void write_escaped(FILE *file, const char *text) {
    for (; *text; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", file);
            break;
        case '>':
            fputs("&gt;", file);
            break;
        case '&':
            fputs("&amp;", file);
            break;
        case '"':
            fputs("&quot;", file);
            break;
        default:
            fputc(*text, file);
        }
    }
}

/* "1000/s to amqp:in" */
static void write_title(FILE *file, const struct lt_load_result *result) {
    if (result->load->options->fill)
        fprintf(file, "%" PRIu64 " messages", result->load->options->fill);
    else
        fprintf(file, "%.10g/s%s", result->load->options->rate, result->load->options->poisson ? ", random gaps," : "");
    fputs(" to ", file);
    write_escaped(file, result->to);
}

static void write_validity(FILE *file, const struct lt_load_result *result) {
    if (result->load->verdict.valid)
        return;
    fputs("INVALID: ", file);
    write_escaped(file, result->load->verdict.text);
}

static void write_summary(FILE *file, const struct lt_load_result *result) {
    const struct lt_counts *counts = &result->last->counts;
    fprintf(file, "%" PRIu64 " sent, %" PRIu64 " confirmed, %" PRIu64 " failed in %.3g s; %.0f/s confirmed",
            lt_load(&result->load->measure.sent, relaxed), counts->delivered, counts->failed, result->seconds,
            result->confirmed_rate);
    if (result->steady_rate > 0)
        fprintf(file, ", %.0f/s without the first and the last 5 %%", result->steady_rate);
}

static void write_percentiles(FILE *file, const char *name, const struct lt_histogram *histogram) {
    fprintf(file, "<tr><th>%s</th>", name);
    for (const struct lt_percentile *p = lt_percentiles; p->name; p++) {
        char text[32];
        lt_measure_time_text(lt_histogram_at(histogram, p->share), text, sizeof text);
        fprintf(file, "<td>%s</td>", text);
    }
    fputs("</tr>\n", file);
}

void lt_load_svg(FILE *file, const struct lt_load_result *result) {
    bool timed = !result->load->options->fill;
    int bottom = HEAD + (timed ? 2 * LT_PLOT_HEIGHT : 0);
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
            "font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n"
            "<text x=\"20\" y=\"25\" font-size=\"16\" font-weight=\"bold\">",
            LT_PLOT_WIDTH, bottom, LT_PLOT_WIDTH, bottom);
    write_title(file, result);
    fputs("</text>\n<text x=\"20\" y=\"45\">", file);
    write_summary(file, result);
    fputs("</text>\n<text x=\"20\" y=\"62\" fill=\"#d62728\">", file);
    write_validity(file, result);
    fputs("</text>\n", file);
    if (timed) {
        lt_plot_timeline(file, &result->load->measure, HEAD);
        lt_plot_distribution(file, &result->load->measure, HEAD + LT_PLOT_HEIGHT);
    }
    fputs("</svg>\n", file);
}

void lt_load_html(FILE *file, const struct lt_load_result *result) {
    const struct lt_measure *measure = &result->load->measure;
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>", file);
    write_title(file, result);
    fputs("</title>\n<style>body{font-family:sans-serif;max-width:920px;margin:2em auto}"
          "td,th{padding:.2em 1em .2em 0;text-align:right}th:first-child{text-align:left}.bad{color:#d62728}</style>\n"
          "</head>\n<body>\n<h1>",
          file);
    write_title(file, result);
    fputs("</h1>\n<p>", file);
    write_summary(file, result);
    fputs("</p>\n<p class=\"bad\">", file);
    write_validity(file, result);
    fputs("</p>\n<p>Bottleneck: ", file);
    write_escaped(file, result->bottleneck->text);
    fputs("</p>\n", file);
    if (!result->load->options->fill) {
        fputs("<table>\n<tr><th></th>", file);
        for (const struct lt_percentile *p = lt_percentiles; p->name; p++)
            fprintf(file, "<th>%s</th>", p->name);
        fputs("</tr>\n", file);
        write_percentiles(file, "latency", &measure->latency);
        write_percentiles(file, "generator's lag", &measure->lag);
        fputs("</table>\n", file);
        lt_plot_timeline(file, measure, 0);
        lt_plot_distribution(file, measure, 0);
    }
    fputs("</body>\n</html>\n", file);
}
