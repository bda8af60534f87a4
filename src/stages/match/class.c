/* SPDX-License-Identifier: MIT */
/*
 * Sets are never too small. In a negated class that means: what is excluded
 * must be known exactly, or nothing is excluded.
 */
#include "stages/match/class.h"
#include "base/utf8.h"

#include <string.h>

void lt_parser_write(struct lt_parser *parser, const char *text, size_t size) {
    memcpy(parser->out + parser->out_size, text, size);
    parser->out_size += size;
}

void lt_parser_copy(struct lt_parser *parser, size_t from) {
    lt_parser_write(parser, parser->pattern + from, parser->at - from);
}

void lt_parser_take(struct lt_parser *parser, size_t size) {
    lt_parser_write(parser, parser->pattern + parser->at, size);
    parser->at += size;
}

void lt_class_range(struct lt_class *class, uint32_t first, uint32_t last) {
    for (uint32_t code = first; code <= last && code < 128; code++)
        lt_set_add(&class->set, (unsigned char)code);
    if (last >= 128)
        class->set.wide = true;
}

void lt_class_negate(struct lt_class *class) {
    class->set.ascii[0] = class->known ? ~class->set.ascii[0] : UINT64_MAX;
    class->set.ascii[1] = class->known ? ~class->set.ascii[1] : UINT64_MAX;
    class->set.wide = true;
}

static const uint64_t letters = 0x07FFFFFE; /* of either case, as bits of a row of 32 characters */

static void both_cases(struct lt_set *set) {
    uint64_t upper = set->ascii[1] & letters;
    uint64_t lower = set->ascii[1] >> 32 & letters;
    set->ascii[1] |= (upper | lower) | (upper | lower) << 32;
}

void lt_class_loosen_case(struct lt_class *class) {
    uint64_t before[2] = {class->set.ascii[0], class->set.ascii[1]};
    if (class->set.wide) /* U+212A is K, U+017F is S */
        lt_class_range(class, 'K', 'K'), lt_class_range(class, 'S', 'S');
    both_cases(&class->set);
    if (lt_set_has(&class->set, 'K') || lt_set_has(&class->set, 'S'))
        class->set.wide = true;
    if (before[0] != class->set.ascii[0] || before[1] != class->set.ascii[1])
        class->known = false;
}

uint32_t lt_parser_code(struct lt_parser *parser) {
    const char *at = parser->pattern + parser->at;
    unsigned length = lt_utf8_sequence(at, parser->pattern + parser->size);
    const unsigned char *bytes = (const unsigned char *)at;
    uint32_t code = bytes[0];
    if (length == 0) {
        parser->foreign = true;
        length = 1;
    }
    if (length > 1)
        code &= 0x7Fu >> length;
    for (unsigned i = 1; i < length; i++)
        code = code << 6 | (bytes[i] & 0x3F);
    bool space = code == 0x85 || code == 0x200E || code == 0x200F || code == 0x2028 || code == 0x2029;
    if (space && parser->flags.extended)
        parser->foreign = true; /* PCRE2 skips it where it skips spaces */
    parser->at += length;
    return code;
}

static int digit(char letter) {
    if (letter >= '0' && letter <= '9')
        return letter - '0';
    letter |= 0x20;
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : 16;
}

/** Up to `most` digits of `base`. */
static uint32_t digits(struct lt_parser *parser, int base, int most) {
    uint32_t code = 0;
    for (; most > 0 && parser->at < parser->size; most--, parser->at++) {
        int value = digit(parser->pattern[parser->at]);
        if (value >= base)
            break;
        code = code * (uint32_t)base + (uint32_t)value;
    }
    return code;
}

/** \xhh \x{h…}; the parser stands behind the x. */
static enum lt_escape hexadecimal(struct lt_parser *parser, uint32_t *code) {
    bool braces = parser->at < parser->size && parser->pattern[parser->at] == '{';
    if (!braces) {
        *code = digits(parser, 16, 2);
        return LT_ESCAPE_CODE;
    }
    parser->at++;
    *code = digits(parser, 16, 6);
    if (parser->at == parser->size || parser->pattern[parser->at] != '}')
        return LT_ESCAPE_FOREIGN;
    parser->at++;
    return LT_ESCAPE_CODE;
}

