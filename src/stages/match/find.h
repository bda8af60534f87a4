/* SPDX-License-Identifier: MIT */
/**
 * All non-overlapping matches of several patterns in one text after another.
 *
 *     lt_finder_text(&finder, text, false);
 *     for (size_t pattern = 0; pattern < set->count; pattern++) {
 *         struct lt_find find = lt_find_begin(&finder, pattern);
 *         int groups;
 *         while ((groups = lt_find_next(&find)) > 0)
 *             … finder.matcher.ovector …
 *     }
 */
#ifndef LEAT_STAGES_MATCH_FIND_H
#define LEAT_STAGES_MATCH_FIND_H

#include "stages/match/regex.h"
#include "stages/match/scan.h"

struct lt_pattern {
    struct lt_regex regex;
    struct lt_anchor anchor;
    int row; /* of the scan; -1: it runs plainly */
};

struct lt_patterns {
    struct lt_pattern *all;
    size_t count;
    uint32_t most_groups;
    struct lt_scan scan;
};

/**
 * The patterns stay in the order given. With `plain` PCRE2 searches for itself,
 * which gives the same matches. `wrong` becomes the index of a pattern at fault.
 */
int lt_patterns_open(struct lt_patterns *patterns, const struct leat_bytes *texts, size_t count, bool unicode,
                     bool plain, size_t *wrong, struct leat_error *error);
void lt_patterns_close(struct lt_patterns *patterns);

/** A worker's. */
struct lt_finder {
    const struct lt_patterns *patterns;
    struct lt_matcher matcher;
    struct leat_bytes text;
    bool valid;  /* the text is UTF-8 */
    bool marked; /* `marks` holds where the anchors are */
    uint64_t *marks;
    size_t room; /* words */
};

/** 0 or -ENOMEM. */
int lt_finder_open(struct lt_finder *finder, const struct lt_patterns *patterns, uint32_t match_limit);
void lt_finder_close(struct lt_finder *finder);

/** The text for the finds from now on; it must stay where it is. `valid`: it is known to be UTF-8. */
void lt_finder_text(struct lt_finder *finder, struct leat_bytes text, bool valid);

/** One pattern's way through the text. */
struct lt_find {
    struct lt_finder *finder;
    const struct lt_pattern *pattern;
    const uint64_t *marks; /* NULL: it runs plainly from here on */
    size_t misses;         /* windows without a match */
    struct lt_attempt attempt;
    int failure; /* PCRE2's error, once lt_find_next gave -E2BIG */
};

struct lt_find lt_find_begin(struct lt_finder *finder, size_t pattern);

/**
 * 1 + the highest group that took part in the next match, which is in
 * finder->matcher.ovector; 0: no more; -E2BIG: it cannot be told within the
 * limits, and find->attempt.offset is where the search began.
 */
int lt_find_next(struct lt_find *find);

#endif
