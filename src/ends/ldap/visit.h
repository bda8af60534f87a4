/* SPDX-License-Identifier: MIT */
/** The inside of a walk, for walk.c (its life) and visit.c (what a worker does with its branches). */
#ifndef LEAT_ENDS_LDAP_VISIT_H
#define LEAT_ENDS_LDAP_VISIT_H

#include "ends/ldap/question.h"
#include "ends/ldap/seen.h"
#include "ends/ldap/walk.h"

#include <pthread.h>

struct lt_ldap_walk {
    const struct lt_ldap_plan *plan;
    struct lt_ldap_seen *seen;
    struct leat_chan *out;      /* of sheets */
    _Atomic unsigned together;  /* entries asked about in one question: what the server's limits allowed so far */
    _Atomic unsigned successes; /* in a row, of questions about so many */
    _Atomic leat_time alive;    /* when the server last did something */

    pthread_mutex_t mutex;           /* of what follows */
    struct lt_ldap_connection spare; /* the one that was opened at the start, until a worker takes it */
    struct leat_scope *scope;        /* of the crawl; NULL: not begun or over */
    bool stopped;
    struct leat_error why;
    struct lt_text missing; /* entries whose question was not asked, as members of a JSON array */
    size_t missing_count;
};

/** A worker. */
struct lt_ldap_visitor {
    struct lt_ldap_walk *walk;
    struct leat_visit *visit; /* the present one */
    struct lt_ldap_connection connection;
    struct lt_sheet *sheet; /* not sent yet, or NULL */
    unsigned purpose;       /* of the present question */
    bool collects;          /* names of what it finds */
    struct lt_text names, filter, branch, key;
    struct lt_ldap_answer answer;
    struct leat_error error;
};

/** A visit, as leat_crawl() wants it. A branch that is done has the walk as its cursor. */
int lt_ldap_visit(struct leat_visit *visit);

#endif
