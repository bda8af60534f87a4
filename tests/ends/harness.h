/* SPDX-License-Identifier: MIT */
/**
 * Run one source, stage or sink alone, within a runtime of its own, and keep
 * what it did, so that the test can look at it afterwards: a failed assertion
 * must not jump out of a task.
 */
#ifndef LEAT_TESTS_ENDS_HARNESS_H
#define LEAT_TESTS_ENDS_HARNESS_H

#include "leat-pipeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct seen {
    struct leat_bytes body, text, out; /* out: as rendered */
    char *reason;
    int fate, code;
    uint64_t id, position;
};

struct outcome {
    struct seen *items;
    size_t count, room, batches;
    int code; /* -ENODATA: a source came to its end */
    struct leat_error error;
};

typedef int harness_open(void **end, const struct leat_segment *segment, struct leat_error *error);

/** Read a source to its end or error; `open` NULL: the type's own. */
void harness_read(struct outcome *outcome, const struct leat_source_type *type, harness_open *open,
                  const struct leat_segment *segment, size_t item_limit);

/** Send items with these bodies (in one batch for each `per_batch`) through a sink. code 0: flushed, too. */
void harness_write(struct outcome *outcome, const struct leat_sink_type *type, const struct leat_segment *segment,
                   const struct leat_bytes *bodies, size_t count, size_t per_batch, const char *kind);

/** Send items with these bodies through a stage, in one batch. */
void harness_process(struct outcome *outcome, const struct leat_stage_type *type, const struct leat_segment *segment,
                     const struct leat_bytes *bodies, size_t count, const char *kind);

void harness_free(struct outcome *outcome);

/** A path in a folder of this test's own, which harness_clean() removes. Valid until the next-but-seven call. */
const char *harness_path(const char *name);
void harness_put(const char *path, const void *data, size_t size);
/** Allocated, terminated. */
char *harness_get(const char *path, size_t *size);
int harness_clean(void **state);

static inline struct leat_bytes bytes_of(const char *text) {
    return (struct leat_bytes){text, strlen(text)};
}

#define assert_bytes(bytes, expected)                                                                                  \
    do {                                                                                                               \
        assert_int_equal((bytes).size, strlen(expected));                                                              \
        assert_memory_equal((bytes).data, expected, (bytes).size);                                                     \
    } while (0)

#endif
