/* SPDX-License-Identifier: MIT */
/**
 * What a run looks like in words: the progress line, the last line, the table
 * of times, the JSON report. Only text is made here; who prints it when is
 * src/cli/watch.c's and src/cli/run.c's.
 */
#ifndef LEAT_CLI_PROGRESS_H
#define LEAT_CLI_PROGRESS_H

#include "cli/options.h"
#include "pipeline/run.h"

#include <stdio.h>

/**
 * One line, cut to `width` columns (0: as long as it is): items, rates since
 * `from`, what each column mostly does since then (works, or waits for its
 * input, its output, the outside, a limit); a star at the one that limits.
 */
void lt_progress_line(const struct lt_snapshot *from, const struct lt_snapshot *to, size_t width, char *text,
                      size_t size);

/** "100 in = 90 delivered + 0 filtered + 10 failed (bad.jsonl) + 0 returned, in 1.9 s (52 k/s, 51 MB/s)" */
void lt_progress_last(const struct lt_snapshot *snapshot, const struct lt_run_options *options, char *text,
                      size_t size);

/** Items that are neither delivered nor otherwise done with. */
uint64_t lt_progress_in_flight(const struct lt_counts *counts);

/** The share of its time that each column spent in each state, as a table. */
void lt_progress_table(FILE *file, const struct lt_snapshot *snapshot);

/** Write the report to `path`. 0 or a negative errno value. */
int lt_progress_report(const char *path, const struct lt_report *report, const struct lt_verdict *verdict, int code,
                       struct leat_error *error);

#endif
