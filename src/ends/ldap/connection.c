/* SPDX-License-Identifier: MIT */
#include "ends/ldap/connection.h"
#include "base/clock.h"
#include "base/error.h"
#include "ends/ldap/library.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

/* libldap may hold bytes that no descriptor tells of any more: look again after this. */
#define LOOK_AGAIN LEAT_SECOND

/* ----------------------------------------------------------------- results */

bool lt_ldap_is_limit(int result) {
    return result == LDAP_SIZELIMIT_EXCEEDED || result == LDAP_TIMELIMIT_EXCEEDED || result == LDAP_ADMINLIMIT_EXCEEDED;
}

bool lt_ldap_is_passing(int result) {
    return result == LDAP_BUSY || result == LDAP_UNAVAILABLE;
}

int lt_ldap_code(int result) {
    switch (result) {
    case LDAP_SUCCESS:
        return 0;
    case LDAP_SIZELIMIT_EXCEEDED:
    case LDAP_TIMELIMIT_EXCEEDED:
    case LDAP_ADMINLIMIT_EXCEEDED:
        return -EDQUOT;
    case LDAP_NO_SUCH_OBJECT:
        return -ENOENT;
    case LDAP_INSUFFICIENT_ACCESS:
    case LDAP_INVALID_CREDENTIALS:
    case LDAP_INAPPROPRIATE_AUTH:
    case LDAP_STRONG_AUTH_REQUIRED:
    case LDAP_CONFIDENTIALITY_REQUIRED:
    case LDAP_AUTH_METHOD_NOT_SUPPORTED:
        return -EACCES;
    case LDAP_REFERRAL:
        return -EREMOTE;
    case LDAP_BUSY:
    case LDAP_UNAVAILABLE:
        return -EAGAIN;
    case LDAP_TIMEOUT:
        return -ETIMEDOUT;
    case LDAP_NO_MEMORY:
        return -ENOMEM;
    case LDAP_FILTER_ERROR:
    case LDAP_PARAM_ERROR:
        return -EINVAL;
    default:
        return LDAP_NAME_ERROR(result) || LDAP_API_ERROR(result) ? -ECONNRESET : -EPROTO;
    }
}

/* ------------------------------------------------------------ open and close */

void lt_ldap_close(struct lt_ldap_connection *connection) {
    if (connection->watched >= 0)
        leat_close_fd(connection->watched);
    if (connection->handle)
        lt_libldap->ldap_unbind_ext(connection->handle, NULL, NULL);
    connection->watched = -1;
    connection->handle = NULL;
}

/* What one call of leat_block() does and found. */
struct opening {
    const struct lt_ldap_server *server;
    LDAP *handle;
    int id;     /* of the login's request */
    int result; /* of LDAP */
};

/* Certificates are checked, whatever a configuration file says. Settings of TLS are those of the process: a handle with
 * its own ones would forget which authorities the user trusts. */
static int set_options(LDAP *handle, leat_time timeout) {
    int version = LDAP_VERSION3, demand = LDAP_OPT_X_TLS_DEMAND;
    struct timeval limit = {.tv_sec = (time_t)(timeout / LEAT_SECOND),
                            .tv_usec = (suseconds_t)(timeout % LEAT_SECOND / LEAT_MICROSECOND)};
    bool set = lt_libldap->ldap_set_option(handle, LDAP_OPT_PROTOCOL_VERSION, &version) == 0 &&
               lt_libldap->ldap_set_option(handle, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) == 0 &&
               lt_libldap->ldap_set_option(handle, LDAP_OPT_NETWORK_TIMEOUT, &limit) == 0 &&
               lt_libldap->ldap_set_option(handle, LDAP_OPT_TIMEOUT, &limit) == 0 &&
               lt_libldap->ldap_set_option(NULL, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand) == 0;
    return set ? LDAP_SUCCESS : LDAP_LOCAL_ERROR;
}

/* Connect, secure, and send the login, whose answer is waited for elsewhere. */
static int open_blocking(void *arg) {
    struct opening *opening = arg;
    const struct lt_ldap_server *server = opening->server;
    char *password = (char *)server->password;
    struct berval secret = {password ? strlen(password) : 0, password};
    opening->result = lt_libldap->ldap_initialize(&opening->handle, server->url);
    if (opening->result == LDAP_SUCCESS)
        opening->result = set_options(opening->handle, server->timeout);
    if (opening->result == LDAP_SUCCESS && server->start_tls)
        opening->result = lt_libldap->ldap_start_tls_s(opening->handle, NULL, NULL);
    if (opening->result == LDAP_SUCCESS)
        opening->result = lt_libldap->ldap_sasl_bind(opening->handle, server->name, LDAP_SASL_SIMPLE, &secret, NULL,
                                                     NULL, &opening->id);
    return 0;
}

/* What GnuTLS has to say of a certificate that it refuses. */
#define NO_WORDS "(unknown error code)"

