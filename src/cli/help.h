/* SPDX-License-Identifier: MIT */
/**
 * Help, man page and completions, all made from the tables of options, ends and
 * stages; what is no table (examples, commands, exit codes) stands once, here.
 */
#ifndef LEAT_CLI_HELP_H
#define LEAT_CLI_HELP_H

#include "base/error.h"

#include <stdio.h>

/** Something and what it means; a NULL name ends a list. */
struct lt_entry {
    const char *name;
    const char *text;
};

extern const struct lt_entry lt_examples[];
extern const struct lt_entry lt_usages[];
extern const struct lt_entry lt_exit_codes[];
extern const char lt_summary[];
extern const char lt_about_yaml[];
extern const char lt_about_environment[];

/** Print the whole help (`topic` NULL) or that of a stage, an end, a command. 0, or -EINVAL: no such topic. */
int lt_help(FILE *file, const char *topic, struct leat_error *error);

/** The man page, in mdoc. */
void lt_help_man(FILE *file);

/** What makes a shell complete; NULL: no such shell. */
const char *lt_completion(const char *shell);

/** Candidates for the last of the words that follow "leat", one a line: word, tab, what it is. */
void lt_complete(FILE *file, char **words, size_t count);

#endif
