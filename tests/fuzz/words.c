/* SPDX-License-Identifier: MIT */
/**
 * Lines as the words of a command line, with the real ends and stages: an error,
 * or a plan; and what `leat show` prints of that plan is read as the same plan.
 */
#include "plan.h"

enum { MOST_WORDS = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input input = {data, size};
    char *words[MOST_WORDS] = {(char *)"leat"};
    int count = 1;
    while (input.size && count < MOST_WORDS)
        words[count++] = next_line(&input);
    struct lt_command command;
    struct leat_error error = {0};
    int code = lt_parse(count, words, &command, &error);
    must(code == 0 || (code < 0 && *error.text));
    if (code == 0 && command.verb <= LT_VERB_SHOW && command.plan.source) {
        char *text = show_plan(&command, &error);
        if (text)
            must_be_read_the_same(text);
        free(text);
    }
    lt_command_free(&command);
    for (int i = 1; i < count; i++)
        free(words[i]);
    return 0;
}
