/* SPDX-License-Identifier: MIT */
#include "cli/bench/trial.h"
#include "base/atomic.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/os.h"
#include "ends/queue/store.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/** What the child tells. */
struct told {
    struct lt_trial trial;
    struct leat_error error; /* with a code: nothing was measured */
};

/** The child's thread that looks at the pipeline. */
struct gauge {
    const struct lt_trial_plan *plan;
    struct lt_pipeline *pipeline;
    struct lt_snapshot from, to;
    bool began, measured;
    _Atomic uint32_t over;
};

static const leat_time LOOK = LEAT_MILLISECOND;
static const leat_time GRACE = 20 * LEAT_SECOND;

/* Sleep until that long after the start of the run; false: it is over. */
static bool wait_for(struct gauge *gauge, leat_time elapsed) {
    struct lt_snapshot *now = &gauge->to;
    for (;;) {
        lt_pipeline_snapshot(gauge->pipeline, now);
        leat_time left = now->flowing ? elapsed - now->elapsed : LOOK;
        if (left <= 0)
            return true;
        lt_futex_wait(&gauge->over, 0, lt_after(left));
        if (lt_load(&gauge->over, acquire))
            return false;
    }
}

static void *watch(void *argument) {
    struct gauge *gauge = argument;
    if (!wait_for(gauge, LOOK)) /* opening what the pipeline needs is no part of the warm-up */
        return NULL;
    leat_time opened = gauge->to.elapsed;
    if (!wait_for(gauge, opened + gauge->plan->warm_up))
        return NULL;
    gauge->from = gauge->to;
    gauge->began = true;
    if (!wait_for(gauge, gauge->from.elapsed + gauge->plan->duration))
        return NULL;
    gauge->measured = true;
    lt_pipeline_stop(gauge->pipeline, LT_STOP_DROP);
    return NULL;
}

/* --------------------------------------------------------------- the child */

static uint64_t settled(const struct lt_counts *counts) {
    return counts->delivered + counts->filtered + counts->failed;
}

static void fill_part(struct lt_trial_part *part, const struct lt_stage_snapshot *from,
                      const struct lt_stage_snapshot *to) {
    double all = 0;
    snprintf(part->name, sizeof part->name, "%s", to->name);
    part->workers = to->workers;
    for (int state = 0; state < LEAT_STATES; state++) {
        leat_time time = to->time[state] - from->time[state];
        all += part->share[state] = time > 0 ? (double)time : 0;
    }
    for (int state = 0; all > 0 && state < LEAT_STATES; state++)
        part->share[state] /= all;
}

static void fill(struct lt_trial *trial, const struct lt_snapshot *from, const struct lt_snapshot *to) {
    double items = (double)(settled(&to->counts) - settled(&from->counts)), cpu = 0;
    trial->seconds = (double)(to->elapsed - from->elapsed) / (double)LEAT_SECOND;
    trial->rate = trial->seconds > 0 ? items / trial->seconds : 0;
    trial->bytes = trial->seconds > 0 ? (double)(to->counts.bytes_in - from->counts.bytes_in) / trial->seconds : 0;
    trial->failed = to->counts.failed;
    trial->part_count = to->stage_count;
    for (size_t s = 0; s < to->stage_count; s++) {
        fill_part(&trial->parts[s], &from->stages[s], &to->stages[s]);
        cpu += (double)(to->stages[s].cpu - from->stages[s].cpu) / (double)LEAT_SECOND;
    }
    trial->cpu = items > 0 ? cpu / items : 0;
    lt_verdict(from, to, lt_processors(), &trial->verdict);
}

static void measure(const struct lt_trial_plan *plan, const struct lt_plan *changed, struct told *told) {
    static const struct lt_snapshot start;
    struct gauge *gauge = calloc(1, sizeof *gauge);
    struct lt_report *report = calloc(1, sizeof *report);
    pthread_t thread;
    gauge->plan = plan;
    gauge->pipeline = gauge && report ? lt_pipeline_new(changed, &told->error) : NULL;
    if (!gauge->pipeline)
        return;
    pthread_create(&thread, NULL, watch, gauge);
    lt_pipeline_run(gauge->pipeline, report);
    lt_store(&gauge->over, 1, release);
    lt_futex_wake(&gauge->over, 1);
    pthread_join(thread, NULL);
    bool stopped = gauge->measured && report->outcome == LT_STOPPED;
    if (report->outcome != LT_FINISHED && !stopped) {
        told->error = report->error;
        told->error.code = report->error.code ? report->error.code : -EIO;
        return;
    }
    told->trial.whole = !gauge->measured;
    if (gauge->measured)
        fill(&told->trial, &gauge->from, &gauge->to);
    else
        fill(&told->trial, &start, &report->last);
}

static void tell(int fd, const struct told *told) {
    const char *at = (const char *)told;
    for (size_t left = sizeof *told; left > 0;) {
        ssize_t written = write(fd, at, left);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            _exit(1);
        at += written;
        left -= (size_t)written;
    }
    _exit(0);
}

