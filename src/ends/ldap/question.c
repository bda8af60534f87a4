/* SPDX-License-Identifier: MIT */
#include "ends/ldap/question.h"
#include "base/utf8.h"
#include "ends/ldap/library.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ----------------------------------------------------------- as a branch */

static void pack_string(struct lt_text *branch, const char *string) {
    lt_text_put_bytes(branch, (struct leat_bytes){string, strlen(string) + 1});
}

void lt_question_pack(struct lt_text *branch, const struct lt_question *question) {
    const char head[] = {LT_BRANCH_QUESTION, (char)('0' + question->purpose), (char)('0' + question->scope),
                         question->exact ? '1' : '0', question->expects ? '1' : '0'};
    lt_text_put_bytes(branch, (struct leat_bytes){head, sizeof head});
    pack_string(branch, question->base);
    pack_string(branch, question->core);
    pack_string(branch, question->attribute);
    lt_text_put_bytes(branch, question->prefix);
}

void lt_question_unpack(struct lt_question *question, const char *branch, size_t size) {
    const char *end = branch + size;
    *question = (struct lt_question){
        .purpose = (unsigned)(branch[1] - '0'),
        .scope = branch[2] - '0',
        .exact = branch[3] == '1',
        .expects = branch[4] == '1',
        .base = branch + 5,
    };
    question->core = question->base + strlen(question->base) + 1;
    question->attribute = question->core + strlen(question->core) + 1;
    const char *prefix = question->attribute + strlen(question->attribute) + 1;
    question->prefix = (struct leat_bytes){prefix, (size_t)(end - prefix)};
}

void lt_question_filter(struct lt_text *filter, const struct lt_question *question) {
    if (!question->prefix.size) {
        lt_text_put(filter, question->core);
        return;
    }
    lt_text_put(filter, "(&");
    lt_text_put(filter, question->core);
    lt_text_put_match(filter, question->attribute, question->prefix, !question->exact);
    lt_text_put(filter, ")");
}

/* --------------------------------------------------------------- splitting */

enum { TYPES = 16, PIECES = 512 };

/* The attribute types that name the entries seen, and how often. */
struct types {
    char *names[TYPES];
    size_t counts[TYPES], count;
};

struct piece {
    struct leat_bytes text;
    bool exact;
};

struct split {
    const struct lt_question *question;
    const char *attribute; /* to split by */
    struct leat_bytes prefix;
    struct piece pieces[PIECES];
    size_t count;
    bool failed;
};

