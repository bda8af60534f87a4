/* SPDX-License-Identifier: MIT */
/** ${VAR}, ${VAR:-else} and ${file:PATH} in values of a file; "$${" is a plain "${". */
#ifndef LEAT_CLI_EXPAND_H
#define LEAT_CLI_EXPAND_H

#include "base/error.h"
#include "cli/memory.h"

/** The text with what stands for ${…}; `text` itself when there is none in it; NULL: `error` says why not. */
const char *lt_expand(struct lt_memory *memory, const char *text, struct leat_error *error);

#endif
