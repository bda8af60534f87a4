/* SPDX-License-Identifier: MIT */
/**
 * Ends and stages for the tests of the engine, and the book they keep: what was
 * read, what was written, what was safe, which fate the source was told. Tasks
 * cannot use cmocka's assertions, so whatever they find wrong goes to `wrong`.
 */
#ifndef TESTS_PIPELINE_WORLD_H
#define TESTS_PIPELINE_WORLD_H

#include "base/atomic.h"
#include "pipeline/run.h"

#include <pthread.h>

enum confirm { AT_ONCE, BY_A_TASK, BY_A_THREAD, BEFORE_WRITE_RETURNS_REVERSED, NEVER, TWICE };

enum { MOST_ITEMS = 200000, MOST_STAGES = 6 };

struct book {
    _Atomic uint8_t read, written, safe, dead, told; /* how often */
    _Atomic uint8_t fate;
};

struct world {
    uint64_t seed;
    /* source */
    uint64_t total;           /* items until the end */
    uint64_t error_at;        /* 0: never; the read from that item on fails */
    uint64_t set_aside_every; /* 0: never; the source itself fails these */
    bool waits_at_end;        /* as --forever does */
    bool gives_nothing;       /* breaks its contract */
    int finish_error;         /* what finish returns */
    uint64_t stop_at;         /* 0: never; stop the run when this item is read */
    enum lt_stop stop_how;
    size_t body; /* bytes of an item; 0: a short text */
    char fill;   /* what it is filled up with; 0: x */
    struct lt_pipeline *pipeline;
    _Atomic bool run_is_over; /* for threads of a test */
    lt_leave *on_stuck;       /* NULL: as the program does */
    /* sink */
    enum confirm confirm;
    uint64_t write_error_at; /* 0: never; the call of write that fails */
    uint64_t refuse_every;   /* 0: never; these items it fails */
    uint64_t shut_worker;    /* of shut_worker_stage: the number of the worker that cannot be opened, from 1 */
    leat_time write_time;
    bool sink_stuck;
    uint64_t last_words;
    int dead_error;
    bool dead_later; /* the dead end confirms by a task */
    /* the book */
    struct book *book;
    _Atomic uint64_t wrong, next_expected, in_flight, most_in_flight, bytes_in_flight, most_bytes_in_flight;
    _Atomic uint64_t calls_after_break, stage_calls, workers_seen, workers_opened, shut_tried, broken_calls,
        out_of_order, opened, closed, reads, writes;
    /* the sink's confirmer */
    struct leat_scope *scope;
    struct leat_chan *later;
    struct leat_batch *burial; /* what the dead end is about to confirm */
    struct leat_wg open_batches;
    struct leat_wg meeting; /* of meets_all: those who are still missing */
    pthread_t thread;
    /* the plan */
    struct lt_plan plan;
    struct lt_planned_stage stages[MOST_STAGES];
};

/* world_last_source: after a stop its last item, a failed one, says that something is missing. */
extern const struct leat_source_type world_source, world_last_source;
extern const struct leat_sink_type world_sink, world_dead_sink;
/* Fails every 7th id; filters every 5th; sleeps for a random moment; fails at its 10th batch, only then, and counts the
 * calls that begin when that can be seen; never comes back; waits until a stop ends it; waits until all do that the
 * meeting waits for, and tells nobody. */
extern const struct leat_stage_type stage_seventh, stage_fifth, stage_nap, stage_broken, stage_stuck, stage_patient,
    stage_meets_all;

void world_open(struct world *world, uint64_t total);
void world_close(struct world *world);
/** Append a stage; `workers` 0: fused. */
void world_stage(struct world *world, const struct leat_stage_type *type, unsigned workers);
/** The same source, stage or sink, but it cannot be opened; of the stage, one of its workers cannot. */
extern const struct leat_source_type shut_source;
extern const struct leat_sink_type shut_sink;
extern const struct leat_stage_type shut_stage, shut_worker_stage;

/** Run the plan, check everything that must hold for every run whatever happened, fill the report. */
void world_run(struct world *world, struct lt_report *report);
/** The bound on batches that docs/delivery.md states. */
uint64_t world_batches(const struct world *world);
uint64_t world_random(uint64_t seed, uint64_t n);

#define CHECK(world, condition) world_check((world), (condition), #condition, __FILE__, __LINE__)
void world_check(struct world *world, bool holds, const char *what, const char *file, int line);

#endif
