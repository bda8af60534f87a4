/* SPDX-License-Identifier: MIT */
/**
 * jira: the issues that a query finds, an item for each, in the server's own JSON.
 *
 * The first page is read when the source is opened, so that a wrong address,
 * login or query ends the run before it begins. With --forever the query is asked
 * again and again, from the second time on for what was updated since the last
 * time began, and a little before: an issue becomes visible to searches some time
 * after its update. What is found twice because of that is given once: the same
 * issue with the same time of update. What the last round found is kept in mind
 * for that, and no more, because each round asks for less than the one before found.
 *
 * Nothing is told to the server: an item that fails or is returned is found
 * again by the next run.
 */
#include "ends/ends.h"
#include "ends/jira/comments.h"
#include "ends/jira/pages.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"

#include <errno.h>
#include <stdlib.h>

enum { MOST_PAGE = 5000 };

struct settings {
    const char *server, *edition, *fields, *cacert;
    uint64_t page;
    leat_time every, overlap, timeout, patience;
    bool plain;
};

static const struct leat_option options[] = {
    {"server", 0, LEAT_OPTION_STRING, offsetof(struct settings, server), "URL", NULL,
     "Where Jira is; by default $JIRA_URL. The login is in $JIRA_TOKEN (or the file $JIRA_TOKEN_FILE), for Cloud with "
     "the "
     "e-mail address in $JIRA_USER."},
    {"edition", 0, LEAT_OPTION_STRING, offsetof(struct settings, edition), "auto|cloud|server", "auto",
     "Which dialect it speaks; by default it is asked. Data Center is server."},
    {"fields", 0, LEAT_OPTION_STRING, offsetof(struct settings, fields), "LIST", "*all",
     "The fields to ask for, with commas between them; updated is always among them."},
    {"page", 0, LEAT_OPTION_COUNT, offsetof(struct settings, page), "N", "100", "Issues to ask for at once."},
    {"every", 0, LEAT_OPTION_DURATION, offsetof(struct settings, every), "TIME", "5m",
     "With --forever: from the begin of one round to that of the next."},
    {"overlap", 0, LEAT_OPTION_DURATION, offsetof(struct settings, overlap), "TIME", "2m",
     "With --forever: how far a round reaches back before the begin of the last one."},
    {"timeout", 0, LEAT_OPTION_DURATION, offsetof(struct settings, timeout), "TIME", "60s",
     "For each answer of the server."},
    {"patience", 0, LEAT_OPTION_DURATION, offsetof(struct settings, patience), "TIME", "2m",
     "With a server that has problems or asks to wait: how long to repeat a question."},
    {"cacert", 0, LEAT_OPTION_STRING, offsetof(struct settings, cacert), "FILE", NULL,
     "The certificates to trust, instead of the system's."},
    {"plain", 0, LEAT_OPTION_FLAG, offsetof(struct settings, plain), NULL, NULL,
     "Send the login over http://, unencrypted, also to another machine."},
    {NULL},
};

struct source {
    struct settings settings;
    bool forever;
    struct lt_jira_server server;
    struct lt_jira_query query;
    struct lt_text fields;
    struct lt_jira_pages pages;
    struct lt_text complete;         /* an issue that had to be put together */
    leat_time began, due;            /* the present round, by a clock that does not sleep; the next one */
    struct lt_jira_seen before, now; /* the last round's issues; the present one's */
    uint64_t position;
    _Atomic uint64_t total, rounds, again; /* again: issues that were dropped because they had come before */
};

/* ------------------------------------------------------------------- opening */

static void close_source(void *arg) {
    struct source *source = arg;
    lt_jira_pages_free(&source->pages);
    lt_jira_seen_free(&source->before);
    lt_jira_seen_free(&source->now);
    lt_jira_close(&source->server);
    free(source->fields.data);
    free(source->complete.data);
    free(source);
}

