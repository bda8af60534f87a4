/* SPDX-License-Identifier: MIT */
/**
 * A pattern and a text: searching around anchors, with the JIT, finds what PCRE2's
 * interpreter finds that searches the whole text. First a byte of switches, then
 * the pattern up to a newline, then the text.
 */
#include "base/utf8.h"
#include "stages/match/find.h"
#include "fuzz.h"

enum { UNICODE = 1, VALID = 2, UNITS = 4, LONGEST_PATTERN = 100, MATCH_LIMIT = 20000 };

struct search {
    struct lt_patterns patterns;
    struct lt_finder finder;
    struct lt_find find;
};

/* False: PCRE2 does not take the pattern. */
static bool open_search(struct search *search, struct leat_bytes pattern, bool unicode, bool plain) {
    struct leat_error error = {0};
    size_t wrong;
    if (lt_patterns_open(&search->patterns, &pattern, 1, unicode, plain, &wrong, &error)) {
        must(*error.text);
        return false;
    }
    must(lt_finder_open(&search->finder, &search->patterns, MATCH_LIMIT) == 0);
    for (int way = 0; plain && way < LT_REGEX_WAYS; way++)
        search->patterns.all[0].regex.compiled[way] = false;
    return true;
}

static void close_search(struct search *search) {
    lt_finder_close(&search->finder);
    lt_patterns_close(&search->patterns);
}

static void compare(struct search *fast, struct search *plain, const char *pattern) {
    const size_t *got = fast->finder.matcher.ovector, *right = plain->finder.matcher.ovector;
    for (;;) {
        int wanted = lt_find_next(&plain->find), found = lt_find_next(&fast->find);
        if (wanted < 0 || found < 0)
            return;
        bool same = found == wanted && memcmp(got, right, (size_t)found * 2 * sizeof *got) == 0;
        if (!same)
            fprintf(stderr, "pattern \"%s\": PCRE2: %d at %zu to %zu, around anchors: %d at %zu to %zu\n", pattern,
                    wanted, wanted ? right[0] : 0, wanted ? right[1] : 0, found, found ? got[0] : 0,
                    found ? got[1] : 0);
        must(same);
        if (found == 0)
            return;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    unsigned switches = next_byte(&input);
    char *line = next_line(&input);
    struct leat_bytes pattern = {line, strlen(line)};
    struct search fast, plain;
    if (pattern.size <= LONGEST_PATTERN && open_search(&fast, pattern, switches & UNICODE, false)) {
        must(open_search(&plain, pattern, switches & UNICODE, true));
        char *copy = exact_copy(input.at, input.size);
        struct leat_bytes text = {copy, input.size};
        bool valid = lt_utf8_prefix(text.data, text.size) == text.size;
        if (fast.patterns.scan.unit > switches / UNITS % 4)
            fast.patterns.scan.unit = (enum lt_scan_unit)(switches / UNITS % 4);
        lt_finder_text(&fast.finder, text, valid && switches & VALID);
        lt_finder_text(&plain.finder, text, false);
        fast.find = lt_find_begin(&fast.finder, 0);
        plain.find = lt_find_begin(&plain.finder, 0);
        compare(&fast, &plain, line);
        free(copy);
        close_search(&plain);
        close_search(&fast);
    }
    free(line);
    return 0;
}
