/* SPDX-License-Identifier: MIT */
/**
 * One connection to a directory server, for one task at a time.
 *
 * Invariants:
 * - Only opening it blocks a thread (of leat_block); afterwards its socket never
 *   blocks: requests are sent, and answers are waited for with leat_wait_fd(),
 *   so that a cancelled task leaves at once.
 * - Every wait has an end: lt_ldap_server.timeout for connecting, for the login
 *   and between any two messages of an answer.
 * - At most one request is under way, because a server keeps one state of paging
 *   for each connection. When a task gives up a request it is abandoned.
 * - After an error of the connection it is closed, and -ECONNRESET or -ETIMEDOUT
 *   says so; the next question opens it again.
 *
 * Rejected: several requests under way on one connection (no faster than several
 * connections, and the paging of each would spoil the others'); libldap's
 * synchronous calls in leat_block() (a thread for each, and no cancellation).
 */
#ifndef LEAT_ENDS_LDAP_CONNECTION_H
#define LEAT_ENDS_LDAP_CONNECTION_H

#include "leat-pipeline.h"

typedef struct ldap LDAP;
typedef struct ldapmsg LDAPMessage;

/** Whom to ask. Only read while connections use it. */
struct lt_ldap_server {
    const char *url; /* "ldap://host:port", also for messages */
    bool start_tls;
    const char *name, *password; /* name "": anonymous */
    leat_time timeout;
    struct leat_limiter *rate; /* of requests; NULL: no limit */
};

struct lt_ldap_connection {
    const struct lt_ldap_server *server;
    LDAP *handle; /* NULL: closed */
    int watched;  /* a duplicate of its socket: the one that is waited for */
};

/** 0; -EACCES: the login was refused; -EINVAL: a setting is wrong; others: the server cannot be reached. */
int lt_ldap_open(struct lt_ldap_connection *connection, const struct lt_ldap_server *server, struct leat_error *error);
void lt_ldap_close(struct lt_ldap_connection *connection);

struct lt_ldap_question {
    const char *base;
    int scope;
    const char *filter;
    char **attributes; /* NULL: all user attributes */
};

/** What came of a question, beside its entries. */
struct lt_ldap_answer {
    int result; /* of LDAP: 0 is success */
    uint64_t entries, references;
    char *reference; /* the first URL of the first reference, or NULL; free it */
};

/** Called for each entry; negative ends the search with that. */
typedef int lt_ldap_take(void *arg, LDAP *handle, LDAPMessage *entry);

/**
 * Ask, in pages of `page` entries (0: in one go), and hand over all entries.
 * 0: the server answered, see `answer`; what it gave before an error of its own has been handed over.
 * Negative: it did not, `error` says why (-EINVAL: the filter is none).
 */
int lt_ldap_ask(struct lt_ldap_connection *connection, const struct lt_ldap_question *question, unsigned page,
                lt_ldap_take *take, void *arg, struct lt_ldap_answer *answer, struct leat_error *error);

/** The server could do no more than it did: too many entries, too much time, too much work. */
bool lt_ldap_is_limit(int result);

/** Trying again later may help. */
bool lt_ldap_is_passing(int result);

/** A negative errno value for a result. */
int lt_ldap_code(int result);

#endif
