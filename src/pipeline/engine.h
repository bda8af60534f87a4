/* SPDX-License-Identifier: MIT */
/**
 * The inside of a run; only src/pipeline/run.c, ends.c, flow.c, crew.c, steer.c, trace.c, order.c,
 * acknowledge.c, errors.c, halt.c, resume.c, stop.c, account.c and watchdog.c include it.
 *
 * Who runs, and what goes between them (each arrow is a bounded channel of
 * batch pointers, every batch is owned by whoever took it last):
 *
 *     source task -> group of workers -> … -> sink task ~confirm~> acknowledge task
 *          ^------------------------- free batches -------------------'
 *
 * Invariants:
 * - There are at most lt_pipeline.slot_most batches. Those for one worker in each
 *   group are made before the start; every worker that is started later brings its
 *   own (lt_add_batches), and none is ever taken away. A sink that gathers (`holds`)
 *   gets another one for each that it keeps, from the sink task, so that those that
 *   travel are never fewer than at the start: else the source would wait for
 *   batches that the sink keeps until the source has ended. `slot_count` only rises, and
 *   who read it may look at the slots below it. Every channel but those between
 *   the groups has room for all there can be, so that no confirmation and no free
 *   batch ever waits, and the window that restores the order needs no more places.
 * - A batch has one item at least, and one item may be larger than any limit of a
 *   batch. So the source also waits while lt_most_in_flight() bytes or more are on
 *   their way: they are exceeded by one batch at most.
 * - Workers are started when they are of use (crew.c); `started` only rises, and
 *   who read it may look at the members below it.
 * - A batch that was read comes to the acknowledge task exactly once, whatever
 *   happens; only there (and, for what a broken sink left, in lt_settle) are
 *   fates counted and is the source told.
 * - Stopping only ever rises (lt_level), broken only ever becomes true.
 *
 * Rejected: channels of items (a hop costs more than most stages do); a batch
 * whenever the source finds none free (memory then depends on the slowest part, and
 * a quick source makes all there can be); counting fates where
 * they are decided (a returned batch would have to be counted back).
 */
#ifndef LEAT_PIPELINE_ENGINE_H
#define LEAT_PIPELINE_ENGINE_H

#include "base/atomic.h"
#include "base/children.h"
#include "base/histogram.h"
#include "pipeline/run.h"

#include <pthread.h>

enum {
    LT_SINK_TAKES = 16,         /* batches for one call of the sink's write */
    LT_SINK_QUEUE = 8,          /* batches that wait before it */
    LT_ERRORS_ON_TERMINAL = 5,  /* failures shown when there is no error file */
    LT_ERROR_ITEM = 64 * 1024,  /* bytes of an item kept in the error file */
    LT_DEFAULT_ITEMS = 1024,    /* --batch */
    LT_DEFAULT_BYTES = 1 << 20, /* --batch-bytes */
};

#define LT_DEFAULT_GRACE (30 * LEAT_SECOND)
#define LT_LAST_CALL                                                                                                   \
    (2 * LEAT_SECOND) /* from the end of the grace, when all is dropped, to the hard end; at most the grace */
#define LT_TARGET_WORK                                                                                                 \
    LEAT_MILLISECOND /* of one batch in the slowest group: small against a person's patience, large against a hop */
#define LT_BYTES_IN_FLIGHT ((uint64_t)32 << 20)
#define LT_LEAST_BYTES ((uint64_t)64 << 10)

/** What one task does with its time. One writer; `version` is odd while it writes. */
struct lt_line {
    _Alignas(64) _Atomic uint32_t version;
    _Atomic uint32_t state;
    _Atomic leat_time since;
    _Atomic leat_time time[LEAT_STATES];
    _Atomic uint64_t items, bytes;
};

struct lt_line_view {
    leat_time time[LEAT_STATES];
    uint64_t items, bytes;
    enum leat_state state;
    leat_time since;
};

