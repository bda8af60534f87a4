/* SPDX-License-Identifier: MIT */
/**
 * unanswered: keep the Jira issues in which somebody mentioned a user after the
 * user's own last comment, and add who, when and what.
 *
 * Comments are ordered by the time at which they were made, whatever their order
 * in the list. A description counts like a first comment, made by the reporter
 * when the issue was. Who mentions himself waits for nobody.
 *
 * An issue whose comments are not all there is set aside: whether somebody was
 * answered cannot be told from a part of them.
 */
#include "stages/stages.h"
#include "stages/unanswered/body.h"
#include "stages/unanswered/moment.h"
#include "base/error.h"
#include "base/json-walk.h"
#include "base/number.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdlib.h>

enum { EXCERPT = 300, BEFORE = 80 }; /* bytes; of them, before a mention that stands far behind */

struct settings {
    struct leat_list users;
    const char *add;
};

static const struct leat_option options[] = {
    {"user", 'u', LEAT_OPTION_LIST, offsetof(struct settings, users), "NAME", NULL,
     "Who is to be reminded: name, key, account id or e-mail address; once for each spelling that Jira may use."},
    {"add", 'a', LEAT_OPTION_STRING, offsetof(struct settings, add), "NAME", "mention",
     "What the added value is called: an object with who, when, date, what, where, and count."},
    {NULL},
};

/* A comment, or the description. */
struct remark {
    int64_t when;
    size_t index; /* in the list, from 1; 0: the description */
    struct leat_bytes author, created, body, id;
};

struct work {
    const struct settings *settings;
    struct leat_batch *batch;
    struct leat_item *item;
    struct remark *remarks;
    size_t count, room;
};

/* A JSON string's text, in the batch's memory if it must; anything else is empty. */
static struct leat_bytes text_of(struct work *work, struct leat_bytes json) {
    struct leat_bytes text;
    char *room = leat_batch_alloc(work->batch, json.size + 1);
    return room && lt_json_decode(json, room, &text) == 0 ? text : (struct leat_bytes){"", 0};
}

static bool is_user(struct work *work, struct leat_bytes person) {
    static const char *const spellings[] = {".name", ".key", ".accountId", ".emailAddress"};
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        struct leat_bytes name = text_of(work, lt_json_part(person, spellings[i]));
        if (name.size && lt_is_named(&work->settings->users, name))
            return true;
    }
    return false;
}

/* -------------------------------------------------------------- collecting */

static int add_remark(struct work *work, struct remark remark, struct leat_error *error) {
    if (!lt_moment_read(text_of(work, remark.created), &remark.when))
        return leat_fail(error, -EBADMSG, "%s%.*s has no time at which it was made", remark.index ? "comment " : "it",
                         (int)remark.id.size, remark.id.data);
    if (work->count == work->room) {
        size_t room = work->room * 2 + 16;
        struct remark *remarks = realloc(work->remarks, room * sizeof *remarks);
        if (!remarks)
            return leat_fail(error, -ENOMEM, "out of memory");
        work->remarks = remarks;
        work->room = room;
    }
    work->remarks[work->count++] = remark;
    return 0;
}

static int add_comments(struct work *work, struct leat_bytes list, struct leat_error *error) {
    struct lt_json_walk walk = lt_json_walk(list);
    struct lt_json_member member;
    int code = 0;
    for (size_t index = 1; code == 0 && lt_json_next(&walk, &member) == 1; index++) {
        struct leat_bytes json = {member.value, (size_t)(member.value_end - member.value)};
        struct remark remark = {
            .index = index,
            .author = lt_json_part(json, ".author"),
            .created = lt_json_part(json, ".created"),
            .body = lt_json_part(json, ".body"),
            .id = text_of(work, lt_json_part(json, ".id")),
        };
        code = add_remark(work, remark, error);
    }
    return code;
}

