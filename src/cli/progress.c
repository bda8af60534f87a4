/* SPDX-License-Identifier: MIT */
#include "cli/progress.h"
#include "base/os.h"
#include "cli/words.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum { LONGEST_NAME = 16, LEAST_NAME = 24 }; /* on the line; in the table */

/* Text that grows at its end and is cut where the room ends. */
struct line {
    char *text;
    size_t size, used;
};

static void add(struct line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct line *line, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line->text + line->used, line->size - line->used, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    line->used += (size_t)length < line->size - line->used ? (size_t)length : line->size - line->used - 1;
}

/* "52 k/s", "5.2 MB/s": three digits at most. */
static void add_scaled(struct line *line, double value, const char *unit) {
    static const char *const prefixes[] = {"", "k", "M", "G", "T"};
    size_t prefix = 0;
    for (; value >= 999.5 && prefix < 4; prefix++)
        value /= 1000;
    add(line, "%.*f%s%s%s", value < 9.95 && value > 0, value, prefix || *unit != '/' ? " " : "", prefixes[prefix],
        unit);
}

static double seconds(leat_time duration) {
    return (double)duration / (double)LEAT_SECOND;
}

static void add_time(struct line *line, double time) {
    if (time < 0.0995)
        add(line, "%.0f ms", time * 1000);
    else if (time < 99.95)
        add(line, "%.1f s", time);
    else if (time < 6000)
        add(line, "%d min %02d s", (int)time / 60, (int)time % 60);
    else
        add(line, "%d h %02d min", (int)(time / 3600), (int)(time / 60) % 60);
}

uint64_t lt_progress_in_flight(const struct lt_counts *counts) {
    uint64_t done = counts->delivered + counts->filtered + counts->failed + counts->returned;
    return counts->in > done ? counts->in - done : 0;
}

static void add_rates(struct line *line, uint64_t items, uint64_t bytes, leat_time time) {
    double length = time > 0 ? seconds(time) : 1e-9;
    add_scaled(line, (double)items / length, "/s");
    add(line, ", ");
    add_scaled(line, (double)bytes / length, "B/s");
}

/* The state in which the column spent most of the time between the snapshots; its share in per cent. */
static enum leat_state main_state(const struct lt_stage_snapshot *from, const struct lt_stage_snapshot *to,
                                  int *share) {
    leat_time total = 0, most = -1;
    enum leat_state state = LEAT_BUSY;
    for (int i = 0; i < LEAT_STATES; i++) {
        leat_time time = to->time[i] - (from ? from->time[i] : 0);
        total += time;
        if (time > most) {
            most = time;
            state = (enum leat_state)i;
        }
    }
    *share = total > 0 ? (int)(100.0 * (double)most / (double)total + 0.5) : 0;
    return state;
}

/* Cut after `width` columns, at a whole character. */
static void cut(char *text, size_t width) {
    for (size_t columns = 0; *text; text++) {
        bool begins = ((unsigned char)*text & 0xc0) != 0x80;
        if (begins && columns++ == width)
            break;
    }
    *text = '\0';
}

static void add_in(struct line *line, const struct lt_snapshot *from, const struct lt_snapshot *to) {
    const struct lt_counts *counts = &to->counts;
    add(line, "%" PRIu64, counts->in);
    if (to->total) {
        double share = (double)counts->in / (double)to->total;
        add(line, " of %" PRIu64 " (%.0f%%)", to->total, share > 1 ? 100 : 100 * share);
    }
    add(line, " in, ");
    add_rates(line, counts->in - from->counts.in, counts->bytes_in - from->counts.bytes_in,
              to->elapsed - from->elapsed);
}

static void add_left(struct line *line, const struct lt_snapshot *to) {
    const struct lt_counts *counts = &to->counts;
    uint64_t done = counts->in - lt_progress_in_flight(counts);
    if (to->total > done && done > to->skipped && to->elapsed > LEAT_SECOND) {
        add(line, ", ");
        add_time(line, seconds(to->elapsed) * (double)(to->total - done) / (double)(done - to->skipped));
        add(line, " left");
    }
    if (to->stopping)
        add(line, ", stopping");
}

static void add_parts(struct line *line, const struct lt_snapshot *from, const struct lt_snapshot *to) {
    struct lt_verdict verdict;
    lt_verdict(from, to, lt_processors(), &verdict);
    for (size_t i = 0; i < to->stage_count; i++) {
        int share;
        enum leat_state state = main_state(i < from->stage_count ? &from->stages[i] : NULL, &to->stages[i], &share);
        bool limits = verdict.kind != LT_LIMIT_NONE && verdict.stage == i;
        add(line, "%s%s%.*s %d%% %s", i ? " : " : " | ", limits ? "*" : "", LONGEST_NAME, to->stages[i].name, share,
            lt_state_words[state]);
    }
}

void lt_progress_line(const struct lt_snapshot *from, const struct lt_snapshot *to, const char *note, size_t width,
                      char *text, size_t size) {
    struct line line = {.text = text, .size = size};
    add_in(&line, from, to);
    if (to->counts.failed)
        add(&line, ", %" PRIu64 " failed", to->counts.failed);
    if (*note)
        add(&line, ", %s", note);
    add_left(&line, to);
    add_parts(&line, from, to);
    cut(text, width);
}

