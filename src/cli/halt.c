/* SPDX-License-Identifier: MIT */
#include "cli/halt.h"
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const whys[] = {[LT_HALT_FAIL] = "fail", [LT_HALT_SUCCESS] = "success", [LT_HALT_DONE] = "done"};

static bool read_why(const char *text, struct lt_halt *halt) {
    for (size_t i = LT_HALT_FAIL; i <= LT_HALT_DONE; i++) {
        size_t length = strlen(whys[i]);
        if (strncmp(text, whys[i], length) != 0 || text[length] != '=')
            continue;
        halt->why = (enum lt_halt_why)i;
        text += length + 1;
        char *end;
        halt->limit = strtoull(text, &end, 10);
        halt->percent = *end == '%';
        end += halt->percent;
        return *text >= '0' && *text <= '9' && *end == '\0' && halt->limit > 0 &&
               (!halt->percent || halt->limit <= 100);
    }
    return false;
}

int lt_halt_parse(const char *text, struct lt_halt *halt, struct leat_error *error) {
    *halt = (struct lt_halt){0};
    if (!text || strcmp(text, "never") == 0)
        return 0;
    halt->now = strncmp(text, "now,", 4) == 0;
    if ((halt->now || strncmp(text, "soon,", 5) == 0) && read_why(strchr(text, ',') + 1, halt))
        return 0;
    return leat_fail(error, -EINVAL, "\"%s\" is none of never, soon,fail=3, now,fail=20%%, soon,success=1, now,done=10",
                     text);
}