/* More about the last error, in brackets, or nothing. */
static void diagnosis(LDAP *handle, char *room, size_t size) {
    char *text = NULL;
    *room = '\0';
    if (handle)
        lt_libldap->ldap_get_option(handle, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text);
    if (text && strcmp(text, NO_WORDS) == 0)
        snprintf(room, size, " (TLS failed: is its certificate from an authority known here, or to LDAPTLS_CACERT?)");
    else if (text && *text)
        snprintf(room, size, " (%s)", text);
    lt_libldap->ldap_memfree(text);
}

static int fail_open(struct lt_ldap_connection *connection, int result, struct leat_error *error) {
    const char *url = connection->server->url, *name = connection->server->name;
    char details[256];
    diagnosis(connection->handle, details, sizeof details);
    int code = lt_ldap_code(result);
    if (code == -EACCES && *name)
        leat_fail(error, code, "the login as %s was refused: %s%s", name, lt_libldap->ldap_err2string(result), details);
    else if (code == -ECONNRESET || code == -ETIMEDOUT)
        leat_fail(error, code, "%s cannot be reached%s", url, details);
    else
        leat_fail(error, code, "%s does not take the connection: %s%s", url, lt_libldap->ldap_err2string(result),
                  details);
    lt_ldap_close(connection);
    return code;
}

/* The socket must not block any more, and is watched by a duplicate, which can be closed in leat's way: it is libldap
 * that closes the original. */
static int set_up(struct lt_ldap_connection *connection) {
    int descriptor = -1;
    if (lt_libldap->ldap_get_option(connection->handle, LDAP_OPT_DESC, &descriptor) || descriptor < 0)
        return -ECONNRESET;
    int flags = fcntl(descriptor, F_GETFL);
    connection->watched = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    if (flags < 0 || connection->watched < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    /* libldap reads each header and each message by itself, with a poll before; this makes it one read for many. */
    Sockbuf *buffer = NULL;
    if (lt_libldap->ldap_get_option(connection->handle, LDAP_OPT_SOCKBUF, &buffer) || !buffer ||
        lt_libldap->ber_sockbuf_add_io(buffer, lt_libldap->ber_sockbuf_io_readahead, LBER_SBIOD_LEVEL_PROVIDER, NULL))
        return -ENOMEM;
    return 0;
}

static int next_message(struct lt_ldap_connection *connection, int id, LDAPMessage **message, struct leat_error *error);

int lt_ldap_open(struct lt_ldap_connection *connection, const struct lt_ldap_server *server, struct leat_error *error) {
    *connection = (struct lt_ldap_connection){.server = server, .watched = -1};
    struct opening opening = {.server = server};
    int code = leat_block(open_blocking, &opening);
    connection->handle = opening.handle;
    if (code)
        return leat_fail(error, code, "%s cannot be reached: %s", server->url, strerror(-code));
    if (opening.result)
        return fail_open(connection, opening.result, error);
    code = set_up(connection);
    if (code) {
        lt_ldap_close(connection);
        return leat_fail(error, code, "%s cannot be reached: %s", server->url, strerror(-code));
    }
    LDAPMessage *message;
    code = next_message(connection, opening.id, &message, error);
    if (code)
        return code;
    int result = LDAP_OTHER;
    int parsed = lt_libldap->ldap_parse_result(connection->handle, message, &result, NULL, NULL, NULL, NULL, 1);
    if (parsed || result)
        return fail_open(connection, parsed ? parsed : result, error);
    return 0;
}

/* ----------------------------------------------------------------- waiting */

static bool has_bytes(LDAP *handle) {
    Sockbuf *buffer = NULL;
    return lt_libldap->ldap_get_option(handle, LDAP_OPT_SOCKBUF, &buffer) == 0 && buffer &&
           lt_libldap->ber_sockbuf_ctrl(buffer, LBER_SB_OPT_DATA_READY, NULL) > 0;
}

static int lose(struct lt_ldap_connection *connection, int code, struct leat_error *error) {
    const char *url = connection->server->url;
    lt_ldap_close(connection);
    if (code == -ETIMEDOUT)
        return leat_fail(error, code, "no answer from %s within %.3g s", url,
                         (double)connection->server->timeout / LEAT_SECOND);
    if (code == -ECANCELED)
        return leat_fail(error, code, "stopped");
    return leat_fail(error, code, "the connection to %s was lost", url);
}

/* The next message of a request. On an error the connection is closed, which gives the request up. */
static int next_message(struct lt_ldap_connection *connection, int id, LDAPMessage **message,
                        struct leat_error *error) {
    leat_time end = lt_after(connection->server->timeout);
    for (;;) {
        struct timeval at_once = {0};
        int type = lt_libldap->ldap_result(connection->handle, id, LDAP_MSG_ONE, &at_once, message);
        if (type > 0)
            return 0;
        if (type < 0)
            return lose(connection, -ECONNRESET, error);
        leat_time now = lt_now();
        if (now >= end)
            return lose(connection, -ETIMEDOUT, error);
        if (has_bytes(connection->handle))
            continue;
        leat_time look = now + LOOK_AGAIN < end ? now + LOOK_AGAIN : end;
        int code = leat_wait_fd_until(connection->watched, LEAT_READABLE, look);
        if (code < 0 && (code != -ETIMEDOUT || leat_cancelled()))
            return lose(connection, leat_cancelled() ? -ECANCELED : -ECONNRESET, error);
    }
}

/* ------------------------------------------------------------------ asking */

struct asking {
    struct lt_ldap_connection *connection;
    const struct lt_ldap_question *question;
    unsigned page;
    struct berval cookie; /* of the next page; empty: there is none */
    lt_ldap_take *take;
    void *arg;
    struct lt_ldap_answer *answer;
    struct leat_error *error;
};

static int send_page(struct asking *asking, int *id) {
    const struct lt_ldap_question *question = asking->question;
    LDAP *handle = asking->connection->handle;
    LDAPControl *paging = NULL;
    int result = LDAP_SUCCESS;
    if (asking->page)
        result = lt_libldap->ldap_create_page_control(handle, (ber_int_t)asking->page,
                                                      asking->cookie.bv_len ? &asking->cookie : NULL, 0, &paging);
    LDAPControl *controls[] = {paging, NULL};
    if (result == LDAP_SUCCESS)
        result =
            lt_libldap->ldap_search_ext(handle, question->base, question->scope, question->filter, question->attributes,
                                        0, paging ? controls : NULL, NULL, NULL, LDAP_NO_LIMIT, id);
    if (paging)
        lt_libldap->ldap_control_free(paging);
    if (result == LDAP_FILTER_ERROR)
        return leat_fail(asking->error, -EINVAL, "the filter \"%s\" is not valid", question->filter);
    if (result == LDAP_SUCCESS)
        return 0;
    return lose(asking->connection, lt_ldap_code(result), asking->error);
}

/* The result of a page, and where the next one begins. Frees the message. */
static int read_end(struct asking *asking, LDAPMessage *message) {
    LDAP *handle = asking->connection->handle;
    LDAPControl **controls = NULL, *paging;
    int parsed =
        lt_libldap->ldap_parse_result(handle, message, &asking->answer->result, NULL, NULL, NULL, &controls, 1);
    lt_libldap->ber_memfree(asking->cookie.bv_val);
    asking->cookie = (struct berval){0};
    paging = lt_libldap->ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL);
    if (parsed == LDAP_SUCCESS && asking->answer->result == LDAP_SUCCESS && paging)
        parsed = lt_libldap->ldap_parse_pageresponse_control(handle, paging, NULL, &asking->cookie);
    lt_libldap->ldap_controls_free(controls);
    return parsed == LDAP_SUCCESS ? 0 : lose(asking->connection, lt_ldap_code(parsed), asking->error);
}

