/* SPDX-License-Identifier: MIT */
/*
 * Running a plan as a program: signals, the last line, the exit code.
 *
 * Invariants: nothing but data goes to standard output; the last line balances
 * or the exit code is 70; a run that a signal ended exits with 128 + its number
 * even when everything in flight was finished, because its input was not.
 */
#include "cli/run.h"
#include "base/error.h"
#include "base/os.h"
#include "cli/beside.h"
#include "cli/part.h"
#include "cli/progress.h"
#include "cli/tune.h"
#include "cli/watch.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TELLING = 3 }; /* seconds from which on their agreement says something */

struct run {
    struct lt_command *command;
    struct lt_pipeline *pipeline;
    struct lt_watch watch;
    struct lt_report report;
    struct lt_place_beside place; /* of --report */
    const struct lt_run_extra *extra;
    struct lt_tune *tune; /* of -j auto; NULL: none */
};

/* Did the reader of our standard output go away? Then we go as quietly as others do. */
static bool is_closed_pipe(const struct lt_plan *plan, const struct lt_report *report) {
    return report->outcome == LT_BROKEN && report->error.code == -EPIPE && strcmp(plan->to.spelling, "-") == 0;
}

static int exit_code(const struct lt_plan *plan, const struct lt_report *report, int signal) {
    switch (report->outcome) {
    case LT_INTERNAL:
        return LT_EXIT_INTERNAL;
    case LT_LATE:
        return LT_EXIT_LATE;
    case LT_HALTED:
        return LT_EXIT_HALTED;
    case LT_NOT_STARTED:
        /* Opening is where a stage reads its words: what is wrong with them is a mistake in the command. */
        return report->error.code == -EINVAL ? LT_EXIT_USAGE : LT_EXIT_NOT_STARTED;
    case LT_BROKEN:
        return is_closed_pipe(plan, report) ? LT_EXIT_PIPE : LT_EXIT_FAILED;
    case LT_FINISHED:
    case LT_STOPPED:
        break;
    }
    if (lt_progress_in_flight(&report->last.counts))
        return LT_EXIT_INTERNAL;
    if (signal)
        return LT_EXIT_SIGNAL + signal;
    return report->last.counts.failed || report->outcome == LT_STOPPED ? LT_EXIT_FAILED : LT_EXIT_DONE;
}

static void print_end(const struct run *run, const struct lt_verdict *verdict, int code) {
    const struct lt_front *front = &run->command->front;
    if (code == LT_EXIT_PIPE)
        return;
    if (run->report.error.text[0])
        fprintf(stderr, "leat: %s\n", run->report.error.text);
    if (front->quiet || run->report.outcome == LT_NOT_STARTED)
        return;
    if (front->verbose) {
        lt_progress_table(stderr, &run->report.last);
        lt_progress_counters(stderr, &run->report.last);
    }
    char text[512];
    lt_progress_last(&run->report.last, &front->run, text, sizeof text);
    fprintf(stderr, "leat: %s\n", text);
    if (run->report.last.skipped)
        fprintf(stderr, "leat: %" PRIu64 " of those filtered were done before (--resume %s)\n",
                run->report.last.skipped, front->run.resume);
    if (run->tune) {
        lt_tune_text(run->tune, &run->report.last, text, sizeof text);
        if (*text)
            fprintf(stderr, "leat: -j auto: %s\n", text);
    }
    if (verdict->kind != LT_LIMIT_NONE && verdict->seconds >= TELLING)
        fprintf(stderr, "leat: bottleneck: %s (so in %u of %u s)\n", verdict->text, verdict->agreeing,
                verdict->seconds);
    else if (verdict->kind != LT_LIMIT_NONE)
        fprintf(stderr, "leat: bottleneck: %s\n", verdict->text);
    else if (run->report.last.counts.in)
        fprintf(stderr, "leat: %s\n", verdict->text);
}

struct end {
    const struct run *run;
    const struct lt_verdict *verdict;
    int code;
};

static void write_report(void *argument, FILE *file) {
    const struct end *end = argument;
    const struct lt_run_extra *extra = end->run->extra;
    const struct lt_report *report = &end->run->report;
    if (extra->write_report)
        extra->write_report(extra->argument, file, end->run->command->front.report, report, end->verdict, end->code);
    else
        lt_progress_report(file, report, end->verdict, end->code);
}

/* What was refused for a mistake in the command did nothing, and reports nothing: the mistake may be the report. */
static bool wants_report(const struct run *run) {
    bool refused = run->report.outcome == LT_NOT_STARTED && run->report.error.code == -EINVAL;
    return run->place.path && !refused;
}

