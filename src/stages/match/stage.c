/* SPDX-License-Identifier: MIT */
/*
 * The stage `match`: adds to each item, for each NAME=REGEX, an array NAME with
 * all non-overlapping matches, as Python's re.findall gives them: the match; or
 * the group, if the pattern has one; or an array of the groups, if it has more.
 * No match is an empty array; `where` drops items, `match` never does.
 *
 * The arrays are written into batch memory as the matches are found. A chunk
 * that becomes too small is left behind (the batch frees it) and the array that
 * was begun moves to the next, which is twice as large: a byte is copied at most
 * once more than it is written.
 */
#include "stages/match/find.h"
#include "stages/field.h"
#include "stages/stages.h"
#include "base/error.h"
#include "base/json.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct settings {
    const char *field;
    bool unicode;
    uint64_t limit;
};

static const struct leat_option options[] = {
    {"field", 'f', LEAT_OPTION_STRING, offsetof(struct settings, field), "FIELD", NULL,
     "Read this field, a string; without it the line, the file's text, or whatever the item is."},
    {"unicode", 'U', LEAT_OPTION_FLAG, offsetof(struct settings, unicode), NULL, NULL,
     "Let \\w, \\d, \\s, \\b and caseless matching know all of Unicode, not just ASCII."},
    {"limit", 0, LEAT_OPTION_COUNT, offsetof(struct settings, limit), "N", "10M",
     "Set an item aside when a pattern takes more steps than this on it."},
    {NULL},
};

struct match {
    const char *field;
    uint32_t limit;
    struct leat_bytes *names;
    struct lt_patterns patterns;
};

/** Where arrays are written: batch memory. */
struct writer {
    struct leat_batch *batch;
    char *begin; /* of the array that is being written */
    char *at;
    char *end;
    size_t next; /* size of the next chunk */
};

struct match_worker {
    struct lt_finder finder;
};

enum { FIRST_CHUNK = 4096, LARGEST_CHUNK = 1024 * 1024 };

static int split(const char *word, struct leat_bytes *name, struct leat_bytes *pattern, struct leat_error *error) {
    const char *equals = strchr(word, '=');
    if (!equals || equals == word)
        return leat_fail(error, -EINVAL, "match: expected NAME=REGEX, not \"%s\"", word);
    *name = (struct leat_bytes){word, (size_t)(equals - word)};
    *pattern = (struct leat_bytes){equals + 1, strlen(equals + 1)};
    return 0;
}

static bool same(struct leat_bytes one, struct leat_bytes other) {
    return one.size == other.size && memcmp(one.data, other.data, one.size) == 0;
}

static int read_words(struct match *match, const struct leat_segment *segment, struct leat_bytes *patterns,
                      struct leat_error *error) {
    for (size_t i = 0; i < segment->word_count; i++) {
        int code = split(segment->words[i], &match->names[i], &patterns[i], error);
        if (code)
            return code;
        for (size_t before = 0; before < i; before++)
            if (same(match->names[before], match->names[i]))
                return leat_fail(error, -EINVAL, "match: the name \"%.*s\" is given twice", (int)match->names[i].size,
                                 match->names[i].data);
    }
    return 0;
}

static void match_close(void *stage) {
    struct match *match = stage;
    lt_patterns_close(&match->patterns);
    free(match->names);
    free(match);
}

static int compile(struct match *match, const struct leat_segment *segment, struct leat_bytes *texts,
                   struct leat_error *error) {
    const struct settings *settings = segment->settings;
    int code = read_words(match, segment, texts, error);
    if (code)
        return code;
    size_t wrong;
    code = lt_patterns_open(&match->patterns, texts, segment->word_count, settings->unicode, false, &wrong, error);
    if (code)
        lt_error_prefix(error, "match: %.*s", (int)match->names[wrong].size, match->names[wrong].data);
    return code;
}

