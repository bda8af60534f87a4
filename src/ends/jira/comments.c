/* SPDX-License-Identifier: MIT */
#include "ends/jira/comments.h"
#include "base/error.h"
#include "base/json-walk.h"
#include "base/number.h"

#include <errno.h>
#include <stdlib.h>

enum { PAGE = 100, LONGEST_KEY = 255 };

static uint64_t number(struct leat_bytes json, const char *path) {
    uint64_t value;
    return lt_number_json(lt_json_part(json, path), &value) ? value : 0;
}

/* Append the elements of the list; returns how many. */
static uint64_t append(struct leat_bytes list, struct lt_text *to, bool first) {
    struct lt_json_walk walk = lt_json_walk(list);
    struct lt_json_member member;
    uint64_t count = 0;
    while (lt_json_next(&walk, &member) == 1) {
        if (to) {
            lt_text_put(to, first && count == 0 ? "" : ",");
            lt_text_put_bytes(to, (struct leat_bytes){member.value, (size_t)(member.value_end - member.value)});
        }
        count++;
    }
    return count;
}

bool lt_jira_comments_missing(struct leat_bytes issue) {
    struct leat_bytes list;
    if (lt_json_inside(issue, ".fields.comment.comments", &list) != 0 || *list.data != '[')
        return false;
    return number(issue, ".fields.comment.total") > append(list, NULL, true);
}

/* The issue's key, fit for a path. */
static bool read_key(struct leat_bytes issue, char key[LONGEST_KEY + 1]) {
    struct leat_bytes json;
    if (lt_json_inside(issue, ".key", &json) != 0 || json.size < 3 || json.size > LONGEST_KEY || *json.data != '"')
        return false;
    for (size_t i = 1; i + 1 < json.size; i++) {
        char c = json.data[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (!plain)
            return false;
        key[i - 1] = c;
    }
    key[json.size - 2] = '\0';
    return true;
}

static int fetch(struct lt_jira_server *server, const char *key, struct lt_text *list, uint64_t *count,
                 struct leat_error *error) {
    for (uint64_t total = 1; *count < total;) {
        char path[LONGEST_KEY + 128];
        struct leat_bytes page;
        snprintf(path, sizeof path, "/rest/api/%d/issue/%s/comment?startAt=%llu&maxResults=%d",
                 server->edition == LT_JIRA_CLOUD ? 3 : 2, key, (unsigned long long)*count, PAGE);
        int code = lt_jira_ask(server, path, NULL, error);
        if (code)
            return code;
        struct leat_bytes answer = lt_text_bytes(&server->answer);
        total = number(answer, ".total");
        if (lt_json_inside(answer, ".comments", &page) != 0 || *page.data != '[')
            return leat_fail(error, -EPROTO, "the answer about the comments of %s has no list of them", key);
        uint64_t more = append(page, list, *count == 0);
        *count += more;
        if (more == 0 && *count < total)
            return leat_fail(error, -ENOENT, "%s has %llu comments, and the server gives only %llu of them", key,
                             (unsigned long long)total, (unsigned long long)*count);
    }
    return 0;
}

int lt_jira_comments_complete(struct lt_jira_server *server, struct leat_bytes issue, struct lt_text *complete,
                              struct leat_error *error) {
    char key[LONGEST_KEY + 1];
    struct leat_bytes old;
    struct lt_text list = {0};
    uint64_t count = 0;
    if (lt_json_inside(issue, ".fields.comment", &old) != 0 || !read_key(issue, key))
        return leat_fail(error, -ENOENT, "it has no key, so its comments cannot be asked for");
    int code = fetch(server, key, &list, &count, error);
    if (code == 0) {
        size_t before = (size_t)(old.data - issue.data);
        lt_text_put_bytes(complete, (struct leat_bytes){issue.data, before});
        lt_text_put(complete, "{\"comments\":[");
        lt_text_put_bytes(complete, lt_text_bytes(&list));
        lt_text_print(complete, "],\"maxResults\":%llu,\"total\":%llu,\"startAt\":0}", (unsigned long long)count,
                      (unsigned long long)count);
        lt_text_put_bytes(complete, (struct leat_bytes){old.data + old.size, issue.size - before - old.size});
        if (list.failed || complete->failed)
            code = leat_fail(error, -ENOMEM, "out of memory");
    }
    free(list.data);
    return code;
}
