/* SPDX-License-Identifier: MIT */
#include "ends/jira/pages.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/number.h"

#include <errno.h>
#include <stdlib.h>

enum { MOST_EMPTY = 1000 };

static const char *path_of(const struct lt_jira_pages *pages) {
    return pages->server->edition == LT_JIRA_CLOUD ? "/rest/api/3/search/jql" : "/rest/api/2/search";
}

static int broken(const struct lt_jira_pages *pages, struct leat_error *error, const char *what) {
    return leat_fail(error, -EPROTO, "%s%s: %s", pages->server->place.url, path_of(pages), what);
}

static int ask(struct lt_jira_pages *pages, struct leat_error *error) {
    struct lt_text body = {0};
    lt_text_put(&body, "{\"jql\":");
    lt_text_put_json(&body, lt_text_bytes(&pages->query));
    lt_text_put(&body, ",\"fields\":");
    lt_text_put_bytes(&body, pages->fields);
    lt_text_print(&body, ",\"maxResults\":%llu", (unsigned long long)pages->size);
    if (pages->server->edition == LT_JIRA_SERVER)
        lt_text_print(&body, ",\"startAt\":%llu", (unsigned long long)pages->next);
    else if (pages->token.size)
        lt_text_print(&body, ",\"nextPageToken\":%s", pages->token.data);
    lt_text_put(&body, "}");
    int code = lt_jira_ask(pages->server, path_of(pages), &body, error);
    free(body.data);
    return code;
}

static size_t count_issues(struct leat_bytes issues) {
    struct lt_json_walk walk = lt_json_walk(issues);
    struct lt_json_member issue;
    size_t count = 0;
    while (lt_json_next(&walk, &issue) == 1)
        count++;
    return count;
}

/* Server: where the next page begins, and whether there is one. */
static int follow_number(struct lt_jira_pages *pages, struct leat_bytes page, size_t count, struct leat_error *error) {
    uint64_t total;
    if (!lt_number_json(lt_json_part(page, ".total"), &total))
        return broken(pages, error, "the answer has no total; is it Jira Cloud? (--edition)");
    uint64_t gone = pages->total > total ? pages->total - total : 0;
    uint64_t again = gone < pages->next ? gone : pages->next;
    pages->last = !again && (count == 0 || pages->next + count >= total);
    pages->next = again ? pages->next - again : pages->next + count;
    pages->total = total;
    return 0;
}

/* Cloud: what the next page is called. */
static int follow_token(struct lt_jira_pages *pages, struct leat_bytes page, size_t count, struct leat_error *error) {
    struct leat_bytes token, is_last;
    bool over = lt_json_inside(page, ".isLast", &is_last) == 0 && *is_last.data == 't';
    bool named = lt_json_inside(page, ".nextPageToken", &token) == 0 && *token.data == '"';
    pages->last = over || !named;
    pages->empty = count ? 0 : pages->empty + 1;
    lt_text_clear(&pages->token);
    if (pages->last)
        return 0;
    if (pages->empty > MOST_EMPTY)
        return broken(pages, error, "a thousand empty pages in succession");
    int fresh = lt_jira_seen_add(&pages->tokens, lt_hash(token.data, token.size));
    if (fresh == 0)
        return broken(pages, error, "a nextPageToken came twice: the pages lead round in a circle");
    lt_text_put_bytes(&pages->token, token);
    return fresh < 0 || pages->token.failed ? leat_fail(error, -ENOMEM, "out of memory") : 0;
}

int lt_jira_pages_next(struct lt_jira_pages *pages, struct leat_error *error) {
    struct leat_bytes issues, page;
    int code = ask(pages, error);
    if (code)
        return code;
    struct lt_text read = pages->server->answer;
    pages->server->answer = pages->page;
    pages->page = read;
    page = lt_text_bytes(&pages->page);
    if (lt_json_inside(page, ".issues", &issues) != 0 || *issues.data != '[')
        return broken(pages, error, "the answer has no list of issues");
    pages->issues = lt_json_walk(issues);
    size_t count = count_issues(issues);
    bool cloud = pages->server->edition == LT_JIRA_CLOUD;
    return cloud ? follow_token(pages, page, count, error) : follow_number(pages, page, count, error);
}

int lt_jira_pages_begin(struct lt_jira_pages *pages, const struct lt_jira_query *query, uint64_t minutes,
                        struct leat_error *error) {
    lt_text_clear(&pages->query);
    lt_text_clear(&pages->token);
    lt_jira_seen_free(&pages->tokens);
    pages->next = 0;
    pages->total = 0;
    pages->empty = 0;
    pages->last = false;
    lt_jira_query_write(query, minutes, &pages->query);
    if (pages->query.failed)
        return leat_fail(error, -ENOMEM, "out of memory");
    return lt_jira_pages_next(pages, error);
}

void lt_jira_pages_free(struct lt_jira_pages *pages) {
    free(pages->query.data);
    free(pages->page.data);
    free(pages->token.data);
    lt_jira_seen_free(&pages->tokens);
}
