/* SPDX-License-Identifier: MIT */
/**
 * The trials of a bench: each number of workers several times, in a random order so
 * that a machine that grows slower hits all of them alike; then, for every stage
 * with a number of workers of its own, that number and twice that number.
 *
 * Every trial reads the input again from its beginning. Of a queue file each takes a
 * copy, in a folder of its own under $TMPDIR; what a broker gives is gone when it was
 * taken, and is captured into a file before.
 */
#include "cli/bench/bench.h"
#include "base/error.h"
#include "base/os.h"
#include "cli/beside.h"
#include "cli/bench/result.h"
#include "cli/run.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct bench {
    const struct lt_command *command;
    const struct lt_bench_options *options;
    struct lt_bench_result result;
    struct lt_trial *trials;
    size_t trial_count;
    const struct lt_trial **sorted; /* by step */
    double *rates;
    char *pipeline;
};

/* ---------------------------------------------------------------- the plan */

static int check(const struct lt_command *command, const struct lt_bench_options *options, struct leat_error *error) {
    static const char *const once[] = {"amqp", "amqps", NULL};
    const struct lt_plan *plan = &command->plan;
    for (size_t i = 0; once[i]; i++)
        if (plan->source->scheme && strcmp(plan->source->scheme, once[i]) == 0)
            return leat_fail(
                error, -EINVAL,
                "bench reads its input again for every trial, and %s gives each item once: capture some first "
                "(leat %s : sample.ndjson) and take that",
                plan->from.spelling, plan->from.spelling);
    if (strcmp(plan->from.spelling, "-") == 0)
        return leat_fail(error, -EINVAL, "bench reads its input again for every trial: standard input has it once");
    if (plan->options.forever)
        return leat_fail(error, -EINVAL, "bench and --forever do not go together");
    if (!options->repeat || options->repeat > 1000)
        return leat_fail(error, -EINVAL, "--repeat takes 1 to 1000");
    return 0;
}

static char *describe(const struct lt_plan *plan) {
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    if (!file)
        return NULL;
    fputs(plan->from.spelling, file);
    for (size_t s = 0; s < plan->stage_count; s++) {
        fprintf(file, " : %s", plan->stages[s].segment.name);
        if (plan->stages[s].segment.workers && plan->stages[s].segment.workers != LEAT_WORKERS_AUTO)
            fprintf(file, " -j %llu", (unsigned long long)plan->stages[s].segment.workers);
    }
    fprintf(file, " : %s", plan->to.spelling);
    return fclose(file) == 0 ? text : NULL;
}

static void add_step(struct bench *bench, unsigned workers, size_t stage) {
    struct lt_step *step = &bench->result.steps[bench->result.count++];
    step->workers = workers;
    step->stage = stage;
    for (uint64_t r = 0; r < bench->options->repeat; r++)
        bench->trials[bench->trial_count++] = (struct lt_trial){.workers = workers, .stage = stage};
}

static int make_steps(struct bench *bench, struct leat_error *error) {
    const struct lt_plan *plan = &bench->command->plan;
    unsigned sweep[LT_BENCH_SWEEP];
    int count = lt_bench_sweep(bench->options->sweep, sweep, error);
    if (count < 0)
        return count;
    size_t most = (size_t)count + 2 * plan->stage_count, trials = most * bench->options->repeat;
    bench->result.steps = calloc(most, sizeof *bench->result.steps);
    bench->trials = calloc(trials, sizeof *bench->trials);
    bench->sorted = calloc(trials, sizeof *bench->sorted);
    bench->rates = calloc(trials, sizeof *bench->rates);
    bench->pipeline = describe(plan);
    if (!bench->result.steps || !bench->trials || !bench->sorted || !bench->rates || !bench->pipeline)
        return leat_fail(error, -ENOMEM, "out of memory for %zu trials", trials);
    for (int i = 0; i < count; i++)
        add_step(bench, sweep[i], 0);
    bench->result.sweep = bench->result.count;
    for (size_t s = 0; s < plan->stage_count; s++) {
        uint64_t own = plan->stages[s].segment.workers;
        if (!own || own > UINT16_MAX)
            continue;
        add_step(bench, (unsigned)own, s + 1);
        add_step(bench, (unsigned)own * 2, s + 1);
    }
    return 0;
}

static void shuffle(struct bench *bench) {
    uint64_t state = bench->options->seed;
    for (size_t i = bench->trial_count; i > 1; i--) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        size_t j = (size_t)((state >> 33) % i);
        struct lt_trial other = bench->trials[i - 1];
        bench->trials[i - 1] = bench->trials[j];
        bench->trials[j] = other;
    }
}

/* -------------------------------------------------------------- the trials */

