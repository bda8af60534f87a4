/* SPDX-License-Identifier: MIT */
/*
 * The stage `match`: what it writes and refuses, and that searching around
 * anchors finds exactly what PCRE2 finds alone, on random patterns and texts.
 * MATCH_PAIRS in the environment sets how many pairs, MATCH_SEED which ones.
 * What Python finds is compared in test_match_against_python.py.
 */
#include "pipeline/batch.h"
#include "stages/match/find.h"
#include "stages/stages.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ------------------------------------------------------------ the stage */

struct settings {
    const char *field;
    bool unicode;
    uint64_t limit;
};

struct outcome {
    enum leat_fate fate;
    int code;
    char text[4096]; /* the values, a line each, or the reason */
};

static int open_stage(void **stage, const char *const *words, const char *field, uint64_t limit,
                      struct leat_error *error) {
    static struct settings settings;
    settings = (struct settings){.field = field, .limit = limit};
    struct leat_segment segment = {.spelling = "match", .words = words, .settings = &settings};
    while (words[segment.word_count])
        segment.word_count++;
    return lt_match_stage.open(stage, &segment, error);
}

static struct outcome run(const char *const *words, const char *field, uint64_t limit, struct leat_bytes body) {
    void *stage, *worker;
    struct leat_error error;
    struct outcome outcome = {0};
    assert_int_equal(open_stage(&stage, words, field, limit, &error), 0);
    assert_int_equal(lt_match_stage.open_worker(stage, &worker, &error), 0);
    struct leat_batch *batch = lt_batch_new(1, 1);
    struct leat_item *item = leat_batch_add(batch);
    leat_item_set(batch, item, body, "line");
    assert_int_equal(lt_match_stage.process(stage, worker, batch, &error), 0);
    outcome.fate = item->fate;
    outcome.code = item->code;
    size_t at = 0;
    if (item->fate == LEAT_FAILED)
        snprintf(outcome.text, sizeof outcome.text, "%.*s", (int)item->reason.size, item->reason.data);
    for (uint32_t i = 0; item->fate == LEAT_LIVE && i < item->value_count; i++)
        at +=
            (size_t)snprintf(outcome.text + at, sizeof outcome.text - at, "%.*s=%.*s\n", (int)item->values[i].name.size,
                             item->values[i].name.data, (int)item->values[i].json.size, item->values[i].json.data);
    lt_batch_free(batch);
    lt_match_stage.close_worker(stage, worker);
    lt_match_stage.close(stage);
    return outcome;
}

static struct leat_bytes bytes(const char *text) {
    return (struct leat_bytes){text, strlen(text)};
}

static void expect(const char *const *words, const char *field, struct leat_bytes body, const char *values) {
    struct outcome outcome = run(words, field, 1000000, body);
    assert_int_equal(outcome.fate, LEAT_LIVE);
    assert_string_equal(outcome.text, values);
}

static void writes_all_matches_of_each_pattern(void **state) {
    (void)state;
    const char *words[] = {"mails=[\\w.]+@[\\w.]+", "tags=#\\w+", "pairs=(\\w)=(\\w)?", "one=x(\\d)", "none=zz", NULL};
    expect(words, NULL, bytes("joe@a.b #tag jane@c.d a=b c= x1 x2"),
           "mails=[\"joe@a.b\",\"jane@c.d\"]\ntags=[\"#tag\"]\npairs=[[\"a\",\"b\"],[\"c\",\"\"]]\none=[\"1\",\"2\"]\n"
           "none=[]\n");
}

static void reads_a_field(void **state) {
    (void)state;
    const char *words[] = {"m=\\S+@\\S+", NULL};
    expect(words, ".content", bytes("{\"other\":\"x@y\",\"content\":\"\\u00e9@\\\"b\\n c@d\"}"),
           "m=[\"\xC3\xA9@\\\"b\",\"c@d\"]\n");
    struct outcome outcome = run(words, ".content", 1000, bytes("{\"content\":5}"));
    assert_int_equal(outcome.fate, LEAT_FAILED);
    outcome = run(words, ".content", 1000, bytes("{\"content\":"));
    assert_int_equal(outcome.fate, LEAT_FAILED);
}

