/* SPDX-License-Identifier: MIT */
#include "stages/exec/words.h"
#include "base/error.h"
#include "base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { PLAIN, ITEM, BASE, FOLDER, STEM, BASE_STEM, POSITION, FIELD, END };

/* A piece of a word: text, or a place to fill. END: the word ends here. */
struct piece {
    enum kind kind;
    struct leat_bytes text; /* of PLAIN */
    char *field;            /* of FIELD */
};

struct lt_words {
    struct lt_words_options options;
    struct piece *pieces;
    size_t count, words;
};

/* --------------------------------------------------------------- parsing */

static const struct {
    const char *text;
    enum kind kind;
} places[] = {
    {"{}", ITEM}, {"{/}", BASE}, {"{//}", FOLDER}, {"{.}", STEM}, {"{/.}", BASE_STEM}, {"{#}", POSITION},
};

/* Length of "{name}" at `text`; 0: it is none. */
static size_t field_length(const char *text) {
    static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    static const char all[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789-.[]";
    const char *name = text + 1 + (text[1] == '.');
    if (!*name || !strchr(first, *name))
        return 0;
    name += strspn(name, all);
    return *name == '}' ? (size_t)(name + 1 - text) : 0;
}

/* What stands at "{": a place and its length; 0: plain text. */
static size_t place_length(const char *text, enum kind *kind) {
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        *kind = places[i].kind;
        if (strncmp(text, places[i].text, strlen(places[i].text)) == 0)
            return strlen(places[i].text);
    }
    *kind = FIELD;
    return field_length(text);
}

/* Up to the next place, or the end of the word. */
static size_t plain_length(const char *text) {
    size_t length = 0;
    enum kind kind;
    while (text[length]) {
        const char *end = strncmp(text + length, "{{", 2) == 0 ? strstr(text + length, "}}") : NULL;
        if (end)
            length = (size_t)(end + 2 - text);
        else if (text[length] == '{' && place_length(text + length, &kind))
            break;
        else
            length++;
    }
    return length;
}

static struct piece *add_piece(struct lt_words *words, enum kind kind) {
    struct piece *pieces = realloc(words->pieces, (words->count + 1) * sizeof *pieces);
    if (!pieces)
        return NULL;
    words->pieces = pieces;
    pieces[words->count] = (struct piece){.kind = kind};
    return &pieces[words->count++];
}

static int add_plain(struct lt_words *words, const char *text, size_t size) {
    struct piece *piece = size ? add_piece(words, PLAIN) : NULL;
    if (piece)
        piece->text = (struct leat_bytes){text, size};
    return piece || !size ? 0 : -ENOMEM;
}

static int add_place(struct lt_words *words, const char *text, size_t size, enum kind kind) {
    struct piece *piece = add_piece(words, kind);
    if (piece && kind == FIELD)
        piece->field = strndup(text + 1, size - 2);
    return piece && (kind != FIELD || piece->field) ? 0 : -ENOMEM;
}

static int parse_word(struct lt_words *words, const char *word, struct leat_error *error) {
    int code = 0;
    while (code == 0 && *word) {
        enum kind kind;
        size_t plain = plain_length(word);
        code = add_plain(words, word, plain);
        word += plain;
        size_t place = *word ? place_length(word, &kind) : 0;
        if (code || !place)
            continue;
        code = add_place(words, word, place, kind);
        if (code == 0 && kind == FIELD)
            code = lt_json_path_check(words->pieces[words->count - 1].field, error);
        word += place;
    }
    return code;
}

static bool has_place(const struct lt_words *words) {
    for (size_t i = 0; i < words->count; i++)
        if (words->pieces[i].kind != PLAIN && words->pieces[i].kind != END)
            return true;
    return false;
}

/* The item as one more word; of a shell's text as the last of its own. */
static int append_item(struct lt_words *words) {
    bool shell = words->options.shell;
    words->count -= shell;
    if (shell && add_plain(words, " ", 1))
        return -ENOMEM;
    words->words += !shell;
    return add_piece(words, ITEM) && add_piece(words, END) ? 0 : -ENOMEM;
}