/** Where a batch is. */
enum lt_place { LT_FREE, LT_READING, LT_QUEUED, LT_WORKED, LT_SINKING, LT_CONFIRMED };

/** The engine's side of a batch (leat_batch.engine). The atomics are for the watchdog, which looks while others write.
 */
struct lt_slot {
    struct leat_batch *batch;
    struct lt_pipeline *pipeline;
    struct leat_chan *confirmed; /* where its confirmation goes */
    _Atomic size_t *unconfirmed; /* counts it while the sink has it; NULL: nobody counts */
    struct lt_line *line;        /* of the task that holds it */
    _Atomic uint32_t place;
    _Atomic uint32_t column; /* the column it is in or waits for */
    _Atomic size_t count;
    _Atomic uint64_t position, id; /* of its first item */
    _Atomic leat_time since;       /* in this place */
    leat_time read;                /* when it joined the run */
    leat_time *notes;              /* --trace: time in each place and column; NULL: none are made */
};

/** How far a stop has gone. */
enum lt_level { LT_RUNNING, LT_DRAINING, LT_DROPPING };

/** Which limit of time the run has exceeded. */
enum lt_late { LT_IN_TIME, LT_PAST_DEADLINE, LT_PAST_GRACE };

/** A scope that a stop of its level cancels. */
struct lt_reach {
    enum lt_level level;
    struct leat_scope *scope;
};

/** Which items --trace tells of. */
struct lt_trace {
    enum { LT_TRACE_NOTHING, LT_TRACE_POSITION, LT_TRACE_ID, LT_TRACE_EVERY } wanted;
    uint64_t number;
};

struct lt_worker {
    struct lt_line line;
    struct lt_pipeline *pipeline;
    struct lt_group *group;
    struct lt_task *_Atomic task; /* NULL until it runs */
    unsigned index;               /* in its group */
    size_t opened;                /* of its states */
    struct lt_reach reach;
    void *states[]; /* of its stages, one each */
};

/** Neighbouring stages that one worker runs in one go. */
struct lt_group {
    struct lt_pipeline *pipeline;
    char *name;
    size_t first, count;       /* stages of the plan */
    size_t index;              /* among the groups; its column is one more */
    bool automatic;            /* how many workers is found out */
    bool has_commands;         /* its workers wait for children */
    unsigned workers;          /* there can be */
    _Atomic unsigned started;  /* of them: members[0 … started - 1] exist */
    _Atomic unsigned admitted; /* those with a lower index work, the others stand by (steer.c) */
    _Atomic leat_time admitted_at, waited;
    struct lt_worker **members;
    struct leat_chan *in;
    struct leat_chan *ended;  /* closed with it; nothing is sent */
    struct leat_chan *more;   /* tells the foreman that more workers may be of use */
    _Atomic int64_t expected; /* batches given to the group that have not left it */
};

/** Restores the order of reading. */
struct lt_order {
    struct leat_batch **window; /* by sequence number modulo room */
    size_t room;
    uint64_t next;
};

struct lt_errors {
    int fd; /* -1: to standard error, the first few */
    bool broken;
    unsigned shown;
    char *room; /* of the record in the making */
    size_t size, capacity;
};

/** How a run was halted. */
enum lt_halted { LT_NOT_HALTED, LT_HALTED_SOON, LT_HALTED_NOW };

/** What earlier runs have done, and what this one has. */
struct lt_resume {
    int fd; /* -1: there is none */
    struct lt_done *table;
    size_t room, used;
    char *records; /* in the making */
    _Atomic uint64_t skipped;
};

struct lt_tally {
    _Atomic uint64_t in, delivered, filtered, failed, returned, bytes_in, bytes_out;
    _Atomic uint64_t bytes_held; /* read and not settled yet */
    /* microseconds, summed over items: from reading to the end, and in the sink's hands */
    _Atomic uint64_t under_way, with_sink;
};

