/* SPDX-License-Identifier: MIT */
#include "stages/batch.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct block {
    struct block *next;
    max_align_t memory[];
};

struct test_batch {
    struct leat_batch batch;
    struct leat_item item;
    struct leat_value values[64];
    struct block *blocks;
};

struct test_batch *test_batch_new(const char *text, size_t size) {
    struct test_batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        abort();
    batch->item.text = batch->item.body = (struct leat_bytes){text, size};
    batch->item.values = batch->values;
    batch->batch = (struct leat_batch){.items = &batch->item, .count = 1, .bytes = size, .engine = batch};
    return batch;
}

struct leat_batch *test_batch(struct test_batch *batch) {
    return &batch->batch;
}

void test_batch_print(struct test_batch *batch, FILE *file) {
    if (batch->item.fate == LEAT_FAILED)
        fprintf(file, "failed: %s\n", batch->item.reason.data);
    else
        fprintf(file, "%.*s\n", (int)batch->values[0].json.size, batch->values[0].json.data);
}

void test_batch_free(struct test_batch *batch) {
    for (struct block *block = batch->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free(batch);
}

void *leat_batch_alloc(struct leat_batch *batch, size_t size) {
    struct test_batch *own = batch->engine;
    struct block *block = malloc(sizeof *block + size);
    if (!block)
        return NULL;
    block->next = own->blocks;
    own->blocks = block;
    return block->memory;
}

void leat_item_fail(struct leat_batch *batch, struct leat_item *item, int code, const char *format, ...) {
    char *text = leat_batch_alloc(batch, 512);
    if (!text)
        abort();
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, 512, format, arguments);
    va_end(arguments);
    item->fate = LEAT_FAILED;
    item->code = code;
    item->reason = (struct leat_bytes){text, strlen(text)};
}

int leat_item_text(struct leat_batch *batch, struct leat_item *item, const char *path, struct leat_bytes *text,
                   struct leat_error *error) {
    (void)batch;
    if (path)
        return leat_fail(error, -ENOENT, "no field %s", path);
    *text = item->text;
    return 0;
}

int leat_item_add(struct leat_batch *batch, struct leat_item *item, struct leat_bytes name, struct leat_bytes json) {
    (void)batch;
    item->values[item->value_count++] = (struct leat_value){name, json};
    return 0;
}