static void is_safe_on_any_bytes(void **state) {
    (void)state;
    const char *words[] = {"m=[^ ]*@[^ ]*", "n=@\\w", NULL};
    static const char broken[] = "\xFF@a \0@b\x80 \xC3\xA9@\xE2\x82\xAC @";
    expect(words, NULL, (struct leat_bytes){broken, sizeof broken - 1},
           "m=[\"@a\",\"\\u0000@b\",\"\xC3\xA9@\xE2\x82\xAC\",\"@\"]\nn=[\"@a\",\"@b\"]\n");
    expect(words, NULL, (struct leat_bytes){NULL, 0}, "m=[]\nn=[]\n");
    const char *any[] = {"m=(?s)a.*", NULL};
    expect(any, NULL, (struct leat_bytes){"a\0\x1f\x7f\"\\/", 7}, "m=[\"a\\u0000\\u001f\x7f\\\"\\\\/\"]\n");
}

static void a_limit_is_an_error_and_no_answer(void **state) {
    (void)state;
    const char *words[] = {"slow=(a+)+$", NULL};
    struct outcome outcome = run(words, NULL, 10000, bytes("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"));
    assert_int_equal(outcome.fate, LEAT_FAILED);
    assert_int_equal(outcome.code, -E2BIG);
    assert_string_equal(outcome.text, "slow: match limit exceeded, in a text of 41 bytes, searching from offset 0");
    const char *with_anchor[] = {"slow=(?:a+)+@", NULL};
    outcome = run(with_anchor, NULL, 10000, bytes("1@ aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab@"));
    assert_int_equal(outcome.fate, LEAT_LIVE); /* no "a" before an "@": nothing to try */
    const char *within[] = {"slow=x(?:a+)+(?<!a)@", NULL};
    outcome = run(within, NULL, 10000, bytes("@ @ xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@"));
    assert_int_equal(outcome.fate, LEAT_FAILED);
    assert_string_equal(outcome.text, "slow: match limit exceeded, in a text of 44 bytes, searching from offset 4");
}

static void more_stack_than_the_jit_has(void **state) {
    (void)state;
    enum { SIZE = 100000 };
    char *text = malloc(SIZE);
    memset(text, 'a', SIZE);
    text[SIZE - 1] = 'c';
    const char *words[] = {"m=((?:a|(b))*)c", NULL};
    struct outcome outcome = run(words, NULL, 100000000, (struct leat_bytes){text, SIZE});
    free(text);
    if (outcome.fate == LEAT_FAILED)
        assert_non_null(strstr(outcome.text, "limit exceeded"));
    else
        assert_memory_equal(outcome.text, "m=[[\"aaaa", 9);
}

static void refuses_what_is_wrong(void **state) {
    (void)state;
    static const struct {
        const char *words[3];
        const char *message;
    } cases[] = {
        {{"emails=(abc"}, "match: emails: missing closing parenthesis at offset 4: (abc"},
        {{"a=b", "c=[z-a]"}, "match: c: range out of order in character class at offset 3: [z-a]"},
        {{"(?i)v=\\v("}, "match: (?i)v: missing closing parenthesis at offset 3: \\v("},
        {{"nothing"}, "match: expected NAME=REGEX, not \"nothing\""},
        {{"=x"}, "match: expected NAME=REGEX, not \"=x\""},
        {{"a=x", "a=y"}, "match: the name \"a\" is given twice"},
        {{NULL}, "match: what to look for is missing: NAME=REGEX"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        void *stage;
        struct leat_error error;
        assert_int_equal(open_stage(&stage, cases[i].words, NULL, 1000, &error), -EINVAL);
        assert_string_equal(error.text, cases[i].message);
    }
    void *stage;
    struct leat_error error;
    const char *words[] = {"a=b", NULL};
    assert_int_equal(open_stage(&stage, words, NULL, 0, &error), -EINVAL);
}

/* --------------------------------------- anchors against PCRE2 alone */

struct random {
    uint64_t state;
};

static unsigned pick(struct random *random, unsigned below) {
    random->state = random->state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random->state >> 33) % below;
}

