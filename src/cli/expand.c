/* SPDX-License-Identifier: MIT */
#include "cli/expand.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST_FILE = 64 * 1024 };

/* The content of a file, without the newlines at its end. */
static const char *read_file(struct lt_memory *memory, const char *path, struct leat_error *error) {
    FILE *file = fopen(path, "re");
    if (!file) {
        leat_fail(error, -errno, "${file:%s}: %s", path, strerror(errno));
        return NULL;
    }
    char text[LARGEST_FILE + 1];
    size_t size = fread(text, 1, sizeof text, file);
    int failed = ferror(file) ? errno : size > LARGEST_FILE ? EFBIG : 0;
    fclose(file);
    if (failed || memchr(text, '\0', size)) {
        leat_fail(error, failed ? -failed : -EINVAL, "${file:%s}: %s", path,
                  failed ? strerror(failed) : "the file holds a zero byte");
        return NULL;
    }
    while (size && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        size--;
    return lt_memory_copy(memory, text, size);
}

static bool is_variable(const char *name) {
    if (!*name || (*name >= '0' && *name <= '9'))
        return false;
    return name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

/* What stands for ${inside}. */
static const char *replacement(struct lt_memory *memory, const char *inside, struct leat_error *error) {
    if (strncmp(inside, "file:", 5) == 0)
        return read_file(memory, inside + 5, error);
    const char *otherwise = strstr(inside, ":-");
    const char *name = otherwise ? lt_memory_copy(memory, inside, (size_t)(otherwise - inside)) : inside;
    if (!is_variable(name)) {
        leat_fail(error, -EINVAL, "${%s} is none of ${VAR}, ${VAR:-else} and ${file:PATH}; \"$${\" is a plain \"${\"",
                  inside);
        return NULL;
    }
    const char *value = getenv(name);
    if (otherwise && (!value || !*value))
        return otherwise + 2;
    if (!value)
        leat_fail(error, -EINVAL, "${%s}: there is no such variable; ${%s:-else} gives a default", name, name);
    return value;
}

const char *lt_expand(struct lt_memory *memory, const char *text, struct leat_error *error) {
    const char *result = "", *rest = text;
    for (const char *dollar; (dollar = strstr(rest, "${"));) {
        if (dollar > rest && dollar[-1] == '$') {
            result = lt_memory_print(memory, "%s%.*s${", result, (int)(dollar - 1 - rest), rest);
            rest = dollar + 2;
            continue;
        }
        const char *end = strchr(dollar, '}');
        if (!end) {
            leat_fail(error, -EINVAL, "\"${\" without \"}\"; \"$${\" is a plain \"${\"");
            return NULL;
        }
        const char *value = replacement(memory, lt_memory_copy(memory, dollar + 2, (size_t)(end - dollar - 2)), error);
        if (!value)
            return NULL;
        result = lt_memory_print(memory, "%s%.*s%s", result, (int)(dollar - rest), rest, value);
        rest = end + 1;
    }
    return rest == text ? text : lt_memory_print(memory, "%s%s", result, rest);
}
