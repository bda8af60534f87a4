/* SPDX-License-Identifier: MIT */
/** `leat bench`: one pipeline with several numbers of workers. Returns the exit code. */
#ifndef LEAT_CLI_BENCH_BENCH_H
#define LEAT_CLI_BENCH_BENCH_H

#include "cli/parse.h"

int lt_bench_run(struct lt_command *command);

#endif