static int by_time(const void *left, const void *right) {
    const struct remark *a = left, *b = right;
    if (a->when != b->when)
        return a->when < b->when ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static int collect(struct work *work, struct leat_error *error) {
    struct leat_bytes fields, comments, list, description;
    uint64_t total = 0;
    int code = leat_item_field(work->batch, work->item, ".fields", &fields, error);
    if (code)
        return code;
    comments = lt_json_part(fields, ".comment");
    list = lt_json_part(comments, ".comments");
    if (!list.size || *list.data != '[')
        return leat_fail(error, -ENOENT,
                         "it has no list .fields.comment.comments; the field comment must be asked for");
    code = add_comments(work, list, error);
    bool counted = lt_number_json(lt_json_part(comments, ".total"), &total);
    if (code == 0 && counted && total > work->count)
        return leat_fail(error, -ENODATA, "it has %llu comments and only %zu of them are here",
                         (unsigned long long)total, work->count);
    description = lt_json_part(fields, ".description");
    if (code == 0 && description.size && *description.data != 'n') {
        struct remark remark = {
            .author = lt_json_part(fields, ".reporter"),
            .created = lt_json_part(fields, ".created"),
            .body = description,
        };
        code = add_remark(work, remark, error);
    }
    if (work->count)
        qsort(work->remarks, work->count, sizeof *work->remarks, by_time);
    return code;
}

/* ------------------------------------------------------------------ telling */

/* Without the last word, which was cut, unless it is a very long one. */
static size_t whole_words(const char *text, size_t size) {
    const char *space = memrchr(text, ' ', size);
    return space && space > text + size / 2 ? (size_t)(space - text) : size;
}

/* The beginning; or, when the mention is not in it, what stands around the mention. */
static struct leat_bytes excerpt(const struct lt_body *body, bool *cut_before, bool *cut_behind) {
    struct leat_bytes plain = lt_text_bytes(&body->plain);
    size_t begin = body->at > EXCERPT - BEFORE ? body->at - BEFORE : 0;
    while (begin > 0 && ((unsigned char)plain.data[begin] & 0xC0) == 0x80)
        begin--;
    size_t size = plain.size - begin;
    *cut_before = begin > 0;
    *cut_behind = size > EXCERPT;
    if (*cut_behind)
        size = whole_words(plain.data + begin, lt_utf8_prefix(plain.data + begin, EXCERPT));
    while (size > 0 && plain.data[begin + size - 1] == ' ')
        size--;
    return (struct leat_bytes){plain.data + begin, size};
}

static struct leat_bytes name_of(struct work *work, struct leat_bytes person) {
    static const char *const names[] = {".displayName", ".name", ".emailAddress", ".accountId", ".key"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct leat_bytes name = text_of(work, lt_json_part(person, names[i]));
        if (name.size)
            return name;
    }
    return lt_string("somebody");
}

/* "2024-02-29 12:00" of "2024-02-29T12:00:00.000+0100": for people. It was read as a time, so it has that much. */
static struct leat_bytes date_of(struct work *work, struct leat_bytes created) {
    struct leat_bytes text = text_of(work, created);
    char *date = leat_batch_alloc(work->batch, text.size + 1);
    if (!date || text.size < 16)
        return text;
    memcpy(date, text.data, text.size);
    date[10] = ' ';
    return (struct leat_bytes){date, 16};
}

static int add_value(struct work *work, const struct remark *remark, const struct lt_body *body, size_t count) {
    struct lt_text json = {0}, what = {0};
    bool cut_before, cut_behind;
    struct leat_bytes part = excerpt(body, &cut_before, &cut_behind);
    lt_text_put(&what, cut_before ? "… " : "");
    lt_text_put_bytes(&what, part);
    lt_text_put(&what, cut_behind ? " …" : "");
    lt_text_put(&json, "{\"who\":");
    lt_text_put_json(&json, name_of(work, remark->author));
    lt_text_put(&json, ",\"when\":");
    lt_text_put_bytes(&json, remark->created);
    lt_text_put(&json, ",\"date\":");
    lt_text_put_json(&json, date_of(work, remark->created));
    lt_text_put(&json, ",\"what\":");
    lt_text_put_json(&json, lt_text_bytes(&what));
    lt_text_put(&json, ",\"where\":");
    if (remark->index)
        lt_text_put_json(&json, remark->id);
    else
        lt_text_put(&json, "\"description\"");
    lt_text_print(&json, ",\"count\":%zu}", count);
    char *kept = json.failed || what.failed ? NULL : leat_batch_alloc(work->batch, json.size);
    int code = -ENOMEM;
    if (kept) {
        memcpy(kept, json.data, json.size);
        code = leat_item_add(work->batch, work->item, lt_string(work->settings->add),
                             (struct leat_bytes){kept, json.size});
    }
    free(json.data);
    free(what.data);
    return code;
}

/* From the newest remark back to the user's own last comment. */
static int look(struct work *work, struct leat_error *error) {
    struct lt_body newest = {0};
    const struct remark *found = NULL;
    size_t count = 0;
    bool failed = false;
    for (size_t i = work->count; i-- > 0;) {
        const struct remark *remark = &work->remarks[i];
        struct lt_body body = {0};
        if (is_user(work, remark->author)) {
            if (remark->index)
                break;
            continue;
        }
        lt_body_read(&body, remark->body, &work->settings->users);
        failed |= body.plain.failed;
        count += body.mentioned;
        if (body.mentioned && !found) {
            found = remark;
            newest = body;
            continue;
        }
        free(body.plain.data);
    }
    int code = failed ? -ENOMEM : found ? add_value(work, found, &newest, count) : 0;
    free(newest.plain.data);
    if (code)
        return leat_fail(error, code, "out of memory");
    if (!found)
        leat_item_drop(work->item);
    return 0;
}

static int process(void *stage, void *worker, struct leat_batch *batch, struct leat_error *error) {
    (void)worker;
    (void)error;
    struct work work = {.settings = stage, .batch = batch};
    for (size_t i = 0; i < batch->count; i++) {
        struct leat_error reason;
        work.item = &batch->items[i];
        work.count = 0;
        if (work.item->fate != LEAT_LIVE)
            continue;
        int code = collect(&work, &reason);
        if (code == 0)
            code = look(&work, &reason);
        if (code)
            leat_item_fail(batch, work.item, code, "%s", reason.text);
    }
    free(work.remarks);
    return 0;
}

static int open_stage(void **stage, const struct leat_segment *segment, struct leat_error *error) {
    const struct settings *settings = segment->settings;
    if (segment->word_count)
        return leat_fail(error, -EINVAL, "\"%s\" is one word too many; who is to be reminded stands after --user",
                         segment->words[0]);
    if (!settings->users.count)
        return leat_fail(error, -EINVAL, "who is to be reminded? --user NAME");
    for (size_t i = 0; i < settings->users.count; i++)
        if (!*settings->users.items[i])
            return leat_fail(error, -EINVAL, "--user has no name after it");
    *stage = (void *)settings;
    return 0;
}

const struct leat_stage_type lt_unanswered_stage = {
    .name = "unanswered",
    .syntax = "unanswered --user NAME…",
    .summary = "Keep Jira issues in which somebody mentioned the user after the user's own last comment.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .open = open_stage,
    .process = process,
};
