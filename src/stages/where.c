/* SPDX-License-Identifier: MIT */
/**
 * where: keep the items for which a comparison is true, filter out the others.
 *
 *     .f          there, and not null, false, "", [] or {}      (0 counts as there)
 *     .f=v .f!=v  a string is compared with v byte by byte; a number as a number; anything else by its JSON text
 *     .f~r .f!~r  the regular expression r matches somewhere in the string, or in the JSON text of anything else
 *     .f<n .f<=n .f>n .f>=n   numbers, and strings that are numbers from end to end
 *     !…          not
 *
 * The field "." is the item's text. What is not there equals nothing, matches
 * nothing and is neither smaller nor larger, so the negated forms are true of
 * it. Several comparisons must all be true; with --or, one of them.
 *
 * An item whose JSON is broken fails, and so does one on which a regular
 * expression gives up at its limits: "no" would be a guess. With several
 * comparisons only those are tried that are needed for the answer.
 */
#include "stages/stages.h"
#include "stages/match/regex.h"
#include "base/error.h"
#include "base/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct settings {
    bool any;
    bool invert;
};

enum operation { THERE, EQUAL, MATCHES, LESS, LESS_EQUAL, MORE, MORE_EQUAL };

struct test {
    const char *word; /* as written */
    char *path;       /* NULL: the item's text */
    bool negated;
    enum operation operation;
    struct leat_bytes operand;
    long double number; /* the operand; NAN: it is none */
    struct lt_regex regex;
};

struct where {
    struct settings settings;
    size_t count;
    struct test tests[];
};

static const struct leat_option options[] = {
    {"or", 'o', LEAT_OPTION_FLAG, offsetof(struct settings, any), NULL, NULL, "One true comparison is enough."},
    {"not", 0, LEAT_OPTION_FLAG, offsetof(struct settings, invert), NULL, NULL,
     "Keep the items that would be filtered out, and the other way round."},
    {NULL},
};

/* Decimal, from end to end; NAN: it is no number. */
static long double number_of(struct leat_bytes text) {
    char copy[64];
    if (text.size == 0 || text.size >= sizeof copy)
        return NAN;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    if (strspn(copy, "0123456789+-.eE") != text.size)
        return NAN;
    char *end;
    long double number = strtold(copy, &end);
    return *end ? NAN : number;
}

/* ---------------------------------------------------------------- opening */

struct operator{
    const char *sign;
    enum operation operation;
    bool negated;
};

/* Longer ones first. */
static const struct operator operators[] = {
    {"!=", EQUAL, true}, {"!~", MATCHES, true}, {"<=", LESS_EQUAL, false}, {">=", MORE_EQUAL, false},
    {"=", EQUAL, false}, {"~", MATCHES, false}, {"<", LESS, false},        {">", MORE, false},
};
enum { OPERATORS = sizeof operators / sizeof operators[0] };

static const struct operator* find_operator(const char *text) {
    for (size_t i = 0; i < OPERATORS; i++)
        if (strncmp(text, operators[i].sign, strlen(operators[i].sign)) == 0)
            return &operators[i];
    return NULL;
}

static int parse_path(struct test *test, const char *begin, size_t size, struct leat_error *error) {
    size_t at = (size_t)(begin - test->word) + 1;
    if (size == 0)
        return leat_fail(error, -EINVAL, "\"%s\": the field is missing at byte %zu", test->word, at);
    if (size == 1 && *begin == '.')
        return 0;
    test->path = strndup(begin, size);
    if (!test->path)
        return leat_fail(error, -ENOMEM, "out of memory");
    struct leat_error why;
    if (lt_json_path_check(test->path, &why))
        return leat_fail(error, -EINVAL, "\"%s\": no field at byte %zu: %s", test->word, at, why.text);
    return 0;
}

