/* SPDX-License-Identifier: MIT */
#include "stages/unanswered/body.h"
#include "base/json-walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

bool lt_is_named(const struct leat_list *spellings, struct leat_bytes name) {
    for (size_t i = 0; i < spellings->count; i++)
        if (strlen(spellings->items[i]) == name.size && strncasecmp(spellings->items[i], name.data, name.size) == 0)
            return true;
    return false;
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* White space, however much of it, becomes one space, and none at the begin. */
static void put_plain(struct lt_text *plain, const char *data, size_t size) {
    for (size_t i = 0; i < size;) {
        size_t length = 0;
        while (i + length < size && !is_space(data[i + length]))
            length++;
        lt_text_put_bytes(plain, (struct leat_bytes){data + i, length});
        i += length;
        bool space = i < size;
        while (i < size && is_space(data[i]))
            i++;
        if (space && plain->size && plain->data[plain->size - 1] != ' ')
            lt_text_put(plain, " ");
    }
}

static void note_mention(struct lt_body *body, struct leat_bytes name, const struct leat_list *spellings) {
    if (body->mentioned || !lt_is_named(spellings, name))
        return;
    body->mentioned = true;
    body->at = body->plain.size;
}

/* ----------------------------------------------------------------- markup */

static bool begins(const char *at, const char *end, const char *with) {
    size_t length = strlen(with);
    return (size_t)(end - at) >= length && strncasecmp(at, with, length) == 0;
}

/* "{name}" or "{name:…}": returns what follows it, or NULL. */
static const char *skip_macro(const char *at, const char *end, const char *name) {
    if (*at != '{' || !begins(at + 1, end, name))
        return NULL;
    const char *behind = at + 1 + strlen(name);
    if (behind == end || (*behind != '}' && *behind != ':'))
        return NULL;
    const char *close = memchr(behind, '}', (size_t)(end - behind));
    return close ? close + 1 : NULL;
}

static const char *find_close(const char *at, const char *end, const char *name) {
    char close[16];
    int length = snprintf(close, sizeof close, "{%s}", name);
    for (; end - at >= length; at++)
        if (begins(at, end, close))
            return at;
    return NULL;
}

/* A macro at `at`: its tags are left out; what stands in those that show their text as it is, is no markup. */
static const char *read_macro(struct lt_body *body, const char *at, const char *end) {
    static const char *const literal[] = {"noformat", "code"}, *const others[] = {"quote", "color", "panel"};
    for (size_t i = 0; i < 2; i++) {
        const char *inside = skip_macro(at, end, literal[i]);
        const char *close = inside ? find_close(inside, end, literal[i]) : NULL;
        if (!close)
            continue;
        put_plain(&body->plain, inside, (size_t)(close - inside));
        return close + strlen(literal[i]) + 2;
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const char *behind = skip_macro(at, end, others[i]);
        if (behind)
            return behind;
    }
    return NULL;
}

/* "[~name]" at `at`; returns what follows it, or NULL. */
static const char *read_mention(struct lt_body *body, const char *at, const char *end,
                                const struct leat_list *spellings) {
    if (!begins(at, end, "[~"))
        return NULL;
    const char *name = at + 2, *close = memchr(name, ']', (size_t)(end - name));
    if (!close || memchr(name, '\n', (size_t)(close - name)))
        return NULL;
    if (begins(name, close, "accountid:"))
        name += strlen("accountid:");
    struct leat_bytes found = {name, (size_t)(close - name)};
    note_mention(body, found, spellings);
    lt_text_put(&body->plain, "@");
    put_plain(&body->plain, found.data, found.size);
    return close + 1;
}

static void read_markup(struct lt_body *body, struct leat_bytes text, const struct leat_list *spellings) {
    const char *at = text.data, *end = text.data + text.size;
    while (at < end) {
        const char *special = at, *behind = NULL;
        while (special < end && *special != '[' && *special != '{' && *special != '\\')
            special++;
        put_plain(&body->plain, at, (size_t)(special - at));
        at = special;
        if (at == end)
            break;
        bool escape = *at == '\\' && at + 1 < end && (at[1] == '[' || at[1] == '{');
        if (escape)
            at++;
        else
            behind = *at == '[' ? read_mention(body, at, end, spellings) : read_macro(body, at, end);
        if (!behind) {
            put_plain(&body->plain, at, 1);
            behind = at + 1;
        }
        at = behind;
    }
}

/* --------------------------------------------------------------- document */

/* A JSON string's text, allocated in `*room`; anything else is empty. */
static struct leat_bytes decode(struct leat_bytes json, char **room) {
    struct leat_bytes text;
    *room = malloc(json.size + 1);
    return *room && lt_json_decode(json, *room, &text) == 0 ? text : (struct leat_bytes){"", 0};
}

static bool is_text(struct leat_bytes json, const char *text) {
    size_t size = strlen(text);
    return json.size == size + 2 && memcmp(json.data + 1, text, size) == 0;
}

static void put_string(struct lt_body *body, struct leat_bytes json) {
    char *room;
    struct leat_bytes text = decode(json, &room);
    put_plain(&body->plain, text.data, text.size);
    free(room);
}

static void put_mention(struct lt_body *body, struct leat_bytes node, const struct leat_list *spellings) {
    char *room;
    struct leat_bytes id = decode(lt_json_part(node, ".attrs.id"), &room), shown = lt_json_part(node, ".attrs.text");
    note_mention(body, id, spellings);
    if (shown.size > 2) {
        put_string(body, shown);
    } else {
        lt_text_put(&body->plain, "@");
        put_plain(&body->plain, id.data, id.size);
    }
    free(room);
}

/* Nodes within nodes; the JSON was checked, so they are not too deep for the stack. */
static void read_node(struct lt_body *body, struct leat_bytes node, const struct leat_list *spellings) {
    static const char *const shown[] = {".text", ".attrs.text", ".attrs.shortName", ".attrs.url"};
    struct leat_bytes type = lt_json_part(node, ".type"), content = lt_json_part(node, ".content");
    struct lt_json_member member;
    if (is_text(type, "mention")) {
        put_mention(body, node, spellings);
        return;
    }
    if (content.size && *content.data == '[') {
        struct lt_json_walk walk = lt_json_walk(content);
        while (lt_json_next(&walk, &member) == 1)
            read_node(body, (struct leat_bytes){member.value, (size_t)(member.value_end - member.value)}, spellings);
        put_plain(&body->plain, " ", 1);
        return;
    }
    if (is_text(type, "hardBreak"))
        put_plain(&body->plain, " ", 1);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        struct leat_bytes text = lt_json_part(node, shown[i]);
        if (text.size > 2 && *text.data == '"') {
            put_string(body, text);
            return;
        }
    }
}

void lt_body_read(struct lt_body *body, struct leat_bytes json, const struct leat_list *spellings) {
    if (json.size && *json.data == '{')
        read_node(body, json, spellings);
    if (!json.size || *json.data != '"')
        return;
    char *room;
    read_markup(body, decode(json, &room), spellings);
    free(room);
}
