/* SPDX-License-Identifier: MIT */
/*
 * Braces are written out when the pattern is made. The rest is matched in time
 * that grows with the product of both lengths: a mismatch goes back to the last
 * "*" of the component, and when that has reached its end to the last "**".
 * Going back further finds nothing: the last star can take whatever an earlier
 * one could give away, and no "*" reaches beyond its component.
 *
 * Rejected: fnmatch(), which has no "**", depends on the locale, and takes
 * exponential time for some patterns; translation into a regular expression,
 * which is slower and would need its library here.
 */
#include "ends/dir/glob.h"
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1024, DEPTH = 32 };

struct lt_glob {
    size_t count;
    char *patterns[MOST];
};

/* -------------------------------------------------------------- matching */

/* Past the set that begins at `pattern` ("[…]"), which is known to be whole. `*found`: whether `byte` is in it. */
static const char *match_set(const char *pattern, unsigned char byte, bool *found) {
    const char *at = pattern + 1;
    bool inverted = *at == '!' || *at == '^';
    at += inverted;
    bool in = false;
    const char *first = at;
    while (*at != ']' || at == first) {
        at += *at == '\\';
        unsigned char low = (unsigned char)*at++, high = low;
        if (*at == '-' && at[1] != ']') {
            at++;
            at += *at == '\\';
            high = (unsigned char)*at++;
        }
        in = in || (byte >= low && byte <= high);
    }
    *found = in != inverted;
    return at + 1;
}

/* Bytes that "?" takes. */
static size_t character(const char *text, const char *end) {
    size_t size = 1;
    if ((*text & 0xc0) == 0xc0)
        while (size < 4 && text + size < end && (text[size] & 0xc0) == 0x80)
            size++;
    return size;
}

/* One element of the pattern that is no star, against `*text`, which is not at the end. */
static bool match_one(const char **pattern, const char **text, const char *end) {
    const char *at = *pattern;
    bool found;
    if (**text == '/') {
        found = *at == '/';
        *pattern = at + 1;
        *text += 1;
        return found;
    }
    switch (*at) {
    case '\0':
        return false;
    case '?':
        *pattern = at + 1;
        *text += character(*text, end);
        return true;
    case '[':
        *pattern = match_set(at, (unsigned char)**text, &found);
        *text += 1;
        return found;
    case '\\':
        at++;
        break;
    default:
        break;
    }
    *pattern = at + 1;
    found = *at == **text;
    *text += 1;
    return found;
}

/* "**" as a whole component at `pattern`, which is at the beginning of one? */
static bool is_double_star(const char *pattern) {
    return pattern[0] == '*' && pattern[1] == '*' && (pattern[2] == '/' || pattern[2] == '\0');
}

/* Where the next component begins, or NULL. */
static const char *next_component(const char *text, const char *end) {
    const char *slash = memchr(text, '/', (size_t)(end - text));
    return slash ? slash + 1 : NULL;
}

static bool match(const char *pattern, const char *text, const char *end) {
    const char *star = NULL, *star_text = NULL;   /* behind the last "*", and what it has not taken */
    const char *stars = NULL, *stars_text = NULL; /* behind the last "**", and the component it comes to next */
    bool beginning = true;                        /* of a component, in the pattern */
    for (;;) {
        if (beginning && is_double_star(pattern)) {
            if (pattern[2] == '\0')
                return true;
            stars = pattern += 3;
            stars_text = text;
            star = NULL;
            continue;
        }
        if (*pattern == '*') {
            while (*pattern == '*')
                pattern++;
            star = pattern;
            star_text = text;
            beginning = false;
            continue;
        }
        if (text == end && *pattern == '\0')
            return true;
        bool is_slash = *pattern == '/';
        if (text < end && match_one(&pattern, &text, end)) {
            beginning = is_slash;
            if (is_slash)
                star = NULL;
            continue;
        }
        if (star && star_text < end && *star_text != '/') {
            pattern = star;
            text = ++star_text;
            beginning = false;
            continue;
        }
        stars_text = stars ? next_component(stars_text, end) : NULL;
        if (!stars_text)
            return false;
        pattern = stars;
        text = stars_text;
        star = NULL;
        beginning = true;
    }
}

