/* SPDX-License-Identifier: MIT */
/**
 * What a pattern is made of, as far as it matters for where it can match; and
 * the pattern to give to PCRE2, so that what Python and PCRE2 spell alike also
 * means the same.
 *
 * The tree describes a superset: whatever PCRE2 matches with the pattern, the
 * tree can match too, byte for byte. Assertions are nothing in it, greedy, lazy
 * and possessive are one.
 *
 * The differences that are evened out, to what Python means:
 *     \Z      the very end (PCRE2: also before a final newline)
 *     \v      the vertical tab (PCRE2: any vertical space)
 *     {,n}    up to n times (PCRE2 10.42: these characters)
 *     (?i)    without --unicode: ASCII letters only (PCRE2: Unicode folding,
 *             where K is also the Kelvin sign); except in patterns that refer
 *             back to a group or use what the parser does not follow
 */
#ifndef LEAT_STAGES_MATCH_SYNTAX_H
#define LEAT_STAGES_MATCH_SYNTAX_H

#include "leat-pipeline.h"
#include "stages/match/set.h"

enum { LT_REPEAT_FOREVER = UINT32_MAX };

enum lt_node_kind {
    LT_NODE_ASSERTION, /* takes no bytes */
    LT_NODE_CHARACTER, /* one character: a byte of the set, or up to 4 if it is wide */
    LT_NODE_SEQUENCE,
    LT_NODE_CHOICE,
    LT_NODE_REPEAT, /* its child, `least` to `most` times */
    LT_NODE_ANY,    /* any bytes */
};

struct lt_node {
    enum lt_node_kind kind;
    bool exact; /* CHARACTER: `set` is what matches, not more; never with a wide one */
    struct lt_set set;
    uint32_t least, most;
    struct lt_node *first, *last, *next; /* children and sibling */
};

struct lt_syntax {
    struct lt_node *root;      /* NULL: not followed; PCRE2 may do anything */
    bool refers;               /* backreferences or conditions: what is matched depends on what was matched */
    bool atomic;               /* something does not give back */
    bool once_only;            /* an atomic group, or one with a possessive quantifier */
    struct leat_bytes pattern; /* for PCRE2 */
    struct lt_node *nodes;     /* memory of all nodes */
    char *memory;              /* of the pattern */
};

/** 0 or -ENOMEM. A pattern that is wrong gives any result; PCRE2 will tell. */
int lt_syntax_open(struct lt_syntax *syntax, struct leat_bytes pattern, bool unicode);
void lt_syntax_close(struct lt_syntax *syntax);

#endif
