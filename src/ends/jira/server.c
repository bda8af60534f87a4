/* SPDX-License-Identifier: MIT */
#include "ends/jira/server.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json-walk.h"
#include "base/utf8.h"
#include "ends/secret.h"

#include <errno.h>
#include <stdlib.h>

enum { LARGEST_ANSWER = 256 << 20, LONGEST_MESSAGE = 200 };

/* ----------------------------------------------------------------- opening */

static int check_login(struct lt_jira_server *server, struct leat_error *error) {
    const struct lt_place *place = &server->place;
    if (place->user || place->password)
        return leat_fail(error, -EINVAL, "%s: who logs in belongs into JIRA_USER and JIRA_TOKEN, not into the address",
                         place->url);
    if (server->user && !server->token)
        return leat_fail(error, -EINVAL, "there is a JIRA_USER and no JIRA_TOKEN or JIRA_TOKEN_FILE");
    if (server->token && !place->tls && !place->local && !server->settings.plain)
        return leat_fail(error, -EINVAL, "%s: the token would go there unencrypted; write https://, or --plain",
                         place->url);
    return 0;
}

static int read_settings(void *arg, struct leat_error *error) {
    struct lt_jira_server *server = arg;
    const char *name = "--server", *text = server->settings.server;
    if (!text) {
        name = "JIRA_URL";
        text = getenv(name);
    }
    if (!text || !*text)
        return leat_fail(error, -EINVAL, "which server? Set JIRA_URL=https://HOST, or write --server https://HOST");
    int code = lt_place_read(&server->place, text, "http", name, error);
    if (code == 0)
        code = lt_secret_read("JIRA_USER", &server->user, error);
    if (code == 0)
        code = lt_secret_read("JIRA_TOKEN", &server->token, error);
    return code ? code : check_login(server, error);
}

struct reading {
    struct lt_jira_server *server;
    struct leat_error *error;
};

static int read_in_block(void *arg) {
    struct reading *reading = arg;
    return read_settings(reading->server, reading->error);
}

static size_t take(char *data, size_t one, size_t size, void *arg) {
    (void)one;
    struct lt_text *answer = arg;
    if (size > LARGEST_ANSWER - answer->size)
        answer->failed = true;
    lt_text_put_bytes(answer, (struct leat_bytes){data, size});
    return answer->failed ? 0 : size;
}

static int set_up(struct lt_jira_server *server, struct leat_error *error) {
    int code = lt_curl_open(&server->curl, "http,https", error);
    if (code)
        return code;
    CURL *easy = server->curl.easy;
    static const char *const lines[] = {"Accept: application/json", "Content-Type: application/json",
                                        "X-Atlassian-Token: no-check", "Expect:"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct curl_slist *longer = lt_libcurl->slist_append(server->headers, lines[i]);
        if (!longer)
            return leat_fail(error, -ENOMEM, "out of memory");
        server->headers = longer;
    }
    lt_libcurl->easy_setopt(easy, CURLOPT_HTTPHEADER, server->headers);
    lt_libcurl->easy_setopt(easy, CURLOPT_USERAGENT, "leat/" LEAT_VERSION);
    lt_libcurl->easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
    lt_libcurl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    lt_libcurl->easy_setopt(easy, CURLOPT_WRITEDATA, &server->answer);
    lt_libcurl->easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(server->settings.timeout / LEAT_MILLISECOND));
    if (server->settings.cacert)
        lt_libcurl->easy_setopt(easy, CURLOPT_CAINFO, server->settings.cacert);
    if (!server->token)
        return 0;
    lt_libcurl->easy_setopt(easy, CURLOPT_HTTPAUTH, server->user ? CURLAUTH_BASIC : CURLAUTH_BEARER);
    lt_libcurl->easy_setopt(easy, CURLOPT_USERNAME, server->user);
    lt_libcurl->easy_setopt(easy, server->user ? CURLOPT_PASSWORD : CURLOPT_XOAUTH2_BEARER, server->token);
    return 0;
}