/** \p{…} \P{…} \pL: nothing is known of it. */
static enum lt_escape property(struct lt_parser *parser, struct lt_class *class) {
    const char *end = NULL;
    if (parser->at < parser->size && parser->pattern[parser->at] == '{')
        end = memchr(parser->pattern + parser->at, '}', parser->size - parser->at);
    else if (parser->at < parser->size && (unsigned char)parser->pattern[parser->at] < 128)
        end = parser->pattern + parser->at;
    if (!end)
        return LT_ESCAPE_FOREIGN;
    parser->at = (size_t)(end - parser->pattern) + 1;
    class->set = lt_set_all();
    class->known = false;
    return LT_ESCAPE_CLASS;
}

static void word_class(struct lt_class *class) {
    lt_class_range(class, '0', '9');
    lt_class_range(class, 'A', 'Z');
    lt_class_range(class, '_', '_');
    lt_class_range(class, 'a', 'z');
}

static void space_class(struct lt_class *class) {
    lt_class_range(class, '\t', '\r');
    lt_class_range(class, ' ', ' ');
}

/** \d \D \w \W \s \S \h \H \V into an empty `class`. */
static bool shorthand(struct lt_parser *parser, char letter, struct lt_class *class) {
    switch (letter) {
    case 'd':
    case 'D':
        lt_class_range(class, '0', '9');
        break;
    case 'w':
    case 'W':
        word_class(class);
        break;
    case 's':
    case 'S':
        space_class(class);
        break;
    case 'h':
    case 'H':
        lt_class_range(class, '\t', '\t');
        lt_class_range(class, ' ', ' ');
        break;
    case 'V':
        lt_class_range(class, '\n', '\r');
        break;
    default:
        return false;
    }
    if (parser->unicode || letter == 'h')
        class->set.wide = true;
    if (letter < 'a')
        lt_class_negate(class);
    return true;
}

enum lt_escape lt_parser_escape(struct lt_parser *parser, struct lt_class *class, uint32_t *code) {
    static const char letters_of_controls[] = "aefnrt";
    static const char controls[] = "\a\x1b\f\n\r\t";
    if (parser->at + 1 >= parser->size)
        return LT_ESCAPE_FOREIGN;
    char letter = parser->pattern[parser->at + 1];
    parser->at += 2;
    *class = (struct lt_class){.known = true};
    if (shorthand(parser, letter, class))
        return LT_ESCAPE_CLASS;
    const char *control = letter ? strchr(letters_of_controls, letter) : NULL;
    *code = control ? (uint32_t)controls[control - letters_of_controls] : (unsigned char)letter;
    if (control)
        return LT_ESCAPE_CODE;
    switch (letter) {
    case 'v':
        lt_class_range(class, '\v', '\v');
        return LT_ESCAPE_TAB;
    case 'x':
        return hexadecimal(parser, code);
    case '0':
        *code = digits(parser, 8, 2);
        return LT_ESCAPE_CODE;
    case 'p':
    case 'P':
        return property(parser, class);
    default:
        break;
    }
    bool punctuation =
        letter > ' ' && letter < 127 && digit(letter) == 16 && !((letter | 0x20) >= 'a' && (letter | 0x20) <= 'z');
    return punctuation || letter == ' ' || letter == '\t' ? LT_ESCAPE_CODE : LT_ESCAPE_FOREIGN;
}

/** [:alpha:] and the like: true if one stands here (and has been read). */
static bool posix(struct lt_parser *parser, struct lt_class *class) {
    size_t at = parser->at;
    if (parser->size - at < 4 || parser->pattern[at + 1] != ':')
        return false;
    size_t end = at + 2;
    while (end < parser->size &&
           (parser->pattern[end] == '^' || (parser->pattern[end] >= 'a' && parser->pattern[end] <= 'z')))
        end++;
    if (parser->size - end < 2 || parser->pattern[end] != ':' || parser->pattern[end + 1] != ']')
        return false;
    parser->at = end + 2;
    class->set = lt_set_all();
    class->known = false;
    return true;
}

