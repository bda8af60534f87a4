/* SPDX-License-Identifier: MIT */
/*
 * A recursive descent over the pattern that writes PCRE2's version as it goes.
 * What it does not know for certain makes it give up (`foreign`): then the
 * pattern goes to PCRE2 as it came and runs without any help. Among that:
 * verbs, recursion, \G, \K, \Q, \C, callouts, option letters other than imsx.
 *
 * Caseless matching is evened out by writing both cases of each letter and
 * leaving the option out. Where that is impossible (a backreference compares
 * caselessly) the pattern is parsed once more with the option kept.
 *
 * Rejected: compiling without PCRE2_UTF to get ASCII folding ("." and negated
 * classes would match half characters); PCRE2_EXTRA_CASELESS_RESTRICT (10.43).
 */
#include "stages/match/class.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_DEPTH = 100, NODES_PER_BYTE = 3, OUT_PER_BYTE = 8, SLACK = 64 };

static struct lt_node *parse_choice(struct lt_parser *parser, int depth);

static struct lt_node *new_node(struct lt_parser *parser, enum lt_node_kind kind) {
    struct lt_node *node = &parser->nodes[parser->node_count++];
    *node = (struct lt_node){.kind = kind};
    return node;
}

static void append(struct lt_node *parent, struct lt_node *child) {
    if (!child)
        return;
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
}

static struct lt_node *foreign(struct lt_parser *parser) {
    parser->foreign = true;
    return NULL;
}

static struct lt_node *character(struct lt_parser *parser, const struct lt_class *class) {
    struct lt_node *node = new_node(parser, LT_NODE_CHARACTER);
    node->set = class->set;
    node->exact = class->known && !class->set.wide;
    return node;
}

/** A literal character whose spelling is pattern[from, at). */
static struct lt_node *literal(struct lt_parser *parser, uint32_t code, size_t from) {
    struct lt_class class = {.known = true};
    lt_class_range(&class, code, code);
    bool letter = code < 128 && ((code | 0x20) >= 'a' && (code | 0x20) <= 'z');
    if (parser->flags.caseless && letter && parser->fold) {
        char both[] = {'[', (char)code, (char)(code ^ 0x20), ']'};
        lt_parser_write(parser, both, sizeof both);
        lt_class_range(&class, code ^ 0x20, code ^ 0x20);
    } else {
        lt_parser_copy(parser, from);
        if (parser->flags.caseless && !parser->fold)
            lt_class_loosen_case(&class);
    }
    return character(parser, &class);
}

static struct lt_node *reference(struct lt_parser *parser) {
    parser->refers = true;
    return new_node(parser, LT_NODE_ANY);
}

/** \k<name> \k'name' \k{name}: `at` is behind the k. */
static struct lt_node *named_reference(struct lt_parser *parser, size_t from) {
    char open = parser->at < parser->size ? parser->pattern[parser->at] : 0;
    char close = open == '<' ? '>' : open == '{' ? '}' : open;
    if (open != '<' && open != '{' && open != '\'')
        return foreign(parser);
    const char *end = memchr(parser->pattern + parser->at + 1, close, parser->size - parser->at - 1);
    if (!end)
        return foreign(parser);
    parser->at = (size_t)(end - parser->pattern) + 1;
    lt_parser_copy(parser, from);
    return reference(parser);
}

/** At a backslash outside a class. */
static struct lt_node *escape(struct lt_parser *parser) {
    size_t from = parser->at;
    char letter = from + 1 < parser->size ? parser->pattern[from + 1] : 0;
    struct lt_class class = {.known = true};
    uint32_t code;
    switch (letter) {
    case 'b':
    case 'B':
    case 'A':
    case 'z':
    case 'Z':
        parser->at += 2;
        if (letter == 'Z')
            lt_parser_write(parser, "\\z", 2);
        else
            lt_parser_copy(parser, from);
        return new_node(parser, LT_NODE_ASSERTION);
    case 'k':
        parser->at += 2;
        return named_reference(parser, from);
    case 'R':
    case 'X':
        parser->at += 2;
        lt_parser_copy(parser, from);
        return new_node(parser, LT_NODE_ANY);
    case 'N':
        if (from + 2 < parser->size && parser->pattern[from + 2] == '{')
            return foreign(parser);
        parser->at += 2;
        lt_parser_copy(parser, from);
        lt_class_range(&class, '\n', '\n');
        lt_class_negate(&class);
        return character(parser, &class);
    default:
        break;
    }
    if (letter >= '1' && letter <= '9') {
        parser->at += 2;
        if (parser->at < parser->size && parser->pattern[parser->at] >= '0' && parser->pattern[parser->at] <= '9')
            return foreign(parser); /* a group or an octal number, who knows */
        lt_parser_copy(parser, from);
        return reference(parser);
    }
    switch (lt_parser_escape(parser, &class, &code)) {
    case LT_ESCAPE_CODE:
        return literal(parser, code, from);
    case LT_ESCAPE_CLASS:
        lt_parser_copy(parser, from);
        return character(parser, &class);
    case LT_ESCAPE_TAB: /* \v */
        lt_parser_write(parser, "\\x0b", 4);
        return character(parser, &class);
    default:
        return foreign(parser);
    }
}

