/* SPDX-License-Identifier: MIT */
/*
 * The compiled code is called directly (pcre2_jit_match): pcre2_match() would
 * check the text and the options again for each of many short attempts. The JIT
 * runs on a stack of its own that grows to 1 MiB; a text that needs more is
 * matched by the interpreter, whose heap has a limit. A limit reached is an
 * error, never "no match".
 *
 * Patterns with atomic groups, or groups with a possessive quantifier, are
 * interpreted: the JIT of PCRE2 10.42 gets some of them wrong. It reports a group
 * that took part only in an attempt that failed ("(ab{2})*+a" on "abbz a"), finds
 * what is no match and overlooks matches, as the interpreter and Python show.
 *
 * So are texts that are not all UTF-8: there the JIT of 10.42 ends a match before a character that a broken byte
 * follows ("a\S+" on "a\xE3\x96\x8F\x8C").
 *
 * Rejected: pcre2_match() with PCRE2_ANCHORED at match time (the JIT knows that
 * option at compile time only, so that it would interpret); partial subjects
 * that end at the window's end (lookaheads, \b and $ would see another text).
 */
#include "stages/match/regex.h"

#include <errno.h>
#include <stdio.h>

enum { STACK_START = 32 * 1024, STACK_MOST = 1024 * 1024 };

static pcre2_code *compile(struct leat_bytes pattern, bool unicode, enum lt_regex_way way,
                           pcre2_compile_context *context, int *code, size_t *offset) {
    static const uint32_t options[LT_REGEX_WAYS] = {
        [LT_REGEX_ANCHORED] = PCRE2_ANCHORED,
        [LT_REGEX_LIMITED] = PCRE2_USE_OFFSET_LIMIT,
        [LT_REGEX_BROKEN] = PCRE2_MATCH_INVALID_UTF,
    };
    uint32_t all =
        PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | PCRE2_ALT_CIRCUMFLEX | options[way] | (unicode ? PCRE2_UCP : 0);
    return pcre2_compile((PCRE2_SPTR)pattern.data, pattern.size, all, code, offset, context);
}

static int wrong(struct leat_bytes pattern, int code, size_t offset, struct leat_error *error) {
    char reason[160];
    if (code == PCRE2_ERROR_HEAP_FAILED)
        return leat_fail(error, -ENOMEM, "out of memory");
    lt_regex_reason(code, reason, sizeof reason);
    return leat_fail(error, -EINVAL, "%s at offset %zu: %.*s", reason, offset, (int)pattern.size, pattern.data);
}

/** Whether PCRE2 takes the pattern as it was written: its message has offsets that the author can count. */
static int check(struct leat_bytes pattern, bool unicode, pcre2_compile_context *context, struct leat_error *error) {
    int code;
    size_t offset;
    pcre2_code *compiled = compile(pattern, unicode, LT_REGEX_SEARCH, context, &code, &offset);
    pcre2_code_free(compiled);
    return compiled ? 0 : wrong(pattern, code, offset, error);
}

static int compile_ways(struct lt_regex *regex, const struct lt_syntax *syntax, bool unicode, bool windows,
                        pcre2_compile_context *context, struct leat_error *error) {
    struct leat_bytes pattern = syntax->pattern;
    for (int way = 0; way < LT_REGEX_WAYS; way++) {
        if (!windows && (way == LT_REGEX_ANCHORED || way == LT_REGEX_LIMITED))
            continue;
        int code;
        size_t offset;
        regex->codes[way] = compile(pattern, unicode, (enum lt_regex_way)way, context, &code, &offset);
        if (!regex->codes[way])
            return wrong(pattern, code, offset, error);
        bool interpreted = syntax->once_only || way == LT_REGEX_BROKEN;
        regex->compiled[way] = !interpreted && pcre2_jit_compile(regex->codes[way], PCRE2_JIT_COMPLETE) == 0;
    }
    pcre2_pattern_info(regex->codes[LT_REGEX_SEARCH], PCRE2_INFO_CAPTURECOUNT, &regex->groups);
    return 0;
}

