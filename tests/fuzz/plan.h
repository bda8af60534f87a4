/* SPDX-License-Identifier: MIT */
/** For targets that read pipelines: what `leat show` prints of one is read as the same one. */
#ifndef LEAT_TESTS_FUZZ_PLAN_H
#define LEAT_TESTS_FUZZ_PLAN_H

#include "cli/part.h"
#include "cli/yaml.h"
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

/** The plan as YAML, to be freed; NULL: it cannot be written. */
static inline char *show_plan(struct lt_command *command, struct leat_error *error) {
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    must(file);
    int code = lt_yaml_show(command, file, error);
    fclose(file);
    must(code == 0 || (code < 0 && *error->text));
    if (code == 0)
        return text;
    free(text);
    return NULL;
}

/** What is shown of the pipeline in these bytes, to be freed; NULL: it is refused. */
static inline char *show_file(const void *data, size_t size, struct leat_error *error) {
    int fd = memfd_create("pipeline", MFD_CLOEXEC);
    must(fd >= 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    char path[64], *text = NULL;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct lt_command command = {.verb = LT_VERB_SHOW, .file = path};
    command.front = *(struct lt_front *)lt_options_new(&command.memory, lt_front_options, sizeof command.front);
    int code = lt_yaml_read(&command, &(struct leat_list){0}, error);
    if (code == 0)
        code = lt_plan_finish(&command.memory, &command.plan, &command.front, error);
    if (code == 0)
        text = show_plan(&command, error);
    else
        must(code < 0 && *error->text);
    lt_command_free(&command);
    close(fd);
    return text;
}

/** `shown` is read, and shown as the same. */
static inline void must_be_read_the_same(const char *shown) {
    struct leat_error error = {0};
    char *again = show_file(shown, strlen(shown), &error);
    if (!again || strcmp(shown, again) != 0)
        fprintf(stderr, "%s---- became\n%s", shown, again ? again : error.text);
    must(again && strcmp(shown, again) == 0);
    free(again);
}

#endif