static int match_open(void **stage, const struct leat_segment *segment, struct leat_error *error) {
    const struct settings *settings = segment->settings;
    if (segment->word_count == 0)
        return leat_fail(error, -EINVAL, "match: what to look for is missing: NAME=REGEX");
    if (settings->limit == 0 || settings->limit > UINT32_MAX)
        return leat_fail(error, -EINVAL, "match: --limit must be between 1 and %lu", (unsigned long)UINT32_MAX);
    if (lt_check_field("match", settings->field, error))
        return -EINVAL;
    struct match *match = calloc(1, sizeof *match);
    struct leat_bytes *texts = calloc(segment->word_count, sizeof *texts);
    if (match)
        match->names = calloc(segment->word_count, sizeof *match->names);
    int code = -ENOMEM;
    if (match && texts && match->names) {
        match->field = settings->field;
        match->limit = (uint32_t)settings->limit;
        code = compile(match, segment, texts, error);
    } else {
        leat_fail(error, code, "match: out of memory");
    }
    free(texts);
    if (code == 0)
        *stage = match;
    else if (match)
        match_close(match);
    return code;
}

static int match_open_worker(void *stage, void **worker, struct leat_error *error) {
    struct match *match = stage;
    struct match_worker *new = calloc(1, sizeof *new);
    if (!new || lt_finder_open(&new->finder, &match->patterns, match->limit)) {
        free(new);
        return leat_fail(error, -ENOMEM, "match: out of memory for a worker");
    }
    *worker = new;
    return 0;
}

static void match_close_worker(void *stage, void *worker) {
    (void)stage;
    struct match_worker *old = worker;
    lt_finder_close(&old->finder);
    free(old);
}

/** Another chunk, with the array's begin in it and room for `size` bytes more. */
static int next_chunk(struct writer *writer, size_t size) {
    size_t written = (size_t)(writer->at - writer->begin);
    size_t chunk = writer->next > 2 * (written + size) ? writer->next : 2 * (written + size);
    char *memory = leat_batch_alloc(writer->batch, chunk);
    if (!memory)
        return -ENOMEM;
    if (written)
        memcpy(memory, writer->begin, written);
    writer->begin = memory;
    writer->at = memory + written;
    writer->end = memory + chunk;
    if (writer->next < LARGEST_CHUNK)
        writer->next *= 2;
    return 0;
}

static inline int reserve(struct writer *writer, size_t size) {
    return (size_t)(writer->end - writer->at) >= size ? 0 : next_chunk(writer, size);
}

enum { STEP = 16 };
typedef uint8_t step __attribute__((vector_size(STEP)));
typedef uint64_t halves __attribute__((vector_size(STEP)));

/**
 * Copy text that needs no escaping; false if some of it does. In steps that go
 * beyond the end of what is asked for, up to `end`: there is room for one more.
 */
static inline bool copy_plain(char *to, struct leat_bytes text, const char *end) {
    size_t at = 0;
    for (; at < text.size && (size_t)(end - text.data) >= at + STEP; at += STEP) {
        step bytes;
        memcpy(&bytes, text.data + at, STEP);
        memcpy(to + at, &bytes, STEP);
        halves special = (halves)((bytes < 0x20) | (bytes == '"') | (bytes == '\\'));
        if (special[0] | special[1]) {
            for (size_t i = at; i < text.size && i < at + STEP; i++)
                if ((unsigned char)text.data[i] < 0x20 || text.data[i] == '"' || text.data[i] == '\\')
                    return false;
        }
    }
    for (; at < text.size; at++) {
        if ((unsigned char)text.data[at] < 0x20 || text.data[at] == '"' || text.data[at] == '\\')
            return false;
        to[at] = text.data[at];
    }
    return true;
}

/** A part of the finder's text as a JSON string, with room for three bytes more. */
static int write_string(struct writer *writer, const struct lt_finder *finder, struct leat_bytes text) {
    const char *end = finder->text.data + finder->text.size;
    if (reserve(writer, text.size + STEP + 5))
        return -ENOMEM;
    if (finder->valid && copy_plain(writer->at + 1, text, end)) {
        writer->at[0] = '"';
        writer->at[text.size + 1] = '"';
        writer->at += text.size + 2;
        return 0;
    }
    if (reserve(writer, lt_json_encoded_room(text.size) + 3))
        return -ENOMEM;
    writer->at += lt_json_encode(text, writer->at);
    return 0;
}

