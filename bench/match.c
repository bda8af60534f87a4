/* SPDX-License-Identifier: MIT */
/*
 * The stage `match` in memory: five patterns on JSON messages of about 1 KiB
 * with escapes and non-ASCII text. Megabytes of input a second, all threads
 * together; LEAT_WORKERS says how many. The same in Go is bench/go/match.
 *
 *     bench-match              match: JSON in, field decoded, matched, JSON out
 *                              match-text: the patterns alone, on decoded text
 *                              match-pcre2: the same without anchors
 *                              …-core: by processor time instead of the clock
 *     bench-match ROW          only that row
 *     bench-match input        print the messages
 *     bench-match output       print what `match` makes of them
 */
#include "base/clock.h"
#include "base/json.h"
#include "pipeline/batch.h"
#include "stages/match/find.h"
#include "stages/stages.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGES = 8192, BATCH = 64, ROOM = 4096, WORDS = 132, MOST_WORKERS = 64 };

static const char *const words[] = {
    "emails=[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}",
    "urls=https?://[^\\s\"<>]+",
    "phones=\\+?\\d{1,3}[-. ]\\d{3}[-. ]\\d{3}[-. ]\\d{4}",
    "dates=\\b\\d{4}-\\d{2}-\\d{2}\\b",
    "tags=#\\w+",
    NULL,
};
enum { PATTERNS = sizeof words / sizeof *words - 1 };

/** What settings of the stage `match` look like. */
struct settings {
    const char *field;
    bool unicode;
    uint64_t limit;
};

struct message {
    struct leat_bytes json;
    struct leat_bytes text;
};

enum work { WORK_JSON, WORK_TEXT, WORK_PCRE2, WORKS };
static const char *const work_names[] = {"match", "match-text", "match-pcre2"};

struct worker {
    pthread_t thread;
    const struct message *messages;
    void *stage;
    const struct lt_patterns *patterns;
    enum work work;
    leat_time until;
    double bytes;
    FILE *out;
};

static void must(bool good, const char *what) {
    if (good)
        return;
    fprintf(stderr, "bench-match: %s\n", what);
    exit(1);
}

