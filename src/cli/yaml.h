/* SPDX-License-Identifier: MIT */
/**
 * A plan as a YAML file.
 *
 *     from: queue:in.q                    or: {uri: queue:in.q, OPTION: VALUE …}
 *     steps:
 *       - read                            a stage without words
 *       - where: .size>10                 with one word, or a list of them
 *       - match:                          or a map: options by their long names, and
 *           field: .content
 *           args: {emails: '\S+@\S+'}     words: a text, a list, or a map for NAME=VALUE
 *     to: out.ndjson
 *     options: {workers: 4}
 *
 * Strict: what is not known is an error with file, line and column. Every
 * scalar is text; its option's type says how it is read. ${VAR}, ${VAR:-else}
 * and ${file:PATH} are replaced in values after parsing, so that what they hold
 * can never become structure; "$${" is a plain "${".
 */
#ifndef LEAT_CLI_YAML_H
#define LEAT_CLI_YAML_H

#include "cli/parse.h"

#include <stdio.h>

/** Read `command->file` into the plan and its options into `command->front`. 0, or -EINVAL and the like. */
int lt_yaml_read(struct lt_command *command, const struct leat_list *set, struct leat_error *error);

/** Print the plan in this form. 0, or -EINVAL: a word is not UTF-8 and cannot be written as YAML. */
int lt_yaml_show(struct lt_command *command, FILE *file, struct leat_error *error);

#endif
