/* SPDX-License-Identifier: MIT */
#include "ends/amqp/window.h"

#include <errno.h>
#include <stdlib.h>

int lt_amqp_window_open(struct lt_amqp_window *window, size_t limit) {
    *window = (struct lt_amqp_window){.limit = limit, .size = 1, .first = 1, .next = 1};
    while (window->size < limit)
        window->size *= 2;
    window->letters = calloc(window->size, sizeof *window->letters);
    return window->letters ? 0 : -ENOMEM;
}

void lt_amqp_window_close(struct lt_amqp_window *window) {
    free(window->letters);
    window->letters = NULL;
}

static struct lt_amqp_letter *at(struct lt_amqp_window *window, uint64_t number) {
    return &window->letters[number & (window->size - 1)];
}

void lt_amqp_window_add(struct lt_amqp_window *window, const struct lt_amqp_letter *letter) {
    *at(window, window->next++) = *letter;
    window->open++;
}

struct lt_amqp_letter *lt_amqp_window_find(struct lt_amqp_window *window, uint64_t number) {
    if (number < window->first || number >= window->next)
        return NULL;
    struct lt_amqp_letter *letter = at(window, number);
    return letter->held ? letter : NULL;
}

bool lt_amqp_window_settle(struct lt_amqp_window *window, uint64_t number, bool multiple, uint64_t *from,
                           struct lt_amqp_letter *letter) {
    uint64_t begin = multiple ? window->first : number;
    if (*from < begin)
        *from = begin;
    struct lt_amqp_letter *found = NULL;
    while (*from <= number && *from < window->next && !found)
        found = lt_amqp_window_find(window, (*from)++);
    if (!found)
        return false;
    *letter = *found;
    found->held = NULL;
    window->open--;
    while (window->first < window->next && !at(window, window->first)->held)
        window->first++;
    return true;
}

void lt_amqp_window_restart(struct lt_amqp_window *window) {
    window->first = window->next = 1;
}
