/* SPDX-License-Identifier: MIT */
/*
 * After a match the search goes on at its end. A match that is empty may follow
 * another directly, unless that is empty and at the same place: Python's
 * re.findall since 3.7. PCRE2 expresses it as "not empty at the start", which
 * lets the search find a longer match there or any match further on.
 *
 * Why looking only around anchors finds the same matches. The plain search from
 * p gives the match with the least begin s >= p that PCRE2 finds when it tries
 * s; whether and how a try at s matches does not depend on p, since \G and \K
 * and verbs make a pattern run plainly, lookbehind and \b see the whole text in
 * either case, and a pattern with an anchor has no empty matches. So it is
 * enough to try, in ascending order, a superset of the offsets where a try can
 * succeed. By anchor.h a match at s has an anchor a with s in window(a) =
 * [low(a), a - least], where low(a) is the least offset >= max(p, a - most) from
 * which all bytes up to a are in `before`. Both ends of window(a) ascend with a.
 * Going through the anchors in ascending order and trying each window from left
 * to right therefore tries offsets in ascending order; after a window without a
 * match nothing before its end + 1 can match, which becomes the new p; and when
 * no anchor is left there is no match. The anchors with a - least < p have
 * windows that are empty.
 *
 * A window is tried by one call: anchored if it is one offset or if its first
 * offset decides (anchor.h), else by a search whose last begin is limited. The
 * subject is the whole text always.
 *
 * Where windows fail too often for the bytes they save, the rest of the text is
 * searched plainly: the cost is never much more than PCRE2's alone. Broken UTF-8
 * runs plainly too, as do very long texts, which keeps the marks' memory bounded.
 */
#include "stages/match/find.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>

enum {
    LONGEST_MARKED = 16 * 1024 * 1024,
    KEPT_WORDS = 128 * 1024, /* marks of one text are kept for the next up to 1 MiB */
    FREE_MISSES = 16,
    BYTES_PER_MISS = 24, /* what PCRE2 searches in the time of a failed attempt, roughly */
};

static int open_pattern(struct lt_patterns *patterns, struct leat_bytes text, bool unicode, bool plain,
                        struct leat_error *error) {
    struct lt_pattern *pattern = &patterns->all[patterns->count];
    pattern->row = -1;
    int code = lt_regex_open(&pattern->regex, text, unicode, plain ? NULL : &pattern->anchor, error);
    if (code == 0 && pattern->anchor.count)
        pattern->row = lt_scan_add(&patterns->scan, &pattern->anchor);
    return code;
}

int lt_patterns_open(struct lt_patterns *patterns, const struct leat_bytes *texts, size_t count, bool unicode,
                     bool plain, size_t *wrong, struct leat_error *error) {
    *patterns = (struct lt_patterns){.all = calloc(count ? count : 1, sizeof *patterns->all)};
    *wrong = 0;
    int code = 0;
    if (!patterns->all || lt_scan_open(&patterns->scan, count))
        code = leat_fail(error, -ENOMEM, "out of memory");
    for (size_t i = 0; i < count && code == 0; i++) {
        *wrong = i;
        code = open_pattern(patterns, texts[i], unicode, plain, error);
        if (code)
            break;
        patterns->count++;
        if (patterns->all[i].regex.groups > patterns->most_groups)
            patterns->most_groups = patterns->all[i].regex.groups;
    }
    if (code)
        lt_patterns_close(patterns);
    return code;
}

void lt_patterns_close(struct lt_patterns *patterns) {
    for (size_t i = 0; i < patterns->count; i++)
        lt_regex_close(&patterns->all[i].regex);
    lt_scan_close(&patterns->scan);
    free(patterns->all);
    *patterns = (struct lt_patterns){0};
}

int lt_finder_open(struct lt_finder *finder, const struct lt_patterns *patterns, uint32_t match_limit) {
    *finder = (struct lt_finder){.patterns = patterns};
    return lt_matcher_open(&finder->matcher, patterns->most_groups, match_limit);
}

void lt_finder_close(struct lt_finder *finder) {
    free(finder->marks);
    lt_matcher_close(&finder->matcher);
    *finder = (struct lt_finder){0};
}

/** Room for the marks of a text; false: none, search plainly. */
static bool make_room(struct lt_finder *finder, size_t words) {
    bool wasteful = finder->room > KEPT_WORDS && words < KEPT_WORDS;
    if (words <= finder->room && !wasteful)
        return true;
    free(finder->marks);
    finder->room = words;
    finder->marks = malloc(words * sizeof *finder->marks);
    if (!finder->marks)
        finder->room = 0;
    return finder->marks;
}

void lt_finder_text(struct lt_finder *finder, struct leat_bytes text, bool valid) {
    const struct lt_scan *scan = &finder->patterns->scan;
    finder->text = text;
    finder->valid = valid || text.size == 0 || lt_utf8_prefix(text.data, text.size) == text.size;
    finder->marked = finder->valid && scan->row_count && text.size > 0 && text.size <= LONGEST_MARKED &&
                     make_room(finder, lt_scan_stride(text.size) * scan->row_count);
    if (finder->marked)
        lt_scan_text(scan, text, finder->marks);
}

struct lt_find lt_find_begin(struct lt_finder *finder, size_t pattern) {
    struct lt_find find = {
        .finder = finder,
        .pattern = &finder->patterns->all[pattern],
        .attempt = {.text = finder->text},
    };
    if (finder->marked && find.pattern->row >= 0)
        find.marks = finder->marks + lt_scan_stride(finder->text.size) * (size_t)find.pattern->row;
    return find;
}

