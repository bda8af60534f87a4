/* SPDX-License-Identifier: MIT */
/** The parser's smallest parts: its output, single characters, escapes and classes. For syntax.c and class.c alone. */
#ifndef LEAT_STAGES_MATCH_CLASS_H
#define LEAT_STAGES_MATCH_CLASS_H

#include "stages/match/syntax.h"

struct lt_flags {
    bool caseless, dot_all, extended;
};

struct lt_parser {
    const char *pattern;
    size_t size, at;
    bool unicode; /* \w and its like know more than ASCII */
    bool fold;    /* write both cases of letters instead of the option i */
    struct lt_flags flags;
    bool foreign; /* give up */
    bool refers, atomic, was_caseless;
    bool possessive; /* the quantifier just read is */
    bool once_only;
    struct lt_node *nodes;
    size_t node_count;
    char *out; /* PCRE2's version; large enough for whatever is written */
    size_t out_size;
};

/** A set of characters, in the making. */
struct lt_class {
    struct lt_set set;
    bool known; /* what it says of ASCII is exact, not too much */
};

enum lt_escape { LT_ESCAPE_CODE, LT_ESCAPE_CLASS, LT_ESCAPE_TAB, LT_ESCAPE_FOREIGN };

void lt_parser_write(struct lt_parser *parser, const char *text, size_t size);
/** Write what was read since `from`. */
void lt_parser_copy(struct lt_parser *parser, size_t from);
/** Read and write `size` bytes. */
void lt_parser_take(struct lt_parser *parser, size_t size);

/** Read one character of the pattern as it stands. */
uint32_t lt_parser_code(struct lt_parser *parser);
/** Read an escape (the parser stands at its backslash) that means a character or a class, in and outside brackets. */
enum lt_escape lt_parser_escape(struct lt_parser *parser, struct lt_class *class, uint32_t *code);
/** Read and write a class; the parser stands at its bracket. False: foreign. */
bool lt_parser_class(struct lt_parser *parser, struct lt_class *class);

void lt_class_range(struct lt_class *class, uint32_t first, uint32_t last);
/** The complement; whatever is not known becomes "anything". */
void lt_class_negate(struct lt_class *class);
/** Add whatever PCRE2's Unicode folding may take for a member. */
void lt_class_loosen_case(struct lt_class *class);

#endif