static void add_counters(struct line *line, const char *name, const struct lt_counters *counters) {
    for (size_t i = 0; i < counters->count; i++)
        add(line, "%s%s %s %" PRIu64, i ? "," : "; ", i ? "" : name, counters->list[i].name, counters->list[i].value);
}

void lt_progress_stats(const struct lt_snapshot *from, const struct lt_snapshot *to, const char *note, char *text,
                       size_t size) {
    struct line line = {.text = text, .size = size};
    const struct lt_counts *counts = &to->counts, *before = &from->counts;
    add(&line, "%.0f s: ", seconds(to->elapsed));
    add_in(&line, from, to);
    add(&line, "; %" PRIu64 " delivered, ", counts->delivered);
    add_rates(&line, counts->delivered - before->delivered, counts->bytes_out - before->bytes_out,
              to->elapsed - from->elapsed);
    add(&line, "; %" PRIu64 " failed, %" PRIu64 " unacked, %" PRIu64 " unconfirmed", counts->failed,
        lt_progress_in_flight(counts), to->unconfirmed);
    if (*note)
        add(&line, "; %s", note);
    if (to->stage_count) {
        add_counters(&line, to->stages[0].name, &to->source_counters);
        add_counters(&line, to->stages[to->stage_count - 1].name, &to->sink_counters);
    }
    add_left(&line, to);
    add_parts(&line, from, to);
}

void lt_progress_last(const struct lt_snapshot *snapshot, const struct lt_run_options *options, char *text,
                      size_t size) {
    struct line line = {.text = text, .size = size};
    const struct lt_counts *counts = &snapshot->counts;
    add(&line, "%" PRIu64 " in = %" PRIu64 " delivered + %" PRIu64 " filtered + %" PRIu64 " failed", counts->in,
        counts->delivered, counts->filtered, counts->failed);
    if (counts->failed && options->errors)
        add(&line, " (%s)", options->errors);
    else if (counts->failed && options->dead)
        add(&line, " (%s)", options->dead);
    else if (counts->failed)
        add(&line, " (--errors FILE keeps them)");
    add(&line, " + %" PRIu64 " returned", counts->returned);
    uint64_t in_flight = lt_progress_in_flight(counts);
    if (in_flight)
        add(&line, " + %" PRIu64 " in flight", in_flight);
    add(&line, ", in ");
    add_time(&line, seconds(snapshot->elapsed));
    add(&line, " (");
    add_rates(&line, counts->in, counts->bytes_in, snapshot->elapsed);
    add(&line, ")");
}

static size_t columns_of(const struct lt_stage_snapshot *stage) {
    return lt_columns(stage->name, strlen(stage->name));
}

static size_t longest_name(const struct lt_snapshot *snapshot) {
    size_t longest = LEAST_NAME;
    for (size_t i = 0; i < snapshot->stage_count; i++) {
        size_t columns = columns_of(&snapshot->stages[i]);
        longest = columns > longest ? columns : longest;
    }
    return longest;
}

void lt_progress_table(FILE *file, const struct lt_snapshot *snapshot) {
    size_t width = longest_name(snapshot);
    fprintf(file, "leat: %-*s %7s %12s %6s %6s %6s %8s %9s %9s\n", (int)width, "part", "workers", "items", "busy",
            "input", "output", "outside", "throttled", "cpu");
    for (size_t i = 0; i < snapshot->stage_count; i++) {
        const struct lt_stage_snapshot *stage = &snapshot->stages[i];
        leat_time total = 0;
        for (int state = 0; state < LEAT_STATES; state++)
            total += stage->time[state];
        double unit = total > 0 ? 100.0 / (double)total : 0;
        int padding = (int)(width - columns_of(stage));
        fprintf(file, "leat: %s%*s %7u %12" PRIu64 " %5.0f%% %5.0f%% %5.0f%% %7.0f%% %8.0f%% %7.2f s\n", stage->name,
                padding, "", stage->workers, stage->items, unit * (double)stage->time[LEAT_BUSY],
                unit * (double)stage->time[LEAT_WAITS_INPUT], unit * (double)stage->time[LEAT_WAITS_OUTPUT],
                unit * (double)stage->time[LEAT_WAITS_OUTSIDE], unit * (double)stage->time[LEAT_THROTTLED],
                seconds(stage->cpu));
    }
}

static void print_counters(FILE *file, const char *name, const struct lt_counters *counters) {
    if (!counters->count)
        return;
    fprintf(file, "leat: %s:", name);
    for (size_t i = 0; i < counters->count; i++)
        fprintf(file, "%s %s %" PRIu64, i ? "," : "", counters->list[i].name, counters->list[i].value);
    fputc('\n', file);
}

void lt_progress_counters(FILE *file, const struct lt_snapshot *snapshot) {
    if (!snapshot->stage_count)
        return;
    print_counters(file, snapshot->stages[0].name, &snapshot->source_counters);
    print_counters(file, snapshot->stages[snapshot->stage_count - 1].name, &snapshot->sink_counters);
}
