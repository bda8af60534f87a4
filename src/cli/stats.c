/* SPDX-License-Identifier: MIT */
#include "cli/stats.h"
#include "base/os.h"
#include "cli/progress.h"
#include "cli/words.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static double seconds(leat_time duration) {
    return (double)duration / (double)LEAT_SECOND;
}

static double rate(uint64_t from, uint64_t to, leat_time time) {
    return time > 0 ? (double)(to - from) / seconds(time) : 0;
}

static void write_counters(FILE *file, const char *name, const struct lt_counters *counters) {
    fprintf(file, ",\"%s\":{", name);
    for (size_t i = 0; i < counters->count; i++)
        fprintf(file, "%s\"%s\":%" PRIu64, i ? "," : "", counters->list[i].name, counters->list[i].value);
    fputc('}', file);
}

/* Shares of the workers' time since `from`; what they did before does not count. */
static void write_part(FILE *file, const struct lt_stage_snapshot *from, const struct lt_stage_snapshot *to,
                       leat_time window) {
    leat_time times[LEAT_STATES], all = 0;
    for (int state = 0; state < LEAT_STATES; state++) {
        times[state] = to->time[state] - (from ? from->time[state] : 0);
        if (times[state] < 0)
            times[state] = 0;
        all += times[state];
    }
    fputs("{\"name\":", file);
    lt_put_json_string(file, to->name);
    fprintf(file, ",\"workers\":%u,\"most_workers\":%u,\"items\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"rate\":%.3f",
            to->workers, to->most_workers, to->items, to->bytes, rate(from ? from->items : 0, to->items, window));
    fprintf(file, ",\"cpu\":%.3f,\"queued\":%zu,\"queue_capacity\":%zu", seconds(to->cpu), to->queued,
            to->queue_capacity);
    for (int state = 0; state < LEAT_STATES; state++)
        fprintf(file, ",\"%s\":%.3f", lt_state_words[state], all > 0 ? (double)times[state] / (double)all : 0);
    fputc('}', file);
}

static void write_parts(FILE *file, const struct lt_snapshot *from, const struct lt_snapshot *to) {
    fputs(",\"parts\":[", file);
    for (size_t i = 0; i < to->stage_count; i++) {
        if (i)
            fputc(',', file);
        write_part(file, i < from->stage_count ? &from->stages[i] : NULL, &to->stages[i], to->elapsed - from->elapsed);
    }
    fputc(']', file);
}

void lt_stats_verdict(FILE *file, const struct lt_verdict *verdict) {
    fprintf(file,
            "{\"kind\":\"%s\",\"part\":%zu,\"capacity\":%.3f,\"gain\":%.3f,\"next\":%zu,\"agreeing\":%u,"
            "\"of_seconds\":%u}",
            lt_limit_name(verdict->kind), verdict->stage, verdict->capacity, verdict->gain, verdict->next,
            verdict->agreeing, verdict->seconds);
}

static void write_latency(FILE *file, const struct lt_latency *latency) {
    fprintf(file, ",\"latency\":{\"p50\":%.6f,\"p90\":%.6f,\"p99\":%.6f,\"max\":%.6f}", seconds(latency->median),
            seconds(latency->p90), seconds(latency->p99), seconds(latency->most));
}

void lt_stats_failures(FILE *file, const struct lt_failures *failures) {
    uint64_t first = failures->total > LT_FAILURES ? failures->total - LT_FAILURES : 0;
    fputs(",\"failures\":[", file);
    for (uint64_t i = first; i < failures->total; i++) {
        const struct lt_failure *failure = &failures->list[i % LT_FAILURES];
        fprintf(file, "%s{\"position\":%" PRIu64 ",\"stage\":", i > first ? "," : "", failure->position);
        lt_put_json_string(file, failure->stage);
        fputs(",\"reason\":", file);
        lt_put_json_string(file, failure->reason);
        fputc('}', file);
    }
    fputc(']', file);
}

void lt_stats_members(FILE *file, const struct lt_snapshot *from, const struct lt_snapshot *to,
                      const struct lt_verdict *verdict) {
    const struct lt_counts *before = &from->counts, *now = &to->counts;
    leat_time window = to->elapsed - from->elapsed;
    fprintf(file,
            "\"seconds\":%.3f,\"in\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"filtered\":%" PRIu64 ",\"failed\":%" PRIu64
            ",\"returned\":%" PRIu64 ",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64,
            seconds(to->elapsed), now->in, now->delivered, now->filtered, now->failed, now->returned, now->bytes_in,
            now->bytes_out);
    fprintf(file, ",\"in_rate\":%.3f,\"delivered_rate\":%.3f", rate(before->in, now->in, window),
            rate(before->delivered, now->delivered, window));
    fprintf(file, ",\"unacked\":%" PRIu64 ",\"unconfirmed\":%" PRIu64 ",\"total\":%" PRIu64 ",\"stopping\":%s",
            lt_progress_in_flight(now), to->unconfirmed, to->total, to->stopping ? "true" : "false");
    write_counters(file, "source", &to->source_counters);
    write_counters(file, "sink", &to->sink_counters);
    write_parts(file, from, to);
    fputs(",\"bottleneck\":", file);
    lt_put_json_string(file, verdict->text);
    fputs(",\"verdict\":", file);
    lt_stats_verdict(file, verdict);
    write_latency(file, &to->latency);
    fprintf(file, ",\"paused\":%s,\"rate_limit\":%.3f", to->paused ? "true" : "false", to->rate);
}

void lt_stats_json(FILE *file, const struct lt_snapshot *from, const struct lt_snapshot *to,
                   const struct lt_verdict *verdict) {
    fputc('{', file);
    lt_stats_members(file, from, to, verdict);
    fputs("}\n", file);
}