static int open_checked(struct lt_regex *regex, struct leat_bytes written, bool unicode, struct lt_anchor *anchor,
                        pcre2_compile_context *context, struct leat_error *error) {
    struct lt_syntax syntax;
    int code = check(written, unicode, context, error);
    if (code)
        return code;
    code = lt_syntax_open(&syntax, written, unicode);
    if (code == 0 && anchor)
        code = lt_anchor_find(&syntax, anchor);
    if (code)
        leat_fail(error, code, "out of memory");
    else
        code = compile_ways(regex, &syntax, unicode, anchor && anchor->count, context, error);
    lt_syntax_close(&syntax);
    return code;
}

int lt_regex_open(struct lt_regex *regex, struct leat_bytes pattern, bool unicode, struct lt_anchor *anchor,
                  struct leat_error *error) {
    *regex = (struct lt_regex){0};
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    if (!context)
        return leat_fail(error, -ENOMEM, "out of memory");
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    int code = open_checked(regex, pattern, unicode, anchor, context, error);
    pcre2_compile_context_free(context);
    if (code)
        lt_regex_close(regex);
    return code;
}

void lt_regex_close(struct lt_regex *regex) {
    for (int way = 0; way < LT_REGEX_WAYS; way++)
        pcre2_code_free(regex->codes[way]);
    *regex = (struct lt_regex){0};
}

int lt_matcher_open(struct lt_matcher *matcher, uint32_t groups, uint32_t match_limit) {
    *matcher = (struct lt_matcher){
        .data = pcre2_match_data_create(groups + 1, NULL),
        .context = pcre2_match_context_create(NULL),
        .stack = pcre2_jit_stack_create(STACK_START, STACK_MOST, NULL),
    };
    if (!matcher->data || !matcher->context || !matcher->stack) {
        lt_matcher_close(matcher);
        return -ENOMEM;
    }
    matcher->ovector = pcre2_get_ovector_pointer(matcher->data);
    pcre2_set_match_limit(matcher->context, match_limit);
    pcre2_set_depth_limit(matcher->context, match_limit);
    pcre2_set_heap_limit(matcher->context, LT_MATCH_HEAP_KIB);
    pcre2_jit_stack_assign(matcher->context, NULL, matcher->stack);
    return 0;
}

void lt_matcher_close(struct lt_matcher *matcher) {
    pcre2_match_data_free(matcher->data);
    pcre2_match_context_free(matcher->context);
    pcre2_jit_stack_free(matcher->stack);
    *matcher = (struct lt_matcher){0};
}

int lt_regex_match(const struct lt_regex *regex, enum lt_regex_way way, struct lt_matcher *matcher,
                   const struct lt_attempt *attempt) {
    PCRE2_SPTR text = (PCRE2_SPTR)(attempt->text.data ? attempt->text.data : "");
    uint32_t options = attempt->not_empty_here ? PCRE2_NOTEMPTY_ATSTART : 0;
    if (way == LT_REGEX_LIMITED)
        pcre2_set_offset_limit(matcher->context, attempt->last);
    int code = PCRE2_ERROR_JIT_STACKLIMIT;
    if (regex->compiled[way])
        code = pcre2_jit_match(regex->codes[way], text, attempt->text.size, attempt->offset, options, matcher->data,
                               matcher->context);
    if (code == PCRE2_ERROR_JIT_STACKLIMIT) {
        if (way != LT_REGEX_LIMITED)
            pcre2_set_offset_limit(matcher->context, PCRE2_UNSET);
        options |= PCRE2_NO_JIT | (way == LT_REGEX_BROKEN ? 0 : PCRE2_NO_UTF_CHECK);
        code = pcre2_match(regex->codes[way], text, attempt->text.size, attempt->offset, options, matcher->data,
                           matcher->context);
    }
    return code == PCRE2_ERROR_NOMATCH ? 0 : code;
}

void lt_regex_reason(int code, char *room, size_t size) {
    if (pcre2_get_error_message(code, (PCRE2_UCHAR *)room, size) < 0)
        snprintf(room, size, "PCRE2 error %d", code);
}
