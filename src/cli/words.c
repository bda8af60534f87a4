/* SPDX-License-Identifier: MIT */
#include "cli/words.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

const char *const lt_state_words[LEAT_STATES] = {
    [LEAT_BUSY] = "busy",           [LEAT_WAITS_INPUT] = "input",
    [LEAT_WAITS_OUTPUT] = "output", [LEAT_WAITS_OUTSIDE] = "outside",
    [LEAT_THROTTLED] = "throttled",
};

size_t lt_columns(const char *text, size_t size) {
    size_t columns = 0;
    for (size_t i = 0; i < size; i++)
        columns += ((unsigned char)text[i] & 0xc0) != 0x80;
    return columns;
}

void lt_put_json_string(FILE *file, const char *text) {
    size_t size = strlen(text);
    char *room = malloc(lt_json_encoded_room(size));
    if (room)
        fwrite(room, 1, lt_json_encode((struct leat_bytes){text, size}, room), file);
    else
        fputs("null", file);
    free(room);
}
