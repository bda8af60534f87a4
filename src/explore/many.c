/* SPDX-License-Identifier: MIT */
/**
 * Many seeds, each run in a child process: so nothing of one run is left for
 * the next, and a run that crashes or never comes to another point is a result
 * like any other.
 */
#include "base/number.h"
#include "base/os.h"
#include "explore/explore.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS = 30, SHOWN_HEAD = 100, SHOWN_TAIL = 100 };

static void be_quiet(void) {
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null < 0)
        return;
    dup2(null, 1);
    dup2(null, 2);
    close(null);
}

/* Faults, and the alarm of a run that comes to no further point, end the child: the program's own handlers would not.
 */
static void child_begins(bool quiet) {
    static const int deadly[] = {SIGALRM, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
        signal(deadly[i], SIG_DFL);
    if (quiet)
        be_quiet();
}

static void collect(pid_t child, struct lt_outcome *outcome) {
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status))
        outcome->died = WTERMSIG(status);
    else if (outcome->ending == LT_NOT_OVER)
        outcome->died = -1 - WEXITSTATUS(status);
}

void lt_explore_child(const struct leat_simulation *options, const struct lt_subject *subject,
                      const struct lt_step *schedule, size_t count, bool quiet, int trace_fd,
                      struct lt_outcome *outcome) {
    fflush(NULL);
    outcome->ending = LT_NOT_OVER;
    outcome->died = 0;
    pid_t child = fork();
    if (child < 0) {
        outcome->ending = LT_WENT_WELL;
        outcome->result = -errno;
        return;
    }
    if (child == 0) {
        child_begins(quiet);
        alarm(SECONDS);
        struct leat_simulation traced = options ? *options : (struct leat_simulation){0};
        traced.trace_fd = trace_fd;
        lt_explore_run(&traced, subject, schedule, count, outcome);
        fflush(NULL);
        _exit(0);
    }
    collect(child, outcome);
}

/* `count` seeds in one child; it ends at the first that fails, outcome->seed. True: none did. */
static bool run_batch(uint64_t first, uint64_t count, const struct leat_simulation *options,
                      const struct lt_subject *subject, struct lt_outcome *outcome) {
    outcome->ending = LT_NOT_OVER;
    outcome->died = 0;
    pid_t child = fork();
    if (child < 0) {
        outcome->ending = LT_WENT_WELL;
        outcome->result = -errno;
        return false;
    }
    if (child == 0) {
        child_begins(true);
        for (uint64_t i = 0; i < count; i++) {
            alarm(SECONDS);
            outcome->seed = first + i;
            lt_explore_run(options, subject, NULL, 0, outcome);
            if (lt_failed(outcome))
                break;
        }
        _exit(0);
    }
    collect(child, outcome);
    return !lt_failed(outcome);
}

/* ------------------------------------------------------------ telling */

/* The lines of a file, without the middle if there are many. */
static void show_lines(int fd) {
    FILE *file = fdopen(fd, "r");
    if (!file)
        return;
    rewind(file);
    size_t lines = 0;
    for (int c; (c = getc(file)) != EOF;)
        lines += c == '\n';
    rewind(file);
    char text[600];
    for (size_t i = 0; fgets(text, sizeof text, file); i++) {
        if (i == SHOWN_HEAD && lines > SHOWN_HEAD + SHOWN_TAIL)
            dprintf(2, "  … %zu lines …\n", lines - SHOWN_HEAD - SHOWN_TAIL);
        if (i < SHOWN_HEAD || i + SHOWN_TAIL >= lines)
            dprintf(2, "%s", text);
    }
    fclose(file);
}

static void show_schedule(const struct leat_simulation *options, const struct lt_subject *subject,
                          const struct lt_step *schedule, size_t count, struct lt_outcome *scratch) {
    int trace = memfd_create("leat-trace", MFD_CLOEXEC);
    if (trace < 0)
        return;
    lt_explore_child(options, subject, schedule, count, false, trace, scratch);
    show_lines(trace);
}

