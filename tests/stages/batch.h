/* SPDX-License-Identifier: MIT */
/** A batch with one item, as far as the stage `match` uses it, without the pipeline's engine. */
#ifndef LEAT_TESTS_STAGES_BATCH_H
#define LEAT_TESTS_STAGES_BATCH_H

#include "leat-pipeline.h"

#include <stdio.h>

struct test_batch;

struct test_batch *test_batch_new(const char *text, size_t size);
struct leat_batch *test_batch(struct test_batch *batch);
/** A line: the first value, or "failed: " and the reason. */
void test_batch_print(struct test_batch *batch, FILE *file);
void test_batch_free(struct test_batch *batch);

#endif
