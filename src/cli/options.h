/* SPDX-License-Identifier: MIT */
/**
 * Options: the table of the whole run, and the parser of any option table.
 *
 * A table says everything about its options once: the parser, the help, the
 * man page, the completions and the YAML form are made from it. Where several
 * tables are open at the same place (an end's and the run's) no name stands in
 * two of them; lt_options_check() proves it and the tests call it.
 *
 * getopt_long was tried: it prints its own messages, knows no "did you mean",
 * takes abbreviations that break when an option is added, and keeps global state.
 */
#ifndef LEAT_CLI_OPTIONS_H
#define LEAT_CLI_OPTIONS_H

#include "cli/memory.h"
#include "pipeline/plan.h"

/** What the options of the whole run fill. */
struct lt_front {
    struct lt_run_options run;
    const char *progress; /**< auto, always, never */
    const char *report;   /**< a JSON file, or NULL */
    const char *http;     /**< where to serve the page, or NULL */
    bool control, stats, stats_json, quiet, verbose, help, version;
    struct leat_list set; /**< --set of `run`, `check` and `show` */
};

extern const struct leat_option lt_front_options[];

/** May the option stand in a file and in the environment, or on a command line only? */
bool lt_front_is_lasting(const struct leat_option *option);

/** Flags that every stage has besides its own. */
struct lt_stage_flags {
    uint64_t workers;
    const char *name;
    bool help;
};

extern const struct leat_option lt_stage_options[];

/** A table and the settings it fills now. */
struct lt_option_set {
    const struct leat_option *table; /**< may be NULL: no options */
    void *settings;
};

enum { LT_OPTION_SETS = 3 };

/** Arguments on their way through the parser. */
struct lt_arguments {
    char **words;
    size_t count, next;
    struct lt_option_set sets[LT_OPTION_SETS];
    const struct leat_option *elsewhere; /**< options that stand elsewhere: for a better message; may be NULL */
    bool only_words;                     /**< "--" has been seen */
};

/**
 * Put options into their settings until a word comes. 1: `*word` is set; 0: the
 * end; -EINVAL: `error` names the option.
 */
int lt_arguments_next(struct lt_arguments *arguments, struct lt_memory *memory, const char **word,
                      struct leat_error *error);

const struct leat_option *lt_option_find(const struct leat_option *table, const char *name);

/** Settings of `size` bytes with the defaults of `table`. */
void *lt_options_new(struct lt_memory *memory, const struct leat_option *table, size_t size);

/** The name of the run option's twin in the environment: "LEAT_BATCH_BYTES". */
void lt_option_environment_name(const struct leat_option *option, char *name, size_t size);

/** Take the run's options from the environment. 0 or -EINVAL. */
int lt_options_environment(struct lt_memory *memory, struct lt_front *front, struct leat_error *error);

/** 0 when no name or letter stands twice in tables that are open together; else -EEXIST, `error` names it. */
int lt_options_check(struct leat_error *error);

#endif