static int parse_operand(struct test *test, const char *operand, struct leat_error *error) {
    size_t at = (size_t)(operand - test->word) + 1;
    test->operand = (struct leat_bytes){operand, strlen(operand)};
    test->number = number_of(test->operand);
    if (test->operation >= LESS && isnan(test->number))
        return leat_fail(error, -EINVAL, "\"%s\": \"%s\" at byte %zu is not a number", test->word, operand, at);
    struct leat_error why;
    if (test->operation == MATCHES && lt_regex_open(&test->regex, test->operand, false, NULL, &why))
        return leat_fail(error, why.code, "\"%s\": in the regular expression at byte %zu: %s", test->word, at,
                         why.text);
    return 0;
}

static int parse(struct test *test, const char *word, struct leat_error *error) {
    test->word = word;
    const char *begin = word;
    for (; *begin == '!' && !find_operator(begin); begin++)
        test->negated = !test->negated;
    const char *end = begin;
    while (*end && !find_operator(end))
        end++;
    int code = parse_path(test, begin, (size_t)(end - begin), error);
    if (code || !*end)
        return code;
    const struct operator* found = find_operator(end);
    test->operation = found->operation;
    test->negated = test->negated != found->negated;
    if (found->operation == EQUAL && end[strlen(found->sign)] == '=')
        return leat_fail(
            error, -EINVAL,
            "\"%s\": \"%s=\" at byte %zu: one \"=\" compares (a text that begins with it is found by .field~'^=')",
            word, found->sign, (size_t)(end - word) + 1);
    return parse_operand(test, end + strlen(found->sign), error);
}

static void close_where(void *stage) {
    struct where *where = stage;
    for (size_t i = 0; i < where->count; i++) {
        free(where->tests[i].path);
        lt_regex_close(&where->tests[i].regex);
    }
    free(where);
}

static int open_where(void **stage, const struct leat_segment *segment, struct leat_error *error) {
    if (segment->word_count == 0)
        return leat_fail(error, -EINVAL, "%s: needs a comparison: .field, .field=value, .field~regex, .field>10",
                         segment->spelling);
    struct where *where = calloc(1, sizeof *where + segment->word_count * sizeof where->tests[0]);
    if (!where)
        return leat_fail(error, -ENOMEM, "%s: out of memory", segment->spelling);
    where->settings = *(const struct settings *)segment->settings;
    where->count = segment->word_count;
    struct leat_error why;
    int code = 0;
    for (size_t i = 0; i < where->count && code == 0; i++)
        code = parse(&where->tests[i], segment->words[i], &why);
    if (code) {
        close_where(where);
        return leat_fail(error, code, "%s: %s", segment->spelling, why.text);
    }
    *stage = where;
    return 0;
}

static int open_worker(void *stage, void **worker, struct leat_error *error) {
    const struct where *where = stage;
    uint32_t groups = 0;
    for (size_t i = 0; i < where->count; i++)
        groups = where->tests[i].regex.groups > groups ? where->tests[i].regex.groups : groups;
    struct lt_matcher *matcher = malloc(sizeof *matcher);
    if (!matcher || lt_matcher_open(matcher, groups, LT_MATCH_LIMIT)) {
        free(matcher);
        return leat_fail(error, -ENOMEM, "where: out of memory");
    }
    *worker = matcher;
    return 0;
}

static void close_worker(void *stage, void *worker) {
    (void)stage;
    lt_matcher_close(worker);
    free(worker);
}

/* -------------------------------------------------------------- comparing */

struct operand {
    struct leat_bytes text; /* of a string, decoded; else JSON */
    bool is_there, is_string;
};

static int look_up(const struct test *test, struct leat_batch *batch, struct leat_item *item, struct operand *value,
                   struct leat_error *why) {
    *value = (struct operand){.is_there = true, .is_string = true};
    int code = leat_item_text(batch, item, test->path, &value->text, why);
    if (code == -EINVAL) {
        value->is_string = false;
        code = leat_item_field(batch, item, test->path, &value->text, why);
    }
    value->is_there = code == 0;
    return code == -ENOENT ? 0 : code;
}