static int choose_edition(struct lt_jira_server *server, struct leat_error *error) {
    const char *edition = server->settings.edition;
    server->edition = strcmp(edition, "cloud") == 0    ? LT_JIRA_CLOUD
                      : strcmp(edition, "server") == 0 ? LT_JIRA_SERVER
                                                       : LT_JIRA_UNKNOWN;
    if (server->edition)
        return 0;
    struct leat_bytes type, cloud = lt_string("\"Cloud\"");
    int code = lt_jira_ask(server, "/rest/api/2/serverInfo", NULL, error);
    if (code)
        return code;
    bool found = lt_json_inside(lt_text_bytes(&server->answer), ".deploymentType", &type) == 0;
    bool is_cloud = found && type.size == cloud.size && memcmp(type.data, cloud.data, type.size) == 0;
    server->edition = is_cloud ? LT_JIRA_CLOUD : LT_JIRA_SERVER;
    return 0;
}

int lt_jira_open(struct lt_jira_server *server, const struct lt_jira_settings *settings, struct leat_error *error) {
    *server = (struct lt_jira_server){.settings = *settings, .curl.epoll = -1};
    const char *edition = settings->edition;
    if (strcmp(edition, "auto") != 0 && strcmp(edition, "cloud") != 0 && strcmp(edition, "server") != 0)
        return leat_fail(error, -EINVAL, "--edition takes auto, cloud or server, not \"%s\"", edition);
    if (settings->timeout < LEAT_MILLISECOND)
        return leat_fail(error, -EINVAL, "a timeout of nothing leaves no time for an answer");
    struct reading reading = {server, error};
    int code = leat_block(read_in_block, &reading);
    if (code == 0)
        code = set_up(server, error);
    return code ? code : choose_edition(server, error);
}

void lt_jira_close(struct lt_jira_server *server) {
    lt_curl_close(&server->curl);
    if (server->headers)
        lt_libcurl->slist_free_all(server->headers);
    lt_place_free(&server->place);
    lt_secret_free(server->user);
    lt_secret_free(server->token);
    free(server->answer.data);
    *server = (struct lt_jira_server){.curl.epoll = -1};
}

/* ----------------------------------------------------------------- answers */

/* The first message in the answer of a server that refuses, or "". */
static void find_message(const struct lt_jira_server *server, char message[LONGEST_MESSAGE + 3]) {
    struct leat_bytes answer = lt_text_bytes(&server->answer), found, text;
    struct leat_error ignored;
    struct lt_json_member member;
    *message = '\0';
    if (!answer.data || lt_json_find(answer, ".errorMessages[0]", &found, &ignored) != 0) {
        if (!answer.data || lt_json_find(answer, ".errors", &found, &ignored) != 0 || *found.data != '{')
            return;
        struct lt_json_walk walk = lt_json_walk(found);
        if (lt_json_next(&walk, &member) != 1)
            return;
        found = (struct leat_bytes){member.value, (size_t)(member.value_end - member.value)};
    }
    char *room = malloc(found.size + 1);
    if (room && lt_json_decode(found, room, &text) == 0) {
        size_t size = text.size < LONGEST_MESSAGE ? text.size : LONGEST_MESSAGE;
        size = lt_utf8_prefix(text.data, size);
        message[0] = ':';
        message[1] = ' ';
        for (size_t i = 0; i < size; i++)
            message[i + 2] = (unsigned char)text.data[i] < ' ' ? ' ' : text.data[i];
        message[size + 2] = '\0';
    }
    free(room);
}

static const char *who(const struct lt_jira_server *server) {
    return server->user ? "JIRA_USER with JIRA_TOKEN" : server->token ? "JIRA_TOKEN" : "nobody: there is no JIRA_TOKEN";
}

/* A server that answered, and not what was asked for. Returns the code; `*again`: it may pass. */
static int judge_status(const struct lt_jira_server *server, const char *path, long status, bool *again,
                        struct leat_error *error) {
    char message[LONGEST_MESSAGE + 3];
    const char *url = server->place.url;
    int length = (int)strcspn(path, "?");
    find_message(server, message);
    switch (status) {
    case 401:
    case 403:
        return leat_fail(error, status == 401 ? -EACCES : -EPERM, "%s: %ld: it refuses the login (%s)%s", url, status,
                         who(server), message);
    case 404:
        return leat_fail(error, -ENOENT, "%s%.*s: 404: it is not there%s", url, length, path, message);
    case 429:
    case 500:
    case 502:
    case 503:
    case 504:
        *again = true;
        return leat_fail(error, status == 429 ? -EBUSY : -EIO, "%s%.*s: %ld: %s%s", url, length, path, status,
                         status == 429 ? "it asks to be asked less often" : "it has a problem", message);
    default:
        if (status >= 300 && status < 400)
            return leat_fail(error, -EPROTO,
                             "%s%.*s: %ld: it sends somewhere else; is the address right, and the login?", url, length,
                             path, status);
        return leat_fail(error, status == 400 ? -EINVAL : -EPROTO, "%s%.*s: %ld: it refuses%s", url, length, path,
                         status, message);
    }
}

