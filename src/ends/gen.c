/* SPDX-License-Identifier: MIT */
/**
 * gen: made-up work, for trying things out. With a rate, item n is due at n / rate
 * after the first read: a delay is caught up with, it does not slow the schedule
 * down.
 */
#include "ends/ends.h"
#include "ends/gen.h"
#include "ends/query.h"
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct settings {
    uint64_t count, size, seed;
    double rate;
};

struct gen {
    struct settings settings;
    char *text; /* of every item, unless it is "" */
    bool forever;
    uint64_t given;
    leat_time start; /* 0: not yet */
};

static const struct leat_option options[] = {
    {"count", 0, LEAT_OPTION_COUNT, offsetof(struct settings, count), "N", "1000", "Items to make."},
    {"size", 0, LEAT_OPTION_SIZE, offsetof(struct settings, size), "SIZE", "900", "Bytes of text in an item."},
    {"rate", 0, LEAT_OPTION_RATE, offsetof(struct settings, rate), "RATE", NULL,
     "Items a second; without it, as fast as possible."},
    {"seed", 0, LEAT_OPTION_COUNT, offsetof(struct settings, seed), "N", "1", "Another seed makes other items."},
    {NULL},
};

static void close_gen(void *source) {
    struct gen *gen = source;
    free(gen->text);
    free(gen);
}

static int check_gen(const struct leat_segment *segment, struct leat_error *error) {
    struct settings settings;
    char *text;
    int code = lt_query_read(segment, options, &settings, sizeof settings, &text, error);
    if (code == 0)
        free(text);
    return code;
}

static int open_gen(void **source, const struct leat_segment *segment, struct leat_error *error) {
    struct gen *gen = calloc(1, sizeof *gen);
    if (!gen)
        return leat_fail(error, -ENOMEM, "%s: out of memory", segment->spelling);
    gen->forever = segment->forever;
    int code = lt_query_read(segment, options, &gen->settings, sizeof gen->settings, &gen->text, error);
    if (code)
        close_gen(gen);
    else
        *source = gen;
    return code;
}

/* ------------------------------------------------------------------ items */

static int out_of_memory(const struct gen *gen, struct leat_error *error) {
    return leat_fail(error, -ENOMEM, "gen: out of memory at item %llu", (unsigned long long)gen->given + 1);
}

static int add_item(struct gen *gen, struct leat_batch *batch, struct leat_error *error) {
    struct leat_item *item = leat_batch_add(batch);
    if (!item)
        return 1;
    uint64_t number = gen->given + 1;
    struct leat_bytes body = {gen->text, strlen(gen->text)};
    bool has_text = body.size > 0;
    if (!has_text && !lt_gen_message(batch, gen->settings.seed, number, gen->settings.size, &body))
        return out_of_memory(gen, error);
    item->position = number;
    item->id = lt_gen_id(gen->settings.seed, number);
    leat_item_set(batch, item, body, "line");
    gen->given = number;
    return 0;
}

static leat_time due(const struct gen *gen, uint64_t number) {
    double wait = (double)number / gen->settings.rate * (double)LEAT_SECOND;
    return wait < (double)(LEAT_FOREVER - gen->start) ? gen->start + (leat_time)wait : LEAT_FOREVER;
}

/* Wait for the next item's time. Returns how many items are due. */
static int wait_until_due(struct gen *gen, struct leat_batch *batch, uint64_t *ready, struct leat_error *error) {
    *ready = UINT64_MAX;
    if (gen->settings.rate == 0)
        return leat_cancelled();
    if (gen->start == 0)
        gen->start = leat_now();
    enum leat_state before = leat_batch_state(batch, LEAT_THROTTLED);
    int code = leat_sleep_until(due(gen, gen->given));
    leat_batch_state(batch, before);
    if (code)
        return leat_fail(error, code, "gen: %s", strerror(-code));
    double passed = (double)(leat_now() - gen->start) / (double)LEAT_SECOND * gen->settings.rate;
    *ready = passed < 0x1p63 ? (uint64_t)passed + 1 : UINT64_MAX;
    return 0;
}

static int read_gen(void *source, struct leat_batch *batch, struct leat_error *error) {
    struct gen *gen = source;
    if (!gen->forever && gen->given >= gen->settings.count)
        return -ENODATA;
    uint64_t ready;
    int code = wait_until_due(gen, batch, &ready, error);
    if (code)
        return code;
    if (!gen->forever && ready > gen->settings.count)
        ready = gen->settings.count;
    do
        code = add_item(gen, batch, error);
    while (code == 0 && gen->given < ready);
    return code < 0 ? code : 0;
}

static uint64_t total_gen(void *source) {
    const struct gen *gen = source;
    return gen->forever ? 0 : gen->settings.count;
}

const struct leat_source_type lt_gen_source = {
    .scheme = "gen",
    .syntax = "gen:[TEXT][?count=N&size=SIZE&rate=RATE&seed=N]",
    .summary = "Made-up messages with addresses, links, dates, numbers and tags in them.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .check = check_gen,
    .open = open_gen,
    .read = read_gen,
    .total = total_gen,
    .close = close_gen,
};
