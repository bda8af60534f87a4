/* SPDX-License-Identifier: MIT */
/**
 * From arguments to what they ask for.
 *
 *     leat FROM [flags] : STAGE [flags] … : TO [flags] [options]
 *
 * A lone ":" separates; "::" is the word ":". A first word that is a command
 * (run, check, show, help, queue, load, bench, top) is taken as one; run, check, show and bench take
 * a YAML file (its name ends in .yaml or .yml; with run any path that stands alone) or a pipeline, load takes TO alone.
 */
#ifndef LEAT_CLI_PARSE_H
#define LEAT_CLI_PARSE_H

#include "cli/bench/options.h"
#include "cli/load/options.h"
#include "cli/options.h"

enum lt_verb {
    LT_VERB_RUN,
    LT_VERB_CHECK,
    LT_VERB_SHOW,
    LT_VERB_HELP,
    LT_VERB_QUEUE,
    LT_VERB_LOAD,
    LT_VERB_BENCH,
    LT_VERB_TOP,
    LT_VERB_VERSION
};

/** A string of a file before ${…} was replaced in it: `show` prints this one, so that it prints no secret. */
struct lt_original {
    const char *expanded; /**< the pointer itself is the key */
    const char *text;
};

struct lt_command {
    struct lt_memory memory;
    enum lt_verb verb;
    struct lt_front front;
    struct lt_plan plan; /**< of run, check, show, bench; of load: without a source */
    const struct lt_load_options *load;
    const struct lt_bench_options *bench;
    const char *file;  /**< where it comes from; NULL: the command line */
    const char *topic; /**< of help; NULL: the whole */
    char **rest;       /**< of queue and top: their arguments */
    size_t rest_count;
    struct lt_original *originals;
    size_t original_count;
};

/** 0, or a negative errno value with one sentence. Free the command in both cases. */
int lt_parse(int argc, char **argv, struct lt_command *command, struct leat_error *error);
void lt_command_free(struct lt_command *command);

/** NULL-terminated, in the order of the help. */
extern const char *const lt_verb_names[];

#endif
