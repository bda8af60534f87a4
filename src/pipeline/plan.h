/* SPDX-License-Identifier: MIT */
/**
 * A plan: what a run is to do, as parsed from a command line or a YAML file.
 * A plan is only read by the engine; src/cli makes and frees it.
 */
#ifndef LEAT_PIPELINE_PLAN_H
#define LEAT_PIPELINE_PLAN_H

#include "leat-pipeline.h"

enum lt_stop { LT_STOP_DRAIN, LT_STOP_DROP };

enum lt_halt_why { LT_HALT_NEVER, LT_HALT_FAIL, LT_HALT_SUCCESS, LT_HALT_DONE };

/** --halt, read. */
struct lt_halt {
    enum lt_halt_why why;
    bool now;       /**< what is being processed is called off */
    bool percent;   /**< the limit is so many per cent of all items */
    uint64_t limit; /**< so many items */
};

/** Options of the whole run. The option table that fills it is src/cli/options.c's. */
struct lt_run_options {
    uint64_t workers;      /**< -j; 0: as many as there are processors */
    uint64_t workers_room; /**< room for so many in each group, for lt_pipeline_set_workers; at least those above */
    bool keep_order;       /**< -k */
    bool forever;          /**< --forever */
    const char *stop;      /**< --stop drain|drop */
    leat_time deadline;    /**< --deadline, from the start; 0: none */
    leat_time grace;       /**< --grace: from the stop to the hard end */
    const char *errors;    /**< --errors FILE; NULL: the first few go to standard error */
    const char *trace;     /**< --trace; NULL: nothing */
    const char *dead;      /**< --dead URI; NULL: none */
    const char *halt_text; /**< --halt WHEN,WHY */
    struct lt_halt halt;   /**< the same, read */
    const char *resume;    /**< --resume FILE; NULL: none */
    bool dry_run;          /**< --dry-run: everything goes back to its source */
    uint64_t memory;       /**< --memory: bytes of items on their way, at most; 0: the engine's own limit */
    uint64_t batch_items;  /**< --batch */
    uint64_t batch_bytes;  /**< --batch-bytes */
    uint64_t batches;      /**< on their way at once, at least; 0: as many as the engine needs */
};

struct lt_planned_stage {
    const struct leat_stage_type *type;
    struct leat_segment segment;
    const char *place; /**< "FILE:LINE:COLUMN" where it was written; NULL: on a command line */
};

struct lt_plan {
    const struct leat_source_type *source;
    struct leat_segment from;
    struct lt_planned_stage *stages;
    size_t stage_count;
    const struct leat_sink_type *sink;
    struct leat_segment to;
    const struct leat_sink_type *dead; /**< NULL: none */
    struct leat_segment dead_to;
    struct lt_run_options options;
};

#endif