bool lt_glob_match(const struct lt_glob *glob, const char *path, size_t size) {
    for (size_t i = 0; i < glob->count; i++)
        if (match(glob->patterns[i], path, path + size))
            return true;
    return false;
}

/* ---------------------------------------------------------------- making */

/* Past the set at `at`, or NULL when it has no end. */
static const char *skip_set(const char *at) {
    at++;
    at += *at == '!' || *at == '^';
    if (*at == ']')
        at++;
    while (*at && *at != ']')
        at += *at == '\\' && at[1] ? 2 : 1;
    return *at ? at + 1 : NULL;
}

static int check(const char *pattern, struct leat_error *error) {
    const char *open[DEPTH];
    size_t depth = 0;
    for (const char *at = pattern; *at;) {
        const char *next = at + 1;
        if (*at == '\\')
            next = at[1] ? at + 2 : NULL;
        else if (*at == '[')
            next = skip_set(at);
        else if (*at == '{' && depth == DEPTH)
            return leat_fail(error, -EINVAL, "the pattern \"%s\" has too many braces within braces", pattern);
        else if (*at == '{')
            open[depth++] = at;
        else if (*at == '}' && depth > 0)
            depth--;
        if (!next)
            return leat_fail(error, -EINVAL, "the pattern \"%s\" breaks off after its \"%c\" at byte %zu", pattern, *at,
                             (size_t)(at - pattern) + 1);
        at = next;
    }
    if (depth == 0)
        return 0;
    return leat_fail(error, -EINVAL, "the pattern \"%s\" has no end for its \"{\" at byte %zu", pattern,
                     (size_t)(open[depth - 1] - pattern) + 1);
}

static const char *skip_element(const char *at) {
    if (*at == '\\')
        return at + 2;
    return *at == '[' ? skip_set(at) : at + 1;
}

/* The end of the alternative at `at`: its "," or "}". */
static const char *alternative_end(const char *at) {
    for (size_t depth = 0; depth > 0 || (*at != ',' && *at != '}'); at = skip_element(at)) {
        depth += *at == '{';
        depth -= *at == '}';
    }
    return at;
}

/* Takes `pattern`; writes out its first brace and goes on with each result. */
static int expand(struct lt_glob *glob, char *pattern) {
    const char *brace = pattern;
    while (*brace && *brace != '{')
        brace = skip_element(brace);
    if (!*brace) {
        if (glob->count == MOST) {
            free(pattern);
            return -E2BIG;
        }
        glob->patterns[glob->count++] = pattern;
        return 0;
    }
    const char *close = alternative_end(brace + 1);
    while (*close == ',')
        close = alternative_end(close + 1);
    int code = 0;
    for (const char *begin = brace + 1; code == 0 && begin <= close;) {
        const char *end = alternative_end(begin);
        char *one;
        int length =
            asprintf(&one, "%.*s%.*s%s", (int)(brace - pattern), pattern, (int)(end - begin), begin, close + 1);
        code = length < 0 ? -ENOMEM : expand(glob, one);
        begin = end + 1;
    }
    free(pattern);
    return code;
}

struct lt_glob *lt_glob_new(const char *pattern, struct leat_error *error) {
    if (check(pattern, error))
        return NULL;
    struct lt_glob *glob = calloc(1, sizeof *glob);
    char *copy = strdup(pattern);
    int code = glob && copy ? expand(glob, copy) : -ENOMEM;
    if (code == 0)
        return glob;
    if (!glob)
        free(copy);
    lt_glob_free(glob);
    leat_fail(error, code,
              code == -ENOMEM ? "the pattern \"%s\": out of memory" : "the pattern \"%s\" stands for too many",
              pattern);
    return NULL;
}

void lt_glob_free(struct lt_glob *glob) {
    for (size_t i = 0; glob && i < glob->count; i++)
        free(glob->patterns[i]);
    free(glob);
}
