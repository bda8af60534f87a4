/* SPDX-License-Identifier: MIT */
#include "cli/load/result.h"
#include "cli/words.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const struct lt_percentile lt_percentiles[] = {
    {"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1}, {0},
};

static double seconds(leat_time time) {
    return (double)time / (double)LEAT_SECOND;
}

static double rate(uint64_t count, leat_time time) {
    return time > 0 ? (double)count / seconds(time) : 0;
}

void lt_load_result(struct lt_load_result *result, const struct lt_load *load, const struct lt_report *report,
                    const struct lt_verdict *bottleneck, int code) {
    const struct lt_measure *measure = &load->measure;
    uint64_t sent = lt_load(&measure->sent, relaxed), confirmed = lt_load(&measure->confirmed, relaxed);
    *result = (struct lt_load_result){
        .load = load,
        .last = &report->last,
        .bottleneck = bottleneck,
        .to = report->last.stage_count ? report->last.stages[report->last.stage_count - 1].name : "",
        .code = code,
        .seconds = seconds(measure->last_confirmed),
        .sent_rate = rate(sent, measure->last_sent),
        .confirmed_rate = rate(confirmed, measure->last_confirmed),
        .steady_rate = lt_measure_steady_rate(measure),
    };
    if (report->last.emptied)
        result->emptied = seconds(report->last.emptied - measure->begin - measure->last_confirmed);
}

/* -------------------------------------------------------------------- text */

static void print_percentiles(FILE *file, const char *name, const struct lt_histogram *histogram) {
    fprintf(file, "leat: %s:", name);
    for (const struct lt_percentile *p = lt_percentiles; p->name; p++) {
        char text[32];
        lt_measure_time_text(lt_histogram_at(histogram, p->share), text, sizeof text);
        fprintf(file, "%s %s %s", p == lt_percentiles ? "" : ",", p->name, text);
    }
    fputc('\n', file);
}

static void print_end(FILE *file, const struct lt_load_result *result) {
    const struct lt_load *load = result->load;
    char now[32], limit[32];
    if (result->emptied > 0)
        fprintf(file, "leat: load: %s was empty %.3g s after the last confirmation: %.0f/s from end to end\n",
                result->to, result->emptied,
                (double)lt_load(&load->measure.confirmed, relaxed) / (result->seconds + result->emptied));
    if (!load->until.reached)
        return;
    lt_measure_time_text(lt_histogram_at(&load->measure.latency, load->until.share), now, sizeof now);
    lt_measure_time_text(load->until.limit, limit, sizeof limit);
    fprintf(file, "leat: load: ended by --exit-when: %s is %s, above %s\n", load->until.name, now, limit);
}

void lt_load_print(FILE *file, const struct lt_load_result *result) {
    const struct lt_measure *measure = &result->load->measure;
    const struct lt_counts *counts = &result->last->counts;
    fprintf(file, "leat: load: %" PRIu64 " sent, %" PRIu64 " confirmed, %" PRIu64 " failed, %.0f/s confirmed",
            lt_load(&measure->sent, relaxed), counts->delivered, counts->failed, result->confirmed_rate);
    if (!result->load->options->fill) {
        fprintf(file, ", %.0f/s asked for\n", result->load->options->rate);
        print_percentiles(file, "latency", &measure->latency);
        print_percentiles(file, "generator's lag", &measure->lag);
    } else if (result->steady_rate > 0) {
        fprintf(file, ", %.0f/s without the first and the last 5 %%\n", result->steady_rate);
    } else {
        fputc('\n', file);
    }
    print_end(file, result);
}

/* -------------------------------------------------------------------- JSON */

static void write_percentiles(FILE *file, const struct lt_histogram *histogram) {
    fputc('{', file);
    for (const struct lt_percentile *p = lt_percentiles; p->name; p++)
        fprintf(file, "%s\"%s\": %.9f", p == lt_percentiles ? "" : ", ", p->name,
                seconds(lt_histogram_at(histogram, p->share)));
    fputc('}', file);
}

static void write_timeline(FILE *file, const struct lt_timeline *timeline) {
    bool first = true;
    fputc('[', file);
    for (size_t i = 0; i < timeline->used; i++) {
        const struct lt_histogram *place = &timeline->places[i];
        if (!place->counts)
            continue;
        fprintf(file,
                "%s\n    {\"from\": %.3f, \"to\": %.3f, \"confirmed\": %" PRIu64 ", \"latency\": ", first ? "" : ",",
                seconds((leat_time)i * timeline->width), seconds((leat_time)(i + 1) * timeline->width),
                lt_load(&place->total, relaxed));
        write_percentiles(file, place);
        fputc('}', file);
        first = false;
    }
    fputs("]", file);
}

void lt_load_json(FILE *file, const struct lt_load_result *result) {
    const struct lt_load *load = result->load;
    const struct lt_measure *measure = &load->measure;
    const struct lt_counts *counts = &result->last->counts;
    fputs("{\n  \"to\": ", file);
    lt_put_json_string(file, result->to);
    fprintf(file, ",\n  \"exit\": %d, \"valid\": %s, \"invalid_because\": ", result->code,
            load->verdict.valid ? "true" : "false");
    lt_put_json_string(file, load->verdict.text);
    fprintf(file, ",\n  \"fill\": %" PRIu64 ", \"rate\": %.3f, \"poisson\": %s,\n", load->options->fill,
            load->options->rate, load->options->poisson ? "true" : "false");
    fprintf(file,
            "  \"sent\": %" PRIu64 ", \"confirmed\": %" PRIu64 ", \"failed\": %" PRIu64 ", \"returned\": %" PRIu64
            ", \"bytes\": %" PRIu64 ",\n",
            lt_load(&measure->sent, relaxed), counts->delivered, counts->failed, counts->returned, counts->bytes_out);
    fprintf(file, "  \"seconds\": %.6f, \"sent_rate\": %.3f, \"confirmed_rate\": %.3f, \"steady_rate\": %.3f,\n",
            result->seconds, result->sent_rate, result->confirmed_rate, result->steady_rate);
    fprintf(file, "  \"ended_early\": %s, \"emptied\": %.6f,\n", load->until.reached ? "true" : "false",
            result->emptied);
    fputs("  \"bottleneck\": ", file);
    lt_put_json_string(file, result->bottleneck->text);
    if (!load->options->fill) {
        fputs(",\n  \"latency\": ", file);
        write_percentiles(file, &measure->latency);
        fputs(",\n  \"lag\": ", file);
        write_percentiles(file, &measure->lag);
        fputs(",\n  \"timeline\": ", file);
        write_timeline(file, &measure->timeline);
    }
    fputs("\n}\n", file);
}
