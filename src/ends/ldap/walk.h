/* SPDX-License-Identifier: MIT */
/**
 * The walk: a crawl whose branches are questions to the directory, whose workers
 * have a connection each, and whose results are sheets of entries.
 *
 * Invariants:
 * - An entry is given once, however often questions find it; what is below it is
 *   asked for once.
 * - Whatever a server gave is kept, also when its answer breaks off. A question
 *   that could not be answered completely is asked again, is replaced by smaller
 *   ones, or leaves a failed item that says what is missing and why; there is no
 *   fourth way.
 * - Questions are asked again here, within a visit, and not by the crawl: it
 *   would forget what the first attempt found below, while the entries found
 *   count as given.
 * - When the walk is stopped, or the server stays away, all that was not asked
 *   is told as one failed item (lt_walk_missing).
 */
#ifndef LEAT_ENDS_LDAP_WALK_H
#define LEAT_ENDS_LDAP_WALK_H

#include "ends/ldap/connection.h"
#include "ends/ldap/sheet.h"

struct lt_ldap_plan {
    struct lt_ldap_server server;
    const char *tree; /* NULL: one search; "dn": the directory's own; else a linking attribute */
    const char *base; /* of the searches */
    int scope;        /* of the searches; not of those in the directory's own tree */
    const char *filter;
    char **attributes; /* what to ask for, with what leat needs itself */
    struct lt_sheet_style style;
    const char *const *roots; /* of the tree; DNs */
    size_t root_count;
    unsigned workers, together, page;
    leat_time patience; /* with a server that does not answer */
    bool ignore_references;
};

struct lt_ldap_walk;

/** `plan` must outlive the walk; `connection`, which is open, becomes one of the walk's. NULL: out of memory. */
struct lt_ldap_walk *lt_ldap_walk_new(const struct lt_ldap_plan *plan, struct lt_ldap_connection *connection);
void lt_ldap_walk_free(struct lt_ldap_walk *walk);

/** In a task of its own: walk to the end. */
void lt_ldap_walk_run(struct lt_ldap_walk *walk);

/** Any task. End it soon: all that is not asked yet is missing, because of `reason`. */
void lt_ldap_walk_stop(struct lt_ldap_walk *walk, int code, const char *reason);

/** The next sheet, to be released. -EPIPE: the walk is over. Other errors as of leat_recv(). */
int lt_ldap_walk_next(struct lt_ldap_walk *walk, struct lt_sheet **sheet);

/**
 * Of a walk that is over (lt_ldap_walk_run() has returned): one more sheet, which
 * says what is missing, and that `lost` entries were found and not taken. `*sheet` is NULL when nothing is missing. 0
 * or -ENOMEM.
 */
int lt_ldap_walk_missing(struct lt_ldap_walk *walk, uint64_t lost, struct lt_sheet **sheet);

#endif
