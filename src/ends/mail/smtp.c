/* SPDX-License-Identifier: MIT */
#include "ends/mail/smtp.h"
#include "base/clock.h"
#include "base/error.h"
#include "ends/secret.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LONGEST_CONNECT (30 * LEAT_SECOND)

/* ----------------------------------------------------------------- opening */

static int read_place(struct lt_smtp *smtp, struct leat_error *error) {
    char *url;
    int code = lt_secret_read("SMTP_URL", &url, error);
    if (code)
        return code;
    code =
        url ? lt_place_read(&smtp->place, url, "smtp", "SMTP_URL", error)
            : leat_fail(error, -EINVAL, "which server? Set SMTP_URL=smtp://user:password@host:587, or SMTP_URL_FILE");
    lt_secret_free(url);
    return code;
}

struct reading {
    struct lt_smtp *smtp;
    struct leat_error *error;
};

static int read_in_block(void *arg) {
    struct reading *reading = arg;
    return read_place(reading->smtp, reading->error);
}

static size_t give(char *data, size_t one, size_t room, void *arg) {
    struct leat_bytes *unsent = arg;
    size_t size = one * room < unsent->size ? one * room : unsent->size;
    memcpy(data, unsent->data, size);
    unsent->data += size;
    unsent->size -= size;
    return size;
}

/* The server's replies; refusals are kept, and begin with 4 or 5, so that no part of a login is among them. */
static size_t hear(char *data, size_t one, size_t size, void *arg) {
    struct lt_smtp *smtp = arg;
    size_t length = size < sizeof smtp->reply - 1 ? size : sizeof smtp->reply - 1;
    (void)one;
    if (size >= 3 && (data[0] == '4' || data[0] == '5')) {
        for (size_t i = 0; i < length; i++)
            smtp->reply[i] = data[i] >= ' ' && data[i] <= '~' ? data[i] : ' ';
        while (length > 0 && smtp->reply[length - 1] == ' ')
            length--;
        smtp->reply[length] = '\0';
    }
    return size;
}

static void set_up(struct lt_smtp *smtp) {
    const struct lt_smtp_settings *settings = &smtp->settings;
    CURL *easy = smtp->curl.easy;
    leat_time connect = settings->timeout < LONGEST_CONNECT ? settings->timeout : LONGEST_CONNECT;
    bool may_be_plain = smtp->place.local || settings->plain;
    lt_libcurl->easy_setopt(easy, CURLOPT_URL, smtp->place.url);
    lt_libcurl->easy_setopt(easy, CURLOPT_USE_SSL, may_be_plain ? (long)CURLUSESSL_TRY : (long)CURLUSESSL_ALL);
    lt_libcurl->easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(settings->timeout / LEAT_MILLISECOND));
    lt_libcurl->easy_setopt(easy, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)(settings->timeout / LEAT_SECOND) + 1);
    lt_libcurl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect / LEAT_MILLISECOND));
    lt_libcurl->easy_setopt(easy, CURLOPT_READFUNCTION, give);
    lt_libcurl->easy_setopt(easy, CURLOPT_READDATA, &smtp->unsent);
    lt_libcurl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, hear);
    lt_libcurl->easy_setopt(easy, CURLOPT_HEADERDATA, smtp);
    if (settings->cacert)
        lt_libcurl->easy_setopt(easy, CURLOPT_CAINFO, settings->cacert);
    if (smtp->place.user)
        lt_libcurl->easy_setopt(easy, CURLOPT_USERNAME, smtp->place.user);
    if (smtp->place.password)
        lt_libcurl->easy_setopt(easy, CURLOPT_PASSWORD, smtp->place.password);
}

static int run(struct lt_smtp *smtp, CURLcode *result, long *status) {
    smtp->reply[0] = '\0';
    *status = 0;
    int code = lt_curl_run(&smtp->curl, result);
    if (code == 0)
        lt_libcurl->easy_getinfo(smtp->curl.easy, CURLINFO_RESPONSE_CODE, status);
    return code;
}