struct lt_words *lt_words_new(const char *const *texts, size_t count, const struct lt_words_options *options,
                              struct leat_error *error) {
    struct lt_words *words = calloc(1, sizeof *words);
    error->text[0] = '\0';
    int code = words ? 0 : -ENOMEM;
    for (size_t i = 0; code == 0 && i < count; i++) {
        code = parse_word(words, texts[i], error);
        if (code == 0 && !add_piece(words, END))
            code = -ENOMEM;
    }
    if (code == 0) {
        words->options = *options;
        words->words = count;
        code = options->append && !has_place(words) ? append_item(words) : 0;
    }
    if (code == 0)
        return words;
    if (!error->text[0])
        leat_fail(error, code, "out of memory");
    lt_words_free(words);
    return NULL;
}

void lt_words_free(struct lt_words *words) {
    if (!words)
        return;
    for (size_t i = 0; i < words->count; i++)
        free(words->pieces[i].field);
    free(words->pieces);
    free(words);
}

bool lt_words_first_varies(const struct lt_words *words) {
    for (size_t i = 0; words->pieces[i].kind != END; i++)
        if (words->pieces[i].kind != PLAIN)
            return true;
    return false;
}

/* --------------------------------------------------------------- filling */

static int put(struct lt_filled *filled, const char *data, size_t size) {
    if (filled->capacity - filled->size < size) {
        size_t capacity = (filled->size + size) * 2;
        char *text = realloc(filled->text, capacity);
        if (!text)
            return -ENOMEM;
        filled->text = text;
        filled->capacity = capacity;
    }
    if (size)
        memcpy(filled->text + filled->size, data, size);
    filled->size += size;
    return 0;
}

static bool needs_quotes(struct leat_bytes text) {
    static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
    for (size_t i = 0; i < text.size; i++)
        if (!memchr(safe, text.data[i], sizeof safe - 1))
            return true;
    return text.size == 0;
}

/* In single quotes where it has to be; a single quote itself as '\''. */
static int put_quoted(struct lt_filled *filled, struct leat_bytes text) {
    if (!needs_quotes(text))
        return put(filled, text.data, text.size);
    int code = put(filled, "'", 1);
    while (code == 0) {
        const char *quote = text.size ? memchr(text.data, '\'', text.size) : NULL;
        size_t size = quote ? (size_t)(quote - text.data) : text.size;
        code = put(filled, text.data, size);
        if (!quote)
            break;
        code = code ? code : put(filled, "'\\''", 4);
        text = (struct leat_bytes){quote + 1, text.size - size - 1};
    }
    return code ? code : put(filled, "'", 1);
}

static struct leat_bytes base_of(struct leat_bytes text) {
    const char *slash = text.data ? memrchr(text.data, '/', text.size) : NULL;
    size_t skip = slash ? (size_t)(slash + 1 - text.data) : 0;
    return (struct leat_bytes){text.data + skip, text.size - skip};
}

static struct leat_bytes folder_of(struct leat_bytes text) {
    while (text.size > 1 && text.data[text.size - 1] == '/')
        text.size--;
    size_t base = base_of(text).size;
    if (base == text.size)
        return (struct leat_bytes){".", 1};
    size_t size = text.size - base;
    while (size > 1 && text.data[size - 1] == '/')
        size--;
    return (struct leat_bytes){text.data, size};
}

static struct leat_bytes stem_of(struct leat_bytes text) {
    struct leat_bytes base = base_of(text);
    const char *dot = base.data ? memrchr(base.data, '.', base.size) : NULL;
    return dot ? (struct leat_bytes){text.data, (size_t)(dot - text.data)} : text;
}