/* Everything that is said and written after the run; returns the exit code. */
static int finish(struct run *run) {
    static const struct lt_snapshot start;
    const struct lt_run_extra *extra = run->extra;
    const struct lt_front *front = &run->command->front;
    int code = exit_code(&run->command->plan, &run->report, run->watch.signal);
    struct lt_verdict verdict = {0};
    if (run->report.outcome != LT_NOT_STARTED)
        lt_verdict(&start, &run->report.last, lt_processors(), &verdict);
    verdict.seconds = run->watch.agreement.seconds;
    verdict.agreeing = run->watch.agreement.said[verdict.stage][verdict.kind];
    print_end(run, &verdict, code);
    if (extra->end)
        code = extra->end(extra->argument, &run->report, &verdict, code, front->quiet);
    struct leat_error error;
    struct end end = {run, &verdict, code};
    if (!wants_report(run))
        return code;
    if (lt_beside_check(&run->place, &error) || lt_write_beside(run->place.path, write_report, &end, &error)) {
        fprintf(stderr, "leat: --report: %s\n", error.text);
        return code ? code : LT_EXIT_FAILED;
    }
    return code;
}

/* The watchdog's way out: something does not return, so nothing is freed and no lock of stdio is waited for. */
static void leave(void *argument, const struct lt_report *report) {
    struct run *run = argument;
    char text[512], line[600];
    lt_watch_clear(&run->watch);
    lt_progress_last(&report->last, &run->command->front.run, text, sizeof text);
    int length = snprintf(line, sizeof line, "leat: %s\n", text);
    if (!run->command->front.quiet && write(STDERR_FILENO, line, (size_t)length) < 0)
        _exit(LT_EXIT_LATE);
    _exit(LT_EXIT_LATE);
}

static bool is_automatic(const struct lt_plan *plan) {
    bool automatic = plan->options.workers == LEAT_WORKERS_AUTO;
    for (size_t s = 0; s < plan->stage_count; s++)
        automatic |= plan->stages[s].segment.workers == LEAT_WORKERS_AUTO;
    return automatic && plan->stage_count;
}

/* Whoever may set the number of workers may want more than there are. */
static void make_room(struct run *run) {
    enum { LEAST = 64, FOR_EACH_PROCESSOR = 8 };
    struct lt_command *command = run->command;
    uint64_t room = (uint64_t)lt_processors() * FOR_EACH_PROCESSOR;
    if (command->front.control)
        command->plan.options.workers_room = room < LEAST ? LEAST : room;
    if (!is_automatic(&command->plan))
        return;
    run->tune = lt_memory_take(&command->memory, sizeof *run->tune);
    command->plan.options.workers_room = room < LT_TUNE_ROOM ? LT_TUNE_ROOM : room;
}

/* As far as the first stage that acts, to standard output, and nothing is written anywhere else. */
static int plan_dry_run(struct lt_command *command, struct leat_error *error) {
    struct lt_plan *plan = &command->plan;
    struct lt_part part;
    for (size_t i = 0; i < plan->stage_count; i++) {
        plan->stages[i].segment.dry_run = true;
        if (plan->stages[i].type->acts)
            plan->stage_count = i + 1;
    }
    plan->options.errors = NULL;
    plan->dead = NULL;
    int code = lt_part_sink(&command->memory, &part, "-", error);
    if (code == 0)
        lt_part_finish(&command->memory, &part, plan);
    return code;
}

int lt_run(struct lt_command *command) {
    static const struct lt_run_extra none;
    struct leat_error error;
    if (command->plan.options.dry_run && plan_dry_run(command, &error)) {
        fprintf(stderr, "leat: --dry-run: %s\n", error.text);
        return LT_EXIT_USAGE;
    }
    return lt_run_with(command, &none);
}

static int refuse(const struct leat_error *error) {
    fprintf(stderr, "leat: %s\n", error->text);
    return error->code == -EINVAL ? LT_EXIT_USAGE : LT_EXIT_NOT_STARTED;
}

static int run_held(struct run *run, const sigset_t *set) {
    struct leat_error error = {0};
    const struct lt_command *command = run->command;
    if (lt_beside_hold(&run->place, command->front.report, &error)) {
        lt_error_prefix(&error, "--report");
        return refuse(&error);
    }
    if (lt_watch_start(&run->watch, set, &command->front, run->extra, run->pipeline, &error))
        return refuse(&error);
    lt_pipeline_on_stuck(run->pipeline, leave, run);
    lt_pipeline_run(run->pipeline, &run->report);
    lt_watch_end(&run->watch);
    return finish(run);
}

int lt_run_with(struct lt_command *command, const struct lt_run_extra *extra) {
    sigset_t set;
    struct leat_error error = {0};
    lt_watch_block(&set);
    struct run *run = lt_memory_take(&command->memory, sizeof *run);
    run->command = command;
    run->extra = extra;
    make_room(run);
    run->watch.tune = run->tune;
    run->pipeline = lt_pipeline_new(&command->plan, &error);
    if (!run->pipeline)
        return refuse(&error);
    int code = run_held(run, &set);
    lt_beside_release(&run->place);
    lt_pipeline_free(run->pipeline);
    return code;
}
