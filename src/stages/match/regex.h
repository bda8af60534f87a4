/* SPDX-License-Identifier: MIT */
/**
 * One pattern, compiled by PCRE2, and one attempt to match it.
 *
 * A pattern is compiled in several ways, for the same language: as it is, to
 * look for a match from an offset on; anchored, to ask whether a match begins
 * at one offset; limited, to look for a match that begins in a range of
 * offsets; and for texts that are not valid UTF-8. PCRE2's compiled code
 * decides every match; whoever calls this decides only where to look.
 *
 * A regex does not change once it is made; any number of workers may use it,
 * each with an lt_matcher of its own.
 */
#ifndef LEAT_STAGES_MATCH_REGEX_H
#define LEAT_STAGES_MATCH_REGEX_H

#include "stages/match/anchor.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum lt_regex_way {
    LT_REGEX_SEARCH,   /* from an offset to the end of the text */
    LT_REGEX_ANCHORED, /* at one offset */
    LT_REGEX_LIMITED,  /* begins between two offsets */
    LT_REGEX_BROKEN,   /* LT_REGEX_SEARCH in bytes that are not all UTF-8 */
    LT_REGEX_WAYS,
};

struct lt_regex {
    pcre2_code *codes[LT_REGEX_WAYS]; /* ANCHORED and LIMITED: NULL unless wanted */
    bool compiled[LT_REGEX_WAYS];     /* by the JIT; else PCRE2 interprets */
    uint32_t groups;
};

/** What a worker needs to match. */
struct lt_matcher {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    const size_t *ovector; /* of the last match: begin and end of the whole and of each group */
};

struct lt_attempt {
    struct leat_bytes text;
    size_t offset;       /* where the search begins */
    size_t last;         /* LIMITED: the last offset at which a match may begin */
    bool not_empty_here; /* an empty match at `offset` does not count */
};

enum {
    LT_MATCH_LIMIT = 10 * 1000 * 1000, /* PCRE2's own default: a fraction of a second */
    LT_MATCH_HEAP_KIB = 64 * 1024,
};

/**
 * Compile `pattern`, with what Python and PCRE2 spell alike meaning the same
 * (syntax.h). With `anchor` (may be NULL) it is filled, and LT_REGEX_ANCHORED
 * and LT_REGEX_LIMITED are there if the pattern has one. -EINVAL: the pattern
 * is wrong; the error says how and at which offset.
 */
int lt_regex_open(struct lt_regex *regex, struct leat_bytes pattern, bool unicode, struct lt_anchor *anchor,
                  struct leat_error *error);
void lt_regex_close(struct lt_regex *regex);

/** For patterns with up to `groups` groups. 0 or -ENOMEM. */
int lt_matcher_open(struct lt_matcher *matcher, uint32_t groups, uint32_t match_limit);
void lt_matcher_close(struct lt_matcher *matcher);

/**
 * One attempt. The text of all ways but BROKEN must be valid UTF-8 and the
 * offset at a character's begin. Positive: 1 + the highest group that took
 * part, matcher->ovector is filled; 0: no match; negative: PCRE2's error, which
 * says nothing on whether there is a match.
 */
int lt_regex_match(const struct lt_regex *regex, enum lt_regex_way way, struct lt_matcher *matcher,
                   const struct lt_attempt *attempt);

/** Why an attempt failed, for people. */
void lt_regex_reason(int code, char *room, size_t size);

#endif