/** Groups 1 … `groups` of the match that the finder holds, or the whole match. `taken` as lt_find_next gave it. */
static int write_match(struct writer *writer, const struct lt_finder *finder, uint32_t groups, uint32_t taken) {
    const size_t *ovector = finder->matcher.ovector;
    uint32_t first = groups ? 1 : 0;
    for (uint32_t group = first; group <= groups; group++) {
        struct leat_bytes text = {finder->text.data, 0};
        if (group < taken && ovector[2 * group] != PCRE2_UNSET) {
            text.data += ovector[2 * group];
            text.size = ovector[2 * group + 1] - ovector[2 * group];
        }
        if (groups > 1 && group == 1) {
            if (reserve(writer, 1))
                return -ENOMEM;
            *writer->at++ = '[';
        }
        if (write_string(writer, finder, text))
            return -ENOMEM;
        if (groups > 1 && group == groups)
            *writer->at++ = ']';
        *writer->at++ = ',';
    }
    return 0;
}

static int write_array(struct writer *writer, struct lt_find *find, struct leat_bytes *json) {
    writer->begin = writer->at;
    if (reserve(writer, 2))
        return -ENOMEM;
    *writer->at++ = '[';
    int taken;
    while ((taken = lt_find_next(find)) > 0)
        if (write_match(writer, find->finder, find->pattern->regex.groups, (uint32_t)taken))
            return -ENOMEM;
    if (taken < 0)
        return taken;
    if (writer->at[-1] == ',')
        writer->at--;
    if (reserve(writer, 1))
        return -ENOMEM;
    *writer->at++ = ']';
    *json = (struct leat_bytes){writer->begin, (size_t)(writer->at - writer->begin)};
    return 0;
}

static void over_limit(const struct match *match, size_t pattern, const struct lt_find *find, struct leat_batch *batch,
                       struct leat_item *item) {
    char reason[160];
    lt_regex_reason(find->failure, reason, sizeof reason);
    leat_item_fail(batch, item, -E2BIG, "%.*s: %s, in a text of %zu bytes, searching from offset %zu",
                   (int)match->names[pattern].size, match->names[pattern].data, reason, find->attempt.text.size,
                   find->attempt.offset);
}

/** -ENOMEM; everything else that goes wrong is the item's. */
static int process_item(struct match *match, struct lt_finder *finder, struct writer *writer, struct leat_item *item) {
    struct leat_error error;
    struct leat_bytes text;
    int code = leat_item_text(writer->batch, item, match->field, &text, &error);
    if (code) {
        leat_item_fail(writer->batch, item, code, "%s", error.text);
        return 0;
    }
    bool decoded = match->field && text.data != item->body.data; /* from JSON, which is UTF-8 or an error */
    lt_finder_text(finder, text, decoded);
    for (size_t pattern = 0; pattern < match->patterns.count; pattern++) {
        struct lt_find find = lt_find_begin(finder, pattern);
        struct leat_bytes json;
        code = write_array(writer, &find, &json);
        if (code == -ENOMEM)
            return code;
        if (code) {
            over_limit(match, pattern, &find, writer->batch, item);
            return 0;
        }
        code = leat_item_add(writer->batch, item, match->names[pattern], json);
        if (code)
            return code;
    }
    return 0;
}

enum { LINE = 64, MOST_AHEAD = 4096 };

/** Begin to load what the next item will be read from: another processor has just written it, likely as not. */
static void load_ahead(const struct leat_item *item) {
    size_t size = item->body.size < MOST_AHEAD ? item->body.size : MOST_AHEAD;
    for (size_t at = 0; at < size; at += LINE)
        __builtin_prefetch(item->body.data + at);
}

static int match_process(void *stage, void *worker, struct leat_batch *batch, struct leat_error *error) {
    struct match *match = stage;
    struct match_worker *own = worker;
    struct writer writer = {.batch = batch, .next = FIRST_CHUNK};
    for (size_t i = 0; i < batch->count; i++) {
        struct leat_item *item = &batch->items[i];
        if (i + 1 < batch->count)
            load_ahead(item + 1);
        if (item->fate != LEAT_LIVE)
            continue;
        if (process_item(match, &own->finder, &writer, item))
            return leat_fail(error, -ENOMEM, "match: out of memory");
    }
    return 0;
}

const struct leat_stage_type lt_match_stage = {
    .name = "match",
    .syntax = "match [-f FIELD] [-U] NAME=REGEX…",
    .summary = "Add all matches of regular expressions to each item.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .open = match_open,
    .open_worker = match_open_worker,
    .process = match_process,
    .close_worker = match_close_worker,
    .close = match_close,
};
