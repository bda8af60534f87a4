/* SPDX-License-Identifier: MIT */
/* --report: the end of a run as one JSON object. */
#include "cli/progress.h"
#include "cli/stats.h"
#include "cli/words.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *outcome_name(enum lt_outcome outcome) {
    static const char *const names[] = {
        [LT_FINISHED] = "finished", [LT_NOT_STARTED] = "not started", [LT_BROKEN] = "broken",     [LT_LATE] = "late",
        [LT_STOPPED] = "stopped",   [LT_HALTED] = "halted",           [LT_INTERNAL] = "internal",
    };
    return names[outcome];
}

static void write_string(FILE *file, const char *name, const char *text) {
    fprintf(file, "\"%s\": ", name);
    lt_put_json_string(file, text);
}

static double seconds(leat_time duration) {
    return (double)duration / (double)LEAT_SECOND;
}

static void write_counters(FILE *file, const struct lt_counters *counters) {
    fputs(", \"counters\": {", file);
    for (size_t i = 0; i < counters->count; i++)
        fprintf(file, "%s\"%s\": %" PRIu64, i ? ", " : "", counters->list[i].name, counters->list[i].value);
    fputc('}', file);
}

static void write_stage(FILE *file, const struct lt_stage_snapshot *stage, const struct lt_counters *counters) {
    fputs("    {", file);
    write_string(file, "name", stage->name);
    fprintf(file, ", \"workers\": %u, \"items\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"cpu\": %.6f, \"seconds\": {",
            stage->workers, stage->items, stage->bytes, seconds(stage->cpu));
    for (int state = 0; state < LEAT_STATES; state++)
        fprintf(file, "%s\"%s\": %.6f", state ? ", " : "", lt_state_words[state], seconds(stage->time[state]));
    fputc('}', file);
    if (counters && counters->count)
        write_counters(file, counters);
    fputc('}', file);
}

static const struct lt_counters *counters_of(const struct lt_snapshot *snapshot, size_t stage) {
    if (stage == 0)
        return &snapshot->source_counters;
    return stage + 1 == snapshot->stage_count ? &snapshot->sink_counters : NULL;
}

void lt_progress_report(FILE *file, const struct lt_report *report, const struct lt_verdict *verdict, int code) {
    const struct lt_snapshot *last = &report->last;
    const struct lt_counts *counts = &last->counts;
    fputs("{\n  ", file);
    write_string(file, "outcome", outcome_name(report->outcome));
    fprintf(file, ",\n  \"exit\": %d,\n  \"seconds\": %.6f,\n", code, seconds(last->elapsed));
    fprintf(file,
            "  \"in\": %" PRIu64 ", \"delivered\": %" PRIu64 ", \"filtered\": %" PRIu64 ", \"failed\": %" PRIu64
            ", \"returned\": %" PRIu64 ",\n  \"bytes_in\": %" PRIu64 ", \"bytes_out\": %" PRIu64 ",\n",
            counts->in, counts->delivered, counts->filtered, counts->failed, counts->returned, counts->bytes_in,
            counts->bytes_out);
    if (report->error.text[0]) {
        fputs("  ", file);
        write_string(file, "error", report->error.text);
        fputs(",\n", file);
    }
    fputs("  ", file);
    write_string(file, "bottleneck", verdict->text);
    fprintf(file, ",\n  \"capacity\": %.3f, \"gain\": %.3f, \"agreeing\": %u, \"of_seconds\": %u,\n  \"verdict\": ",
            verdict->capacity, verdict->gain, verdict->agreeing, verdict->seconds);
    lt_stats_verdict(file, verdict);
    fputs(",\n  \"parts\": [", file);
    for (size_t i = 0; i < last->stage_count; i++) {
        fputs(i ? ",\n" : "\n", file);
        write_stage(file, &last->stages[i], counters_of(last, i));
    }
    fputs("\n  ]\n}\n", file);
}
