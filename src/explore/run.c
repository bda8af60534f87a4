/* SPDX-License-Identifier: MIT */
/* One simulated run. */
#include "explore/explore.h"
#include "base/os.h"
#include "sched/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WORKERS = 2, STEPS = 1000000 };
static const leat_time HORIZON = 3600 * LEAT_SECOND, STALL = 10 * LEAT_MILLISECOND;

struct lt_outcome *lt_outcome_new(void) {
    void *memory = mmap(NULL, sizeof(struct lt_outcome), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void lt_outcome_free(struct lt_outcome *outcome) {
    if (outcome)
        munmap(outcome, sizeof *outcome);
}

bool lt_failed(const struct lt_outcome *outcome) {
    return outcome->died || outcome->ending != LT_WENT_WELL || outcome->result < 0;
}

bool lt_same_failure(const struct lt_outcome *a, const struct lt_outcome *b) {
    return a->died == b->died && a->ending == b->ending && a->result == b->result;
}

int lt_outcome_error(const struct lt_outcome *outcome) {
    if (outcome->died)
        return -EFAULT;
    switch ((int)outcome->ending) {
    case LT_WENT_WELL:
        return outcome->result;
    case LT_HANGS:
        return -EDEADLK;
    case LT_CHECK:
        return -EPROTO;
    default:
        return -ETIME;
    }
}

void lt_outcome_describe(const struct lt_outcome *outcome, char *text, size_t size) {
    if (outcome->died > 0)
        snprintf(text, size, "it died of signal %d (%s)", outcome->died, strsignal(outcome->died));
    else if (outcome->died < 0)
        snprintf(text, size, "it called exit(%d)", -outcome->died - 1);
    else if (outcome->ending == LT_HANGS)
        snprintf(text, size, "it hangs: %s", outcome->text);
    else if (outcome->ending == LT_CHECK)
        snprintf(text, size, "%s", outcome->text);
    else if (outcome->ending == LT_TOO_LONG)
        snprintf(text, size, "it is not over after %llu steps", (unsigned long long)outcome->steps);
    else if (outcome->ending == LT_TOO_LATE)
        snprintf(text, size, "it is not over in virtual time");
    else if (outcome->result == -EDEADLK)
        snprintf(text, size, "every task waits for something that cannot happen any more (-EDEADLK)");
    else
        snprintf(text, size, "it returned %d (%s)", outcome->result,
                 outcome->result < 0 ? strerror(-outcome->result) : "no error");
}

/* ------------------------------------------------------------ what a run is watched for */

struct run {
    const struct leat_simulation *options;
    const struct lt_subject *subject;
    struct lt_outcome *outcome;
    bool traced;
};

static void moved(const struct lt_choice *choice, unsigned move, void *arg) {
    struct run *run = arg;
    struct lt_outcome *outcome = run->outcome;
    const struct lt_move *made = &choice->moves[move];
    outcome->switches++;
    if (outcome->recorded < LT_MOST_STEPS)
        outcome->schedule[outcome->recorded++] =
            (struct lt_step){choice->present->id, choice->present->points, (uint16_t)made->kind,
                             (uint16_t)(made->thread ? made->thread->id : 0)};
    if (run->traced)
        lt_trace_move(choice, move);
}

/* Read past the simulation: looking must not change what it sees. */
#define peek(pointer) atomic_load_explicit(pointer, memory_order_relaxed)

/* The invariant of sched/idle.c, looked at when every thread sleeps. */
static const char *ready_but_asleep(void) {
    struct lt_runtime *runtime = peek(&lt_runtime);
    if (!runtime || peek(&runtime->idle_count) != runtime->worker_count || peek(&runtime->stopping))
        return NULL;
    bool ready = peek(&runtime->injection.count) > 0;
    for (unsigned i = 0; i < runtime->worker_count; i++) {
        struct lt_worker *worker = &runtime->workers[i];
        ready |= peek(&worker->ring.tail) != peek(&worker->ring.head) || peek(&worker->next);
    }
    return ready ? "a task is ready, but all workers sleep" : NULL;
}

static const char *task_stack(void) {
    const struct lt_worker *worker = *lt_virtual_local(LT_LOCAL_WORKER);
    return worker && worker->current && worker->current->stack ? worker->current->stack->top : NULL;
}

static void *first_thread(void *arg) {
    struct run *run = arg;
    const struct lt_subject *subject = run->subject;
    if (subject->plain) {
        run->outcome->result = subject->function(subject->arg);
        return NULL;
    }
    struct leat_options options = {.workers = run->options->workers ? run->options->workers : WORKERS,
                                   .stack_size = run->options->stack_size};
    run->outcome->result = leat_run_with(&options, subject->function, subject->arg);
    return NULL;
}

/* ------------------------------------------------------------ a run */

static bool spoiled;

static void simulate(struct run *run, struct lt_chooser *chooser) {
    const struct leat_simulation *options = run->options;
    struct lt_outcome *outcome = run->outcome;
    unsigned workers = options->workers ? options->workers : WORKERS;
    /* On a machine with a processor for each worker, workers spin before they sleep. */
    lt_set_processors(outcome->seed % 2 ? workers : 1);
    const struct lt_world_options world = {
        .chooser = chooser,
        .steps = options->steps ? options->steps : STEPS,
        .horizon = options->horizon ? options->horizon : HORIZON,
        .stall = STALL,
        .direct = options->direct_stores,
        .moved = moved,
        .all_asleep = ready_but_asleep,
        .borrowed_stack = task_stack,
        .arg = run,
    };
    enum lt_ending ending = lt_simulate(&world, first_thread, run);
    outcome->steps = lt_steps();
    snprintf(outcome->text, sizeof outcome->text, "%s", lt_ending_text());
    outcome->ending = ending;
    spoiled |= ending != LT_WENT_WELL;
    if (ending == LT_WENT_WELL)
        lt_tasks_forget();
}

void lt_explore_run(const struct leat_simulation *options, const struct lt_subject *subject,
                    const struct lt_step *schedule, size_t count, struct lt_outcome *outcome) {
    static const struct leat_simulation defaults;
    struct run run = {options ? options : &defaults, subject, outcome, false};
    outcome->ending = LT_NOT_OVER;
    outcome->result = outcome->died = 0;
    outcome->recorded = 0;
    outcome->steps = outcome->switches = 0;
    outcome->text[0] = '\0';
    if (run.options->trace_fd > 0) {
        run.traced = true;
        lt_trace_to(run.options->trace_fd);
    }
    if (schedule) {
        struct lt_replay_chooser replay;
        if (lt_replay_chooser_open(&replay, schedule, count) < 0) {
            outcome->ending = LT_WENT_WELL;
            outcome->result = -ENOMEM;
            return;
        }
        simulate(&run, &replay.chooser);
        lt_replay_chooser_close(&replay);
    } else {
        struct lt_random_chooser random;
        lt_random_chooser_open(&random, outcome->seed);
        simulate(&run, &random.chooser);
    }
    lt_trace_to(-1);
}

int leat_simulate(uint64_t seed, const struct leat_simulation *options, leat_fn *fn, void *arg) {
    if (lt_simulated() || spoiled)
        return -EBUSY;
    struct lt_outcome *outcome = lt_outcome_new();
    if (!outcome)
        return -ENOMEM;
    outcome->seed = seed;
    lt_explore_run(options, &(struct lt_subject){fn, arg, false}, NULL, 0, outcome);
    int error = lt_outcome_error(outcome);
    if (outcome->ending != LT_WENT_WELL) {
        char text[320];
        lt_outcome_describe(outcome, text, sizeof text);
        dprintf(2, "leat: seed %llu: %s\n", (unsigned long long)seed, text);
    }
    lt_outcome_free(outcome);
    return error;
}

void leat_check_at(bool holds, const char *condition, const char *file, int line) {
    if (holds)
        return;
    char text[256];
    snprintf(text, sizeof text, "%s:%d: check failed: %s", file, line, condition);
    if (lt_simulated())
        lt_cut_short(LT_CHECK, text);
    dprintf(2, "leat: %s\n", text);
    abort();
}
