/* SPDX-License-Identifier: MIT */
#include "cli/load/load.h"
#include "base/error.h"
#include "cli/load/result.h"
#include "cli/run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* By the clock every message may be a batch of its own, and all of those that wait for a slow confirmation are on
 * their way at once. With fewer the generator would wait where an open load must not. */
enum { OPEN_BATCHES = 512, OPEN_ITEMS = 256 };

/* ----------------------------------------------------------------- options */

static int check(const struct lt_load_options *options, bool forever, struct leat_error *error) {
    bool by_rate = options->rate > 0;
    if (!options->fill && !by_rate)
        return leat_fail(error, -EINVAL, "load needs --fill N, or --rate RATE and --for TIME");
    if (options->fill && by_rate)
        return leat_fail(error, -EINVAL, "--fill is as fast as possible and --rate is not: one of them");
    if (options->fill && (options->duration || options->poisson))
        return leat_fail(error, -EINVAL, "--%s belongs to --rate", options->duration ? "for" : "poisson");
    if (by_rate && !options->duration && !forever)
        return leat_fail(error, -EINVAL, "--rate needs --for TIME, or --forever");
    if (options->whole && !options->body.count)
        return leat_fail(error, -EINVAL, "--whole is about the files of --body");
    if (options->stamp && !*options->stamp)
        return leat_fail(error, -EINVAL, "--stamp needs the name of a member");
    return 0;
}

static int check_until(struct lt_load *load, const struct lt_command *command, struct leat_error *error) {
    int code = lt_load_until_read(&load->until, load->options->exit_when, error);
    if (code)
        return code;
    if (load->until.name && load->options->fill)
        return leat_fail(error, -EINVAL, "--exit-when %s: with --fill there are no latencies",
                         load->options->exit_when);
    if (load->until.empty && !command->plan.sink->emptied)
        return leat_fail(error, -EINVAL, "--exit-when empty: %s cannot tell when others have taken everything",
                         command->plan.to.spelling);
    return 0;
}

/* How far the clock of the calendar is ahead of the monotonic one. */
static leat_time wall_offset(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (leat_time)now.tv_sec * LEAT_SECOND + now.tv_nsec - leat_now();
}

static int prepare(struct lt_load *load, const struct lt_command *command, struct leat_error *error) {
    const struct lt_load_options *options = load->options;
    bool forever = command->front.run.forever;
    int code = check(options, forever, error);
    if (code)
        return code;
    code = check_until(load, command, error);
    if (code)
        return code;
    if (options->stamp)
        load->stamp = (struct leat_bytes){options->stamp, strlen(options->stamp)};
    load->wall = wall_offset();
    if (options->body.count)
        code = lt_bodies_read(&load->bodies, &options->body, options->whole, error);
    if (code == 0 && lt_measure_open(&load->measure))
        code = leat_fail(error, -ENOMEM, "out of memory for what is to be measured");
    if (!options->fill)
        lt_schedule_begin(&load->schedule, options->rate, options->duration ? options->duration : LEAT_FOREVER,
                          options->poisson, options->seed);
    load->measure.middle_from = options->fill / 20;
    load->measure.middle_to = options->fill - options->fill / 20;
    return code;
}

static void set_plan(struct lt_load *load, struct lt_command *command) {
    static const char *const no_words[] = {NULL};
    struct lt_plan *plan = &command->plan;
    plan->source = &lt_load_source;
    plan->from =
        (struct leat_segment){.spelling = "load", .name = "load", .target = "", .words = no_words, .settings = load};
    plan->to.until_empty = load->until.empty;
    if (load->options->fill)
        return;
    plan->options.batches = OPEN_BATCHES;
    if (!plan->options.batch_items)
        plan->options.batch_items = OPEN_ITEMS;
}

/* --------------------------------------------------------------- the run's */

static void note(void *argument, char *text, size_t size) {
    const struct lt_load *load = argument;
    char median[32], rare[32];
    *text = '\0';
    if (load->options->fill)
        return;
    lt_measure_time_text(lt_histogram_at(&load->measure.latency, 0.5), median, sizeof median);
    lt_measure_time_text(lt_histogram_at(&load->measure.latency, 0.99), rare, sizeof rare);
    snprintf(text, size, "p50 %s, p99 %s", median, rare);
}

static void judge(struct lt_load *load) {
    const struct lt_measure *measure = &load->measure;
    load->verdict.valid = true;
    if (load->options->fill)
        return;
    lt_measure_judge(&(struct lt_measure_facts){.sent = lt_load(&measure->sent, relaxed),
                                                .rate = load->options->rate,
                                                .lag_p99 = lt_histogram_at(&measure->lag, 0.99),
                                                .latency_p50 = lt_histogram_at(&measure->latency, 0.5),
                                                .last_due = measure->last_due,
                                                .last_sent = measure->last_sent},
                     &load->verdict);
}

static int end(void *argument, const struct lt_report *report, const struct lt_verdict *bottleneck, int code,
               bool quiet) {
    struct lt_load *load = argument;
    struct lt_load_result result;
    if (report->outcome == LT_NOT_STARTED)
        return code;
    judge(load);
    if ((!load->verdict.valid || load->until.reached) && code == LT_EXIT_DONE)
        code = LT_EXIT_FAILED;
    lt_load_result(&result, load, report, bottleneck, code);
    if (!quiet)
        lt_load_print(stderr, &result);
    if (!load->verdict.valid)
        fprintf(stderr, "leat: INVALID: %s\n", load->verdict.text);
    return code;
}

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static void write_report(void *argument, FILE *file, const char *path, const struct lt_report *report,
                         const struct lt_verdict *bottleneck, int code) {
    const struct lt_load *load = argument;
    struct lt_load_result result;
    lt_load_result(&result, load, report, bottleneck, code);
    if (ends_with(path, ".html"))
        lt_load_html(file, &result);
    else if (ends_with(path, ".svg"))
        lt_load_svg(file, &result);
    else
        lt_load_json(file, &result);
}

int lt_load_run(struct lt_command *command) {
    struct leat_error error;
    struct lt_load *load = lt_memory_take(&command->memory, sizeof *load);
    load->options = command->load;
    int code = prepare(load, command, &error);
    if (code == 0) {
        set_plan(load, command);
        code = lt_run_with(
            command, &(struct lt_run_extra){.argument = load, .note = note, .end = end, .write_report = write_report});
    } else {
        fprintf(stderr, "leat: %s\n", error.text);
        code = code == -EINVAL ? LT_EXIT_USAGE : LT_EXIT_NOT_STARTED;
    }
    lt_measure_close(&load->measure);
    lt_bodies_close(&load->bodies);
    return code;
}