static bool is_final(const struct lt_jira_server *server, CURLcode result) {
    switch (result) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
        return !server->answered;
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return false;
    default:
        return true;
    }
}

static int judge_result(const struct lt_jira_server *server, CURLcode result, bool *again, struct leat_error *error) {
    const char *url = server->place.url;
    *again = !is_final(server, result);
    if (server->answer.failed)
        return leat_fail(error, -EMSGSIZE, "%s: an answer is larger than %d MiB, or memory is short", url,
                         LARGEST_ANSWER >> 20);
    if (result == CURLE_OPERATION_TIMEDOUT)
        return leat_fail(error, -ETIMEDOUT, "no answer from %s within %g s", url,
                         (double)server->settings.timeout / (double)LEAT_SECOND);
    return leat_fail(error, -EIO, "%s: %s", url, lt_curl_why(&server->curl, result));
}

static int check_answer(const struct lt_jira_server *server, const char *path, struct leat_error *error) {
    struct lt_json_names names;
    struct leat_error reason;
    struct leat_bytes answer = server->answer.data ? lt_text_bytes(&server->answer) : lt_string("");
    int code = lt_json_object(answer, &names, &reason);
    if (code == 0)
        return 0;
    return leat_fail(error, -EBADMSG, "%s%.*s: the answer is no valid JSON object: %s", server->place.url,
                     (int)strcspn(path, "?"), path, code == -EINVAL ? "it is something else" : reason.text);
}

/* ------------------------------------------------------------------ asking */

/* One attempt. `*again`: another one may do better, after `*wished` seconds if the server said so (else 0). */
static int attempt(struct lt_jira_server *server, const char *path, bool *again, curl_off_t *wished,
                   struct leat_error *error) {
    CURLcode result;
    long status = 0;
    *again = false;
    *wished = 0;
    lt_text_clear(&server->answer);
    lt_fetch_add(&server->requests, 1, relaxed);
    int code = lt_curl_run(&server->curl, &result);
    if (code)
        return leat_fail(error, code, "%s", strerror(-code));
    if (result)
        return judge_result(server, result, again, error);
    server->answered = true;
    lt_libcurl->easy_getinfo(server->curl.easy, CURLINFO_RESPONSE_CODE, &status);
    lt_libcurl->easy_getinfo(server->curl.easy, CURLINFO_RETRY_AFTER, wished);
    return status == 200 ? check_answer(server, path, error) : judge_status(server, path, status, again, error);
}

static int ask_until_answered(struct lt_jira_server *server, const char *path, struct leat_error *error) {
    leat_time give_up = 0;
    for (unsigned attempts = 0;; attempts++) {
        bool again;
        curl_off_t wished;
        int code = attempt(server, path, &again, &wished, error);
        if (code == 0 || !again)
            return code;
        if (!give_up)
            give_up = lt_after(server->settings.patience);
        leat_time pause = wished > 0 && wished < INT32_MAX ? wished * LEAT_SECOND : lt_curl_pause(attempts);
        if (lt_after(pause) > give_up) {
            size_t length = strlen(error->text);
            snprintf(error->text + length, sizeof error->text - length, "; --patience is over after %u attempt%s",
                     attempts + 1, attempts ? "s" : "");
            return code;
        }
        lt_fetch_add(&server->retries, 1, relaxed);
        code = leat_sleep(pause);
        if (code)
            return leat_fail(error, code, "%s", strerror(-code));
    }
}

int lt_jira_ask(struct lt_jira_server *server, const char *path, const struct lt_text *body, struct leat_error *error) {
    struct lt_text url = {0};
    CURL *easy = server->curl.easy;
    lt_text_put(&url, server->place.url);
    lt_text_put(&url, path);
    bool failed = url.failed || (body && body->failed) || lt_libcurl->easy_setopt(easy, CURLOPT_URL, url.data);
    free(url.data);
    if (failed)
        return leat_fail(error, -ENOMEM, "out of memory");
    if (body) {
        lt_libcurl->easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->size);
        lt_libcurl->easy_setopt(easy, CURLOPT_POSTFIELDS, body->data);
    } else {
        lt_libcurl->easy_setopt(easy, CURLOPT_HTTPGET, 1L);
    }
    return ask_until_answered(server, path, error);
}
