/* SPDX-License-Identifier: MIT */
/** What --halt is given: "soon,fail=3", "now,success=20%", "never". */
#ifndef LEAT_CLI_HALT_H
#define LEAT_CLI_HALT_H

#include "pipeline/plan.h"

/** NULL is never. 0, or -EINVAL and a sentence. */
int lt_halt_parse(const char *text, struct lt_halt *halt, struct leat_error *error);

#endif