static const char *choose(struct random *random, const char *const *from, size_t count) {
    return from[pick(random, (unsigned)count)];
}
#define CHOOSE(random, list) choose(random, list, sizeof(list) / sizeof *(list))

static const char *const atoms[] = {
    "a",    "b",       "c",      "@",       "@",           "-",    "1",      "#",        " ",    "é",   "日",
    "ab",   "foo",     "://",    "\\d",     "\\w",         "\\s",  "\\S",    "\\W",      "\\D",  ".",   "[ab]",
    "[^a]", "[^@\\s]", "[a-c]",  "[\\w.-]", "[0-9]",       "[aé]", "[^\\W]", "[-. ]",    "[@#]", "\\.", "\\x40",
    "\\n",  "[^-1]",   "[a-c@]", "é+",      "[[:alpha:]]", "\\h",  "\\p{L}", "[\\p{L}-]"};
static const char *const counts[] = {"?",     "*",    "+",   "+",  "+?", "*?",   "??",    "{2}",
                                     "{1,3}", "{2,}", "{3}", "++", "*+", "{,2}", "{0,9}", "{12,}"};
static const char *const nothings[] = {"^",        "$",     "\\b",    "\\B",    "\\A",     "\\z",    "\\Z",
                                       "(?=a)",    "(?!a)", "(?<=a)", "(?<!a)", "(?=\\w)", "(?<=@)", "(?!.*@)",
                                       "(?<!\\d)", "(?i)",  "(?s)",   "(?m)",   "(?x) ",   "(?#no)", "(?-i)"};
static const char *const openings[] = {"(", "(?:", "(?:", "(?:", "(?>", "(?i:", "(?s:", "(?|"};

struct text {
    char bytes[6000];
    size_t size;
};

static void put(struct text *text, const char *what) {
    size_t size = strlen(what);
    if (text->size + size >= sizeof text->bytes)
        return;
    memcpy(text->bytes + text->size, what, size);
    text->size += size;
}

static void put_pattern(struct random *random, struct text *text, int depth) {
    unsigned items = 1 + pick(random, depth ? 3 : 5);
    for (unsigned i = 0; i < items; i++) {
        unsigned kind = pick(random, 20);
        if (kind < 2) {
            put(text, CHOOSE(random, nothings));
            continue;
        }
        if (kind < 6 && depth < 3) {
            put(text, CHOOSE(random, openings));
            put_pattern(random, text, depth + 1);
            put(text, ")");
        } else if (kind == 6) {
            put(text, "\\1");
        } else {
            put(text, CHOOSE(random, atoms));
        }
        if (pick(random, 3) == 0)
            put(text, CHOOSE(random, counts));
    }
    if (pick(random, 4) == 0) {
        put(text, "|");
        put_pattern(random, text, depth + 1);
    }
}

static void put_text(struct random *random, struct text *text) {
    static const char *const pieces[] = {"a",     "b",     "c",        "A",  "@",   "@",   "-",  "1",         "22",
                                         "#",     " ",     "é",        "日", "foo", "://", "\n", ".",         "ab",
                                         "a@b.c", "1-1-1", "aaaaaaaa", "K",  "-- ", "É",   "x",  "abcabcabc@"};
    static const char *const fillers[] = {"lorem ipsum ", "z", "aaaa", "é", "1234"};
    text->size = 0;
    unsigned filler = pick(random, 4) == 0 ? pick(random, 40) : 0;
    unsigned count = pick(random, 30);
    if (pick(random, 50) == 0)
        count = filler = 400;
    for (unsigned i = 0; i < filler; i++)
        put(text, CHOOSE(random, fillers));
    for (unsigned i = 0; i < count; i++)
        put(text, CHOOSE(random, pieces));
}

static bool same_match(const struct lt_finder *one, const struct lt_finder *other, int groups) {
    return memcmp(one->matcher.ovector, other->matcher.ovector, (size_t)groups * 2 * sizeof(size_t)) == 0;
}

