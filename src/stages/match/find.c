/* SPDX-License-Identifier: MIT */
/*
 * After a match the search goes on at its end. A match that is empty may follow
 * another directly, unless that is empty and at the same place: Python's
 * re.findall since 3.7. PCRE2 expresses it as "not empty at the start", which
 * lets the search find a longer match there or any match further on.
 */
#include "stages/match/find.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>

int lt_patterns_open(struct lt_patterns *patterns, const struct leat_bytes *texts, size_t count, bool unicode,
                     size_t *wrong, struct leat_error *error) {
    *patterns = (struct lt_patterns){.regexes = calloc(count ? count : 1, sizeof *patterns->regexes)};
    *wrong = 0;
    if (!patterns->regexes)
        return leat_fail(error, -ENOMEM, "out of memory");
    for (size_t i = 0; i < count; i++) {
        struct lt_regex *regex = &patterns->regexes[i];
        int code = lt_regex_open(regex, texts[i], unicode, false, error);
        if (code) {
            *wrong = i;
            lt_patterns_close(patterns);
            return code;
        }
        patterns->count++;
        if (regex->groups > patterns->most_groups)
            patterns->most_groups = regex->groups;
    }
    return 0;
}

void lt_patterns_close(struct lt_patterns *patterns) {
    for (size_t i = 0; i < patterns->count; i++)
        lt_regex_close(&patterns->regexes[i]);
    free(patterns->regexes);
    *patterns = (struct lt_patterns){0};
}

int lt_finder_open(struct lt_finder *finder, const struct lt_patterns *patterns, uint32_t match_limit) {
    *finder = (struct lt_finder){.patterns = patterns};
    return lt_matcher_open(&finder->matcher, patterns->most_groups, match_limit);
}

void lt_finder_close(struct lt_finder *finder) {
    lt_matcher_close(&finder->matcher);
}

void lt_finder_text(struct lt_finder *finder, struct leat_bytes text) {
    finder->text = text;
    finder->valid = lt_utf8_prefix(text.data, text.size) == text.size;
}

struct lt_find lt_find_begin(struct lt_finder *finder, size_t pattern) {
    return (struct lt_find){
        .finder = finder,
        .regex = &finder->patterns->regexes[pattern],
        .attempt = {.text = finder->text},
    };
}

int lt_find_next(struct lt_find *find) {
    struct lt_matcher *matcher = &find->finder->matcher;
    enum lt_regex_way way = find->finder->valid ? LT_REGEX_SEARCH : LT_REGEX_BROKEN;
    int groups = lt_regex_match(find->regex, way, matcher, &find->attempt);
    if (groups < 0) {
        find->failure = groups;
        return -E2BIG;
    }
    if (groups == 0)
        return 0;
    find->attempt.not_empty_here = matcher->ovector[0] == matcher->ovector[1];
    find->attempt.offset = matcher->ovector[1];
    return groups;
}
