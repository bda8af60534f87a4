/* SPDX-License-Identifier: MIT */
/** --stats-json: a run at one moment as one line of JSON. docs/manual.md lists the members. */
#ifndef LEAT_CLI_STATS_H
#define LEAT_CLI_STATS_H

#include "pipeline/run.h"

#include <stdio.h>

/** Rates and shares are those since `from`, and so is the verdict. The line ends with a newline. */
void lt_stats_json(FILE *file, const struct lt_snapshot *from, const struct lt_snapshot *to,
                   const struct lt_verdict *verdict);

/** The members alone, without braces, for who has more to say. */
void lt_stats_members(FILE *file, const struct lt_snapshot *from, const struct lt_snapshot *to,
                      const struct lt_verdict *verdict);
/** A verdict as an object. */
void lt_stats_verdict(FILE *file, const struct lt_verdict *verdict);
/** ,"failures":[…], the oldest first. */
void lt_stats_failures(FILE *file, const struct lt_failures *failures);

#endif