/** "imsx-imsx" up to ")" or ":", written without the i when folding. */
static bool options(struct lt_parser *parser) {
    struct lt_flags flags = parser->flags;
    bool on = true;
    char kept[64];
    size_t count = 0;
    for (; parser->at < parser->size; parser->at++) {
        char letter = parser->pattern[parser->at];
        if (letter == ')' || letter == ':')
            break;
        if (letter == '-' && on)
            on = false;
        else if (letter == 'i')
            flags.caseless = on;
        else if (letter == 's')
            flags.dot_all = on;
        else if (letter == 'x' && parser->at + 1 < parser->size && parser->pattern[parser->at + 1] != 'x')
            flags.extended = on;
        else if (letter != 'm')
            return false;
        if ((letter != 'i' || !parser->fold) && count < sizeof kept)
            kept[count++] = letter;
    }
    if (parser->at == parser->size || count == sizeof kept)
        return false;
    parser->flags = flags;
    parser->was_caseless |= flags.caseless;
    if (count && kept[count - 1] == '-')
        count--;
    char close = parser->pattern[parser->at++];
    if (close == ')' && count == 0)
        return true; /* nothing left to set */
    lt_parser_write(parser, "(?", 2);
    lt_parser_write(parser, kept, count);
    lt_parser_write(parser, &close, 1);
    return true;
}

static bool starts(const struct lt_parser *parser, const char *word) {
    size_t size = strlen(word);
    return parser->size - parser->at >= size && memcmp(parser->pattern + parser->at, word, size) == 0;
}

/** Behind the opening of a group: its alternatives and the closing parenthesis. */
static struct lt_node *group_body(struct lt_parser *parser, int depth) {
    struct lt_node *body = parse_choice(parser, depth + 1);
    if (parser->foreign || parser->at == parser->size || parser->pattern[parser->at] != ')')
        return foreign(parser);
    parser->at++;
    lt_parser_write(parser, ")", 1);
    return body;
}

/** Copy up to and with `close`; false if there is none. */
static bool copy_through(struct lt_parser *parser, char close) {
    size_t from = parser->at;
    const char *end = memchr(parser->pattern + from, close, parser->size - from);
    if (!end)
        return false;
    parser->at = (size_t)(end - parser->pattern) + 1;
    lt_parser_copy(parser, from);
    return true;
}

/** (?(1)…|…) and (?(name)…|…): one of them, or nothing. */
static struct lt_node *condition(struct lt_parser *parser, int depth) {
    char next = parser->at + 3 < parser->size ? parser->pattern[parser->at + 3] : '?';
    if (next == '?' || next == '*')
        return foreign(parser);
    parser->refers = true;
    if (!copy_through(parser, ')'))
        return foreign(parser);
    struct lt_node *body = group_body(parser, depth);
    if (!body)
        return NULL;
    struct lt_node *choice = new_node(parser, LT_NODE_CHOICE);
    append(choice, body);
    append(choice, new_node(parser, LT_NODE_SEQUENCE));
    return choice;
}

static struct lt_node *assertion(struct lt_parser *parser, int depth) {
    if (!group_body(parser, depth))
        return foreign(parser);
    return new_node(parser, LT_NODE_ASSERTION);
}