/** One member of a class that is a character (true, `*code`) or a set of them, added to `class`; may be foreign. */
static bool member(struct lt_parser *parser, struct lt_class *class, uint32_t *code) {
    char next = parser->pattern[parser->at];
    struct lt_class set = {.known = true};
    if (next == '[' && parser->at + 1 < parser->size && strchr(":.=", parser->pattern[parser->at + 1])) {
        size_t from = parser->at;
        if (!posix(parser, &set)) {
            parser->foreign = true;
            return false;
        }
        lt_parser_copy(parser, from);
        class->known = false;
        lt_set_join(&class->set, &set.set);
        return false;
    }
    size_t from = parser->at;
    if (next != '\\') {
        *code = lt_parser_code(parser);
        lt_parser_copy(parser, from);
        return true;
    }
    if (from + 1 < parser->size && parser->pattern[from + 1] == 'b') {
        lt_parser_take(parser, 2);
        *code = '\b';
        return true;
    }
    switch (lt_parser_escape(parser, &set, code)) {
    case LT_ESCAPE_CODE:
        lt_parser_copy(parser, from);
        return true;
    case LT_ESCAPE_TAB:
        lt_parser_write(parser, "\\x0b", 4);
        *code = '\v';
        return true;
    case LT_ESCAPE_CLASS:
        lt_parser_copy(parser, from);
        class->known &= set.known;
        lt_set_join(&class->set, &set.set);
        return false;
    default:
        parser->foreign = true;
        return false;
    }
}

/** The members up to the closing bracket, which is left. */
static void members(struct lt_parser *parser, struct lt_class *class) {
    bool first = true;
    for (; !parser->foreign; first = false) {
        if (parser->at >= parser->size) {
            parser->foreign = true;
            return;
        }
        char next = parser->pattern[parser->at];
        if (next == ']' && !first)
            return;
        if (first && (next == ']' || next == '-'))
            lt_parser_write(parser, "\\", 1); /* something may come to stand before it */
        uint32_t low, high;
        bool character = member(parser, class, &low);
        bool hyphen = parser->at + 1 < parser->size && parser->pattern[parser->at] == '-' &&
                      parser->pattern[parser->at + 1] != ']';
        if (hyphen && !character)
            parser->foreign = true; /* an error, or a hyphen */
        if (!character)
            continue;
        high = low;
        if (hyphen) {
            lt_parser_take(parser, 1);
            if (!member(parser, class, &high) || high < low)
                parser->foreign = true;
        }
        lt_class_range(class, low, high);
    }
}

/** Put the other case of each ASCII letter in front of the members, which begin at `begin` of the output. */
static void fold(struct lt_parser *parser, struct lt_class *class, size_t begin) {
    struct lt_set before = class->set;
    both_cases(&class->set);
    char added[64];
    size_t count = 0;
    for (int code = 'A'; code <= 'z'; code++)
        if (lt_set_has(&class->set, (unsigned char)code) && !lt_set_has(&before, (unsigned char)code))
            added[count++] = (char)code;
    memmove(parser->out + begin + count, parser->out + begin, parser->out_size - begin);
    memcpy(parser->out + begin, added, count);
    parser->out_size += count;
}

bool lt_parser_class(struct lt_parser *parser, struct lt_class *class) {
    lt_parser_take(parser, 1);
    bool negated = parser->at < parser->size && parser->pattern[parser->at] == '^';
    if (negated)
        lt_parser_take(parser, 1);
    size_t begin = parser->out_size;
    members(parser, class);
    if (parser->foreign)
        return false;
    if (parser->flags.caseless && parser->fold) {
        if (!class->known)
            return false;
        fold(parser, class, begin);
    }
    lt_parser_take(parser, 1);
    if (negated)
        lt_class_negate(class);
    else if (parser->flags.caseless && !parser->fold)
        lt_class_loosen_case(class);
    return true;
}
