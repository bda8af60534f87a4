/* SPDX-License-Identifier: MIT */
/*
 * How many entries are asked about in one question follows from what the server
 * allows: half as many after each answer that broke off, one more after several
 * that did not. One filter with fifty alternatives costs a server little more
 * than one with a single one, and it is the number of searches that it is slow at.
 */
#include "ends/ldap/visit.h"
#include "base/atomic.h"
#include "base/clock.h"
#include "base/error.h"
#include "ends/ldap/library.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHEET_BYTES = 256 * 1024, /* a sheet is handed on when it has so many, or at the end of a visit */
    NAMES_BYTES = 256 * 1024, /* of names kept in case that a question must be split */
    MOST_FAILURES = 3,        /* of one question at a server that can be reached */
    GROW_AFTER = 8,
};

#define FIRST_PAUSE (50 * LEAT_MILLISECOND)
#define LONGEST_PAUSE (2 * LEAT_SECOND)

#define ALL_ENTRIES "(objectClass=*)"

/* ------------------------------------------------------------- what is found */

static int send_sheet(void *arg) {
    struct lt_ldap_visitor *visitor = arg;
    int code = leat_send(visitor->walk->out, &visitor->sheet);
    if (code == 0)
        visitor->sheet = NULL;
    return code;
}

/* Also when the walk was stopped: whoever stops it takes what is sent until the end. */
static int hand_on(struct lt_ldap_visitor *visitor) {
    if (!visitor->sheet || !visitor->sheet->count)
        return 0;
    return leat_shield(send_sheet, visitor);
}

static bool has_sheet(struct lt_ldap_visitor *visitor) {
    if (!visitor->sheet)
        visitor->sheet = lt_sheet_new();
    return visitor->sheet;
}

static int push(struct lt_ldap_visitor *visitor) {
    struct lt_text *branch = &visitor->branch;
    if (branch->failed)
        return -ENOMEM;
    int code = leat_crawl_add(visitor->visit, NULL, branch->data, branch->size);
    return code < 0 ? code : 0;
}

static int push_entry(struct lt_ldap_visitor *visitor, struct leat_bytes dn) {
    static const char kind = LT_BRANCH_ENTRY;
    visitor->branch.size = 0;
    lt_text_put_bytes(&visitor->branch, (struct leat_bytes){&kind, 1});
    lt_text_put_bytes(&visitor->branch, dn);
    lt_text_put_bytes(&visitor->branch, (struct leat_bytes){"", 1});
    return push(visitor);
}

static int push_question(void *arg, const struct lt_question *question) {
    struct lt_ldap_visitor *visitor = arg;
    visitor->branch.size = 0;
    lt_question_pack(&visitor->branch, question);
    return push(visitor);
}

/* 1: this entry was not found before for this purpose. */
static int is_new(struct lt_ldap_visitor *visitor, const struct lt_sheet_facts *facts) {
    struct lt_text *key = &visitor->key;
    key->size = 0;
    lt_text_put(key, visitor->purpose & LT_GIVE ? "give" : "walk");
    lt_text_put(key, facts->uuid.size ? "=" : ":");
    lt_text_put_bytes(key, facts->uuid.size ? facts->uuid : facts->dn);
    return key->failed ? -ENOMEM : lt_ldap_seen_add(visitor->walk->seen, (struct leat_bytes){key->data, key->size});
}

static int take_entry(void *arg, LDAP *handle, LDAPMessage *entry) {
    struct lt_ldap_visitor *visitor = arg;
    struct lt_sheet_facts facts;
    if (!has_sheet(visitor))
        return -ENOMEM;
    int code = lt_sheet_add(visitor->sheet, handle, entry, &visitor->walk->plan->style, &facts);
    if (code)
        return code;
    int fresh = is_new(visitor, &facts);
    if (fresh <= 0 || !(visitor->purpose & LT_GIVE))
        lt_sheet_undo(visitor->sheet);
    if (fresh < 0)
        return fresh;
    if (visitor->collects && visitor->names.size < NAMES_BYTES) {
        lt_text_put_bytes(&visitor->names, facts.dn);
        lt_text_put_bytes(&visitor->names, (struct leat_bytes){"", 1});
    }
    if (fresh && (visitor->purpose & LT_WALK) && !facts.leaf)
        code = push_entry(visitor, facts.dn);
    if (code == 0 && visitor->sheet->size >= SHEET_BYTES)
        code = hand_on(visitor);
    return code;
}