/* "a, b" as ["a","b","updated"] */
static int write_fields(struct source *source, struct leat_error *error) {
    lt_text_put(&source->fields, "[");
    for (const char *at = source->settings.fields; *at;) {
        at += strspn(at, ", ");
        size_t length = strcspn(at, ", ");
        if (length) {
            lt_text_put_json(&source->fields, (struct leat_bytes){at, length});
            lt_text_put(&source->fields, ",");
        }
        at += length;
    }
    lt_text_put(&source->fields, "\"updated\"]");
    return source->fields.failed ? leat_fail(error, -ENOMEM, "out of memory") : 0;
}

static int check(const struct settings *settings, const char *target, struct leat_error *error) {
    if (strncmp(target, "//", 2) == 0)
        return leat_fail(error, -EINVAL,
                         "what follows \"jira:\" is the query; the server belongs into JIRA_URL or --server");
    if (settings->page == 0 || settings->page > MOST_PAGE)
        return leat_fail(error, -EINVAL, "a page has from 1 to %d issues", MOST_PAGE);
    if (settings->every < LEAT_SECOND || settings->overlap < 0)
        return leat_fail(error, -EINVAL, "--every is a second at least, and --overlap is not negative");
    return 0;
}

static int check_segment(const struct leat_segment *segment, struct leat_error *error) {
    return check(segment->settings, segment->target, error);
}

static int begin_round(struct source *source, struct leat_error *error) {
    leat_time now = lt_since_boot(), back = now - source->began + source->settings.overlap;
    bool first = source->began == 0;
    source->due = lt_after(source->settings.every);
    int code = lt_jira_pages_begin(&source->pages, &source->query,
                                   first ? 0 : (uint64_t)(back / (60 * LEAT_SECOND)) + 1, error);
    if (code == 0) {
        source->began = now;
        lt_store(&source->total, source->pages.total, relaxed);
        lt_fetch_add(&source->rounds, 1, relaxed);
    }
    return code;
}

static int open_all(struct source *source, const struct leat_segment *segment, struct leat_error *error) {
    const struct settings *settings = &source->settings;
    const struct lt_jira_settings server = {
        .server = settings->server,
        .edition = settings->edition,
        .cacert = settings->cacert,
        .timeout = settings->timeout,
        .patience = settings->patience,
        .plain = settings->plain,
    };
    int code = check(settings, segment->target, error);
    if (code == 0)
        code = write_fields(source, error);
    if (code == 0)
        code = lt_jira_open(&source->server, &server, error);
    if (code)
        return code;
    source->query = lt_jira_query_split(segment->target);
    source->pages = (struct lt_jira_pages){
        .server = &source->server,
        .fields = lt_text_bytes(&source->fields),
        .size = settings->page,
    };
    return begin_round(source, error);
}

static int open_source(void **opened, const struct leat_segment *segment, struct leat_error *error) {
    struct source *source = calloc(1, sizeof *source);
    if (!source)
        return leat_fail(error, -ENOMEM, "out of memory");
    source->settings = *(const struct settings *)segment->settings;
    source->forever = segment->forever;
    source->server.curl.epoll = -1;
    int code = open_all(source, segment, error);
    if (code)
        close_source(source);
    else
        *opened = source;
    return code;
}

/* ------------------------------------------------------------------- reading */

/* From the key and the time of the last change. */
static uint64_t id_of(struct leat_bytes issue) {
    struct leat_bytes key = lt_json_part(issue, ".key"), updated = lt_json_part(issue, ".fields.updated");
    uint64_t hash = lt_hash(key.data, key.size);
    return lt_hash_mix(hash ^ lt_hash(updated.data, updated.size));
}

static int add_item(struct source *source, struct leat_batch *batch, struct leat_bytes issue, uint64_t id,
                    struct leat_error *error) {
    char *body = leat_batch_alloc(batch, issue.size + 1);
    struct leat_item *item = body ? leat_batch_add(batch) : NULL;
    if (!item)
        return leat_fail(error, -ENOMEM, "out of memory");
    memcpy(body, issue.data, issue.size);
    item->position = ++source->position;
    item->id = id;
    leat_item_set(batch, item, (struct leat_bytes){body, issue.size}, "issue");
    return 0;
}