struct lt_pipeline {
    const struct lt_plan *plan;
    unsigned processors;
    leat_time grace;
    uint64_t most_items, most_bytes; /* of a batch, as asked for */

    void *source, **stages, *sink, *dead;
    size_t stages_opened;
    bool source_open, sink_open, dead_open, entered;
    uint64_t total;                                    /* what the source said of it at its end */
    struct lt_counters source_counters, sink_counters; /* what the ends had counted at theirs */

    struct lt_group *groups;
    size_t group_count;
    struct lt_slot *slots;
    size_t slot_least, slot_most; /* at the start; ever */
    _Atomic size_t slot_count;    /* made; raised under the mutex */
    _Atomic size_t unconfirmed;   /* batches that the sink has */
    struct leat_batch **spare;    /* free ones that the source task has taken; its own */
    size_t spare_count;
    struct leat_chan *free_batches, *to_sink, *confirmed;
    struct lt_order order;

    struct leat_batch *dead_batch;
    struct lt_slot dead_slot;
    struct leat_chan *dead_confirmed;
    bool dead_broken;
    struct lt_errors errors;
    struct lt_resume resume;

    _Atomic uint64_t halt_count, halt_done; /* what --halt counts, and all that is done */
    _Atomic uint32_t halted;                /* enum lt_halted; raised under the mutex */
    _Atomic bool all_read;                  /* the source has come to its end */
    struct leat_error halt_error;

    struct lt_line source_line, sink_line, acknowledge_line, pause_line;
    struct lt_tally tally;
    struct lt_histogram latency; /* of items, from their reading until they were settled */
    struct lt_failures failures; /* the latest; under the mutex */
    struct lt_trace trace;
    _Atomic leat_time started, flowing, ended; /* flowing: the source and the first workers were let go */
    leat_time cpu_before;
    _Atomic leat_time emptied;
    _Atomic leat_time cpu_after; /* 0 while it runs */
    _Atomic leat_time delayed;   /* as far as it was known last */
    bool has_commands;           /* of any group */
    struct lt_children_use children_before;
    struct {
        _Atomic leat_time cpu, delayed, machine; /* since then, as far as it was known last */
        _Atomic leat_time next;                  /* look not before */
    } children;

    /* steering; `limiter` and its rate are the source task's own, the next one and `rate` are under the mutex */
    _Atomic bool paused, limiter_changed;
    struct leat_chan *resumed;
    struct leat_limiter *limiter, *next_limiter;
    double limiter_rate, rate;

    /* pacing: the source task's own */
    leat_time pace_next, service;
    uint64_t pace_limit, pace_items[LT_MAX_STAGES];
    leat_time pace_time[LT_MAX_STAGES];

    pthread_mutex_t mutex; /* of what follows, and of every reach; held for a few instructions */
    _Atomic uint32_t level;
    _Atomic uint32_t asked;                  /* by lt_pipeline_stop */
    _Atomic uint32_t returned_below;         /* groups with a lower index process no more */
    bool source_may_answer, sink_may_answer; /* what lt_snapshot has of them may be asked for */
    _Atomic bool broken, failed_to_start;
    _Atomic uint32_t late; /* enum lt_late */
    bool sink_broken;
    struct leat_error error;
    struct lt_reach opening, reading, emptying;
    struct leat_wg beginning, gate; /* tasks that have not begun; 1 until all have */

    /* watchdog */
    pthread_t watchdog;
    _Atomic uint32_t bell; /* rings at every stop and at the end */
    _Atomic bool over;
    lt_leave *leave;
    void *leave_argument;
};

