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
    const char *name;               /**< "queue:in.q", "match", "match+where", …; lives as long as the pipeline */
    unsigned workers, most_workers; /**< that work; that there is room for */
    bool automatic;                 /**< -j auto */
    uint64_t items, bytes;          /**< that it has done with; the bytes as they came into the run */
    leat_time time[LEAT_STATES];    /**< summed over its workers, the current state included */
    leat_time cpu; /**< its part of the processor time of the process, by busy time, and of its children's, by time of
                        waiting for them; the sum over all is exact */
    leat_time commands;            /**< of that, its children's */
    size_t queued, queue_capacity; /**< batches waiting before it */
};

/** What an end counts itself; as it was when the end was closed once that has happened. */
struct lt_counters {
    size_t count;
    struct leat_counter list[LEAT_COUNTERS];
};

/** How long items took from their reading to their end, since the start of the run. */
struct lt_latency {
    leat_time median, p90, p99, most;
};

enum { LT_FAILURES = 8 };

/** The latest failed items; list[(total - 1) % LT_FAILURES] is the last one. */
struct lt_failures {
    uint64_t total;
    struct lt_failure {
        uint64_t position;
        char stage[32], reason[160];
    } list[LT_FAILURES];
};

struct lt_snapshot {
    leat_time elapsed;
    leat_time delayed; /**< workers' threads, all together, were ready and other processes had the processors */
    leat_time
        commands_delayed; /**< children, all together, were ready and others (or others of them) had the processors */
    leat_time machine;    /**< the processors were busy, for whomever; 0: unknown, or there are no children */
    struct lt_counts counts;
    uint64_t total;          /**< 0: unknown */
    uint64_t skipped;        /**< of those filtered: done before, by --resume */
    uint64_t unconfirmed;    /**< items that the sink has and did not confirm yet */
    leat_time acknowledging; /**< spent in telling the source what became of its items */
    leat_time resting;  /**< in which the source read nothing because the run was paused: in nobody's times but that
                           others waited for input */
    uint64_t under_way; /**< microseconds from reading to the end, summed over the items that are over */
    uint64_t with_sink; /**< of that, until the sink's confirmation */
    const char *source_server, *sink_server; /**< as in their types */
    size_t stage_count;                      /**< source first, sink last */
    struct lt_stage_snapshot stages[LT_MAX_STAGES + 2];
    struct lt_counters source_counters, sink_counters;
    struct lt_latency latency;
    leat_time emptied; /**< moment at which others had taken all (until_empty); 0: not yet */
    bool flowing, stopping, paused;
    double rate; /**< limit of what is read, items a second; 0: none */
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
/** Any thread, during the run: read nothing more until it is resumed; what was read goes on. */
void lt_pipeline_pause(struct lt_pipeline *pipeline, bool paused);
/** Any thread, during the run: read at most so many items a second; 0: without a limit. 0 or -ENOMEM. */
int lt_pipeline_limit(struct lt_pipeline *pipeline, double rate);
/** Any thread, during the run: let so many workers of a column work. -ENOENT: the column has none; -ERANGE: less than
 * one, or more than there is room for (lt_stage_snapshot.most_workers). */
int lt_pipeline_set_workers(struct lt_pipeline *pipeline, size_t column, unsigned workers);
/** Any thread, at any time between new and free. */
void lt_pipeline_snapshot(struct lt_pipeline *pipeline, struct lt_snapshot *snapshot);
/** Any thread, during the run. */
void lt_pipeline_failures(struct lt_pipeline *pipeline, struct lt_failures *failures);
/** Any thread, during the run: who holds how many items for how long, in words, one line each. Returns the length. */
size_t lt_pipeline_held(struct lt_pipeline *pipeline, char *text, size_t room);
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
    enum {
        LT_LIMIT_NONE,
        LT_LIMIT_CPU,
        LT_LIMIT_THROTTLE,
        LT_LIMIT_STAGE,
        LT_LIMIT_SERVER,
        LT_LIMIT_CONTENTION,
        LT_LIMIT_INPUT,
        LT_LIMIT_OUTPUT,
        LT_LIMITS
    } kind;
    size_t stage;    /**< index into snapshot.stages */
    double capacity; /**< items a second of the bottleneck; 0: unknown */
    double gain;     /**< predicted throughput with one more worker, divided by today's; 1: none */
    size_t next;     /**< the stage that would limit then; the same one: it still, or the processors */
    unsigned seconds,
        agreeing;   /**< of the run that were looked at alone, and those with the same verdict; whoever looks sets it */
    char text[256]; /**< one sentence */
};
/** "processors", "stage" … */
const char *lt_limit_name(int kind);
void lt_verdict(const struct lt_snapshot *from, const struct lt_snapshot *to, unsigned processors,
                struct lt_verdict *verdict);

#endif
