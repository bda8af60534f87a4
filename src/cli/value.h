/* SPDX-License-Identifier: MIT */
/** Values of options: from text into the settings, and back into text that reads the same. */
#ifndef LEAT_CLI_VALUE_H
#define LEAT_CLI_VALUE_H

#include "base/error.h"
#include "cli/memory.h"

/**
 * Put `text` into the member that `option` describes (a list gets one more
 * item; a flag takes true, false, yes, no, on, off, 1, 0). Keeps `text`.
 * 0 or -EINVAL; the error says what is wrong with the value, not whose it is.
 */
int lt_value_assign(struct lt_memory *memory, const struct leat_option *option, void *settings, const char *text,
                    struct leat_error *error);

/** The value as one would write it; not for lists. NULL: an unset string. */
const char *lt_value_text(struct lt_memory *memory, const struct leat_option *option, const void *settings);

/** The same value in both settings? */
bool lt_value_equal(const struct leat_option *option, const void *left, const void *right);

/** Does the option's argument list its only values, as in "drain|drop"? */
bool lt_value_is_choice(const struct leat_option *option);

#endif