/* Only the first one is kept: it stands for the others in the message. */
static void keep_reference(struct asking *asking, LDAPMessage *message) {
    char **urls = NULL;
    asking->answer->references++;
    if (asking->answer->reference ||
        lt_libldap->ldap_parse_reference(asking->connection->handle, message, &urls, NULL, 0) != LDAP_SUCCESS)
        return;
    if (urls && urls[0])
        asking->answer->reference = strdup(urls[0]);
    lt_libldap->ber_memvfree((void **)urls);
}

static int read_page(struct asking *asking, int id) {
    for (;;) {
        LDAPMessage *message;
        int code = next_message(asking->connection, id, &message, asking->error);
        if (code)
            return code;
        switch (lt_libldap->ldap_msgtype(message)) {
        case LDAP_RES_SEARCH_RESULT:
            return read_end(asking, message);
        case LDAP_RES_SEARCH_ENTRY:
            asking->answer->entries++;
            code = asking->take(asking->arg, asking->connection->handle, message);
            break;
        case LDAP_RES_SEARCH_REFERENCE:
            keep_reference(asking, message);
            break;
        default:
            break;
        }
        lt_libldap->ldap_msgfree(message);
        if (code) {
            lt_ldap_close(asking->connection);
            return leat_fail(asking->error, code, "an entry could not be taken: %s", strerror(-code));
        }
    }
}

int lt_ldap_ask(struct lt_ldap_connection *connection, const struct lt_ldap_question *question, unsigned page,
                lt_ldap_take *take, void *arg, struct lt_ldap_answer *answer, struct leat_error *error) {
    *answer = (struct lt_ldap_answer){0};
    struct asking asking = {
        .connection = connection,
        .question = question,
        .page = page,
        .take = take,
        .arg = arg,
        .answer = answer,
        .error = error,
    };
    struct leat_limiter *rate = connection->server->rate;
    int code, id;
    do {
        code = rate ? leat_limiter_take(rate, 1) : 0;
        if (code)
            leat_fail(error, code, "stopped");
        if (code == 0 && !connection->handle)
            code = lt_ldap_open(connection, connection->server, error);
        if (code == 0)
            code = send_page(&asking, &id);
        if (code == 0)
            code = read_page(&asking, id);
    } while (code == 0 && asking.cookie.bv_len);
    lt_libldap->ber_memfree(asking.cookie.bv_val);
    return code;
}
