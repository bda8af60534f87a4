/* SPDX-License-Identifier: MIT */
#include "stages/stages.h"
#include "pipeline/registry.h"

const struct leat_stage_type *const lt_stage_types[] = {
    &lt_match_stage, &lt_where_stage,  &lt_read_stage,       &lt_rate_stage,
    &lt_exec_stage,  &lt_coproc_stage, &lt_unanswered_stage, NULL,
};
