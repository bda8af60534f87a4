/* SPDX-License-Identifier: MIT */
/*
 * The stage `match` for scripts: reads records from standard input,
 *
 *     pattern N [unicode]\n followed by N bytes: the pattern from now on
 *     text N\n              followed by N bytes: match it
 *
 * and writes a line for each: "ok" or "error: …" for a pattern, the JSON array
 * or "failed: …" for a text.
 */
#include "pipeline/batch.h"
#include "stages/stages.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settings {
    const char *field;
    bool unicode;
    uint64_t limit;
};

struct session {
    void *stage;
    void *worker;
    char *word;
};

static char *read_bytes(const char *before, size_t size) {
    size_t start = strlen(before);
    char *bytes = malloc(start + size + 1);
    if (!bytes)
        abort();
    memcpy(bytes, before, start);
    if (fread(bytes + start, 1, size, stdin) != size)
        exit(1);
    bytes[start + size] = 0;
    return bytes;
}

static void end(struct session *session) {
    if (session->worker)
        lt_match_stage.close_worker(session->stage, session->worker);
    if (session->stage)
        lt_match_stage.close(session->stage);
    free(session->word);
    *session = (struct session){0};
}

static void begin(struct session *session, size_t size, bool unicode) {
    end(session);
    session->word = read_bytes("m=", size);
    const char *words[] = {session->word, NULL};
    struct settings settings = {.unicode = unicode, .limit = 10000000};
    struct leat_segment segment = {.spelling = "match", .words = words, .word_count = 1, .settings = &settings};
    struct leat_error error;
    if (lt_match_stage.open(&session->stage, &segment, &error)) {
        session->stage = NULL;
        printf("error: %s\n", error.text);
        return;
    }
    if (lt_match_stage.open_worker(session->stage, &session->worker, &error))
        abort();
    puts("ok");
}

static void match(struct session *session, size_t size) {
    char *text = read_bytes("", size);
    struct leat_batch *batch = lt_batch_new(1, 1);
    struct leat_item *item = batch ? leat_batch_add(batch) : NULL;
    if (!item)
        abort();
    leat_item_set(batch, item, (struct leat_bytes){text, size}, "text");
    struct leat_error error;
    if (!session->stage)
        puts("no pattern");
    else if (lt_match_stage.process(session->stage, session->worker, batch, &error))
        abort();
    else if (item->fate == LEAT_FAILED)
        printf("failed: %.*s\n", (int)item->reason.size, item->reason.data);
    else
        printf("%.*s\n", (int)item->values[0].json.size, item->values[0].json.data);
    lt_batch_free(batch);
    free(text);
}

int main(void) {
    struct session session = {0};
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        size_t size;
        if (sscanf(line, "pattern %zu", &size) == 1)
            begin(&session, size, strstr(line, "unicode") != NULL);
        else if (sscanf(line, "text %zu", &size) == 1)
            match(&session, size);
        else
            return 2;
    }
    end(&session);
    return 0;
}
