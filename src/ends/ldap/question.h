/* SPDX-License-Identifier: MIT */
/**
 * What is asked of the directory, as the bytes of a crawl's branch, and how a
 * question whose answer exceeds the server's limits is split.
 *
 * A branch is an entry, "E" and its DN with a NUL: who is below it? Or a question,
 * "Q" and its fields. A question asks for the entries that match `core` and, with an
 * attribute, whose attribute begins with `prefix` (`exact`: is that).
 *
 * Splitting is exact, whatever the values are, because it is made of what the
 * server gave before it reached its limit: the names of those entries tell with
 * which characters the attribute goes on; one question is asked for each of
 * these, and one more for all that begin with none of them. That one may exceed
 * the limit in its turn, and is then split by characters not seen so far. Every
 * question made excludes or fixes at least one more character, so this ends.
 *
 * A server that cannot compare beginnings of the attribute would give nothing
 * for all of these. So a question made from an entry that was seen (`expects`)
 * must find one; when it does not, something is missing, and is said to be.
 *
 * Rejected: an alphabet to try (never complete, and mostly in vain), and ranges
 * (most attributes that name entries have no order in LDAP).
 */
#ifndef LEAT_ENDS_LDAP_QUESTION_H
#define LEAT_ENDS_LDAP_QUESTION_H

#include "ends/ldap/text.h"

enum lt_purpose {
    LT_GIVE = 1, /* the entries become items */
    LT_WALK = 2, /* what is below them is asked for */
};

struct lt_question {
    unsigned purpose;
    int scope; /* LDAP_SCOPE_… */
    bool exact, expects;
    const char *base, *core;
    const char *attribute; /* "": not restricted yet */
    struct leat_bytes prefix;
};

enum { LT_BRANCH_ENTRY = 'E', LT_BRANCH_QUESTION = 'Q' };

/** Append the bytes of a branch. */
void lt_question_pack(struct lt_text *branch, const struct lt_question *question);
/** What `branch` was packed from; points into it. */
void lt_question_unpack(struct lt_question *question, const char *branch, size_t size);

void lt_question_filter(struct lt_text *filter, const struct lt_question *question);

/** Takes a new question, which lives only during the call. Negative ends the splitting. */
typedef int lt_question_take(void *arg, const struct lt_question *question);

/**
 * Split by what was seen: `names` are DNs of entries that the question found,
 * each with a NUL at its end. Returns how many questions were made, 0 when it cannot be split, or a negative value.
 */
int lt_question_split(const struct lt_question *question, const struct lt_text *names, lt_question_take *take,
                      void *arg);

#endif