static int report(const struct leat_simulation *options, const struct lt_subject *subject,
                  const struct lt_outcome *failed, struct lt_outcome *scratch) {
    char text[320];
    unsigned long long seed = failed->seed;
    lt_outcome_describe(failed, text, sizeof text);
    dprintf(2, "leat: seed %llu fails: %s\n", seed, text);
    size_t count = failed->recorded;
    struct lt_step *schedule = malloc((count + 1) * sizeof *schedule);
    if (!schedule)
        return lt_outcome_error(failed);
    memcpy(schedule, failed->schedule, count * sizeof *schedule);
    scratch->seed = failed->seed;
    if (failed->died != SIGALRM)
        lt_explore_child(options, subject, schedule, count, true, -1, scratch);
    if (failed->died == SIGALRM) {
        dprintf(2, "leat: it came to no further point for %d seconds\n", SECONDS);
    } else if (!lt_same_failure(failed, scratch)) {
        lt_outcome_describe(scratch, text, sizeof text);
        dprintf(
            2,
            "leat: its schedule alone does not fail in the same way (%s): something is left over from the runs before, "
            "or the program depends on more than the schedule\n",
            text);
    } else {
        lt_shrink(options, subject, failed, schedule, &count, scratch);
        dprintf(2, "leat: the shortest schedule found that fails so, %zu switches of %zu:\n", count, failed->recorded);
    }
    scratch->seed = failed->seed;
    show_schedule(options, subject, schedule, count, scratch);
    dprintf(2, "leat: once more: LEAT_SEED=%llu, or this schedule: LEAT_SEED=%llu LEAT_SCHEDULE=", seed, seed);
    lt_schedule_print(2, schedule, count);
    dprintf(2, "\n");
    free(schedule);
    return lt_outcome_error(failed);
}

/* ------------------------------------------------------------ the seeds */

/* A number that the environment may give. True: there is none, or `*value` is it; false: told that it is none. */
static bool look_up(const char *name, uint64_t least, uint64_t *value) {
    const char *text = getenv(name);
    if (!text || (lt_number_whole(text, 1000, value) && *value >= least))
        return true;
    dprintf(2, "leat: %s: \"%s\" is no whole number from %llu on\n", name, text, (unsigned long long)least);
    return false;
}

/* One seed, or one schedule, here and with all output: for a debugger. */
static int run_one(uint64_t seed, const struct leat_simulation *options, const struct lt_subject *subject,
                   struct lt_outcome *outcome) {
    const char *text = getenv("LEAT_SCHEDULE");
    struct lt_step *schedule = text ? malloc((strlen(text) + 1) * sizeof *schedule) : NULL;
    ptrdiff_t count = schedule ? lt_schedule_parse(text, schedule, strlen(text)) : 0;
    if (count < 0) {
        dprintf(2, "leat: LEAT_SCHEDULE is no schedule\n");
        free(schedule);
        return -EINVAL;
    }
    struct leat_simulation traced = options ? *options : (struct leat_simulation){0};
    traced.trace_fd = traced.trace_fd ? traced.trace_fd : 2;
    outcome->seed = seed;
    lt_explore_run(&traced, subject, schedule, (size_t)count, outcome);
    char what[320];
    lt_outcome_describe(outcome, what, sizeof what);
    dprintf(2, "leat: seed %llu, %llu steps: %s\n", (unsigned long long)outcome->seed,
            (unsigned long long)outcome->steps, what);
    free(schedule);
    return lt_outcome_error(outcome);
}

static int run_seeds(uint64_t first, uint64_t count, const struct leat_simulation *options,
                     const struct lt_subject *subject, struct lt_outcome *outcome, struct lt_outcome *scratch) {
    uint64_t together = options && options->together ? options->together : 1;
    fflush(NULL);
    for (uint64_t done = 0; done < count; done += together) {
        uint64_t batch = together < count - done ? together : count - done;
        if (!run_batch(first + done, batch, options, subject, outcome))
            return report(options, subject, outcome, scratch);
    }
    return 0;
}

int lt_explore_many(uint64_t first, uint64_t count, const struct leat_simulation *options,
                    const struct lt_subject *subject) {
    if (lt_simulated())
        return -EBUSY;
    uint64_t seed = 0;
    if (!look_up("LEAT_SEED", 0, &seed) || !look_up("LEAT_SEEDS", 1, &count))
        return -EINVAL;
    bool one = getenv("LEAT_SEED") != NULL;
    if (!one && getenv("LEAT_SCHEDULE")) {
        dprintf(2, "leat: LEAT_SCHEDULE needs its LEAT_SEED\n");
        return -EINVAL;
    }
    struct lt_outcome *outcome = lt_outcome_new(), *scratch = lt_outcome_new();
    int error = -ENOMEM;
    if (outcome && scratch)
        error = one ? run_one(seed, options, subject, outcome)
                    : run_seeds(first, count, options, subject, outcome, scratch);
    lt_outcome_free(outcome);
    lt_outcome_free(scratch);
    return error;
}

int leat_simulate_many(uint64_t first, uint64_t count, const struct leat_simulation *options, leat_fn *fn, void *arg) {
    return lt_explore_many(first, count, options, &(struct lt_subject){fn, arg, false});
}
