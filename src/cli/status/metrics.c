/* SPDX-License-Identifier: MIT */
/** /metrics: counters and gauges in Prometheus' text format 0.0.4. */
#include "cli/status/parts.h"
#include "cli/words.h"

#include <inttypes.h>

static double seconds(leat_time duration) {
    return (double)duration / (double)LEAT_SECOND;
}

static uint64_t settled(const struct lt_counts *counts) {
    return counts->delivered + counts->filtered + counts->failed + counts->returned;
}

static void head(FILE *file, const char *name, const char *type, const char *help) {
    fprintf(file, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Within the quotes of a label. */
static void put_label(FILE *file, const char *text) {
    for (; *text; text++) {
        if (*text == '\\' || *text == '"')
            fputc('\\', file);
        if (*text == '\n')
            fputs("\\n", file);
        else
            fputc(*text, file);
    }
}

/* NAME{stage="…" — the caller ends it. */
static void put_stage(FILE *file, const char *name, const struct lt_stage_snapshot *stage, size_t column) {
    fprintf(file, "%s{column=\"%zu\",stage=\"", name, column);
    put_label(file, stage->name);
    fputc('"', file);
}

static void put_items(FILE *file, const struct lt_counts *counts) {
    const struct {
        const char *fate;
        uint64_t count;
    } rows[] = {{"in", counts->in},
                {"delivered", counts->delivered},
                {"filtered", counts->filtered},
                {"failed", counts->failed},
                {"returned", counts->returned}};
    head(file, "leat_items_total", "counter", "Items that came in, and what became of them.");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        fprintf(file, "leat_items_total{fate=\"%s\"} %" PRIu64 "\n", rows[i].fate, rows[i].count);
    head(file, "leat_bytes_total", "counter", "Bytes read and delivered.");
    fprintf(file, "leat_bytes_total{dir=\"in\"} %" PRIu64 "\nleat_bytes_total{dir=\"out\"} %" PRIu64 "\n",
            counts->bytes_in, counts->bytes_out);
}

static void put_stages(FILE *file, const struct lt_snapshot *snapshot) {
    head(file, "leat_stage_items_total", "counter", "Items that left a stage.");
    for (size_t s = 0; s < snapshot->stage_count; s++) {
        put_stage(file, "leat_stage_items_total", &snapshot->stages[s], s);
        fprintf(file, "} %" PRIu64 "\n", snapshot->stages[s].items);
    }
    head(file, "leat_stage_bytes_total", "counter", "Bytes of these items, as they came into the run.");
    for (size_t s = 0; s < snapshot->stage_count; s++) {
        put_stage(file, "leat_stage_bytes_total", &snapshot->stages[s], s);
        fprintf(file, "} %" PRIu64 "\n", snapshot->stages[s].bytes);
    }
    head(file, "leat_stage_time_seconds_total", "counter", "What the workers of a stage did with their time.");
    for (size_t s = 0; s < snapshot->stage_count; s++)
        for (int state = 0; state < LEAT_STATES; state++) {
            put_stage(file, "leat_stage_time_seconds_total", &snapshot->stages[s], s);
            fprintf(file, ",state=\"%s\"} %.6f\n", lt_state_words[state], seconds(snapshot->stages[s].time[state]));
        }
    head(file, "leat_stage_cpu_seconds_total", "counter", "Processor time, that of commands included.");
    for (size_t s = 0; s < snapshot->stage_count; s++) {
        put_stage(file, "leat_stage_cpu_seconds_total", &snapshot->stages[s], s);
        fprintf(file, "} %.6f\n", seconds(snapshot->stages[s].cpu));
    }
    head(file, "leat_stage_workers", "gauge", "Workers of a stage.");
    for (size_t s = 0; s < snapshot->stage_count; s++) {
        put_stage(file, "leat_stage_workers", &snapshot->stages[s], s);
        fprintf(file, "} %u\n", snapshot->stages[s].workers);
    }
}

static void put_queues(FILE *file, const struct lt_snapshot *snapshot) {
    head(file, "leat_queue_batches", "gauge", "Batches that wait before a stage.");
    for (size_t s = 1; s < snapshot->stage_count; s++) {
        put_stage(file, "leat_queue_batches", &snapshot->stages[s], s);
        fprintf(file, "} %zu\n", snapshot->stages[s].queued);
    }
    head(file, "leat_queue_capacity", "gauge", "Batches that can wait there.");
    for (size_t s = 1; s < snapshot->stage_count; s++) {
        put_stage(file, "leat_queue_capacity", &snapshot->stages[s], s);
        fprintf(file, "} %zu\n", snapshot->stages[s].queue_capacity);
    }
}

static void put_latency(FILE *file, const struct lt_snapshot *snapshot) {
    const struct lt_latency *latency = &snapshot->latency;
    head(file, "leat_item_latency_seconds", "summary", "From reading to the end, since the start of the run.");
    fprintf(file,
            "leat_item_latency_seconds{quantile=\"0.5\"} %.6f\nleat_item_latency_seconds{quantile=\"0.9\"} %.6f\n"
            "leat_item_latency_seconds{quantile=\"0.99\"} %.6f\nleat_item_latency_seconds{quantile=\"1\"} %.6f\n",
            seconds(latency->median), seconds(latency->p90), seconds(latency->p99), seconds(latency->most));
    fprintf(file, "leat_item_latency_seconds_sum %.6f\nleat_item_latency_seconds_count %" PRIu64 "\n",
            (double)snapshot->under_way / 1e6, settled(&snapshot->counts));
}

static void put_counters(FILE *file, const char *end, const struct lt_counters *counters, bool gauges) {
    for (size_t i = 0; i < counters->count; i++)
        if (counters->list[i].level == gauges)
            fprintf(file, "leat_end_%s{end=\"%s\",name=\"%s\"} %" PRIu64 "\n", gauges ? "level" : "events_total", end,
                    counters->list[i].name, counters->list[i].value);
}

static void put_ends(FILE *file, const struct lt_snapshot *snapshot) {
    head(file, "leat_end_events_total", "counter", "What source and sink count themselves.");
    put_counters(file, "source", &snapshot->source_counters, false);
    put_counters(file, "sink", &snapshot->sink_counters, false);
    head(file, "leat_end_level", "gauge", "What source and sink have at the moment.");
    put_counters(file, "source", &snapshot->source_counters, true);
    put_counters(file, "sink", &snapshot->sink_counters, true);
}

static void put_bottleneck(FILE *file, const struct lt_snapshot *snapshot, const struct lt_verdict *verdict) {
    head(file, "leat_bottleneck", "gauge", "1 at what limits the run.");
    if (verdict->kind == LT_LIMIT_NONE || verdict->stage >= snapshot->stage_count)
        return;
    put_stage(file, "leat_bottleneck", &snapshot->stages[verdict->stage], verdict->stage);
    fprintf(file, ",kind=\"%s\"} 1\n", lt_limit_name(verdict->kind));
}

void lt_status_metrics(FILE *file, const struct lt_snapshot *snapshot, const struct lt_verdict *verdict) {
    const struct lt_counts *counts = &snapshot->counts;
    put_items(file, counts);
    head(file, "leat_inflight_items", "gauge", "Items that were read and are not settled.");
    fprintf(file, "leat_inflight_items %" PRIu64 "\n", counts->in - settled(counts));
    head(file, "leat_unconfirmed_items", "gauge", "Items that the sink has and did not confirm yet.");
    fprintf(file, "leat_unconfirmed_items %" PRIu64 "\n", snapshot->unconfirmed);
    put_stages(file, snapshot);
    put_queues(file, snapshot);
    put_latency(file, snapshot);
    put_ends(file, snapshot);
    put_bottleneck(file, snapshot, verdict);
    head(file, "leat_elapsed_seconds", "gauge", "Since the start of the run.");
    fprintf(file, "leat_elapsed_seconds %.3f\n", seconds(snapshot->elapsed));
}
