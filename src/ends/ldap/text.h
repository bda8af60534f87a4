/* SPDX-License-Identifier: MIT */
/**
 * Texts that grow, and filters (RFC 4515) written into them: any byte of a value
 * may be written; what would mean something else, and all that is not ASCII, is
 * written as \xx.
 */
#ifndef LEAT_ENDS_LDAP_TEXT_H
#define LEAT_ENDS_LDAP_TEXT_H

#include "leat-pipeline.h"

#include <string.h>

/** Ready for use when zeroed; free(text.data). */
struct lt_text {
    char *data; /* terminated, or NULL when nothing was written */
    size_t size, room;
    bool failed; /* memory was short: what came after is missing */
};

static inline struct leat_bytes lt_string(const char *text) {
    return (struct leat_bytes){text, strlen(text)};
}

void lt_text_put(struct lt_text *text, const char *more);
void lt_text_put_bytes(struct lt_text *text, struct leat_bytes bytes);

/** "(attribute=value)", or with `initial` "(attribute=value*)". */
void lt_text_put_match(struct lt_text *text, const char *attribute, struct leat_bytes value, bool initial);

#endif