static void show(const struct bench *bench, size_t index, const struct lt_trial *trial) {
    if (bench->command->front.quiet || !isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\r\033[Kleat: trial %zu of %zu: %u workers", index + 1, bench->trial_count, trial->workers);
    fflush(stderr);
}

static void remove_copy(const struct lt_trial_plan *plan) {
    char lock[PATH_MAX + 16];
    if (!plan->copy)
        return;
    unlink(plan->copy);
    snprintf(lock, sizeof lock, "%s-lock", plan->copy);
    unlink(lock);
}

static int run_each(struct bench *bench, const struct lt_trial_plan *plan, struct leat_error *error) {
    int code = 0;
    for (size_t t = 0; t < bench->trial_count && code == 0; t++) {
        show(bench, t, &bench->trials[t]);
        code = lt_trial_run(plan, &bench->trials[t], error);
        remove_copy(plan);
    }
    return code;
}

static int run_trials(struct bench *bench, struct leat_error *error) {
    struct lt_trial_plan plan = {&bench->command->plan, bench->options->warm_up, bench->options->duration, NULL};
    const char *scheme = bench->command->plan.source->scheme, *temporary = getenv("TMPDIR");
    char folder[PATH_MAX], copy[PATH_MAX + 8];
    bool is_queue = scheme && strcmp(scheme, "queue") == 0;
    snprintf(folder, sizeof folder, "%s/leat-bench-XXXXXX", temporary && *temporary ? temporary : "/tmp");
    if (is_queue && !mkdtemp(folder))
        return leat_fail(error, -errno, "no folder for copies of the queue: %s: %s", folder, strerror(errno));
    snprintf(copy, sizeof copy, "%s/copy", folder);
    plan.copy = is_queue ? copy : NULL;
    int code = run_each(bench, &plan, error);
    if (is_queue)
        rmdir(folder);
    if (!bench->command->front.quiet && isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    return code;
}

static void gather(struct bench *bench, struct lt_step *step, size_t first) {
    double *cpu = calloc(bench->options->repeat, sizeof *cpu);
    step->trials = &bench->sorted[first];
    step->rates = &bench->rates[first];
    for (size_t t = 0; t < bench->trial_count; t++) {
        const struct lt_trial *trial = &bench->trials[t];
        if (trial->workers != step->workers || trial->stage != step->stage)
            continue;
        step->low = !step->count || trial->rate < step->low ? trial->rate : step->low;
        step->high = trial->rate > step->high ? trial->rate : step->high;
        if (cpu)
            cpu[step->count] = trial->cpu;
        step->rates[step->count] = trial->rate;
        step->trials[step->count++] = trial;
    }
    step->rate = lt_median(step->rates, step->count);
    step->cpu = cpu ? lt_median(cpu, step->count) : 0;
    free(cpu);
}

static void conclude(struct bench *bench) {
    struct lt_bench_result *result = &bench->result;
    struct lt_point points[LT_BENCH_SWEEP];
    result->pipeline = bench->pipeline;
    result->processors = lt_processors();
    for (size_t s = 0; s < result->count; s++)
        gather(bench, &result->steps[s], s * bench->options->repeat);
    for (size_t s = 0; s < result->sweep; s++) {
        const struct lt_step *step = &result->steps[s];
        points[s] = (struct lt_point){step->workers, step->count, step->rates};
        if (step->rate > result->steps[result->best].rate)
            result->best = s;
    }
    result->fitted = lt_fit(points, result->sweep, bench->options->seed, &result->fit);
}

/* --------------------------------------------------------------- reporting */

static bool is_page(const char *path) {
    size_t length = strlen(path);
    return length > 5 && strcmp(path + length - 5, ".html") == 0;
}

static void write_report(void *argument, FILE *file) {
    const struct bench *bench = argument;
    if (is_page(bench->command->front.report))
        lt_bench_html(file, &bench->result);
    else
        lt_bench_json(file, &bench->result);
}

static int report(struct bench *bench, struct leat_error *error) {
    const char *baseline = bench->options->baseline, *path = bench->command->front.report;
    int code = baseline ? lt_bench_compare(&bench->result, baseline, error) : 0;
    if (!bench->command->front.quiet)
        lt_bench_print(stdout, &bench->result);
    if (code == 0 && path && (code = lt_write_beside(path, write_report, bench, error)) < 0)
        lt_error_prefix(error, "--report");
    return code;
}

static int run(struct bench *bench, struct leat_error *error) {
    const char *path = bench->command->front.report;
    int code = check(bench->command, bench->options, error);
    if (code == 0 && path && (code = lt_check_beside(path, error)) < 0)
        lt_error_prefix(error, "--report");
    if (code == 0)
        code = make_steps(bench, error);
    if (code < 0)
        return code;
    shuffle(bench);
    code = run_trials(bench, error);
    if (code < 0)
        return code;
    conclude(bench);
    return report(bench, error);
}

int lt_bench_run(struct lt_command *command) {
    struct bench bench = {.command = command, .options = command->bench};
    struct leat_error error;
    int code = run(&bench, &error);
    if (code < 0)
        fprintf(stderr, "leat: %s\n", error.text);
    bool regressed = bench.result.regressed;
    free(bench.result.steps);
    free(bench.trials);
    free(bench.sorted);
    free(bench.rates);
    free(bench.pipeline);
    if (code == 0)
        return regressed ? LT_EXIT_FAILED : LT_EXIT_DONE;
    return code == -EINVAL ? LT_EXIT_USAGE : LT_EXIT_NOT_STARTED;
}
