/* SPDX-License-Identifier: MIT */
#include "ends/jira/query.h"

#include <ctype.h>
#include <strings.h>

static bool is_letter(char c) {
    return isalnum((unsigned char)c) || c == '_' || (c & 0x80);
}

/* Behind the quoted text that begins at `at`. */
static const char *skip_quoted(const char *at) {
    char quote = *at++;
    while (*at && *at != quote)
        at += *at == '\\' && at[1] ? 2 : 1;
    return *at ? at + 1 : at;
}

/* Whether ORDER BY stands at `at`. */
static bool is_order(const char *at) {
    if (strncasecmp(at, "order", 5) != 0 || !isspace((unsigned char)at[5]))
        return false;
    at += 5;
    while (isspace((unsigned char)*at))
        at++;
    return strncasecmp(at, "by", 2) == 0 && !is_letter(at[2]);
}

static struct leat_bytes trimmed(const char *begin, const char *end) {
    while (begin < end && isspace((unsigned char)*begin))
        begin++;
    while (end > begin && isspace((unsigned char)end[-1]))
        end--;
    return (struct leat_bytes){begin, (size_t)(end - begin)};
}

struct lt_jira_query lt_jira_query_split(const char *text) {
    const char *end = text + strlen(text), *at = text, *order = end;
    while (*at && order == end) {
        if (*at == '"' || *at == '\'') {
            at = skip_quoted(at);
        } else if (is_letter(*at)) {
            if (is_order(at))
                order = at;
            while (is_letter(*at))
                at++;
        } else {
            at++;
        }
    }
    return (struct lt_jira_query){trimmed(text, order), trimmed(order, end)};
}

void lt_jira_query_write(const struct lt_jira_query *query, uint64_t minutes, struct lt_text *text) {
    if (minutes && query->where.size) {
        lt_text_put(text, "(");
        lt_text_put_bytes(text, query->where);
        lt_text_put(text, ") AND ");
    } else {
        lt_text_put_bytes(text, query->where);
    }
    if (minutes)
        lt_text_print(text, "updated >= \"-%llum\"", (unsigned long long)minutes);
    lt_text_put(text, minutes || query->where.size ? " " : "");
    if (query->order.size)
        lt_text_put_bytes(text, query->order);
    else
        lt_text_put(text, "ORDER BY key");
}
