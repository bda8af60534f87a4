/* SPDX-License-Identifier: MIT */
#include "stages/unanswered/moment.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* "Z", "+0100", "-01:30": minutes east of Greenwich. */
static bool read_zone(const char *text, int *minutes) {
    int hours = 0, rest = 0, end = -1;
    *minutes = 0;
    if (strcmp(text, "Z") == 0)
        return true;
    if (*text != '+' && *text != '-')
        return false;
    if (sscanf(text + 1, "%2d%*1[:]%2d%n", &hours, &rest, &end) < 2)
        sscanf(text + 1, "%2d%2d%n", &hours, &rest, &end);
    if (end < 0 || text[1 + end])
        return false;
    *minutes = (hours * 60 + rest) * (*text == '-' ? -1 : 1);
    return true;
}

bool lt_moment_read(struct leat_bytes text, int64_t *milliseconds) {
    char copy[40];
    struct tm time = {0};
    int end = -1, zone, fraction = 0;
    if (text.size >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    sscanf(copy, "%4d-%2d-%2dT%2d:%2d:%2d%n", &time.tm_year, &time.tm_mon, &time.tm_mday, &time.tm_hour, &time.tm_min,
           &time.tm_sec, &end);
    if (end < 0)
        return false;
    const char *at = copy + end;
    if (*at == '.') {
        int digits = (int)strspn(++at, "0123456789");
        for (int i = 0; i < 3; i++)
            fraction = fraction * 10 + (i < digits ? at[i] - '0' : 0);
        at += digits;
    }
    if (!read_zone(at, &zone))
        return false;
    time.tm_year -= 1900;
    time.tm_mon -= 1;
    *milliseconds = ((int64_t)timegm(&time) - zone * 60) * 1000 + fraction;
    return true;
}