static bool holds(const struct lt_trigger *trigger, uint32_t first, struct leat_bytes text, size_t at) {
    for (uint32_t i = first; i < trigger->count; i++) {
        const struct lt_condition *condition = &trigger->conditions[i];
        size_t place = at + condition->offset;
        if (place >= text.size || !lt_set_has(&condition->set, (unsigned char)text.data[place]))
            return false;
    }
    return true;
}

/** All conditions, where the quick ones hold for one of the triggers. */
static bool confirmed(const struct lt_anchor *anchor, struct leat_bytes text, size_t at) {
    if (anchor->count == 1)
        return holds(&anchor->triggers[0], anchor->triggers[0].quick, text, at);
    for (uint32_t i = 0; i < anchor->count; i++)
        if (holds(&anchor->triggers[i], 0, text, at))
            return true;
    return false;
}

/** The next word after `word` that has marks; `words` if none has. */
static size_t next_filled(const uint64_t *filled, size_t word, size_t words) {
    if (++word >= words)
        return words;
    size_t at = word / 64;
    uint64_t bits = filled[at] & UINT64_MAX << (word % 64);
    while (!bits)
        if (++at == lt_scan_words(words))
            return words;
        else
            bits = filled[at];
    return at * 64 + (size_t)__builtin_ctzll(bits);
}

/** The first anchor from `at` on, which is in the text; the text's size if there is none. */
static size_t next_anchor(const struct lt_find *find, size_t at) {
    struct leat_bytes text = find->attempt.text;
    size_t words = lt_scan_words(text.size);
    size_t word = at / 64;
    uint64_t marks = find->marks[word] & UINT64_MAX << (at % 64);
    for (;;) {
        for (; marks; marks &= marks - 1) {
            size_t place = word * 64 + (size_t)__builtin_ctzll(marks);
            if (confirmed(&find->pattern->anchor, text, place))
                return place;
        }
        word = next_filled(find->marks + words, word, words);
        if (word == words)
            return text.size;
        marks = find->marks[word];
    }
}

/** Where the window of the anchor at `place` begins; beyond `place` - least if it is empty. */
static size_t window_begin(const struct lt_find *find, size_t place) {
    const struct lt_anchor *anchor = &find->pattern->anchor;
    const char *text = find->attempt.text.data;
    size_t least = find->attempt.offset;
    if (anchor->most < place && place - anchor->most > least)
        least = place - anchor->most;
    size_t begin = place;
    while (begin > least && lt_set_has(&anchor->before, (unsigned char)text[begin - 1]))
        begin--;
    while (begin <= place && ((unsigned char)text[begin] & 0xC0) == 0x80)
        begin++; /* a match begins where a character does */
    return begin;
}

/** Behind the stretch of `before` bytes that contains `at`. */
static size_t stretch_end(const struct lt_find *find, size_t at) {
    struct leat_bytes text = find->attempt.text;
    while (at < text.size && lt_set_has(&find->pattern->anchor.before, (unsigned char)text.data[at]))
        at++;
    return at;
}

static int match(struct lt_find *find, enum lt_regex_way way, const struct lt_attempt *attempt) {
    int groups = lt_regex_match(&find->pattern->regex, way, &find->finder->matcher, attempt);
    if (groups >= 0)
        return groups;
    find->failure = groups;
    return -E2BIG;
}

static int find_plainly(struct lt_find *find) {
    const size_t *ovector = find->finder->matcher.ovector;
    int groups = match(find, find->finder->valid ? LT_REGEX_SEARCH : LT_REGEX_BROKEN, &find->attempt);
    if (groups <= 0)
        return groups;
    find->attempt.not_empty_here = ovector[0] == ovector[1];
    find->attempt.offset = ovector[1];
    return groups;
}

/** One window: the match in it, or 0 and the search goes on behind it. */
static int find_in_window(struct lt_find *find, size_t place) {
    const struct lt_anchor *anchor = &find->pattern->anchor;
    struct lt_attempt attempt = {.text = find->attempt.text, .last = place - anchor->least};
    attempt.offset = window_begin(find, place);
    if (attempt.offset > attempt.last) {
        find->attempt.offset = attempt.last + 1;
        return 0;
    }
    bool once = anchor->first_decides || attempt.offset == attempt.last;
    int groups = match(find, once ? LT_REGEX_ANCHORED : LT_REGEX_LIMITED, &attempt);
    if (groups > 0) {
        find->attempt.offset = find->finder->matcher.ovector[1];
        return groups;
    }
    if (groups < 0) {
        find->attempt.offset = attempt.offset;
        return groups;
    }
    find->misses++;
    find->attempt.offset = attempt.last + 1;
    if (anchor->first_decides) {
        size_t end = stretch_end(find, attempt.last);
        if (end > find->attempt.offset)
            find->attempt.offset = end;
    }
    return 0;
}

int lt_find_next(struct lt_find *find) {
    size_t size = find->attempt.text.size;
    while (find->marks) {
        size_t from = find->attempt.offset + find->pattern->anchor.least;
        size_t place = from < size ? next_anchor(find, from) : size;
        if (place == size)
            return 0;
        int groups = find_in_window(find, place);
        if (groups)
            return groups;
        if (find->misses > FREE_MISSES + find->attempt.offset / BYTES_PER_MISS)
            find->marks = NULL;
    }
    return find_plainly(find);
}