/* ------------------------------------------------------------------ asking */

static void show_life(struct lt_ldap_walk *walk) {
    lt_store(&walk->alive, lt_now(), relaxed);
}

/* Is another attempt of no use? `reached`: the server answered the attempt to connect. */
static bool is_hopeless(struct lt_ldap_visitor *visitor, int code, bool reached, unsigned failures) {
    struct lt_ldap_walk *walk = visitor->walk;
    if (reached)
        return failures >= MOST_FAILURES || code == -EINVAL || code == -ENOMEM || code == -EBADMSG;
    if (code != -EACCES && lt_now() - lt_load(&walk->alive, relaxed) < walk->plan->patience)
        return false;
    lt_ldap_walk_stop(walk, code, visitor->error.text);
    return true;
}

/**
 * Ask until the server has answered: 0. Negative: it did not, `error` says why;
 * -ECANCELED: the walk is over. About several entries (not `alone`) it is not
 * asked again when the answer takes too long.
 */
static int ask(struct lt_ldap_visitor *visitor, const struct lt_ldap_question *question, bool alone) {
    struct lt_ldap_walk *walk = visitor->walk;
    const struct lt_ldap_plan *plan = walk->plan;
    unsigned failures = 0, page = question->scope == LDAP_SCOPE_BASE ? 0 : plan->page;
    visitor->collects = alone;
    for (leat_time pause = FIRST_PAUSE;; pause = pause * 2 < LONGEST_PAUSE ? pause * 2 : LONGEST_PAUSE) {
        visitor->names.size = 0;
        free(visitor->answer.reference);
        visitor->answer = (struct lt_ldap_answer){0};
        int code = 0;
        if (!visitor->connection.handle)
            code = lt_ldap_open(&visitor->connection, &plan->server, &visitor->error);
        bool reached = code == 0;
        if (reached) {
            show_life(walk);
            code = lt_ldap_ask(&visitor->connection, question, page, take_entry, visitor, &visitor->answer,
                               &visitor->error);
            if (code == 0 && lt_ldap_is_passing(visitor->answer.result))
                code = leat_fail(&visitor->error, -EAGAIN, "%s", lt_libldap->ldap_err2string(visitor->answer.result));
            failures += code != 0;
        }
        if (code == 0)
            show_life(walk);
        if (leat_cancelled())
            return -ECANCELED;
        if (code == 0 || (code == -ETIMEDOUT && !alone))
            return code;
        if (is_hopeless(visitor, code, reached, failures))
            return leat_cancelled() ? -ECANCELED : code;
        if (leat_sleep(pause))
            return -ECANCELED;
    }
}

/* ------------------------------------------------------- what becomes of it */

static void finish(struct lt_ldap_visitor *visitor, struct leat_branch *branch) {
    branch->cursor = visitor->walk;
}

static void __attribute__((format(printf, 4, 5)))
tell(struct lt_ldap_visitor *visitor, const char *dn, int code, const char *format, ...) {
    char text[sizeof visitor->error.text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!has_sheet(visitor) || lt_sheet_fail(visitor->sheet, lt_string(dn), code, text))
        lt_ldap_walk_stop(visitor->walk, -ENOMEM, "out of memory");
}

static void tell_references(struct lt_ldap_visitor *visitor, const char *dn) {
    const struct lt_ldap_answer *answer = &visitor->answer;
    if (!answer->references || visitor->walk->plan->ignore_references)
        return;
    tell(visitor, dn, -EREMOTE, "another server has what is missing here, and it is not asked: %s%s",
         answer->reference ? answer->reference : "(it does not say which)",
         answer->references > 1 ? " and others" : "");
}

