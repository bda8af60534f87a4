/* SPDX-License-Identifier: MIT */
/**
 * null: takes everything and keeps nothing. What is measured with it is the
 * rest of the pipeline; items are rendered only when asked, since a real sink
 * would have to.
 */
#include "ends/ends.h"
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct settings {
    bool render;
};

static const struct leat_option options[] = {
    {"render", 0, LEAT_OPTION_FLAG, offsetof(struct settings, render), NULL, NULL,
     "Make the bytes that a real end would write, then forget them."},
    {NULL},
};

static int check_null(const struct leat_segment *segment, struct leat_error *error) {
    return *segment->target ? leat_fail(error, -EINVAL, "%s: nothing may follow \"null:\"", segment->spelling) : 0;
}

static int open_null(void **sink, const struct leat_segment *segment, struct leat_error *error) {
    int code = check_null(segment, error);
    if (code)
        return code;
    struct settings *settings = malloc(sizeof *settings);
    if (!settings)
        return leat_fail(error, -ENOMEM, "%s: out of memory", segment->spelling);
    *settings = *(const struct settings *)segment->settings;
    *sink = settings;
    return 0;
}

static int write_null(void *sink, struct leat_batch **batches, size_t count, struct leat_error *error) {
    const struct settings *settings = sink;
    (void)error;
    for (size_t b = 0; b < count; b++) {
        for (size_t i = 0; i < batches[b]->count; i++) {
            struct leat_item *item = &batches[b]->items[i];
            struct leat_bytes out;
            struct leat_error reason;
            if (item->fate != LEAT_LIVE)
                continue;
            int code = settings->render ? leat_item_render(batches[b], item, &out, &reason) : 0;
            if (code)
                leat_item_fail(batches[b], item, code, "%s", reason.text);
            else
                item->fate = LEAT_DELIVERED;
        }
        leat_batch_confirm(batches[b]);
    }
    return 0;
}

static int flush_null(void *sink, struct leat_error *error) {
    (void)sink;
    (void)error;
    return 0;
}

const struct leat_sink_type lt_null_sink = {
    .scheme = "null",
    .syntax = "null:",
    .summary = "Take everything, keep nothing.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .check = check_null,
    .open = open_null,
    .write = write_null,
    .flush = flush_null,
    .close = free,
};
