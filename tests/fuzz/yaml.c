/* SPDX-License-Identifier: MIT */
/**
 * Any bytes as a pipeline in YAML, with the real ends and stages: an error, or a
 * plan; and what `leat show` prints of that plan is read as the same plan.
 */
#include "plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct leat_error error;
    char *text = show_file(data, size, &error);
    if (text)
        must_be_read_the_same(text);
    free(text);
    return 0;
}
