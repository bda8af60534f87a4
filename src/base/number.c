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
