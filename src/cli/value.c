/* SPDX-License-Identifier: MIT */
/*
 * Numbers are read by hand as far as deciding what belongs to them goes, because
 * strtold also takes "0x10", "inf", "nan" and leading white space, none of which
 * is a number of items to anybody.
 */
#include "cli/value.h"
#include "base/os.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* A decimal number with an optional fraction and exponent. Returns what follows it, or NULL. */
static const char *scan_number(const char *text, long double *number) {
    const char *end = text;
    size_t digits = 0;
    for (; is_digit(*end); end++)
        digits++;
    if (*end == '.')
        for (end++; is_digit(*end); end++)
            digits++;
    if (digits == 0)
        return NULL;
    if (*end == 'e' || *end == 'E') {
        const char *exponent = end + 1;
        if (*exponent == '+' || *exponent == '-')
            exponent++;
        if (is_digit(*exponent))
            for (end = exponent; is_digit(*end); end++)
                continue;
    }
    char copy[64];
    if ((size_t)(end - text) >= sizeof copy)
        return NULL;
    memcpy(copy, text, (size_t)(end - text));
    copy[end - text] = '\0';
    *number = strtold(copy, NULL);
    return end;
}

/* "k", "M", "G", "T" as powers of `base`; moves past the letter. */
static long double scan_scale(const char **text, long double base) {
    switch (**text) {
    case 'k':
    case 'K':
        ++*text;
        return base;
    case 'M':
        ++*text;
        return base * base;
    case 'G':
        ++*text;
        return base * base * base;
    case 'T':
        ++*text;
        return base * base * base * base;
    default:
        return 1;
    }
}

static bool parse_whole(const char *text, long double base, uint64_t *value) {
    long double number;
    const char *rest = scan_number(text, &number);
    if (!rest)
        return false;
    number *= scan_scale(&rest, base);
    if (*rest || number >= 18446744073709551616.0L || number != floorl(number))
        return false;
    *value = (uint64_t)number;
    return true;
}

struct unit {
    const char *name;
    leat_time length;
};

/* Longer names first: "ms" begins with "m". */
static const struct unit units[] = {
    {"ns", 1},
    {"us", LEAT_MICROSECOND},
    {"ms", LEAT_MILLISECOND},
    {"s", LEAT_SECOND},
    {"m", 60 * LEAT_SECOND},
    {"h", 3600 * LEAT_SECOND},
    {"d", 24 * 3600 * LEAT_SECOND},
};
enum { UNITS = sizeof units / sizeof units[0] };

static const struct unit *scan_unit(const char **text) {
    for (size_t i = 0; i < UNITS; i++) {
        size_t length = strlen(units[i].name);
        if (strncmp(*text, units[i].name, length) == 0) {
            *text += length;
            return &units[i];
        }
    }
    return NULL;
}

/* "30", "30s", "1.5h", "1m30s" */
static bool parse_duration(const char *text, leat_time *value) {
    long double total = 0, number;
    do {
        bool first = total == 0;
        const char *rest = scan_number(text, &number);
        if (!rest)
            return false;
        const struct unit *unit = scan_unit(&rest);
        if (!unit && !(first && *rest == '\0'))
            return false;
        total += number * (unit ? unit->length : LEAT_SECOND);
        text = rest;
    } while (*text);
    if (total >= (long double)LEAT_FOREVER)
        return false;
    *value = (leat_time)roundl(total);
    return true;
}

/* "100", "100/s", "6k/m", "10/h" */
static bool parse_rate(const char *text, double *value) {
    long double number;
    const char *rest = scan_number(text, &number);
    if (!rest)
        return false;
    number *= scan_scale(&rest, 1000);
    if (strcmp(rest, "/m") == 0)
        number /= 60;
    else if (strcmp(rest, "/h") == 0)
        number /= 3600;
    else if (*rest && strcmp(rest, "/s") != 0)
        return false;
    if (!isfinite((double)number) || number <= 0)
        return false;
    *value = (double)number;
    return true;
}

/* "8", "50%" of the processors but at least one, "auto" */
static bool parse_workers(const char *text, uint64_t *value) {
    if (strcmp(text, "auto") == 0) {
        *value = LEAT_WORKERS_AUTO;
        return true;
    }
    long double number;
    const char *rest = scan_number(text, &number);
    if (!rest || strcmp(rest, "%") != 0)
        return parse_whole(text, 1000, value);
    number = floorl(number * lt_processors() / 100);
    *value = number < 1 ? 1 : (uint64_t)number;
    return number < 65536;
}

static bool parse_flag(const char *text, bool *value) {
    static const char *const names[] = {"true", "yes", "on", "1", "false", "no", "off", "0"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0) {
            *value = i < 4;
            return true;
        }
    }
    return false;
}

bool lt_value_is_choice(const struct leat_option *option) {
    if (option->type != LEAT_OPTION_STRING || !option->argument || !strchr(option->argument, '|'))
        return false;
    return strspn(option->argument, "abcdefghijklmnopqrstuvwxyz0123456789-|") == strlen(option->argument);
}

static bool is_one_of(const char *text, const char *choices) {
    size_t length = strlen(text);
    while (length > 0) {
        const char *end = strchrnul(choices, '|');
        if ((size_t)(end - choices) == length && memcmp(choices, text, length) == 0)
            return true;
        if (!*end)
            break;
        choices = end + 1;
    }
    return false;
}