/** Behind "(" and what makes it a plain group; NULL if it is none, and nothing is read. */
static const char *group_opening(const struct lt_parser *parser, char *name_end) {
    static const char *const plain[] = {"(?:", "(?>", "(?|"};
    static const char *const named[] = {"(?P<", "(?<", "(?'"};
    *name_end = 0;
    if (!starts(parser, "(?"))
        return "(";
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (starts(parser, plain[i]))
            return plain[i];
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (starts(parser, named[i])) {
            *name_end = i == 2 ? '\'' : '>';
            return named[i];
        }
    return NULL;
}

static struct lt_node *group_of_any_kind(struct lt_parser *parser, int depth) {
    static const char *const looks[] = {"(?=", "(?!", "(?<=", "(?<!"};
    if (depth > MOST_DEPTH || starts(parser, "(*"))
        return foreign(parser);
    if (starts(parser, "(?("))
        return condition(parser, depth);
    if (starts(parser, "(?P="))
        return copy_through(parser, ')') ? reference(parser) : foreign(parser);
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++)
        if (starts(parser, looks[i])) {
            lt_parser_take(parser, strlen(looks[i]));
            return assertion(parser, depth);
        }
    char name_end;
    const char *opening = group_opening(parser, &name_end);
    if (opening) {
        parser->once_only |= strcmp(opening, "(?>") == 0;
        lt_parser_take(parser, strlen(opening));
        if (name_end && !copy_through(parser, name_end))
            return foreign(parser);
        return group_body(parser, depth);
    }
    parser->at += 2;
    if (!options(parser))
        return foreign(parser);
    return parser->pattern[parser->at - 1] == ')' ? NULL : group_body(parser, depth);
}

/** At an opening parenthesis. NULL without `foreign`: options for what follows. */
static struct lt_node *group(struct lt_parser *parser, int depth) {
    struct lt_flags outside = parser->flags;
    struct lt_node *node = group_of_any_kind(parser, depth);
    if (node)
        parser->flags = outside;
    return node;
}

/** Digits at `*at`; more than PCRE2 allows is "many". */
static bool number(const struct lt_parser *parser, size_t *at, uint32_t *value) {
    size_t begin = *at;
    *value = 0;
    for (; *at < parser->size && parser->pattern[*at] >= '0' && parser->pattern[*at] <= '9'; ++*at)
        if (*value < 1000000)
            *value = *value * 10 + (uint32_t)(parser->pattern[*at] - '0');
    return *at > begin;
}

/** {n} {n,} {n,m} {,m} {,}: false if the brace is only a brace. */
static bool braces(struct lt_parser *parser, uint32_t *least, uint32_t *most) {
    size_t at = parser->at + 1;
    bool lower = number(parser, &at, least);
    bool comma = at < parser->size && parser->pattern[at] == ',';
    if (comma) {
        at++;
        if (!number(parser, &at, most))
            *most = LT_REPEAT_FOREVER;
    } else {
        *most = *least;
    }
    if ((!lower && !comma) || at == parser->size || parser->pattern[at] != '}')
        return false;
    size_t from = parser->at;
    parser->at = at + 1;
    if (lower) {
        lt_parser_copy(parser, from);
        return true;
    }
    lt_parser_write(parser, "{0", 2);
    lt_parser_copy(parser, from + 1);
    return true;
}

static bool quantifier(struct lt_parser *parser, uint32_t *least, uint32_t *most) {
    char sign = parser->at < parser->size ? parser->pattern[parser->at] : 0;
    *least = sign == '+';
    *most = sign == '?' ? 1 : LT_REPEAT_FOREVER;
    if (sign == '{' ? !braces(parser, least, most) : sign != '*' && sign != '+' && sign != '?')
        return false;
    if (sign != '{')
        lt_parser_take(parser, 1);
    char suffix = parser->at < parser->size ? parser->pattern[parser->at] : 0;
    parser->possessive = suffix == '+';
    parser->atomic |= suffix == '+';
    if (suffix == '?' || suffix == '+')
        lt_parser_take(parser, 1);
    return true;
}

/** White space and comments where they count for nothing. */
static void skip(struct lt_parser *parser) {
    while (parser->at < parser->size && !parser->foreign) {
        char next = parser->pattern[parser->at];
        if (starts(parser, "(?#")) {
            if (!copy_through(parser, ')'))
                parser->foreign = true;
        } else if (parser->flags.extended && next && strchr(" \t\n\v\f\r", next)) {
            lt_parser_take(parser, 1);
        } else if (parser->flags.extended && next == '#') {
            if (!copy_through(parser, '\n'))
                lt_parser_take(parser, parser->size - parser->at);
        } else {
            return;
        }
    }
}