/* A plan like the one given, but for the workers. The stages' copy lives as long as the process. */
static int change(struct lt_plan *plan, const struct lt_trial *trial) {
    plan->options.deadline = 0;
    if (!trial->stage) {
        plan->options.workers = trial->workers;
        return 0;
    }
    struct lt_planned_stage *stages = malloc(plan->stage_count * sizeof *stages);
    if (!stages)
        return -ENOMEM;
    memcpy(stages, plan->stages, plan->stage_count * sizeof *stages);
    stages[trial->stage - 1].segment.workers = trial->workers;
    plan->stages = stages;
    return 0;
}

/* What a queue gives is gone: each trial empties a copy. `path` is where it goes. */
static int copy_queue(struct lt_plan *plan, const char *path, struct leat_error *error) {
    const char *target = plan->from.target, *hash = strrchr(target, '#');
    char *file = hash ? strndup(target, (size_t)(hash - target)) : strdup(target), *copy = NULL;
    struct lt_store *store = NULL;
    int code =
        file && asprintf(&copy, "%s%s", path, hash ? hash : "") > 0 ? 0 : leat_fail(error, -ENOMEM, "out of memory");
    if (code == 0)
        code = lt_store_open(&store, file, LT_STORE_LOOK, error);
    if (code == 0)
        code = lt_store_copy(store, path, error);
    lt_store_close(store);
    free(file);
    plan->from.target = copy; /* lives as long as the process */
    return code;
}

/* Signals that end the bench are blocked here as there: it is told of them, and ends this process. */
static void __attribute__((noreturn))
be_trial(const struct lt_trial_plan *plan, const struct lt_trial *trial, int fd, pid_t parent) {
    static struct told told;
    struct lt_plan changed = *plan->plan;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    told.trial = *trial;
    signal(SIGPIPE, SIG_IGN);
    int code = change(&changed, trial) == 0 ? 0 : leat_fail(&told.error, -ENOMEM, "out of memory for a trial");
    if (code == 0 && plan->copy)
        code = copy_queue(&changed, plan->copy, &told.error);
    if (code == 0)
        measure(plan, &changed, &told);
    tell(fd, &told);
    _exit(1);
}

/* -------------------------------------------------------------- the parent */

/* 0: the first one has something; -EINTR: a signal came. */
static int wait_for_word(int fd, int signals, leat_time until) {
    struct pollfd wait[] = {{.fd = fd, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    for (;;) {
        struct timespec timeout = lt_timespec(until - lt_now());
        int ready = ppoll(wait, 2, &timeout, NULL);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return ready < 0 ? -errno : -ETIMEDOUT;
        return wait[1].revents ? -EINTR : 0;
    }
}

/* 0 when all of it came in time. */
static int listen_to(int fd, int signals, struct told *told, leat_time until) {
    size_t have = 0;
    while (have < sizeof *told) {
        int code = wait_for_word(fd, signals, until);
        if (code < 0)
            return code;
        ssize_t got = read(fd, (char *)told + have, sizeof *told - have);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -EPIPE;
        have += (size_t)got;
    }
    return 0;
}

static int judge(int code, int status, const struct told *told, struct lt_trial *trial, struct leat_error *error) {
    if (code == -EINTR)
        return leat_fail(error, code, "a signal came");
    if (code == -ETIMEDOUT)
        return leat_fail(error, code, "a trial with %u workers did not end in time", trial->workers);
    if (code < 0 && WIFSIGNALED(status))
        return leat_fail(error, -EIO, "a trial with %u workers died of signal %d", trial->workers, WTERMSIG(status));
    if (code < 0)
        return leat_fail(error, -EIO, "a trial with %u workers ended without a result", trial->workers);
    if (told->error.code < 0) {
        *error = told->error;
        return error->code;
    }
    *trial = told->trial;
    return 0;
}

int lt_trial_run(const struct lt_trial_plan *plan, struct lt_trial *trial, struct leat_error *error) {
    int ends[2], status = 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return leat_fail(error, -errno, "no pipe for a trial: %s", strerror(errno));
    pid_t parent = getpid(), child = fork();
    if (child == 0)
        be_trial(plan, trial, ends[1], parent);
    int code = child < 0 ? leat_fail(error, -errno, "no process for a trial: %s", strerror(errno)) : 0;
    close(ends[1]);
    struct told *told = calloc(1, sizeof *told);
    if (code == 0 && !told)
        code = leat_fail(error, -ENOMEM, "out of memory for a trial");
    if (child > 0) {
        int heard =
            told ? listen_to(ends[0], plan->signals, told, lt_after(plan->warm_up + plan->duration + GRACE)) : -ENOMEM;
        if (heard < 0)
            kill(child, SIGKILL);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            continue;
        if (code == 0)
            code = judge(heard, status, told, trial, error);
    }
    close(ends[0]);
    free(told);
    return code;
}
