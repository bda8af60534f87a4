/* SPDX-License-Identifier: MIT */
/** What the commands do; each returns the exit code of the program. */
#ifndef LEAT_CLI_RUN_H
#define LEAT_CLI_RUN_H

#include "cli/parse.h"

enum lt_exit {
    LT_EXIT_DONE = 0,
    LT_EXIT_FAILED = 1,
    LT_EXIT_USAGE = 2,
    LT_EXIT_NOT_STARTED = 3,
    LT_EXIT_LATE = 5,
    LT_EXIT_INTERNAL = 70,
    LT_EXIT_SIGNAL = 128,
    LT_EXIT_PIPE = 141, /* as if SIGPIPE had ended it */
};

int lt_run(struct lt_command *command);
int lt_check(struct lt_command *command);

#endif