/* A string's text; of a number or another value, its JSON. */
static int value_of(struct leat_batch *batch, struct leat_item *item, const char *name, struct leat_bytes *text,
                    struct leat_error *error) {
    int code = leat_item_text(batch, item, name, text, error);
    return code == -EINVAL ? leat_item_field(batch, item, name, text, error) : code;
}

static int put_place(const struct lt_words *words, const struct piece *piece, struct leat_batch *batch,
                     struct leat_item *item, struct lt_filled *filled, struct leat_error *error) {
    char number[24];
    struct leat_bytes text = filled->tag;
    int code = 0;
    switch (piece->kind) {
    case BASE:
        text = base_of(text);
        break;
    case FOLDER:
        text = folder_of(text);
        break;
    case STEM:
        text = stem_of(text);
        break;
    case BASE_STEM:
        text = stem_of(base_of(text));
        break;
    case POSITION:
        text = (struct leat_bytes){number, (size_t)snprintf(number, sizeof number, "%" PRIu64, item->position)};
        break;
    case FIELD:
        code = value_of(batch, item, piece->field, &text, error);
        break;
    default:
        break;
    }
    if (code)
        return code;
    if (text.size && memchr(text.data, '\0', text.size))
        return leat_fail(error, -EINVAL, "a NUL byte cannot stand in an argument (--stdin can take it)");
    code = words->options.shell ? put_quoted(filled, text) : put(filled, text.data, text.size);
    return code ? leat_fail(error, code, "out of memory for its arguments") : 0;
}

/* Room for the words, one before them and the NULL behind; what is in it already is written over. */
static int make_room(struct lt_filled *filled, size_t words) {
    if (filled->room >= words + 2)
        return 0;
    char **arguments = realloc(filled->room ? filled->arguments - 1 : NULL, (words + 2) * sizeof *arguments);
    if (!arguments)
        return -ENOMEM;
    filled->arguments = arguments + 1;
    filled->room = words + 2;
    return 0;
}

int lt_words_fill(const struct lt_words *words, struct leat_batch *batch, struct leat_item *item,
                  struct lt_filled *filled, struct leat_error *error) {
    filled->size = filled->count = 0;
    filled->tag = item->body;
    int code = words->options.field ? value_of(batch, item, words->options.field, &filled->tag, error) : 0;
    if (code == 0 && make_room(filled, words->words))
        code = leat_fail(error, -ENOMEM, "out of memory for its arguments");
    for (size_t i = 0; code == 0 && i < words->count; i++) {
        const struct piece *piece = &words->pieces[i];
        if (piece->kind == PLAIN)
            code = put(filled, piece->text.data, piece->text.size);
        else if (piece->kind == END)
            code = put(filled, "", 1);
        else
            code = put_place(words, piece, batch, item, filled, error);
        if (code == -ENOMEM)
            leat_fail(error, code, "out of memory for its arguments");
    }
    if (code)
        return code;
    char *at = filled->text;
    for (; filled->count < words->words; at += strlen(at) + 1)
        filled->arguments[filled->count++] = at;
    filled->arguments[filled->count] = NULL;
    return 0;
}

void lt_filled_free(struct lt_filled *filled) {
    if (filled->room)
        free(filled->arguments - 1);
    free(filled->text);
}

/* ---------------------------------------------------------------- typing */

int lt_words_typed(char *const *arguments, struct leat_batch *batch, struct leat_bytes *text) {
    struct lt_filled line = {0};
    int code = 0;
    for (size_t i = 0; code == 0 && arguments[i]; i++) {
        struct leat_bytes word = {arguments[i], strlen(arguments[i])};
        code = i ? put(&line, " ", 1) : 0;
        if (code == 0)
            code = put_quoted(&line, word);
    }
    char *copy = code ? NULL : leat_batch_alloc(batch, line.size + 1);
    if (copy && line.size)
        memcpy(copy, line.text, line.size);
    *text = (struct leat_bytes){copy, line.size};
    lt_filled_free(&line);
    return copy ? 0 : -ENOMEM;
}
