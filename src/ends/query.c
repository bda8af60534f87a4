/* SPDX-License-Identifier: MIT */
#include "ends/query.h"
#include "base/error.h"
#include "base/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int hex(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool lt_query_decode(char *text) {
    char *out = text;
    for (; *text; text++) {
        if (*text != '%') {
            *out++ = *text;
            continue;
        }
        int high = hex(text[1]), low = high < 0 ? -1 : hex(text[2]);
        if (low < 0 || high * 16 + low == 0)
            return false;
        *out++ = (char)(high * 16 + low);
        text += 2;
    }
    *out = '\0';
    return true;
}

/* Paths are mostly typed by people and completed by shells, which know nothing of percent signs. */
static void decode_path(char *text) {
    char *out = text;
    while (*text) {
        bool question = strncasecmp(text, "%3f", 3) == 0, percent = strncmp(text, "%25", 3) == 0;
        *out++ = question ? '?' : *text;
        text += question || percent ? 3 : 1;
    }
    *out = '\0';
}

static bool set_flag(bool *place, const char *text) {
    *place = strcmp(text, "1") == 0 || strcmp(text, "true") == 0 || strcmp(text, "yes") == 0;
    return *place || strcmp(text, "0") == 0 || strcmp(text, "false") == 0 || strcmp(text, "no") == 0;
}

/* The types that options of such ends have; for others the table is wrong. */
static bool set(const struct leat_option *option, void *settings, const char *value) {
    void *place = (char *)settings + option->offset;
    switch (option->type) {
    case LEAT_OPTION_FLAG:
        return set_flag(place, value ? value : "1");
    case LEAT_OPTION_STRING:
        *(const char **)place = value;
        return value;
    case LEAT_OPTION_COUNT:
        return value && lt_number_whole(value, 1000, place);
    case LEAT_OPTION_SIZE:
        return value && lt_number_whole(value, 1024, place);
    case LEAT_OPTION_DURATION:
        return value && lt_number_duration(value, place);
    case LEAT_OPTION_RATE:
        return value && lt_number_rate(value, place) && *(double *)place > 0;
    default:
        return false;
    }
}

static int apply(const struct leat_segment *segment, const struct leat_option *options, void *settings, char *setting,
                 struct leat_error *error) {
    char *value = strchr(setting, '=');
    if (value)
        *value++ = '\0';
    if (!lt_query_decode(setting) || (value && !lt_query_decode(value)))
        return leat_fail(error, -EINVAL, "%s: a percent sign needs two hexadecimal digits after it", segment->spelling);
    const struct leat_option *option = options;
    while (option->name && strcmp(option->name, setting) != 0)
        option++;
    if (!option->name)
        return leat_fail(error, -EINVAL, "%s: there is no setting \"%s\" (a question mark in a path is written %%3F)",
                         segment->spelling, setting);
    if (!set(option, settings, value))
        return leat_fail(error, -EINVAL, "%s: \"%s\" is no value for %s", segment->spelling, value ? value : "",
                         setting);
    return 0;
}

int lt_query_read(const struct leat_segment *segment, const struct leat_option *options, void *settings, size_t size,
                  char **path, struct leat_error *error) {
    memcpy(settings, segment->settings, size);
    *path = strdup(segment->target);
    if (!*path)
        return leat_fail(error, -ENOMEM, "%s: out of memory", segment->spelling);
    char *rest = *path;
    strsep(&rest, "?");
    decode_path(*path);
    int code = 0;
    while (rest && code == 0) {
        char *setting = strsep(&rest, "&");
        code = *setting ? apply(segment, options, settings, setting, error) : 0;
    }
    if (code) {
        free(*path);
        *path = NULL;
    }
    return code;
}