static void split(struct lt_ldap_visitor *visitor, const char *dn, const struct lt_question *question) {
    int result = visitor->answer.result;
    int parts = lt_question_split(question, &visitor->names, push_question, visitor);
    if (parts > 0)
        return;
    if (parts < 0)
        tell(visitor, dn, parts, "%s, and the rest cannot be asked for: %s", lt_libldap->ldap_err2string(result),
             strerror(-parts));
    else
        tell(visitor, dn, -EDQUOT, "%s after %llu entries, and what is left cannot be asked for in parts: %s",
             lt_libldap->ldap_err2string(result), (unsigned long long)visitor->answer.entries, visitor->filter.data);
}

/* One question was asked by itself, with this outcome. `dn`: whose failure it would be. */
static void settle(struct lt_ldap_visitor *visitor, const char *dn, const struct lt_question *question, int code) {
    const struct lt_ldap_answer *answer = &visitor->answer;
    if (code)
        tell(visitor, dn, code, "%s", visitor->error.text);
    else if (lt_ldap_is_limit(answer->result))
        split(visitor, dn, question);
    else if (answer->result)
        tell(visitor, dn, lt_ldap_code(answer->result), "%s", lt_libldap->ldap_err2string(answer->result));
    else if (question->expects && !answer->entries)
        tell(visitor, dn, -EDQUOT,
             "there are more entries than the server gives at once, and it finds none by a part "
             "of their name: %s",
             visitor->filter.data);
    else
        tell_references(visitor, dn);
}

/* 0 or -ECANCELED. */
static int ask_alone(struct lt_ldap_visitor *visitor, const char *dn, const struct lt_question *question) {
    static char *only_walk[] = {"hasSubordinates", "entryUUID", NULL};
    visitor->filter.size = 0;
    lt_question_filter(&visitor->filter, question);
    if (visitor->filter.failed) {
        lt_ldap_walk_stop(visitor->walk, -ENOMEM, "out of memory");
        return -ECANCELED;
    }
    visitor->purpose = question->purpose;
    struct lt_ldap_question wire = {
        .base = question->base,
        .scope = question->scope,
        .filter = visitor->filter.data,
        .attributes = question->purpose & LT_GIVE ? visitor->walk->plan->attributes : only_walk,
    };
    int code = ask(visitor, &wire, true);
    if (code == -ECANCELED)
        return code;
    settle(visitor, dn, question, code);
    return 0;
}

/* ------------------------------------------------------- entries, by linking */

static const char *name_of(const struct leat_branch *branch) {
    return (const char *)branch->data + 1;
}

/* (|(manager=…)(manager=…)), and the filter of the URL where it has one. */
static void put_links(struct lt_text *filter, const struct lt_ldap_plan *plan, struct leat_branch *const *branches,
                      size_t count) {
    bool restricted = strcmp(plan->filter, ALL_ENTRIES) != 0;
    if (restricted) {
        lt_text_put(filter, "(&");
        lt_text_put(filter, plan->filter);
    }
    if (count > 1)
        lt_text_put(filter, "(|");
    for (size_t i = 0; i < count; i++)
        lt_text_put_match(filter, plan->tree, lt_string(name_of(branches[i])), false);
    lt_text_put(filter, count > 1 ? ")" : "");
    lt_text_put(filter, restricted ? ")" : "");
}

/* Fewer at once, after `count` were too many. */
static void shrink(struct lt_ldap_walk *walk, unsigned count) {
    lt_store(&walk->together, count / 2, relaxed);
    lt_store(&walk->successes, 0, relaxed);
}

static void grow(struct lt_ldap_walk *walk, unsigned count) {
    if (count < walk->plan->together && count == lt_load(&walk->together, relaxed) &&
        lt_fetch_add(&walk->successes, 1, relaxed) % GROW_AFTER == GROW_AFTER - 1)
        lt_store(&walk->together, count + 1, relaxed);
}

