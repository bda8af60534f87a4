/* SPDX-License-Identifier: MIT */
/** Option --field, which several stages have: a mistake in it is the command's, not that of every item. */
#ifndef LEAT_STAGES_FIELD_H
#define LEAT_STAGES_FIELD_H

#include "base/error.h"
#include "base/json.h"

/** 0, or -EINVAL: `field` (NULL: none) of the stage is no path. */
static inline int lt_check_field(const char *stage, const char *field, struct leat_error *error) {
    int code = field ? lt_json_path_check(field, error) : 0;
    if (code)
        lt_error_prefix(error, "%s: --field", stage);
    return code;
}

#endif
