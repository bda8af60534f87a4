/* SPDX-License-Identifier: MIT */
#include "ends/ldap/visit.h"
#include "base/atomic.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"

#include <errno.h>
#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of names in the item that says what is missing: it must fit into a record of the error file. */
enum { MISSING_BYTES = 48 * 1024 };

/* ------------------------------------------------------------------ workers */

static int enter(void *arg, unsigned worker, void **state) {
    struct lt_ldap_walk *walk = arg;
    (void)worker;
    struct lt_ldap_visitor *visitor = calloc(1, sizeof *visitor);
    if (!visitor)
        return -ENOMEM;
    visitor->walk = walk;
    pthread_mutex_lock(&walk->mutex);
    visitor->connection = walk->spare;
    walk->spare = (struct lt_ldap_connection){.watched = -1};
    pthread_mutex_unlock(&walk->mutex);
    *state = visitor;
    return 0;
}

static void leave(void *arg, void *state) {
    struct lt_ldap_visitor *visitor = state;
    (void)arg;
    lt_ldap_close(&visitor->connection);
    lt_sheet_release(visitor->sheet);
    free(visitor->answer.reference);
    free(visitor->names.data);
    free(visitor->filter.data);
    free(visitor->branch.data);
    free(visitor->key.data);
    free(visitor);
}

/* A branch that was not done is missing. */
static void forget(void *arg, struct leat_branch *branch) {
    struct lt_ldap_walk *walk = arg;
    if (branch->cursor)
        return;
    const char *name = (const char *)branch->data + 1;
    struct lt_question question;
    if (name[-1] == LT_BRANCH_QUESTION) {
        lt_question_unpack(&question, branch->data, branch->size);
        name = question.base;
    }
    pthread_mutex_lock(&walk->mutex);
    walk->missing_count++;
    size_t room = lt_json_encoded_room(strlen(name));
    char *json = walk->missing.size < MISSING_BYTES ? malloc(room) : NULL;
    if (json) {
        lt_text_put(&walk->missing, walk->missing.size ? "," : "");
        lt_text_put_bytes(&walk->missing, (struct leat_bytes){json, lt_json_encode(lt_string(name), json)});
        free(json);
    }
    pthread_mutex_unlock(&walk->mutex);
}

/* --------------------------------------------------------------------- life */

struct lt_ldap_walk *lt_ldap_walk_new(const struct lt_ldap_plan *plan, struct lt_ldap_connection *connection) {
    struct lt_ldap_walk *walk = calloc(1, sizeof *walk);
    if (!walk)
        return NULL;
    pthread_mutex_init(&walk->mutex, NULL);
    walk->plan = plan;
    walk->seen = lt_ldap_seen_new();
    walk->out = leat_chan_new_with(sizeof(struct lt_sheet *), plan->workers * 2,
                                   &(struct leat_chan_options){.name = "entries of the directory"});
    lt_store(&walk->together, plan->together, relaxed);
    lt_store(&walk->alive, lt_now(), relaxed);
    walk->spare = *connection;
    *connection = (struct lt_ldap_connection){.watched = -1};
    if (walk->seen && walk->out)
        return walk;
    lt_ldap_walk_free(walk);
    return NULL;
}

static void drop_sheet(void *value, void *arg) {
    (void)arg;
    lt_sheet_release(*(struct lt_sheet **)value);
}

void lt_ldap_walk_free(struct lt_ldap_walk *walk) {
    if (walk->out)
        leat_chan_discard(walk->out, drop_sheet, NULL);
    leat_chan_free(walk->out);
    lt_ldap_close(&walk->spare);
    lt_ldap_seen_free(walk->seen);
    free(walk->missing.data);
    pthread_mutex_destroy(&walk->mutex);
    free(walk);
}

static void add_branch(struct lt_text *branches, struct leat_bytes *roots, size_t *count, size_t begin) {
    /* Where it begins; the text may still move. */
    roots[*count] = (struct leat_bytes){NULL, branches->size - begin};
    ++*count;
}

