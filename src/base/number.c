/* SPDX-License-Identifier: MIT */
#include "base/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A number with a suffix k, M, G (times `base` each). Returns what follows, or NULL. */
static const char *read_number(const char *text, double base, double *number) {
    if (strspn(text, "0123456789.") == 0 || (text[0] == '0' && (text[1] | 0x20) == 'x'))
        return NULL;
    char *end;
    *number = strtod(text, &end);
    const char *letter = *end ? strchr("kMG", *end == 'K' ? 'k' : *end) : NULL;
    if (letter) {
        *number *= *letter == 'k' ? base : *letter == 'M' ? base * base : base * base * base;
        end++;
    }
    return isfinite(*number) ? end : NULL;
}

bool lt_number_whole(const char *text, double base, uint64_t *value) {
    double number;
    const char *rest = read_number(text, base, &number);
    if (!rest || *rest || number >= 0x1p64 || number != floor(number))
        return false;
    *value = (uint64_t)number;
    return true;
}

bool lt_number_json(struct leat_bytes json, uint64_t *value) {
    char text[24];
    if (json.size == 0 || json.size >= sizeof text)
        return false;
    memcpy(text, json.data, json.size);
    text[json.size] = '\0';
    return lt_number_whole(text, 1, value);
}

bool lt_number_is_port(const char *text) {
    size_t size = strspn(text, "0123456789");
    return size && !text[size] && strtoul(text, NULL, 10) <= UINT16_MAX;
}

bool lt_number_rate(const char *text, double *value) {
    const char *rest = read_number(text, 1000, value);
    if (!rest)
        return false;
    if (strcmp(rest, "/m") == 0)
        *value /= 60;
    else if (strcmp(rest, "/h") == 0)
        *value /= 3600;
    else if (*rest && strcmp(rest, "/s") != 0)
        return false;
    return true;
}

struct unit {
    const char *name; /* the longer ones first: "ms" begins with "m" */
    double length;
};

static const struct unit units[] = {{"ns", 1},   {"us", 1e3},   {"ms", 1e6},   {"s", 1e9},
                                    {"m", 6e10}, {"h", 3.6e12}, {"d", 8.64e13}};

static const char *read_unit(const char *text, double *length) {
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        size_t size = strlen(units[i].name);
        if (strncmp(text, units[i].name, size) != 0)
            continue;
        *length = units[i].length;
        return text + size;
    }
    return NULL;
}

bool lt_number_duration(const char *text, leat_time *value) {
    double total = 0, number, length;
    for (const char *start = text; *text || text == start;) {
        text = text + strspn(text, "0123456789.") == text ? NULL : read_number(text, 1, &number);
        if (!text)
            return false;
        const char *rest = read_unit(text, &length);
        if (!rest && (*text || total > 0))
            return false;
        total += number * (rest ? length : 1e9);
        text = rest ? rest : text;
    }
    if (total >= 0x1p62)
        return false;
    *value = (leat_time)total;
    return true;
}