/* account.c */
void lt_line_start(struct lt_line *line, enum leat_state state, leat_time since);
enum leat_state lt_line_switch(struct lt_line *line, enum leat_state state);
/** From now on its time is nobody's, until it starts again. */
void lt_line_halt(struct lt_line *line);
void lt_line_add(struct lt_line *line, uint64_t items, uint64_t bytes);
void lt_line_view(struct lt_line *line, struct lt_line_view *view);
void lt_slot_move(struct leat_batch *batch, enum lt_place place, size_t column);
void lt_slot_take(struct leat_batch *batch, enum lt_place place, size_t column, struct lt_line *line);
leat_time lt_process_cpu(void);
/** Have a look at what the children take, if there can be any. Any thread, until the run has ended. */
void lt_look_at_children(struct lt_pipeline *pipeline);
/** lt_snapshot.delayed; asked for the last time before the runtime ends. */
leat_time lt_delayed(struct lt_pipeline *pipeline);
bool lt_balanced(const struct lt_pipeline *pipeline);

/** Items for the next batch: what the slowest group does in about LT_TARGET_WORK, and never much more than was proven
 * to pass. */
uint64_t lt_pace(struct lt_pipeline *pipeline);

/* stop.c */
/** Are stages called off, so that -ECANCELED is nobody's fault? */
bool lt_is_called_off(const struct lt_pipeline *pipeline);
/** Stages begin nothing more, the first time for this reason; now: nor finish what they have. */
void lt_call_off(struct lt_pipeline *pipeline, enum lt_halted how, const struct leat_error *why);
void lt_raise(struct lt_pipeline *pipeline, enum lt_level level);
enum lt_level lt_level(const struct lt_pipeline *pipeline);
/** Keep the first error, with `spelling` before it, and go no further than `level` allows. */
void lt_break(struct lt_pipeline *pipeline, const char *spelling, const struct leat_error *error, enum lt_level level);
/** Open a scope that a stop of `level` cancels. 0 or -ENOMEM. */
int lt_reach_open(struct lt_pipeline *pipeline, struct lt_reach *reach, enum lt_level level);
/** Close it: whatever blocks afterwards is not cut short. May be called again. */
void lt_reach_close(struct lt_pipeline *pipeline, struct lt_reach *reach);

/* halt.c */
/** Items have failed, have passed the last stage, or are done otherwise: maybe that is enough. */
void lt_halt_count(struct lt_pipeline *pipeline, enum lt_halt_why why, uint64_t items);

/* resume.c */
int lt_resume_open(struct lt_resume *resume, const char *path, struct leat_error *error);
/** Filter out what was done before. The source's task only. */
void lt_resume_skip(struct lt_resume *resume, struct leat_batch *batch);
/** Record what has been done. The acknowledge task only. */
int lt_resume_write(struct lt_resume *resume, const char *path, struct leat_batch **batches, size_t count,
                    struct leat_error *error);
void lt_resume_close(struct lt_resume *resume);

/* run.c */
/** Make batches, as long as there may be more. 0 or -ENOMEM. */
int lt_add_batches(struct lt_pipeline *pipeline, size_t count);
/** A task with the room on its stack that ends and stages, which are written by others, expect. 0 or -ENOMEM. */
int lt_spawn(struct leat_scope *scope, leat_fn *task, void *argument, const char *name);

/* crew.c */
/** The next member of a group, not opened and not run yet; NULL when memory is short. */
struct lt_worker *lt_worker_new(struct lt_group *group);
/** Open its stages. Of one that fails the spelling is that of stage number `worker->opened` of the group. */
int lt_worker_open(struct lt_worker *worker, struct leat_error *error);
/** The task that runs a group. */
int lt_foreman_task(void *group);
/** A batch will be given to the group; then, when it was. */
void lt_crew_expect(struct lt_group *group);
void lt_crew_tell(struct lt_group *group);
/** A batch has left it. */
void lt_crew_passed(struct lt_group *group);