static uint64_t next_random(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/** The generator is the same, step for step, in bench/go/match. */
static size_t make_message(uint64_t *state, unsigned number, char *out) {
    static const char *const plain[] = {"the",        "release",
                                        "notes",      "say",
                                        "that",       "every",
                                        "worker",     "takes",
                                        "a",          "batch",
                                        "and",        "returns",
                                        "it,",        "12",
                                        "times",      "(see",
                                        "below)",     "naïve",
                                        "Grüße",      "日本語",
                                        "to-day",     "at",
                                        "10:45",      "costs",
                                        "$3.50",      "per",
                                        "item.",      "Please",
                                        "answer",     "soon:",
                                        "1.2.3",      "x/y",
                                        "\\\"so\\\"", "\\u00e9t\\u00e9",
                                        "line\\n",    "tab\\there",
                                        "C:\\\\x",    "50%",
                                        "e.g.",       "—"};
    static const char *const names[] = {"anna", "bob.smith", "c+d", "eve_99", "joe-x"};
    static const char *const hosts[] = {"example.org", "mail.corp.net", "a-b.de", "sub.dom.example.com"};
    char *at = out;
    at += sprintf(at, "{\"id\":%u,\"from\":\"sender%u\",\"content\":\"", number, number % 97);
    for (int i = 0; i < WORDS; i++) {
        const char *name = names[next_random(state) % 5];
        const char *host = hosts[next_random(state) % 4];
        unsigned some = (unsigned)(next_random(state) % 9000) + 1000;
        unsigned kind = (unsigned)(next_random(state) % 1000);
        if (kind < 13)
            at += sprintf(at, "%s@%s", name, host);
        else if (kind < 26)
            at += sprintf(at, "https://%s/p/%u?q=%s", host, some, name);
        else if (kind < 34)
            at += sprintf(at, "+1-%u-%u-%u", some % 900 + 100, some % 800 + 100, some);
        else if (kind < 47)
            at += sprintf(at, "20%02u-%02u-%02u", some % 100, some % 12 + 1, some % 28 + 1);
        else if (kind < 62)
            at += sprintf(at, "#tag%u", some);
        else
            at += sprintf(at, "%s", plain[next_random(state) % 40]);
        *at++ = ' ';
    }
    at += sprintf(at, "\",\"read\":%s}", number % 2 ? "true" : "false");
    return (size_t)(at - out);
}

static struct message *make_messages(void) {
    struct message *messages = calloc(MESSAGES, sizeof *messages);
    char *memory = malloc((size_t)MESSAGES * 2 * ROOM);
    must(messages && memory, "out of memory");
    uint64_t state = 42;
    for (unsigned i = 0; i < MESSAGES; i++) {
        struct message *message = &messages[i];
        message->json = (struct leat_bytes){memory, make_message(&state, i, memory)};
        memory += message->json.size;
        struct leat_bytes field;
        struct leat_error error;
        must(lt_json_find(message->json, ".content", &field, &error) == 0, "a message is broken");
        must(lt_json_decode(field, memory, &message->text) == 0, "a message has no text");
        memory += message->text.size;
    }
    return messages;
}

/** As a run of the program would: a batch of items, the stage, what leaves. */
static void run_batch(struct worker *worker, void *own, struct leat_batch *batch, size_t first, char *room) {
    struct leat_error error;
    lt_batch_reset(batch);
    for (size_t i = first; i < first + BATCH; i++) {
        struct leat_item *item = leat_batch_add(batch);
        must(item, "a batch has no room");
        leat_item_set(batch, item, worker->messages[i].json, "line");
        worker->bytes += (double)worker->messages[i].json.size;
    }
    must(lt_match_stage.process(worker->stage, own, batch, &error) == 0, "match failed");
    for (size_t i = 0; i < BATCH; i++) {
        struct leat_bytes out;
        must(batch->items[i].fate == LEAT_LIVE, "an item failed");
        must(leat_item_render(batch, &batch->items[i], &out, &error) == 0, "an item cannot be written");
        memcpy(room, out.data, out.size); /* as into the sink's buffer */
        if (worker->out)
            fprintf(worker->out, "%.*s\n", (int)out.size, out.data);
    }
}

static void run_json(struct worker *worker) {
    struct leat_error error;
    void *own;
    struct leat_batch *batch = lt_batch_new(BATCH, 1 << 20);
    char *room = malloc(1 << 20);
    must(batch && room && lt_match_stage.open_worker(worker->stage, &own, &error) == 0, "out of memory");
    for (size_t first = 0; worker->out || lt_now() < worker->until; first = (first + BATCH) % MESSAGES) {
        run_batch(worker, own, batch, first, room);
        if (worker->out && first + BATCH == MESSAGES)
            break;
    }
    lt_match_stage.close_worker(worker->stage, own);
    lt_batch_free(batch);
    free(room);
}

static void run_text(struct worker *worker) {
    struct lt_finder finder;
    must(lt_finder_open(&finder, worker->patterns, LT_MATCH_LIMIT) == 0, "out of memory");
    for (size_t i = 0; lt_now() < worker->until; i = (i + 1) % MESSAGES) {
        lt_finder_text(&finder, worker->messages[i].text, true);
        for (size_t pattern = 0; pattern < PATTERNS; pattern++) {
            struct lt_find find = lt_find_begin(&finder, pattern);
            while (lt_find_next(&find) > 0)
                continue;
        }
        worker->bytes += (double)worker->messages[i].text.size;
    }
    lt_finder_close(&finder);
}

static void *run(void *argument) {
    struct worker *worker = argument;
    if (worker->work == WORK_JSON)
        run_json(worker);
    else
        run_text(worker);
    return NULL;
}

static void open_patterns(struct lt_patterns *patterns, bool plain) {
    struct leat_bytes texts[PATTERNS];
    for (size_t i = 0; i < PATTERNS; i++) {
        const char *text = strchr(words[i], '=') + 1;
        texts[i] = (struct leat_bytes){text, strlen(text)};
    }
    size_t wrong;
    struct leat_error error;
    must(lt_patterns_open(patterns, texts, PATTERNS, false, plain, &wrong, &error) == 0, "a pattern is wrong");
}

static double processor_seconds(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec / LEAT_SECOND;
}

/** By the clock; `*core`: by processor time. */
static double megabytes(struct worker *workers, unsigned count, enum work work, leat_time duration, double *core) {
    double used = processor_seconds();
    leat_time begin = lt_now();
    for (unsigned i = 0; i < count; i++) {
        workers[i].work = work;
        workers[i].bytes = 0;
        workers[i].until = begin + duration;
        must(pthread_create(&workers[i].thread, NULL, run, &workers[i]) == 0, "no thread");
    }
    double bytes = 0;
    for (unsigned i = 0; i < count; i++) {
        pthread_join(workers[i].thread, NULL);
        bytes += workers[i].bytes;
    }
    *core = bytes / 1e6 / (processor_seconds() - used);
    return bytes / 1e6 / ((double)(lt_now() - begin) / LEAT_SECOND);
}

int main(int argc, char **argv) {
    struct message *messages = make_messages();
    for (unsigned i = 0; argc > 1 && strcmp(argv[1], "input") == 0 && i < MESSAGES; i++)
        printf("%.*s\n", (int)messages[i].json.size, messages[i].json.data);
    struct settings settings = {.field = ".content", .limit = LT_MATCH_LIMIT};
    struct leat_segment segment = {
        .spelling = "match", .words = words, .word_count = PATTERNS, .settings = &settings, .name = "match"};
    struct lt_patterns patterns[2];
    open_patterns(&patterns[0], false);
    open_patterns(&patterns[1], true);
    void *stage;
    struct leat_error error;
    must(lt_match_stage.open(&stage, &segment, &error) == 0, "the stage cannot be opened");
    const char *wanted = getenv("LEAT_WORKERS");
    unsigned count = wanted ? (unsigned)atoi(wanted) : 1;
    must(count > 0 && count <= MOST_WORKERS, "LEAT_WORKERS is no good number");
    struct worker workers[MOST_WORKERS];
    double core;
    for (unsigned i = 0; i < count; i++)
        workers[i] = (struct worker){.messages = messages, .stage = stage, .patterns = &patterns[0]};
    if (argc > 1 && strcmp(argv[1], "output") == 0) {
        workers[0].out = stdout;
        megabytes(workers, 1, WORK_JSON, LEAT_SECOND, &core);
    }
    for (int work = 0; work < WORKS; work++) {
        if (argc > 1 && strcmp(argv[1], work_names[work]) != 0)
            continue;
        for (unsigned i = 0; i < count; i++)
            workers[i].patterns = &patterns[work == WORK_PCRE2];
        double clock = megabytes(workers, count, (enum work)work, LEAT_SECOND, &core);
        printf("%s %.1f MB/s\n%s-core %.1f MB/s\n", work_names[work], clock, work_names[work], core);
    }
    lt_match_stage.close(stage);
    lt_patterns_close(&patterns[0]);
    lt_patterns_close(&patterns[1]);
    return 0;
}
