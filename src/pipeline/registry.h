/* SPDX-License-Identifier: MIT */
/**
 * Which ends and stages there are. The pipeline knows none of them by name:
 * src/ends/table.c and src/stages/table.c define these tables, NULL at the end.
 */
#ifndef LEAT_PIPELINE_REGISTRY_H
#define LEAT_PIPELINE_REGISTRY_H

#include "leat-pipeline.h"

extern const struct leat_source_type *const lt_source_types[];
extern const struct leat_sink_type *const lt_sink_types[];
extern const struct leat_stage_type *const lt_stage_types[];

/** The type for "scheme:rest" (longest scheme that matches; "" when none does); `*target` is the rest, or the whole
 * word. */
const struct leat_source_type *lt_find_source(const char *word, const char **target);
const struct leat_sink_type *lt_find_sink(const char *word, const char **target);
/** NULL when there is no such stage. */
const struct leat_stage_type *lt_find_stage(const char *name);

#endif