/* An issue that lacks comments. What concerns it alone sets it aside. */
static int add_completed(struct source *source, struct leat_batch *batch, struct leat_bytes issue, uint64_t id,
                         struct leat_error *error) {
    lt_text_clear(&source->complete);
    enum leat_state before = leat_batch_state(batch, LEAT_WAITS_OUTSIDE);
    int code = lt_jira_comments_complete(&source->server, issue, &source->complete, error);
    leat_batch_state(batch, before);
    if (code == 0)
        return add_item(source, batch, lt_text_bytes(&source->complete), id, error);
    if (code != -ENOENT && code != -EPERM)
        return code;
    struct leat_error reason = *error;
    code = add_item(source, batch, issue, id, error);
    if (code == 0)
        leat_item_fail(batch, &batch->items[batch->count - 1], reason.code, "its comments: %s", reason.text);
    return code;
}

static bool has_room(const struct leat_batch *batch) {
    return batch->count < batch->item_limit && (batch->count == 0 || batch->bytes < batch->byte_limit);
}

/* Issues of the present page: as many as fit; after the first one only those that need not be waited for. */
static int give(struct source *source, struct leat_batch *batch, struct leat_error *error) {
    struct lt_json_member member;
    int code = 0;
    while (code == 0 && has_room(batch)) {
        struct lt_json_walk here = source->pages.issues;
        if (lt_json_next(&source->pages.issues, &member) != 1)
            break;
        struct leat_bytes issue = {member.value, (size_t)(member.value_end - member.value)};
        uint64_t id = id_of(issue);
        bool missing = lt_jira_comments_missing(issue);
        if (missing && batch->count) {
            source->pages.issues = here;
            break;
        }
        int fresh = lt_jira_seen_has(&source->before, id) ? 0 : 1;
        int added = lt_jira_seen_add(&source->now, id);
        if (added < 0)
            return leat_fail(error, -ENOMEM, "out of memory");
        if (!fresh || !added)
            lt_fetch_add(&source->again, 1, relaxed);
        else
            code = missing ? add_completed(source, batch, issue, id, error) : add_item(source, batch, issue, id, error);
    }
    return code;
}

static bool page_is_over(const struct source *source) {
    struct lt_json_walk walk = source->pages.issues;
    struct lt_json_member member;
    return lt_json_next(&walk, &member) != 1;
}

/* The next page, in this round or after the time between rounds. */
static int next_page(struct source *source, struct leat_error *error) {
    if (!source->pages.last)
        return lt_jira_pages_next(&source->pages, error);
    if (!source->forever)
        return -ENODATA;
    lt_jira_seen_free(&source->before);
    source->before = source->now;
    source->now = (struct lt_jira_seen){0};
    int code = leat_sleep_until(source->due);
    return code ? leat_fail(error, code, "%s", strerror(-code)) : begin_round(source, error);
}

static int read_source(void *arg, struct leat_batch *batch, struct leat_error *error) {
    struct source *source = arg;
    int code = 0;
    while (code == 0 && batch->count == 0) {
        if (!page_is_over(source)) {
            code = give(source, batch, error);
            continue;
        }
        enum leat_state before = leat_batch_state(batch, LEAT_WAITS_OUTSIDE);
        code = next_page(source, error);
        leat_batch_state(batch, before);
    }
    return code;
}

static uint64_t total_source(void *arg) {
    struct source *source = arg;
    return source->forever ? 0 : lt_load(&source->total, relaxed);
}

static size_t count_source(void *arg, struct leat_counter counters[LEAT_COUNTERS]) {
    struct source *source = arg;
    counters[0] = (struct leat_counter){"requests", lt_load(&source->server.requests, relaxed), false};
    counters[1] = (struct leat_counter){"repeated", lt_load(&source->server.retries, relaxed), false};
    counters[2] = (struct leat_counter){"rounds", lt_load(&source->rounds, relaxed), false};
    counters[3] = (struct leat_counter){"again", lt_load(&source->again, relaxed), false};
    return 4;
}

const struct leat_source_type lt_jira_source = {
    .scheme = "jira",
    .syntax = "jira:JQL",
    .server = "Jira",
    .summary = "The issues of a Jira server (Cloud, Server, Data Center) that a query finds, with all their comments.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .check = check_segment,
    .open = open_source,
    .read = read_source,
    .total = total_source,
    .counters = count_source,
    .close = close_source,
};