/* Ask about the first of these. Returns how many are done, or -ECANCELED. */
static int ask_linked(struct lt_ldap_visitor *visitor, struct leat_branch *const *branches, unsigned count) {
    struct lt_ldap_walk *walk = visitor->walk;
    const struct lt_ldap_plan *plan = walk->plan;
    unsigned together = lt_load(&walk->together, relaxed);
    if (count > together)
        count = together;
    struct lt_text core = {0};
    put_links(&core, plan, branches, count);
    if (core.failed) {
        free(core.data);
        lt_ldap_walk_stop(walk, -ENOMEM, "out of memory");
        return -ECANCELED;
    }
    struct lt_question question = {
        .purpose = LT_GIVE | LT_WALK, .scope = plan->scope, .base = plan->base, .core = core.data, .attribute = ""};
    int code = 0;
    if (count == 1) {
        code = ask_alone(visitor, name_of(branches[0]), &question);
    } else {
        struct lt_ldap_question wire = {plan->base, plan->scope, core.data, plan->attributes};
        visitor->purpose = question.purpose;
        code = ask(visitor, &wire, false);
    }
    free(core.data);
    if (code == -ECANCELED)
        return code;
    if (count > 1 && (code || visitor->answer.result)) {
        shrink(walk, count);
        return 0;
    }
    if (count > 1)
        tell_references(visitor, name_of(branches[0]));
    grow(walk, count);
    return (int)count;
}

static int visit_linked(struct lt_ldap_visitor *visitor, struct leat_branch *const *branches, unsigned count) {
    for (unsigned begin = 0; begin < count;) {
        int done = ask_linked(visitor, branches + begin, count - begin);
        if (done < 0)
            return done;
        for (int i = 0; i < done; i++)
            finish(visitor, branches[begin++]);
    }
    return 0;
}

/* -------------------------------------------- entries, by the directory's tree */

static int visit_level(struct lt_ldap_visitor *visitor, const char *dn) {
    const struct lt_ldap_plan *plan = visitor->walk->plan;
    bool restricted = strcmp(plan->filter, ALL_ENTRIES) != 0;
    struct lt_question question = {
        .purpose = restricted ? LT_GIVE : LT_GIVE | LT_WALK,
        .scope = LDAP_SCOPE_ONELEVEL,
        .base = dn,
        .core = plan->filter,
        .attribute = "",
    };
    int code = ask_alone(visitor, dn, &question);
    if (code || !restricted)
        return code;
    /* What does not match is not given, and yet may have something below it that does. */
    question.purpose = LT_WALK;
    question.core = ALL_ENTRIES;
    return ask_alone(visitor, dn, &question);
}

/* ------------------------------------------------------------------- visits */

static int visit_question(struct lt_ldap_visitor *visitor, const struct leat_branch *branch) {
    struct lt_question question;
    lt_question_unpack(&question, branch->data, branch->size);
    return ask_alone(visitor, question.base, &question);
}

static int visit_all(struct lt_ldap_visitor *visitor, struct leat_visit *visit) {
    const char *tree = visitor->walk->plan->tree;
    bool linked = tree && strcmp(tree, "dn") != 0;
    struct leat_branch *entries[visit->count];
    unsigned count = 0;
    for (size_t i = 0; i < visit->count; i++) {
        struct leat_branch *branch = visit->branches[i];
        const char *data = branch->data;
        int code = 0;
        if (data[0] == LT_BRANCH_QUESTION) {
            code = visit_question(visitor, branch);
        } else if (linked) {
            entries[count++] = branch;
            continue;
        } else {
            code = visit_level(visitor, data + 1);
        }
        if (code)
            return code;
        finish(visitor, branch);
    }
    return visit_linked(visitor, entries, count);
}

int lt_ldap_visit(struct leat_visit *visit) {
    struct lt_ldap_visitor *visitor = visit->state;
    visitor->visit = visit;
    int code = visit_all(visitor, visit);
    int sent = hand_on(visitor);
    return code ? code : sent;
}
