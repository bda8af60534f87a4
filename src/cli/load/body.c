/* SPDX-License-Identifier: MIT */
#include "cli/load/body.h"
#include "base/error.h"
#include "ends/lines/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ROOM = 64 * 1024 }; /* to begin with; it doubles */

static int out_of_memory(const char *path, struct leat_error *error) {
    return leat_fail(error, -ENOMEM, "%s: out of memory for the messages in it", path);
}

/* All of it; `*text` is the caller's to free, also after an error. */
static int read_all(struct lt_input *input, const char *path, struct leat_bytes *all, char **text,
                    struct leat_error *error) {
    size_t used = 0, room = 0;
    *text = NULL;
    for (;;) {
        if (used == room) {
            size_t larger = room ? room * 2 : ROOM;
            char *moved = larger > room ? realloc(*text, larger) : NULL;
            if (!moved)
                return out_of_memory(path, error);
            *text = moved;
            room = larger;
        }
        ptrdiff_t size = lt_input_read(input, *text + used, room - used, error);
        if (size < 0)
            return (int)size;
        if (size == 0)
            break;
        used += (size_t)size;
    }
    *all = (struct leat_bytes){*text, used};
    return 0;
}

static int read_file(const char *path, struct leat_bytes *all, char **text, struct leat_error *error) {
    *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return leat_fail(error, -errno, "%s: %s", path, strerror(errno));
    struct lt_input *input = lt_input_new(fd, path, 0);
    int code = input ? read_all(input, path, all, text, error) : out_of_memory(path, error);
    if (input)
        lt_input_free(input);
    close(fd);
    return code;
}

static bool add(struct lt_bodies *bodies, const char *data, size_t size) {
    if ((bodies->count & (bodies->count - 1)) == 0) { /* full at every power of two */
        size_t room = bodies->count ? bodies->count * 2 : 1;
        struct leat_bytes *moved = reallocarray(bodies->list, room, sizeof *moved);
        if (!moved)
            return false;
        bodies->list = moved;
    }
    bodies->list[bodies->count++] = (struct leat_bytes){data, size};
    return true;
}

static bool add_lines(struct lt_bodies *bodies, struct leat_bytes all) {
    const char *at = all.data, *end = all.data + all.size;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        if (!add(bodies, at, (size_t)(stop - at)))
            return false;
        at = newline ? newline + 1 : end;
    }
    return true;
}

int lt_bodies_read(struct lt_bodies *bodies, const struct leat_list *files, bool whole, struct leat_error *error) {
    *bodies = (struct lt_bodies){.texts = calloc(files->count + 1, sizeof *bodies->texts)};
    if (!bodies->texts)
        return leat_fail(error, -ENOMEM, "out of memory");
    for (size_t i = 0; i < files->count; i++) {
        struct leat_bytes all = {0};
        int code = read_file(files->items[i], &all, &bodies->texts[bodies->text_count++], error);
        if (code)
            return code;
        if (!(whole ? add(bodies, all.data, all.size) : add_lines(bodies, all)))
            return out_of_memory(files->items[i], error);
    }
    if (bodies->count == 0)
        return leat_fail(error, -EINVAL, "%s: there is no line in it", files->items[files->count - 1]);
    return 0;
}

void lt_bodies_close(struct lt_bodies *bodies) {
    for (size_t i = 0; i < bodies->text_count; i++)
        free(bodies->texts[i]);
    free(bodies->texts);
    free(bodies->list);
    *bodies = (struct lt_bodies){0};
}
