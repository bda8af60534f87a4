/* SPDX-License-Identifier: MIT */
/**
 * gen: made-up work, for trying things out and for load. Messages that look like
 * the mail of a help desk: words, and among them e-mail addresses, links, dates,
 * phone numbers, hashtags, JSON escapes and letters beyond ASCII, about as many
 * as the measurements of the main job were made with (between one and two of
 * each kind in a message of the usual size).
 *
 * An item depends on the seed and its number alone, so that two runs, or two
 * loads one after the other, are the same bytes. With a rate, item n is due at
 * n / rate after the first read: a delay is caught up with, it does not slow the
 * schedule down.
 */
#include "ends/ends.h"
#include "ends/query.h"
#include "base/error.h"
#include "base/hash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of one piece of text, at most, and of what surrounds the content. */
enum { LONGEST = 96, HEADER = 48 };

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

static int open_gen(void **source, const struct leat_segment *segment, struct leat_error *error) {
    struct gen *gen = calloc(1, sizeof *gen);
    if (!gen)
        return leat_fail(error, -ENOMEM, "%s: out of memory", segment->spelling);
    gen->forever = segment->forever;
    int code = lt_query_read(segment, options, &gen->settings, sizeof gen->settings, &gen->text, error);
    if (code == 0 && !(gen->settings.rate >= 0))
        code = leat_fail(error, -EINVAL, "%s: the rate must not be negative", segment->spelling);
    if (code)
        close_gen(gen);
    else
        *source = gen;
    return code;
}

/* ------------------------------------------------------------------- text */

struct random {
    uint64_t state;
};

static uint64_t draw_bits(struct random *random) {
    random->state += 0x9e3779b97f4a7c15u;
    return lt_hash_mix(random->state);
}

static uint32_t draw(struct random *random, uint32_t below) {
    return (uint32_t)((draw_bits(random) >> 32) * below >> 32);
}

/* Words are padded, so that one can be copied without looking at its length. */
enum { WORD = 12 };

static const char words[][WORD] = {
    "the",
    "printer",
    "on",
    "floor",
    "please",
    "open",
    "ticket",
    "again",
    "since",
    "yesterday",
    "server",
    "returns",
    "error",
    "after",
    "update",
    "and",
    "nobody",
    "can",
    "log",
    "in",
    "with",
    "their",
    "account",
    "invoice",
    "number",
    "was",
    "sent",
    "twice",
    "we",
    "need",
    "a",
    "new",
    "key",
    "for",
    "our",
    "office",
    "thanks",
    "in",
    "advance",
    "the",
    "meeting",
    "has",
    "moved",
    "to",
    "room",
    "caf\xc3\xa9",
    "M\xc3\xbcller",
    "na\xc3\xafve",
    "\xe2\x82\xac",
    "\xe6\x9d\xb1\xe4\xba\xac",
    "\xf0\x9f\x9a\x80",
    "said:",
    "\\\"ok\\\"",
    "C:\\\\temp",
    "line\\nbreak",
    "tab\\there",
    "caf\\u00e9",
    "attached",
    "see",
    "below",
};
static const char *const names[] = {"anna", "li.wei", "j.smith", "omar", "k_novak", "support+de", "sales", "maria"};
static const char *const hosts[] = {"example.org", "mail.example.com", "corp.example", "dept.example.net"};
static const char *const paths[] = {"tickets", "wiki/Install", "a/b?id", "search?q=x&page", "docs/v2"};
static const char *const tags[] = {"urgent", "billing", "vpn", "Release_2", "outage", "hr", "todo"};

#define PICK(random, list) (list)[draw(random, sizeof(list) / sizeof(list)[0])]

/* What the patterns of the main job look for; `kind` is less than FINDS. */
enum { FINDS = 35, PIECES = 620 };

static size_t put_find(struct random *random, uint32_t kind, char *room) {
    /* A message of the usual size has some 140 pieces, so that 7 of 620 are 1.6 in a message. */
    int length;
    if (kind < 7)
        length = snprintf(room, LONGEST, "%s%u@%s", PICK(random, names), draw(random, 100), PICK(random, hosts));
    else if (kind < 14)
        length = snprintf(room, LONGEST, "http%s://%s/%s=%u", draw(random, 2) ? "s" : "", PICK(random, hosts),
                          PICK(random, paths), draw(random, 100000));
    else if (kind < 19)
        length = snprintf(room, LONGEST, "+%u-%03u-%03u-%04u", 1 + draw(random, 99), draw(random, 1000),
                          draw(random, 1000), draw(random, 10000));
    else if (kind < 26)
        length =
            snprintf(room, LONGEST, "20%02u-%02u-%02u", draw(random, 40), 1 + draw(random, 12), 1 + draw(random, 28));
    else
        length = snprintf(room, LONGEST, "#%s", PICK(random, tags));
    return (size_t)length;
}

/* One piece of text, at most LONGEST bytes, into `room`. */
static size_t put_piece(struct random *random, char *room) {
    uint64_t bits = draw_bits(random);
    uint32_t kind = (uint32_t)((bits >> 32) * PIECES >> 32);
    if (kind < FINDS)
        return put_find(random, kind, room);
    const char *word = words[(uint32_t)bits * (uint64_t)(sizeof words / sizeof words[0]) >> 32];
    memcpy(room, word, WORD);
    return strnlen(word, WORD);
}

/* Exactly `size` bytes of JSON string content; `room` has LONGEST bytes more. */
static void put_text(struct random *random, char *room, size_t size) {
    size_t used = 0, length;
    while (used < size && (length = put_piece(random, room + used)) < size - used) {
        used += length;
        room[used++] = ' ';
    }
    memset(room + used, 'x', size - used);
}

/* ------------------------------------------------------------------ items */

static int out_of_memory(const struct gen *gen, struct leat_error *error) {
    return leat_fail(error, -ENOMEM, "gen: out of memory at item %llu", (unsigned long long)gen->given + 1);
}

static bool make_message(const struct gen *gen, struct leat_batch *batch, uint64_t number, struct leat_bytes *body) {
    size_t size = gen->settings.size;
    char *room = size < SIZE_MAX - HEADER - LONGEST ? leat_batch_alloc(batch, size + HEADER + LONGEST) : NULL;
    if (!room)
        return false;
    struct random random = {lt_hash_mix(gen->settings.seed) ^ number << 20};
    size_t used = (size_t)snprintf(room, HEADER, "{\"n\":%llu,\"content\":\"", (unsigned long long)number);
    put_text(&random, room + used, size);
    used += size;
    memcpy(room + used, "\"}", 2);
    *body = (struct leat_bytes){room, used + 2};
    return true;
}

static int add_item(struct gen *gen, struct leat_batch *batch, struct leat_error *error) {
    struct leat_item *item = leat_batch_add(batch);
    if (!item)
        return 1;
    uint64_t number = gen->given + 1;
    struct leat_bytes body = {gen->text, strlen(gen->text)};
    bool has_text = body.size > 0;
    if (!has_text && !make_message(gen, batch, number, &body))
        return out_of_memory(gen, error);
    item->position = number;
    item->id = lt_hash_mix(gen->settings.seed + lt_hash_mix(number));
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
    .open = open_gen,
    .read = read_gen,
    .total = total_gen,
    .close = close_gen,
};
