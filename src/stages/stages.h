/* SPDX-License-Identifier: MIT */
/** The stages there are; src/stages/table.c lists them for the registry. */
#ifndef LEAT_STAGES_STAGES_H
#define LEAT_STAGES_STAGES_H

#include "leat-pipeline.h"

extern const struct leat_stage_type lt_coproc_stage;
extern const struct leat_stage_type lt_exec_stage;
extern const struct leat_stage_type lt_match_stage;
extern const struct leat_stage_type lt_rate_stage;
extern const struct leat_stage_type lt_read_stage;
extern const struct leat_stage_type lt_unanswered_stage;
extern const struct leat_stage_type lt_where_stage;

#endif
