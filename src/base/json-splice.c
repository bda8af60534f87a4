/* SPDX-License-Identifier: MIT */
/*
 * Setting members of an object without touching anything else of its bytes.
 *
 * Two walks: the first finds the place of the last member of each name, because
 * only then does the second one know which members to replace and which to
 * leave out. The places are kept at the end of the caller's room. Rejected:
 * looking ahead at each member with a name that is to be set, which takes
 * quadratic time on an object made of one name again and again.
 */
#include "base/json-walk.h"

#include <stdalign.h>
#include <string.h>

/** Where the last member of each name has its value; NULL: there is none. */
typedef const char *place;

size_t lt_json_splice_room(struct leat_bytes text, const struct leat_value *values, size_t count) {
    size_t room = text.size + alignof(place) + count * sizeof(place);
    for (size_t i = 0; i < count; i++)
        room += lt_json_encoded_room(values[i].name.size) + values[i].json.size + 2;
    return room;
}

static place *places_in(char *room, size_t size, size_t count) {
    uintptr_t end = (uintptr_t)(room + size) & ~(uintptr_t)(alignof(place) - 1);
    return (place *)end - count;
}

/** Which of the values the member is; `count`: none. */
static size_t value_of(const struct lt_json_member *member, const struct leat_value *values, size_t count) {
    size_t i = 0;
    while (i < count && !lt_json_named(member, values[i].name))
        i++;
    return i;
}

/** Fill `places`. Returns how many of the values have one; `*content_end` is the end of the last member. */
static size_t find_places(struct leat_bytes text, const struct leat_value *values, size_t count, place *places,
                          const char **content_end) {
    struct lt_json_walk walk = lt_json_walk(text);
    struct lt_json_member member;
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        places[i] = NULL;
    *content_end = walk.at + 1;
    while (lt_json_next(&walk, &member) > 0) {
        *content_end = member.value_end;
        size_t i = value_of(&member, values, count);
        if (i == count)
            continue;
        found += !places[i];
        places[i] = member.value;
    }
    return found;
}

static char *append(char *out, const char *begin, const char *end) {
    size_t size = (size_t)(end - begin);
    memcpy(out, begin, size);
    return out + size;
}

static char *append_json(char *out, struct leat_bytes json) {
    return append(out, json.data, json.data + json.size);
}

/** Copy `text` with the values that have a place in it; returns how far it was copied: to the last member changed. */
static const char *replace(struct leat_bytes text, const struct leat_value *values, size_t count, const place *places,
                           char **out) {
    struct lt_json_walk walk = lt_json_walk(text);
    struct lt_json_member member;
    const char *copied = text.data;
    bool leave_out = false;
    while (lt_json_next(&walk, &member) > 0) {
        if (leave_out)
            copied = member.name - 1; /* with the comma and the white space before this one */
        size_t i = value_of(&member, values, count);
        leave_out = i < count && places[i] != member.value;
        if (i == count)
            continue;
        *out = append(*out, copied, leave_out ? member.name - 1 : member.value);
        if (!leave_out)
            *out = append_json(*out, values[i].json);
        copied = member.value_end;
    }
    return copied;
}

/** `name`:`json`, after the member before it if there is one. */
static char *append_member(char *out, const struct leat_value *value, bool first) {
    if (!first)
        *out++ = ',';
    out += lt_json_encode(value->name, out);
    *out++ = ':';
    return append_json(out, value->json);
}

size_t lt_json_splice(struct leat_bytes text, const struct leat_value *values, size_t count, char *room) {
    place *places = places_in(room, lt_json_splice_room(text, values, count), count);
    const char *content_end;
    size_t found = find_places(text, values, count, places, &content_end);
    const char *copied = text.data;
    char *out = room;
    if (found > 0)
        copied = replace(text, values, count, places, &out);
    out = append(out, copied, content_end);
    bool first = content_end[-1] == '{';
    for (size_t i = 0; i < count; i++) {
        if (places[i])
            continue;
        out = append_member(out, &values[i], first);
        first = false;
    }
    out = append(out, content_end, text.data + text.size);
    return (size_t)(out - room);
}

size_t lt_json_append(struct leat_bytes text, const struct leat_value *values, size_t count, char *room) {
    const char *end = text.data + text.size;
    const char *content_end = lt_json_space_before(text.data, end) - 1;
    content_end = lt_json_space_before(text.data, content_end);
    bool first = content_end[-1] == '{';
    char *out = append(room, text.data, content_end);
    for (size_t i = 0; i < count; i++) {
        out = append_member(out, &values[i], first);
        first = false;
    }
    out = append(out, content_end, end);
    return (size_t)(out - room);
}
