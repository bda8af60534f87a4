/* SPDX-License-Identifier: MIT */
#include "ends/mail/address.h"

#include <string.h>

enum { LONGEST_LOCAL = 64, LONGEST = 254 };

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Words of letters and `others`, with dots between them. */
static bool are_words(struct leat_bytes text, const char *others) {
    bool word = false;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '.' && !word)
            return false;
        if (c != '.' && (c == '\0' || (!is_letter(c) && !strchr(others, c))))
            return false;
        word = c != '.';
    }
    return word;
}

bool lt_address_is_plain(struct leat_bytes text) {
    const char *at = text.size <= LONGEST ? memchr(text.data, '@', text.size) : NULL;
    if (!at)
        return false;
    struct leat_bytes local = {text.data, (size_t)(at - text.data)};
    struct leat_bytes domain = {at + 1, text.size - local.size - 1};
    return local.size <= LONGEST_LOCAL && are_words(local, "!#$%&'*+-/=?^_`{|}~") && are_words(domain, "-");
}

static struct leat_bytes trimmed(struct leat_bytes text) {
    while (text.size && (*text.data == ' ' || *text.data == '"')) {
        text.data++;
        text.size--;
    }
    while (text.size && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '"'))
        text.size--;
    return text;
}

bool lt_address_split(const char *text, struct leat_bytes *name, struct leat_bytes *address) {
    size_t length = strlen(text);
    const char *open = strchr(text, '<');
    *name = (struct leat_bytes){text, 0};
    *address = (struct leat_bytes){text, length};
    if (open && length && text[length - 1] == '>') {
        *name = trimmed((struct leat_bytes){text, (size_t)(open - text)});
        *address = (struct leat_bytes){open + 1, (size_t)(text + length - 1 - (open + 1))};
    }
    for (size_t i = 0; i < name->size; i++)
        if ((unsigned char)name->data[i] < ' ')
            return false;
    return lt_address_is_plain(*address);
}