static int assign_string(const struct leat_option *option, const char **place, const char *text,
                         struct leat_error *error) {
    if (lt_value_is_choice(option) && !is_one_of(text, option->argument))
        return leat_fail(error, -EINVAL, "\"%s\" is not one of %s", text, option->argument);
    *place = text;
    return 0;
}

int lt_value_assign(struct lt_memory *memory, const struct leat_option *option, void *settings, const char *text,
                    struct leat_error *error) {
    void *place = (char *)settings + option->offset;
    switch (option->type) {
    case LEAT_OPTION_FLAG:
        if (parse_flag(text, place))
            return 0;
        return leat_fail(error, -EINVAL, "\"%s\" is neither true nor false", text);
    case LEAT_OPTION_STRING:
        return assign_string(option, place, text, error);
    case LEAT_OPTION_COUNT:
        if (parse_whole(text, 1000, place))
            return 0;
        return leat_fail(error, -EINVAL, "\"%s\" is not a number (write 100, 10k, 2M or 1e6)", text);
    case LEAT_OPTION_WORKERS:
        if (parse_workers(text, place))
            return 0;
        return leat_fail(error, -EINVAL, "\"%s\" is not a number of workers (write 8, 50%% or auto)", text);
    case LEAT_OPTION_SIZE:
        if (parse_whole(text, 1024, place))
            return 0;
        return leat_fail(error, -EINVAL, "\"%s\" is not a size (write 512, 64k, 10M or 1G)", text);
    case LEAT_OPTION_DURATION:
        if (parse_duration(text, place))
            return 0;
        return leat_fail(error, -EINVAL, "\"%s\" is not a duration (write 500ms, 30s, 5m, 1h30m; plain means seconds)",
                         text);
    case LEAT_OPTION_RATE:
        if (parse_rate(text, place))
            return 0;
        return leat_fail(error, -EINVAL, "\"%s\" is not a rate (write 100, 100/s, 6k/m or 10/h)", text);
    case LEAT_OPTION_LIST:
        break;
    }
    struct leat_list *list = place;
    list->items = lt_memory_grow(memory, list->items, list->count, sizeof *list->items);
    list->items[list->count++] = text;
    return 0;
}

static const char *size_text(struct lt_memory *memory, uint64_t size) {
    static const char letters[] = "kMGT";
    size_t power = 0;
    while (size && size % 1024 == 0 && power < sizeof letters - 1) {
        size /= 1024;
        power++;
    }
    if (power == 0)
        return lt_memory_print(memory, "%llu", (unsigned long long)size);
    return lt_memory_print(memory, "%llu%c", (unsigned long long)size, letters[power - 1]);
}

static const char *duration_text(struct lt_memory *memory, leat_time duration) {
    if (duration == 0)
        return "0s";
    size_t unit = UNITS - 1;
    while (duration % units[unit].length)
        unit--;
    return lt_memory_print(memory, "%lld%s", (long long)(duration / units[unit].length), units[unit].name);
}

static const char *rate_text(struct lt_memory *memory, double rate) {
    char text[40];
    int digits = 15;
    double again;
    do
        snprintf(text, sizeof text, "%.*g", digits, rate);
    while ((!parse_rate(text, &again) || again != rate) && ++digits <= 17);
    return lt_memory_print(memory, "%s/s", text);
}

const char *lt_value_text(struct lt_memory *memory, const struct leat_option *option, const void *settings) {
    const void *place = (const char *)settings + option->offset;
    switch (option->type) {
    case LEAT_OPTION_FLAG:
        return *(const bool *)place ? "true" : "false";
    case LEAT_OPTION_STRING:
        return *(const char *const *)place;
    case LEAT_OPTION_WORKERS:
        if (*(const uint64_t *)place == LEAT_WORKERS_AUTO)
            return "auto";
        return lt_memory_print(memory, "%llu", (unsigned long long)*(const uint64_t *)place);
    case LEAT_OPTION_COUNT:
        return lt_memory_print(memory, "%llu", (unsigned long long)*(const uint64_t *)place);
    case LEAT_OPTION_SIZE:
        return size_text(memory, *(const uint64_t *)place);
    case LEAT_OPTION_DURATION:
        return duration_text(memory, *(const leat_time *)place);
    case LEAT_OPTION_RATE:
        return rate_text(memory, *(const double *)place);
    case LEAT_OPTION_LIST:
        break;
    }
    return NULL;
}

static bool same_text(const char *left, const char *right) {
    return left == right || (left && right && strcmp(left, right) == 0);
}

static bool same_list(const struct leat_list *left, const struct leat_list *right) {
    if (left->count != right->count)
        return false;
    for (size_t i = 0; i < left->count; i++)
        if (strcmp(left->items[i], right->items[i]) != 0)
            return false;
    return true;
}

bool lt_value_equal(const struct leat_option *option, const void *left, const void *right) {
    const void *a = (const char *)left + option->offset, *b = (const char *)right + option->offset;
    switch (option->type) {
    case LEAT_OPTION_FLAG:
        return *(const bool *)a == *(const bool *)b;
    case LEAT_OPTION_STRING:
        return same_text(*(const char *const *)a, *(const char *const *)b);
    case LEAT_OPTION_COUNT:
    case LEAT_OPTION_WORKERS:
    case LEAT_OPTION_SIZE:
        return *(const uint64_t *)a == *(const uint64_t *)b;
    case LEAT_OPTION_DURATION:
        return *(const leat_time *)a == *(const leat_time *)b;
    case LEAT_OPTION_RATE:
        return *(const double *)a == *(const double *)b;
    case LEAT_OPTION_LIST:
        break;
    }
    return same_list(a, b);
}