/* Calls `look` for each part of the first component of each name. */
static void each_part(const struct lt_text *names, void (*look)(void *arg, const char *type, struct leat_bytes value),
                      void *arg) {
    for (const char *name = names->data; name && name < names->data + names->size; name += strlen(name) + 1) {
        LDAPDN dn = NULL;
        if (lt_libldap->ldap_str2dn(name, &dn, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
            continue;
        for (LDAPAVA **part = dn ? dn[0] : NULL; part && *part; part++)
            look(arg, (*part)->la_attr.bv_val, (struct leat_bytes){(*part)->la_value.bv_val, (*part)->la_value.bv_len});
        lt_libldap->ldap_dnfree(dn);
    }
}

static void count_type(void *arg, const char *type, struct leat_bytes value) {
    struct types *types = arg;
    (void)value;
    size_t i = 0;
    while (i < types->count && strcasecmp(types->names[i], type) != 0)
        i++;
    if (i == TYPES)
        return;
    if (i == types->count && !(types->names[types->count++] = strdup(type)))
        types->count--;
    types->counts[i]++;
}

static bool begins_with(struct leat_bytes value, struct leat_bytes prefix) {
    return value.size >= prefix.size && strncasecmp(value.data, prefix.data, prefix.size) == 0;
}

/* Up to the end of the character at `begin`, and never to a space, since servers compare as if it were not there. */
static size_t character_end(struct leat_bytes value, size_t begin) {
    while (begin + 1 < value.size && value.data[begin] == ' ')
        begin++;
    unsigned length = lt_utf8_sequence(value.data + begin, value.data + value.size);
    return begin + (length ? length : 1);
}

/* Spaces around a value mean nothing. */
static struct leat_bytes trimmed(struct leat_bytes value) {
    while (value.size > 1 && *value.data == ' ')
        value = (struct leat_bytes){value.data + 1, value.size - 1};
    while (value.size > 1 && value.data[value.size - 1] == ' ')
        value.size--;
    return value;
}

/* The prefix and one character more of a value; or all of a value that has no more. */
static void add_piece(void *arg, const char *type, struct leat_bytes value) {
    struct split *split = arg;
    value = trimmed(value);
    if (strcasecmp(type, split->attribute) != 0 || !value.size || !begins_with(value, split->prefix) ||
        split->count == PIECES)
        return;
    struct piece piece = {.text = value, .exact = value.size == split->prefix.size};
    if (!piece.exact)
        piece.text.size = character_end(value, split->prefix.size);
    for (size_t i = 0; i < split->count; i++) {
        const struct piece *other = &split->pieces[i];
        if (other->exact == piece.exact && other->text.size == piece.text.size && begins_with(other->text, piece.text))
            return;
    }
    char *copy = malloc(piece.text.size);
    split->failed |= !copy;
    if (!copy)
        return;
    memcpy(copy, piece.text.data, piece.text.size);
    piece.text.data = copy;
    split->pieces[split->count++] = piece;
}

/* Was the question split by this attribute before? Its name stands in the filter then. */
static bool is_used(const struct lt_question *question, const char *attribute) {
    struct lt_text mark = {0};
    lt_text_put(&mark, "(");
    lt_text_put(&mark, attribute);
    lt_text_put(&mark, "=");
    bool used = mark.failed || strcasecmp(question->attribute, attribute) == 0 ||
                (*question->attribute && strcasestr(question->core, mark.data));
    free(mark.data);
    return used;
}

/* The most frequent type that the question was not split by so far, or NULL. */
static const char *choose_type(const struct lt_question *question, const struct types *types) {
    const char *best = NULL;
    size_t most = 0;
    for (size_t i = 0; i < types->count; i++) {
        if (types->counts[i] <= most || is_used(question, types->names[i]))
            continue;
        most = types->counts[i];
        best = types->names[i];
    }
    return best;
}

/* What is neither of the pieces. */
static void put_rest(struct lt_text *core, const struct split *split, const char *of) {
    lt_text_put(core, "(&");
    lt_text_put(core, of);
    lt_text_put(core, "(!(|");
    for (size_t i = 0; i < split->count; i++)
        lt_text_put_match(core, split->attribute, split->pieces[i].text, !split->pieces[i].exact);
    lt_text_put(core, ")))");
}

static int take_all(const struct split *split, const char *core, lt_question_take *take, void *arg) {
    struct lt_question part = *split->question;
    part.core = core;
    part.attribute = split->attribute;
    part.expects = true;
    int code = 0;
    for (size_t i = 0; code == 0 && i < split->count; i++) {
        part.prefix = split->pieces[i].text;
        part.exact = split->pieces[i].exact;
        code = take(arg, &part);
    }
    struct lt_text rest = {0};
    put_rest(&rest, split, core);
    part.core = rest.data;
    part.prefix = split->prefix;
    part.exact = part.expects = false;
    if (rest.failed)
        code = -ENOMEM;
    if (code == 0)
        code = take(arg, &part);
    free(rest.data);
    return code < 0 ? code : (int)split->count + 1;
}

/* By another attribute: the present condition becomes part of the core. */
static int split_by(struct split *split, const char *attribute, const struct lt_text *names, lt_question_take *take,
                    void *arg) {
    struct lt_text core = {0};
    lt_question_filter(&core, split->question);
    split->attribute = attribute;
    split->prefix = (struct leat_bytes){"", 0};
    each_part(names, add_piece, split);
    int code = 0;
    if (core.failed || split->failed)
        code = -ENOMEM;
    else if (split->count)
        code = take_all(split, core.data, take, arg);
    free(core.data);
    return code;
}

int lt_question_split(const struct lt_question *question, const struct lt_text *names, lt_question_take *take,
                      void *arg) {
    struct split *split = calloc(1, sizeof *split);
    if (!split || names->failed) {
        free(split);
        return -ENOMEM;
    }
    split->question = question;
    split->attribute = question->attribute;
    split->prefix = question->prefix;
    int code = 0;
    if (*question->attribute && !question->exact)
        each_part(names, add_piece, split);
    if (split->failed)
        code = -ENOMEM;
    else if (split->count)
        code = take_all(split, question->core, take, arg);
    else {
        struct types types = {0};
        each_part(names, count_type, &types);
        const char *attribute = choose_type(question, &types);
        code = attribute ? split_by(split, attribute, names, take, arg) : 0;
        for (size_t i = 0; i < types.count; i++)
            free(types.names[i]);
    }
    for (size_t i = 0; i < split->count; i++)
        free((char *)split->pieces[i].text.data);
    free(split);
    return code;
}
