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
 * One line, cut to `width` columns: items, rates since `from`, a note of the
 * command's (or ""), what each column mostly does since then (works, or waits for
 * its input, its output, the outside, a limit); a star at the one that limits.
 */
void lt_progress_line(const struct lt_snapshot *from, const struct lt_snapshot *to, const char *note, size_t width,
                      char *text, size_t size);

/** The same for --stats, as long as it is: also what was delivered, what is not settled yet, what the ends count. */
void lt_progress_stats(const struct lt_snapshot *from, const struct lt_snapshot *to, const char *note, char *text,
                       size_t size);

/** "100 in = 90 delivered + 0 filtered + 10 failed (bad.jsonl) + 0 returned, in 1.9 s (52 k/s, 51 MB/s)" */
void lt_progress_last(const struct lt_snapshot *snapshot, const struct lt_run_options *options, char *text,
                      size_t size);

/** Items that are neither delivered nor otherwise done with. */
uint64_t lt_progress_in_flight(const struct lt_counts *counts);

/** The share of its time that each column spent in each state, as a table. */
void lt_progress_table(FILE *file, const struct lt_snapshot *snapshot);

/** A line for each end that counts something besides items. */
void lt_progress_counters(FILE *file, const struct lt_snapshot *snapshot);

/** The report as JSON. */
void lt_progress_report(FILE *file, const struct lt_report *report, const struct lt_verdict *verdict, int code);

#endif
