/* SPDX-License-Identifier: MIT */
/**
 * Questions to a Jira server: asked until they are answered.
 *
 * What may pass is asked again, with growing pauses or after the one that the
 * server wishes (Retry-After): no answer, 429, 500, 502, 503, 504; until
 * `patience` is over. What will not pass (401, 403, other 4xx, a certificate
 * that is not to be trusted) is an error at once, and so is, for the very first
 * question, a server that cannot be reached: it is more likely misspelt than away.
 *
 * Redirections are not followed: they lead to pages where people log in.
 */
#ifndef LEAT_ENDS_JIRA_SERVER_H
#define LEAT_ENDS_JIRA_SERVER_H

#include "base/atomic.h"
#include "ends/curl/place.h"
#include "ends/curl/transfer.h"

enum lt_jira_edition { LT_JIRA_UNKNOWN, LT_JIRA_SERVER, LT_JIRA_CLOUD };

struct lt_jira_settings {
    const char *server;  /**< NULL: $JIRA_URL */
    const char *edition; /**< "auto", "cloud" or "server" */
    const char *cacert;
    leat_time timeout, patience;
    bool plain;
};

struct lt_jira_server {
    struct lt_jira_settings settings;
    enum lt_jira_edition edition;
    struct lt_place place;
    char *user, *token; /**< NULL: none */
    struct lt_curl curl;
    struct curl_slist *headers;
    struct lt_text answer; /**< to the last question */
    bool answered;         /**< the server has, once */
    _Atomic uint64_t requests, retries;
};

/** Read address and login, check them, and ask for the edition unless it is given. After a failure, too, close. */
int lt_jira_open(struct lt_jira_server *server, const struct lt_jira_settings *settings, struct leat_error *error);
void lt_jira_close(struct lt_jira_server *server);

/**
 * Ask for `path` below the server's address; with `body` (JSON) by POST. 0: the
 * answer, a valid JSON object, is in server->answer until the next question.
 * -ENOENT: 404; -EACCES: 401; -EPERM: 403; other errors, and reasons of waits cut short.
 */
int lt_jira_ask(struct lt_jira_server *server, const char *path, const struct lt_text *body, struct leat_error *error);

#endif
