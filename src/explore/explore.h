/* SPDX-License-Identifier: MIT */
/**
 * Simulated runs and what came of them: one run (run.c), many seeds in child
 * processes (many.c), the shortest schedule that still fails (shrink.c), and
 * telling of it (trace.c).
 *
 * A run's outcome lies in memory that the child shares with its parent and is
 * written as the run goes, so a crash leaves the schedule that led to it.
 */
#ifndef LEAT_EXPLORE_EXPLORE_H
#define LEAT_EXPLORE_EXPLORE_H

#include "leat.h"
#include "simulate/virtual.h"

/** What is run: a first task, or (`plain`) the first virtual thread, which may call leat_run() itself. */
struct lt_subject {
    leat_fn *function;
    void *arg;
    bool plain;
};

enum { LT_MOST_STEPS = 1 << 20, LT_NOT_OVER = -1 };

struct lt_outcome {
    _Atomic int ending; /* enum lt_ending, or LT_NOT_OVER */
    int result;         /* of leat_run() */
    int died;           /* of this signal, or (negative) exited with this status; 0: neither */
    uint64_t seed;
    uint64_t steps, switches;
    char text[256];
    size_t recorded; /* of the schedule; LT_MOST_STEPS: there were more */
    struct lt_step schedule[LT_MOST_STEPS];
};

/** Memory shared with children; NULL when there is none. */
struct lt_outcome *lt_outcome_new(void);
void lt_outcome_free(struct lt_outcome *outcome);
bool lt_failed(const struct lt_outcome *outcome);
/** Whether two runs failed in the same way. */
bool lt_same_failure(const struct lt_outcome *a, const struct lt_outcome *b);
/** As leat_simulate() returns it. */
int lt_outcome_error(const struct lt_outcome *outcome);
/** One line without a newline. */
void lt_outcome_describe(const struct lt_outcome *outcome, char *text, size_t size);

/** A run in this process with the schedule of outcome->seed, or with `schedule` if that is not NULL. */
void lt_explore_run(const struct leat_simulation *options, const struct lt_subject *subject,
                    const struct lt_step *schedule, size_t count, struct lt_outcome *outcome);

/** leat_simulate_many() for any subject. */
int lt_explore_many(uint64_t first, uint64_t count, const struct leat_simulation *options,
                    const struct lt_subject *subject);

/** The same run in a child, quiet (or with its output and the trace going to `trace_fd`). */
void lt_explore_child(const struct leat_simulation *options, const struct lt_subject *subject,
                      const struct lt_step *schedule, size_t count, bool quiet, int trace_fd,
                      struct lt_outcome *outcome);

/**
 * Leave out of the schedule in `outcome`, which failed, whatever it fails without; `*count` is how much is left of
 * `schedule`, which the caller owns.
 */
void lt_shrink(const struct leat_simulation *options, const struct lt_subject *subject, const struct lt_outcome *failed,
               struct lt_step *schedule, size_t *count, struct lt_outcome *scratch);

/* ---- trace.c */
void lt_trace_to(int fd);
void lt_trace_move(const struct lt_choice *choice, unsigned move);
/** The schedule as one word, "thread.point>thread …", and back. The number of steps, or -1 when it makes no sense. */
void lt_schedule_print(int fd, const struct lt_step *schedule, size_t count);
ptrdiff_t lt_schedule_parse(const char *text, struct lt_step *schedule, size_t room);

#endif
