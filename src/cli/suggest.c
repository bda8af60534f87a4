/* SPDX-License-Identifier: MIT */
#include "cli/suggest.h"

#include <stdio.h>
#include <string.h>

enum { LONGEST = 40 }; /* longer words get no suggestion */

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Insertions, deletions, changes and swaps of neighbours that turn `a` into `b`. */
static size_t edits(const char *a, const char *b) {
    size_t rows = strlen(a), columns = strlen(b);
    size_t table[LONGEST + 1][LONGEST + 1];
    for (size_t i = 0; i <= rows; i++)
        table[i][0] = i;
    for (size_t j = 0; j <= columns; j++)
        table[0][j] = j;
    for (size_t i = 1; i <= rows; i++) {
        for (size_t j = 1; j <= columns; j++) {
            size_t change = table[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
            table[i][j] = least(change, least(table[i - 1][j], table[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                table[i][j] = least(table[i][j], table[i - 2][j - 2] + 1);
        }
    }
    return table[rows][columns];
}

void lt_suggest_try(struct lt_suggest *suggest, const char *candidate) {
    size_t length = strlen(suggest->word);
    if (length > LONGEST || strlen(candidate) > LONGEST || length < 2)
        return;
    size_t distance = edits(suggest->word, candidate);
    /* A word that is right, but not here, needs another message than this one. */
    if (distance == 0 || distance > (length + 1) / 3 || (suggest->best && distance >= suggest->distance))
        return;
    suggest->best = candidate;
    suggest->distance = distance;
}

const char *lt_suggest_text(const struct lt_suggest *suggest, const char *prefix, char *text, size_t size) {
    text[0] = '\0';
    if (suggest->best)
        snprintf(text, size, " (did you mean \"%s%s\"?)", prefix, suggest->best);
    return text;
}