/** One item without its quantifier. NULL without `foreign`: none. */
static struct lt_node *item(struct lt_parser *parser, int depth) {
    unsigned char next = (unsigned char)parser->pattern[parser->at];
    size_t from = parser->at;
    struct lt_class class = {.known = true};
    switch (next) {
    case '(':
        return group(parser, depth);
    case '[':
        return lt_parser_class(parser, &class) ? character(parser, &class) : foreign(parser);
    case '\\':
        return escape(parser);
    case '^':
    case '$':
        lt_parser_take(parser, 1);
        return new_node(parser, LT_NODE_ASSERTION);
    case '.':
        lt_parser_take(parser, 1);
        if (!parser->flags.dot_all)
            lt_class_range(&class, '\n', '\n');
        lt_class_negate(&class);
        return character(parser, &class);
    case '*':
    case '+':
    case '?':
        return foreign(parser);
    default:
        return literal(parser, lt_parser_code(parser), from);
    }
}

static struct lt_node *parse_sequence(struct lt_parser *parser, int depth) {
    struct lt_node *sequence = new_node(parser, LT_NODE_SEQUENCE);
    for (;;) {
        skip(parser);
        if (parser->foreign || parser->at == parser->size || parser->pattern[parser->at] == '|' ||
            parser->pattern[parser->at] == ')')
            return sequence;
        struct lt_node *node = item(parser, depth);
        if (!node)
            continue;
        skip(parser);
        uint32_t least, most;
        while (!parser->foreign && quantifier(parser, &least, &most)) {
            struct lt_node *repeat = new_node(parser, LT_NODE_REPEAT);
            parser->once_only |= parser->possessive && node->kind != LT_NODE_CHARACTER;
            repeat->least = least;
            repeat->most = most;
            append(repeat, node);
            node = repeat;
            skip(parser);
        }
        append(sequence, node);
    }
}

/** Alternatives up to a closing parenthesis or the end. */
static struct lt_node *parse_choice(struct lt_parser *parser, int depth) {
    struct lt_node *sequence = parse_sequence(parser, depth);
    if (parser->foreign || parser->at == parser->size || parser->pattern[parser->at] != '|')
        return sequence;
    struct lt_node *choice = new_node(parser, LT_NODE_CHOICE);
    append(choice, sequence);
    while (!parser->foreign && parser->at < parser->size && parser->pattern[parser->at] == '|') {
        lt_parser_take(parser, 1);
        append(choice, parse_sequence(parser, depth));
    }
    return choice;
}

static struct lt_node *parse(struct lt_parser *parser) {
    struct lt_node *root = parse_choice(parser, 0);
    bool whole = !parser->foreign && parser->at == parser->size;
    return whole ? root : NULL;
}

int lt_syntax_open(struct lt_syntax *syntax, struct leat_bytes pattern, bool unicode) {
    *syntax = (struct lt_syntax){
        .pattern = pattern,
        .nodes = malloc((pattern.size * NODES_PER_BYTE + SLACK) * sizeof *syntax->nodes),
        .memory = malloc(pattern.size * OUT_PER_BYTE + SLACK),
    };
    if (!syntax->nodes || !syntax->memory) {
        lt_syntax_close(syntax);
        return -ENOMEM;
    }
    for (int fold = !unicode; fold >= 0; fold--) {
        struct lt_parser parser = {
            .pattern = pattern.data,
            .size = pattern.size,
            .unicode = unicode,
            .fold = fold,
            .nodes = syntax->nodes,
            .out = syntax->memory,
        };
        syntax->root = parse(&parser);
        syntax->refers = parser.refers;
        syntax->atomic = parser.atomic || parser.once_only;
        syntax->once_only = parser.once_only;
        if (!syntax->root || (fold && parser.refers && parser.was_caseless))
            continue;
        syntax->pattern = (struct leat_bytes){parser.out, parser.out_size};
        return 0;
    }
    return 0;
}

void lt_syntax_close(struct lt_syntax *syntax) {
    free(syntax->nodes);
    free(syntax->memory);
    *syntax = (struct lt_syntax){0};
}