static bool is_text(const struct leat_bytes *bytes, const char *text) {
    return bytes->size == strlen(text) && memcmp(bytes->data, text, bytes->size) == 0;
}

/* "[]" or "{}", perhaps with white space between. */
static bool is_empty(struct leat_bytes json) {
    if (json.data[0] != '[' && json.data[0] != '{')
        return false;
    for (size_t i = 1; i + 1 < json.size; i++)
        if (!strchr(" \t\r\n", json.data[i]))
            return false;
    return true;
}

static bool counts_as_there(const struct operand *value) {
    if (value->is_string)
        return value->text.size > 0;
    return !is_text(&value->text, "null") && !is_text(&value->text, "false") && !is_empty(value->text);
}

static bool is_equal(const struct test *test, const struct operand *value) {
    if (value->text.size == test->operand.size &&
        (value->text.size == 0 || memcmp(value->text.data, test->operand.data, value->text.size) == 0))
        return true;
    return !value->is_string && number_of(value->text) == test->number;
}

static bool is_ordered(const struct test *test, const struct operand *value) {
    long double number = number_of(value->text);
    switch (test->operation) {
    case LESS:
        return number < test->number;
    case LESS_EQUAL:
        return number <= test->number;
    case MORE:
        return number > test->number;
    default:
        return number >= test->number;
    }
}

/* 1, 0, or negative with `why`. */
static int matches(const struct test *test, struct lt_matcher *matcher, const struct operand *value,
                   struct leat_error *why) {
    struct lt_attempt attempt = {.text = value->text};
    int groups = lt_regex_match(&test->regex, LT_REGEX_BROKEN, matcher, &attempt);
    if (groups >= 0)
        return groups > 0;
    char reason[160];
    lt_regex_reason(groups, reason, sizeof reason);
    return leat_fail(why, -E2BIG, "\"%s\" cannot be told: %s", test->word, reason);
}

static int is_true(const struct test *test, struct lt_matcher *matcher, struct leat_batch *batch,
                   struct leat_item *item, struct leat_error *why) {
    struct operand value;
    int code = look_up(test, batch, item, &value, why);
    if (code)
        return code;
    int result = value.is_there;
    if (result && test->operation == THERE)
        result = counts_as_there(&value);
    else if (result && test->operation == EQUAL)
        result = is_equal(test, &value);
    else if (result && test->operation == MATCHES)
        result = matches(test, matcher, &value, why);
    else if (result)
        result = is_ordered(test, &value);
    return result < 0 ? result : result != test->negated;
}

static int is_wanted(const struct where *where, struct lt_matcher *matcher, struct leat_batch *batch,
                     struct leat_item *item, struct leat_error *why) {
    int result = 1;
    for (size_t i = 0; i < where->count; i++) {
        result = is_true(&where->tests[i], matcher, batch, item, why);
        if (result < 0)
            return result;
        if ((result == 1) == where->settings.any)
            break;
    }
    return result != where->settings.invert;
}

static int process(void *stage, void *worker, struct leat_batch *batch, struct leat_error *error) {
    (void)error;
    for (size_t i = 0; i < batch->count; i++) {
        struct leat_item *item = &batch->items[i];
        if (item->fate != LEAT_LIVE)
            continue;
        struct leat_error why;
        int result = is_wanted(stage, worker, batch, item, &why);
        if (result < 0)
            leat_item_fail(batch, item, result, "%s", why.text);
        else if (result == 0)
            leat_item_drop(item);
    }
    return 0;
}

const struct leat_stage_type lt_where_stage = {
    .name = "where",
    .syntax = "where [-o] [--not] .FIELD | .FIELD=VALUE | .FIELD~REGEX | .FIELD>NUMBER …",
    .summary = "Keep the items for which comparisons are true.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .open = open_where,
    .open_worker = open_worker,
    .process = process,
    .close_worker = close_worker,
    .close = close_where,
};
