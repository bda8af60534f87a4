/* SPDX-License-Identifier: MIT */
/** What the commands do; each returns the exit code of the program. */
#ifndef LEAT_CLI_RUN_H
#define LEAT_CLI_RUN_H

#include "cli/parse.h"
#include "pipeline/run.h"

#include <stdio.h>

enum lt_exit {
    LT_EXIT_DONE = 0,
    LT_EXIT_FAILED = 1,
    LT_EXIT_USAGE = 2,
    LT_EXIT_NOT_STARTED = 3,
    LT_EXIT_HALTED = 4,
    LT_EXIT_LATE = 5,
    LT_EXIT_INTERNAL = 70,
    LT_EXIT_SIGNAL = 128,
    LT_EXIT_PIPE = 141, /* as if SIGPIPE had ended it */
};

/** What a command makes of a run besides running it; any function may be NULL. */
struct lt_run_extra {
    void *argument;
    /** What else the progress line shows, or ""; on the watching thread. */
    void (*note)(void *argument, char *text, size_t size);
    /** The run is over: print, unless `quiet`; returns the exit code, which was going to be `code`. */
    int (*end)(void *argument, const struct lt_report *report, const struct lt_verdict *verdict, int code, bool quiet);
    /** In place of the usual report. */
    void (*write_report)(void *argument, FILE *file, const char *path, const struct lt_report *report,
                         const struct lt_verdict *verdict, int code);
};

int lt_run(struct lt_command *command);
int lt_run_with(struct lt_command *command, const struct lt_run_extra *extra);
int lt_check(struct lt_command *command);

#endif
