/* SPDX-License-Identifier: MIT */
/**
 * Running a plan. lt_pipeline_run() is called on an ordinary thread, starts
 * the runtime, and returns when everything is over; meanwhile other threads
 * may look (lt_pipeline_snapshot) and stop it (lt_pipeline_stop).
 */
#ifndef LEAT_PIPELINE_RUN_H
#define LEAT_PIPELINE_RUN_H

#include "pipeline/plan.h"

struct lt_pipeline; /* a run in progress */

/** Where the items went. Always: in == delivered + filtered + failed + returned + in flight. */
struct lt_counts {
    uint64_t in, delivered, filtered, failed, returned;
    uint64_t bytes_in, bytes_out;
};

enum { LT_MAX_STAGES = 64 };

/** One column of the accounting: the source, a group of fused stages or a stage with its own pool, the sink. */
struct lt_stage_snapshot {
    const char *name; /**< "queue:in.q", "match", "match+where", …; lives as long as the pipeline */
    unsigned workers;
    uint64_t items;
    leat_time time[LEAT_STATES]; /**< summed over its workers, the current state included */
    leat_time cpu; /**< its part of the process's processor time, by busy time; the sum over all is exact */
    size_t queued, queue_capacity; /**< batches waiting before it */
};

/** What an end counts itself; as it was when the end was closed once that has happened. */
struct lt_counters {
    size_t count;
    struct leat_counter list[LEAT_COUNTERS];
};

struct lt_snapshot {
    leat_time elapsed;
    struct lt_counts counts;
    uint64_t total;          /**< 0: unknown */
    uint64_t skipped;        /**< of those filtered: done before, by --resume */
    uint64_t unconfirmed;    /**< items that the sink has and did not confirm yet */
    leat_time acknowledging; /**< spent in telling the source what became of its items */
    size_t stage_count;      /**< source first, sink last */
    struct lt_stage_snapshot stages[LT_MAX_STAGES + 2];
    struct lt_counters source_counters, sink_counters;
    bool stopping;
};

enum lt_outcome {
    LT_FINISHED,    /**< the source ended (or was stopped and drained) */
    LT_NOT_STARTED, /**< something could not be opened */
    LT_BROKEN,      /**< source, stage or sink failed in mid-run; what was not delivered is with its source */
    LT_LATE,        /**< --deadline or --grace */
    LT_HALTED,      /**< by --halt */
    LT_STOPPED,     /**< by lt_pipeline_stop: dropped, or stopped before it began */
    LT_INTERNAL,    /**< the counts do not balance, or every task waited for ever: a defect of leat */
};

struct lt_report {
    enum lt_outcome outcome;
    struct lt_snapshot last;
    struct leat_error error; /**< of NOT_STARTED, BROKEN, LATE, HALTED, INTERNAL */
};

struct lt_pipeline *lt_pipeline_new(const struct lt_plan *plan, struct leat_error *error);
/** Blocks until the end. Fills `report`. */
void lt_pipeline_run(struct lt_pipeline *pipeline, struct lt_report *report);
/** Any thread, also before the run; DROP after DRAIN sharpens it. */
void lt_pipeline_stop(struct lt_pipeline *pipeline, enum lt_stop how);
/** Any thread, at any time between new and free. */
void lt_pipeline_snapshot(struct lt_pipeline *pipeline, struct lt_snapshot *snapshot);
void lt_pipeline_free(struct lt_pipeline *pipeline);

/**
 * What happens when a stopped run does not end within its grace: after the
 * report of what is held on standard error, `leave(argument, report)` is called
 * on the watchdog's thread, with outcome LATE. It should not return: tasks are
 * stuck in calls that nobody can end, so lt_pipeline_run() may never return
 * either. Without it the process ends with exit code 5.
 */
typedef void lt_leave(void *argument, const struct lt_report *report);
void lt_pipeline_on_stuck(struct lt_pipeline *pipeline, lt_leave *leave, void *argument);

/** The verdict on a snapshot (or on the difference of two): who limits the run, and what one more worker would bring.
 */
struct lt_verdict {
    enum { LT_LIMIT_NONE, LT_LIMIT_CPU, LT_LIMIT_THROTTLE, LT_LIMIT_STAGE, LT_LIMIT_INPUT, LT_LIMIT_OUTPUT } kind;
    size_t stage;    /**< index into snapshot.stages */
    double capacity; /**< items a second of the bottleneck; 0: unknown */
    double gain;     /**< predicted throughput with one more worker, divided by today's; 1: none */
    size_t next;     /**< the stage that would limit then */
    char text[256];  /**< one sentence */
};
void lt_verdict(const struct lt_snapshot *from, const struct lt_snapshot *to, unsigned processors,
                struct lt_verdict *verdict);

#endif