/* steer.c */
/** On the source task: wait while the run is paused. */
void lt_steer_before(struct lt_pipeline *pipeline);
/** How many items it shall read at once, `most` without a limit. */
uint64_t lt_steer_items(struct lt_pipeline *pipeline, uint64_t most);
/** Items a second that were asked for; 0: no limit. Any thread. */
double lt_steer_rate(struct lt_pipeline *pipeline);
/** Wait until so many items may go on. */
void lt_steer_after(struct lt_pipeline *pipeline, size_t items);
/** Return at once, or when the worker is wanted or nothing comes any more. */
void lt_stand_by(struct lt_worker *worker);
/** Since when the workers that were not started count as waiting, and for how long they have, all together. */
leat_time lt_crew_since(const struct lt_group *group);
leat_time lt_crew_waited(const struct lt_group *group, leat_time now);

/* trace.c */
/** "12", "847e2f44677e3886", "1/1000", or NULL. 0 or -EINVAL with `error`. */
int lt_trace_read(struct lt_trace *trace, const char *text, struct leat_error *error);
/** Notes that a slot needs. */
size_t lt_trace_room(const struct lt_pipeline *pipeline);
/** The batch leaves the place where it is. */
void lt_trace_note(struct lt_slot *slot, leat_time now);
/** The sink has confirmed it, on whatever task or thread. */
void lt_trace_confirmed(struct lt_slot *slot);
void lt_trace_forget(struct lt_slot *slot);
/** Tell of the items of a settled batch that are wanted. */
void lt_trace_settled(struct lt_pipeline *pipeline, const struct leat_batch *batch);

/* flow.c: tasks */
/** Wait until all tasks of the run have begun. False: one could not, all is called off. */
bool lt_begin(struct lt_pipeline *pipeline);
int lt_source_task(void *pipeline);
int lt_sink_task(void *pipeline);
/** What a worker does until nothing comes any more. */
void lt_work(struct lt_worker *worker);
/** No more comes to a group (to the sink, if there is none of this number). */
void lt_close_input(struct lt_pipeline *pipeline, size_t group);
/** Every item that is still on its way goes back. */
void lt_return_items(struct leat_batch *batch);
/** Name the place of new failures. Returns how many items are live. */
size_t lt_stamp(struct lt_pipeline *pipeline, struct leat_batch *batch, const char *place);
/** Bytes: the source reads on only below it. */
uint64_t lt_most_in_flight(const struct lt_pipeline *pipeline);

/* ends.c: called by one and the same task */
bool lt_open_ends(struct lt_pipeline *pipeline);
void lt_close_ends(struct lt_pipeline *pipeline);
/** What the ends say of themselves, or said before they were closed. Any thread. */
void lt_ask_ends(struct lt_pipeline *pipeline, struct lt_snapshot *snapshot);

/* order.c */
int lt_order_open(struct lt_order *order, size_t room);
void lt_order_put(struct lt_order *order, struct leat_batch *batch);
/** The next batch in order, or NULL while it is missing. */
struct leat_batch *lt_order_take(struct lt_order *order);
void lt_order_close(struct lt_order *order);

/* acknowledge.c */
int lt_acknowledge_task(void *pipeline);
/** Send a batch that needs no sink to the acknowledge task. */
void lt_pass_by(struct leat_batch *batch);
/** What a broken sink left unconfirmed, once it is closed and can touch nothing more. */
void lt_settle(struct lt_pipeline *pipeline);

/* errors.c */
int lt_errors_open(struct lt_errors *errors, const char *path, struct leat_error *error);
/** Record the failed items of a batch. Negative: nothing was kept of those that are still FAILED afterwards. */
int lt_errors_write(struct lt_errors *errors, const struct lt_plan *plan, struct leat_batch *batch,
                    struct leat_error *error);
void lt_errors_close(struct lt_errors *errors);

/* watchdog.c */
int lt_watchdog_start(struct lt_pipeline *pipeline);
void lt_watchdog_ring(struct lt_pipeline *pipeline);
void lt_watchdog_end(struct lt_pipeline *pipeline);

#endif
