/* SPDX-License-Identifier: MIT */
/**
 * Parts of a plan while they are put together: an end or a stage, its options
 * and its words. The command line and the YAML file both go through here, so
 * that they cannot differ in what they accept.
 */
#ifndef LEAT_CLI_PART_H
#define LEAT_CLI_PART_H

#include "cli/options.h"

struct lt_part {
    const struct leat_source_type *source; /**< one of the three */
    const struct leat_stage_type *stage;
    const struct leat_sink_type *sink;
    const struct leat_option *options; /**< its type's; may be NULL */
    void *settings;
    struct lt_stage_flags flags; /**< of a stage */
    const char *spelling;
    const char *target;
    const char **words;
    size_t word_count;
};

/** Begin a part from its first word. 0 or -EINVAL: no such scheme or stage; the error suggests one. */
int lt_part_source(struct lt_memory *memory, struct lt_part *part, const char *word, struct leat_error *error);
int lt_part_stage(struct lt_memory *memory, struct lt_part *part, const char *word, struct leat_error *error);
int lt_part_sink(struct lt_memory *memory, struct lt_part *part, const char *word, struct leat_error *error);

void lt_part_word(struct lt_memory *memory, struct lt_part *part, const char *word);

/** Put the finished part into the plan: as its source, its next stage or its sink. */
void lt_part_finish(struct lt_memory *memory, const struct lt_part *part, struct lt_plan *plan);

/** Is it a name that a stage gets by itself: "match", "match2"? Nobody else may choose such a one. */
bool lt_is_default_name(const struct leat_stage_type *type, const char *name);

/** All parts are there: options of the run, names of the stages, the end for dead items. 0 or -EINVAL. */
int lt_plan_finish(struct lt_memory *memory, struct lt_plan *plan, const struct lt_front *front,
                   struct leat_error *error);

#endif