/** Both ways through one text; false when PCRE2 reached a limit. */
static bool compare(struct lt_finder *with, struct lt_finder *without, const struct text *text, const char *pattern) {
    struct leat_bytes subject = {text->bytes, text->size};
    lt_finder_text(with, subject, true);
    lt_finder_text(without, subject, false);
    struct lt_find one = lt_find_begin(with, 0);
    struct lt_find other = lt_find_begin(without, 0);
    for (;;) {
        int wanted = lt_find_next(&other);
        int found = lt_find_next(&one);
        if (wanted < 0 || found < 0)
            return false;
        if (found == wanted && (found == 0 || same_match(with, without, found))) {
            if (found == 0)
                return true;
            continue;
        }
        fprintf(stderr,
                "pattern: %s\ntext (%zu bytes): %.*s\nPCRE2: %d at %zu to %zu, around anchors: %d at %zu to %zu\n",
                pattern, text->size, (int)text->size, text->bytes, wanted, without->matcher.ovector[0],
                without->matcher.ovector[1], found, with->matcher.ovector[0], with->matcher.ovector[1]);
        fail();
    }
}

enum { TEXTS_PER_PATTERN = 24, FUZZ_LIMIT = 20000 };

/** Pairs compared; 0 if the pattern is none that PCRE2 takes. */
static unsigned compare_pattern(struct random *random, const struct text *pattern, unsigned *anchored) {
    struct leat_bytes text = {pattern->bytes, pattern->size};
    struct lt_patterns patterns[2];
    struct lt_finder finders[2];
    struct leat_error error;
    size_t wrong;
    if (lt_patterns_open(&patterns[0], &text, 1, false, false, &wrong, &error))
        return 0;
    assert_int_equal(lt_patterns_open(&patterns[1], &text, 1, false, true, &wrong, &error), 0);
    unsigned units = patterns[0].scan.unit + 1u;
    unsigned compared = 0;
    *anchored += patterns[0].all[0].row >= 0;
    for (int i = 0; i < 2; i++)
        assert_int_equal(lt_finder_open(&finders[i], &patterns[i], FUZZ_LIMIT), 0);
    for (unsigned i = 0; i < TEXTS_PER_PATTERN; i++) {
        static struct text subject;
        put_text(random, &subject);
        patterns[0].scan.unit = (enum lt_scan_unit)(i % units);
        compared += compare(&finders[0], &finders[1], &subject, pattern->bytes);
    }
    for (int i = 0; i < 2; i++) {
        lt_finder_close(&finders[i]);
        lt_patterns_close(&patterns[i]);
    }
    return compared;
}

static uint64_t setting(const char *name, uint64_t otherwise) {
    const char *value = getenv(name);
    return value ? strtoull(value, NULL, 10) : otherwise;
}

static void anchors_find_what_pcre2_finds(void **state) {
    (void)state;
    struct random random = {setting("MATCH_SEED", 1)};
    uint64_t pairs = setting("MATCH_PAIRS", 40000), compared = 0;
    unsigned anchored = 0, patterns = 0;
    while (compared < pairs) {
        static struct text pattern;
        pattern.size = 0;
        put_pattern(&random, &pattern, 0);
        pattern.bytes[pattern.size] = 0;
        unsigned count = compare_pattern(&random, &pattern, &anchored);
        compared += count;
        patterns += count > 0;
    }
    print_message("# %llu pairs, %u patterns, %u with an anchor\n", (unsigned long long)compared, patterns, anchored);
    assert_true(anchored > patterns / 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_all_matches_of_each_pattern),
        cmocka_unit_test(reads_a_field),
        cmocka_unit_test(is_safe_on_any_bytes),
        cmocka_unit_test(a_limit_is_an_error_and_no_answer),
        cmocka_unit_test(more_stack_than_the_jit_has),
        cmocka_unit_test(refuses_what_is_wrong),
        cmocka_unit_test(anchors_find_what_pcre2_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
