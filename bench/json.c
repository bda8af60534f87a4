/* SPDX-License-Identifier: MIT */
/*
 * Bytes a second of the JSON hot path, on messages of about 1 KiB: one string
 * field looked up while the whole object is checked. Runs of the best of many
 * rounds are printed, because the machine is shared.
 */
#include "base/clock.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGES = 256, ROUNDS = 200, ROOM = 4096 };

struct corpus {
    const char *name;
    const char *word[8]; /* what the content is made of */
};

static const struct corpus corpora[] = {
    {"ASCII",
     {"lorem ", "ipsum ", "dolor ", "sit@amet.org ", "https://example.org/a?b=c ", "2024-05-06 ", "#tag ", "x "}},
    {"escapes",
     {"lorem ", "ipsum\\n", "\\\"dolor\\\" ", "sit@amet.org\\t", "https:\\/\\/example.org ", "x ", "\\u00e9 ", "y "}},
    {"non-ASCII", {"Grüße ", "aus ", "Köln, ", "naïve ", "a@b.org ", "日本語 ", "€ ", "und "}},
    {"both", {"Grüße ", "ipsum\\n", "Köln, ", "\\\"naïve\\\" ", "a@b.org ", "lorem ", "dolor ", "und "}},
};

static char messages[MESSAGES][ROOM];
static struct leat_bytes texts[MESSAGES];

static size_t fill(const struct corpus *corpus) {
    size_t total = 0;
    srandom(1);
    for (int i = 0; i < MESSAGES; i++) {
        char *out = messages[i];
        out += sprintf(
            out,
            "{\"id\":%d,\"from\":\"someone@example.org\",\"at\":\"2024-05-06T07:08:09Z\",\"tags\":[\"a\",\"bc\"],"
            "\"score\":%.3f,\"content\":\"",
            i * 7919, i / 7.0);
        size_t content = 700 + (size_t)random() % 300;
        for (char *begin = out; (size_t)(out - begin) < content;)
            out = stpcpy(out, corpus->word[random() % 8]);
        out += sprintf(out, "\",\"seen\":false,\"thread\":{\"id\":%d,\"subject\":\"some subject\"}}", i);
        texts[i] = (struct leat_bytes){messages[i], (size_t)(out - messages[i])};
        total += texts[i].size;
    }
    return total;
}

enum work { FIND, DECODE, ENCODE, SPLICE, WORKS };
static const char *const work_names[] = {"find", "find+decode", "find+decode+encode", "splice"};

static size_t sum; /* keeps the compiler from leaving the work out */

static void work_on(enum work work, struct leat_bytes text) {
    static char room[ROOM * 8], other[ROOM * 8];
    static const struct leat_value values[] = {{{"emails", 6}, {"[\"a@b.org\",\"c@d.org\"]", 21}},
                                               {{"urls", 4}, {"[]", 2}}};
    struct leat_bytes value = {0}, decoded = {0};
    if (work == SPLICE) {
        sum += lt_json_splice(text, values, 2, room);
        return;
    }
    if (lt_json_find(text, ".content", &value, NULL) != 0)
        abort();
    if (work >= DECODE)
        lt_json_decode(value, room, &decoded);
    if (work >= ENCODE)
        sum += lt_json_encode(decoded, other);
    sum += value.size + decoded.size;
}

static double gigabytes_a_second(enum work work, size_t total) {
    leat_time best = LEAT_FOREVER;
    for (int round = 0; round < ROUNDS; round++) {
        leat_time begin = lt_now();
        for (int i = 0; i < MESSAGES; i++)
            work_on(work, texts[i]);
        leat_time took = lt_now() - begin;
        best = took < best ? took : best;
    }
    return (double)total / (double)best;
}

int main(void) {
    printf("%-12s", "GB/s");
    for (int work = 0; work < WORKS; work++)
        printf(" %20s", work_names[work]);
    for (size_t i = 0; i < sizeof corpora / sizeof *corpora; i++) {
        size_t total = fill(&corpora[i]);
        printf("\n%-12s", corpora[i].name);
        for (int work = 0; work < WORKS; work++)
            printf(" %20.2f", gigabytes_a_second((enum work)work, total));
    }
    printf("\n");
    return sum == 0;
}
