/* SPDX-License-Identifier: MIT */
/**
 * The words of a command with places in them that each item fills:
 *
 *     {}      the item: its bytes as they came, or the field that was named
 *     {/}     what follows the last slash in it
 *     {//}    what stands before that ("." if nothing does)
 *     {.}     the item without the extension of its last part; {/.} its last part without it
 *     {#}     its position in the input
 *     {name}  a value of it: {.a.b}, {a[0]}
 *
 * Braces that hold anything else are plain text, as in awk '{print $1}', and so is
 * what stands between double braces, as in {{.Id}}.
 */
#ifndef LEAT_STAGES_EXEC_WORDS_H
#define LEAT_STAGES_EXEC_WORDS_H

#include "leat-pipeline.h"

struct lt_words; /* parsed */

struct lt_words_options {
    const char *field; /**< what {} is; NULL: the item */
    bool shell;        /**< one word, which is the text of a shell: what is filled in is quoted */
    bool append;       /**< without any place the item is added at the end */
};

/** What the words of one item are made in; keeps its memory for the next. */
struct lt_filled {
    char **arguments; /**< NULL-terminated; arguments[-1] is there, too */
    size_t count;
    struct leat_bytes tag; /**< the item */
    size_t room;           /* of arguments */
    char *text;
    size_t size, capacity;
};

/** NULL with an error when memory is short or a field cannot be one. */
struct lt_words *lt_words_new(const char *const *words, size_t count, const struct lt_words_options *options,
                              struct leat_error *error);
void lt_words_free(struct lt_words *words);

/** Has the first word a place to fill? */
bool lt_words_first_varies(const struct lt_words *words);

/** Fill them for an item. 0, or what is wrong with the item. */
int lt_words_fill(const struct lt_words *words, struct leat_batch *batch, struct leat_item *item,
                  struct lt_filled *filled, struct leat_error *error);
void lt_filled_free(struct lt_filled *filled);

/** The arguments as one would type them into a shell, in the batch's memory. 0 or -ENOMEM. */
int lt_words_typed(char *const *arguments, struct leat_batch *batch, struct leat_bytes *text);

#endif