/* The questions to begin with: the search; or for each root, itself and who is below it. */
static size_t make_roots(const struct lt_ldap_plan *plan, struct lt_text *branches, struct leat_bytes *roots) {
    size_t count = 0;
    struct lt_question question = {
        .purpose = LT_GIVE, .scope = plan->scope, .base = plan->base, .core = plan->filter, .attribute = ""};
    if (!plan->tree) {
        lt_question_pack(branches, &question);
        add_branch(branches, roots, &count, 0);
    }
    for (size_t i = 0; plan->tree && i < plan->root_count; i++) {
        size_t begin = branches->size;
        question.scope = LDAP_SCOPE_BASE;
        question.base = plan->roots[i];
        lt_question_pack(branches, &question);
        add_branch(branches, roots, &count, begin);
        begin = branches->size;
        lt_text_put_bytes(branches, (struct leat_bytes){"E", 1});
        lt_text_put_bytes(branches, (struct leat_bytes){plan->roots[i], strlen(plan->roots[i]) + 1});
        add_branch(branches, roots, &count, begin);
    }
    const char *at = branches->data;
    for (size_t i = 0; i < count; at += roots[i++].size)
        roots[i].data = at;
    return count;
}

static int crawl(struct lt_ldap_walk *walk) {
    const struct lt_ldap_plan *plan = walk->plan;
    struct lt_text branches = {0};
    struct leat_bytes *roots = calloc(plan->root_count * 2 + 1, sizeof *roots);
    size_t count = roots ? make_roots(plan, &branches, roots) : 0;
    int code = -ENOMEM;
    if (roots && !branches.failed)
        code = leat_crawl(
            &(struct leat_crawl_options){
                .visit = lt_ldap_visit,
                .arg = walk,
                .name = "directory",
                .workers = plan->workers,
                .batch = plan->tree ? plan->together : 1,
                .stack = LEAT_STACK_LARGE,
                .enter = enter,
                .leave = leave,
                .destroy = forget,
                .out = walk->out,
            },
            roots, count);
    leat_chan_close(walk->out); /* also of a crawl that did not begin */
    free(roots);
    free(branches.data);
    return code;
}

/* The scope in which the crawl can be stopped; NULL takes it back. */
static void publish(struct lt_ldap_walk *walk, struct leat_scope *scope) {
    pthread_mutex_lock(&walk->mutex);
    walk->scope = scope;
    if (scope && walk->stopped)
        leat_scope_cancel(scope, -ECANCELED);
    pthread_mutex_unlock(&walk->mutex);
}

void lt_ldap_walk_run(struct lt_ldap_walk *walk) {
    struct leat_scope *scope =
        leat_scope_open(&(struct leat_scope_options){.name = "a walk through a directory", .collect = true});
    publish(walk, scope);
    int code = crawl(walk);
    publish(walk, NULL);
    leat_scope_close(scope);
    if (!code)
        return;
    lt_ldap_walk_stop(walk, code, strerror(-code));
    walk->missing_count += walk->missing_count == 0; /* it never said what */
}

void lt_ldap_walk_stop(struct lt_ldap_walk *walk, int code, const char *reason) {
    pthread_mutex_lock(&walk->mutex);
    if (!walk->stopped) {
        walk->stopped = true;
        leat_fail(&walk->why, code, "%s", reason);
        if (walk->scope)
            leat_scope_cancel(walk->scope, -ECANCELED);
    }
    pthread_mutex_unlock(&walk->mutex);
}

int lt_ldap_walk_next(struct lt_ldap_walk *walk, struct lt_sheet **sheet) {
    return leat_recv(walk->out, sheet);
}

int lt_ldap_walk_missing(struct lt_ldap_walk *walk, uint64_t lost, struct lt_sheet **sheet) {
    *sheet = NULL;
    if (!walk->missing_count && !lost)
        return 0;
    char found[96] = "", reason[sizeof walk->why.text + 256];
    if (lost)
        snprintf(found, sizeof found, "; %llu entries were found and not handed on", (unsigned long long)lost);
    snprintf(reason, sizeof reason,
             "%s; %zu questions were not asked, what they would find below these entries is missing%s", walk->why.text,
             walk->missing_count, found);
    *sheet = lt_sheet_new();
    int code = -ENOMEM;
    if (*sheet && !walk->missing.failed)
        code = lt_sheet_fail_below(*sheet, walk->missing.data ? walk->missing.data : "", walk->why.code, reason);
    if (code == 0)
        return 0;
    lt_sheet_release(*sheet);
    *sheet = NULL;
    return code;
}
