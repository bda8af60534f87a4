/* SPDX-License-Identifier: MIT */
/**
 * What a pattern cannot match without: bytes at fixed distances from each other
 * (a trigger), and how far before them a match can begin (the window).
 *
 * For a usable anchor: every match of the pattern that begins at s has an offset
 * a with
 *     1. at least one trigger whose conditions all hold at a: for each of them,
 *        the byte at a + offset lies inside the text and in the set;
 *     2. s + least <= a <= s + most;
 *     3. all bytes in [s, a) are in `before`.
 */
#ifndef LEAT_STAGES_MATCH_ANCHOR_H
#define LEAT_STAGES_MATCH_ANCHOR_H

#include "stages/match/syntax.h"

enum {
    LT_MOST_CONDITIONS = 6,
    LT_MOST_TRIGGERS = 8,
    LT_MOST_REACH = 31, /* largest offset of a condition */
};

struct lt_condition {
    struct lt_set set;
    uint32_t offset;
};

struct lt_trigger {
    struct lt_condition conditions[LT_MOST_CONDITIONS]; /* the most telling first */
    uint32_t count;
    uint32_t quick; /* so many of them are telling enough to look closer */
};

struct lt_anchor {
    struct lt_trigger triggers[LT_MOST_TRIGGERS];
    uint32_t count; /* 0: there is no anchor that helps */
    struct lt_set before;
    uint32_t least, most; /* most UINT32_MAX: no limit */
    /**
     * If a match begins anywhere in a stretch of `before` bytes that leads to a
     * trigger, then one begins at the first byte of that stretch (or wherever in
     * it the search begins): one attempt decides the window.
     */
    bool first_decides;
};

/** 0 or -ENOMEM. */
int lt_anchor_find(const struct lt_syntax *syntax, struct lt_anchor *anchor);

#endif
