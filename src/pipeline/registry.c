/* SPDX-License-Identifier: MIT */
#include "pipeline/registry.h"

#include <string.h>

/* Bytes of `word` that belong to the scheme and its colon; -1 when it is another scheme's. */
static ptrdiff_t scheme_length(const char *word, const char *scheme) {
    size_t length = strlen(scheme);
    if (length == 0)
        return 0;
    if (strncmp(word, scheme, length) != 0 || word[length] != ':')
        return -1;
    return (ptrdiff_t)length + 1;
}

const struct leat_source_type *lt_find_source(const char *word, const char **target) {
    const struct leat_source_type *found = NULL;
    ptrdiff_t longest = -1;
    for (size_t i = 0; lt_source_types[i]; i++) {
        ptrdiff_t length = scheme_length(word, lt_source_types[i]->scheme);
        if (length <= longest)
            continue;
        longest = length;
        found = lt_source_types[i];
    }
    *target = word + (longest > 0 ? longest : 0);
    return found;
}

const struct leat_sink_type *lt_find_sink(const char *word, const char **target) {
    const struct leat_sink_type *found = NULL;
    ptrdiff_t longest = -1;
    for (size_t i = 0; lt_sink_types[i]; i++) {
        ptrdiff_t length = scheme_length(word, lt_sink_types[i]->scheme);
        if (length <= longest)
            continue;
        longest = length;
        found = lt_sink_types[i];
    }
    *target = word + (longest > 0 ? longest : 0);
    return found;
}

const struct leat_stage_type *lt_find_stage(const char *name) {
    for (size_t i = 0; lt_stage_types[i]; i++)
        if (strcmp(lt_stage_types[i]->name, name) == 0)
            return lt_stage_types[i];
    return NULL;
}