static int fail(const struct lt_smtp *smtp, int code, CURLcode result, struct leat_error *error) {
    const char *url = smtp->place.url, *why = smtp->reply[0] ? smtp->reply : lt_curl_why(&smtp->curl, result);
    if (result == CURLE_LOGIN_DENIED)
        return leat_fail(error, -EACCES, "%s: it refuses the login of SMTP_URL: %s", url, why);
    if (result == CURLE_USE_SSL_FAILED)
        return leat_fail(error, -EPROTO, "%s: it offers no encryption (--plain does without)", url);
    return leat_fail(error, code, "%s: %s", url, why);
}

/* NOOP and QUIT, with all that comes before them. */
static int try_server(struct lt_smtp *smtp, struct leat_error *error) {
    CURLcode result;
    long status;
    CURL *easy = smtp->curl.easy;
    lt_libcurl->easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "NOOP");
    lt_libcurl->easy_setopt(easy, CURLOPT_NOBODY, 1L);
    int code = run(smtp, &result, &status);
    lt_libcurl->easy_setopt(easy, CURLOPT_NOBODY, 0L);
    lt_libcurl->easy_setopt(easy, CURLOPT_CUSTOMREQUEST, NULL);
    lt_libcurl->easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    if (code)
        return leat_fail(error, code, "%s", strerror(-code));
    return result ? fail(smtp, -EIO, result, error) : 0;
}

int lt_smtp_open(struct lt_smtp *smtp, const struct lt_smtp_settings *settings, struct leat_error *error) {
    *smtp = (struct lt_smtp){.settings = *settings, .curl.epoll = -1};
    if (settings->timeout < LEAT_MILLISECOND)
        return leat_fail(error, -EINVAL, "a timeout of nothing leaves no time for an answer");
    struct reading reading = {smtp, error};
    int code = leat_block(read_in_block, &reading);
    if (code == 0)
        code = lt_curl_open(&smtp->curl, "smtp,smtps", error);
    if (code)
        return code;
    set_up(smtp);
    return try_server(smtp, error);
}

void lt_smtp_close(struct lt_smtp *smtp) {
    lt_curl_close(&smtp->curl);
    lt_place_free(&smtp->place);
}

/* ----------------------------------------------------------------- sending */

/* Whether the server refuses this mail for good, and not everybody. */
static bool is_refused(CURLcode result, long status) {
    bool concerns_login = status == 530 || status == 534 || status == 535 || status == 538;
    bool answered = result == CURLE_SEND_ERROR || result == CURLE_WEIRD_SERVER_REPLY;
    return answered && status >= 500 && status < 600 && !concerns_login;
}

static bool may_pass(CURLcode result, long status) {
    switch (result) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_LOGIN_DENIED:
    case CURLE_USE_SSL_FAILED:
    case CURLE_OUT_OF_MEMORY:
        return status / 100 == 4;
    default:
        return status < 500;
    }
}

static int attempt(struct lt_smtp *smtp, struct leat_bytes mail, bool *again, struct leat_error *error) {
    CURLcode result;
    long status;
    *again = false;
    smtp->unsent = mail;
    int code = run(smtp, &result, &status);
    if (code)
        return leat_fail(error, code, "%s", strerror(-code));
    if (result == CURLE_OK)
        return 0;
    if (is_refused(result, status))
        return fail(smtp, -EREMOTE, result, error);
    *again = may_pass(result, status);
    return fail(smtp, -EIO, result, error);
}

int lt_smtp_send(struct lt_smtp *smtp, struct leat_bytes sender, const struct curl_slist *recipients,
                 struct leat_bytes mail, struct leat_error *error) {
    char from[260];
    CURL *easy = smtp->curl.easy;
    snprintf(from, sizeof from, "<%.*s>", (int)sender.size, sender.data);
    lt_libcurl->easy_setopt(easy, CURLOPT_MAIL_FROM, from);
    lt_libcurl->easy_setopt(easy, CURLOPT_MAIL_RCPT, recipients);
    lt_libcurl->easy_setopt(easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)mail.size);
    leat_time give_up = lt_after(smtp->settings.patience);
    for (unsigned attempts = 0;; attempts++) {
        bool again;
        int code = attempt(smtp, mail, &again, error);
        leat_time pause = lt_curl_pause(attempts);
        if (code == 0 || !again || lt_after(pause) > give_up)
            return code;
        lt_fetch_add(&smtp->retries, 1, relaxed);
        code = leat_sleep(pause);
        if (code)
            return leat_fail(error, code, "%s", strerror(-code));
    }
}
