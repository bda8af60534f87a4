/* SPDX-License-Identifier: MIT */
/**
 * ldap: entries of a directory, an item for each. One search, or a crawl: from
 * the top of a tree down, with several connections, where the server's limits
 * allow no search for everything.
 *
 * The walk runs in a task of its own from open to close, and is ahead of the
 * reading by a few sheets at most. When the run is stopped while it reads, the
 * last batch has one failed item that says what is missing.
 */
#include "ends/ends.h"
#include "ends/ldap/library.h"
#include "ends/ldap/login.h"
#include "ends/ldap/target.h"
#include "ends/ldap/walk.h"
#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEFAULT_CONNECTIONS = 4, MOST_CONNECTIONS = 1024, MOST_TOGETHER = 10000, MOST_PAGE = 1000000 };

struct settings {
    const char *tree;
    struct leat_list roots;
    uint64_t connections, together, page;
    double rate;
    leat_time timeout, patience;
    const char *bind;
    bool start_tls, first, ignore_referrals;
};

static const struct leat_option options[] = {
    {"tree", 0, LEAT_OPTION_STRING, offsetof(struct settings, tree), "dn|ATTRIBUTE", NULL,
     "Crawl from the top down: dn, level by level of the directory's own tree; or by an attribute that names the entry "
     "above, such as manager."},
    {"root", 0, LEAT_OPTION_LIST, offsetof(struct settings, roots), "DN", NULL,
     "Where a crawl begins; may be given several times. By default, with --tree dn, the URL's base."},
    {"connections", 0, LEAT_OPTION_COUNT, offsetof(struct settings, connections), "N", NULL,
     "Connections, each with one search at a time; by default as many as -j says, or 4."},
    {"together", 0, LEAT_OPTION_COUNT, offsetof(struct settings, together), "N", "50",
     "Ask for what is below so many entries in one search, at most; fewer when a limit of the server is hit."},
    {"page", 0, LEAT_OPTION_COUNT, offsetof(struct settings, page), "N", "500",
     "Entries that the server is to give at once; 0: without paging."},
    {"rate", 0, LEAT_OPTION_RATE, offsetof(struct settings, rate), "N/s", NULL,
     "Searches on all connections together, at most; each page is one."},
    {"timeout", 0, LEAT_OPTION_DURATION, offsetof(struct settings, timeout), "TIME", "30s",
     "For connecting, and for each answer of the server."},
    {"patience", 0, LEAT_OPTION_DURATION, offsetof(struct settings, patience), "TIME", "60s",
     "With a server that has gone away: how long to try to reach it."},
    {"bind", 0, LEAT_OPTION_STRING, offsetof(struct settings, bind), "DN", NULL,
     "Who to log in as; by default $LDAP_BIND_DN. The password is in $LDAP_PASSWORD or the file $LDAP_PASSWORD_FILE."},
    {"start-tls", 0, LEAT_OPTION_FLAG, offsetof(struct settings, start_tls), NULL, NULL,
     "Secure the connection before anything else."},
    {"first", 0, LEAT_OPTION_FLAG, offsetof(struct settings, first), NULL, NULL,
     "Only the first value of each attribute, not in an array."},
    {"ignore-referrals", 0, LEAT_OPTION_FLAG, offsetof(struct settings, ignore_referrals), NULL, NULL,
     "Do not count as failed what other servers have."},
    {NULL},
};

struct source {
    struct lt_ldap_target target;
    struct lt_ldap_login login;
    struct lt_ldap_plan plan;
    char **attributes;     /* of the plan */
    const char *hidden[3]; /* of the plan's style */
    struct lt_ldap_walk *walk;
    struct leat_wg running; /* 1 while the walk's task does */
    struct lt_sheet *sheet; /* the present one, or NULL */
    size_t given;           /* of its items */
    bool over;              /* the walk is, and what is missing was told */
    uint64_t position;
};

/* ------------------------------------------------------------------- opening */

static bool is_attribute(const char *name) {
    return *name && !name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.;_")];
}

static int check(const struct source *source, const struct settings *settings, struct leat_error *error) {
    bool linked = settings->tree && strcmp(settings->tree, "dn") != 0;
    if (settings->tree && !is_attribute(settings->tree))
        return leat_fail(error, -EINVAL, "\"%s\" is neither dn nor the name of an attribute", settings->tree);
    if (linked && !settings->roots.count)
        return leat_fail(error, -EINVAL, "--tree %s needs --root DN, where it begins", settings->tree);
    if (!settings->tree && settings->roots.count)
        return leat_fail(error, -EINVAL, "--root needs --tree");
    if (settings->tree && !linked && source->target.scope_given && source->target.scope != LDAP_SCOPE_SUBTREE)
        return leat_fail(error, -EINVAL, "with --tree dn there is no scope but sub");
    if (settings->timeout <= 0)
        return leat_fail(error, -EINVAL, "a timeout of nothing leaves no time for an answer");
    if (settings->connections > MOST_CONNECTIONS || settings->together > MOST_TOGETHER || settings->page > MOST_PAGE)
        return leat_fail(error, -EINVAL, "there can be %d connections, %d entries together, and pages of %d",
                         MOST_CONNECTIONS, MOST_TOGETHER, MOST_PAGE);
    return 0;
}

static bool is_asked_for(char **attributes, const char *name) {
    for (char **attribute = attributes; attribute && *attribute; attribute++)
        if (strcasecmp(*attribute, name) == 0 || strcmp(*attribute, "+") == 0)
            return true;
    return false;
}

/* What the URL asks for, and what tells entries apart and leaves from branches. */
static int choose_attributes(struct source *source, const struct settings *settings) {
    static const char *const own[] = {"entryUUID", "hasSubordinates"};
    size_t count = 0, hidden = 0, own_count = settings->tree && strcmp(settings->tree, "dn") == 0 ? 2 : 1;
    char **wanted = source->target.attributes;
    while (wanted && wanted[count])
        count++;
    source->attributes = calloc(count + 4, sizeof(char *));
    if (!source->attributes)
        return -ENOMEM;
    if (count)
        memcpy(source->attributes, wanted, count * sizeof(char *));
    else
        source->attributes[count++] = "*";
    for (size_t i = 0; i < own_count; i++) {
        if (is_asked_for(wanted, own[i]))
            continue;
        source->attributes[count++] = (char *)own[i];
        source->hidden[hidden++] = own[i];
    }
    return 0;
}

static int make_plan(struct source *source, const struct leat_segment *segment, struct leat_error *error) {
    const struct settings *settings = segment->settings;
    const struct lt_ldap_target *target = &source->target;
    bool linked = settings->tree && strcmp(settings->tree, "dn") != 0;
    uint64_t connections = settings->connections ? settings->connections : segment->workers;
    if (!connections)
        connections = DEFAULT_CONNECTIONS;
    source->plan = (struct lt_ldap_plan){
        .server =
            {
                .url = target->server,
                .start_tls = settings->start_tls || target->start_tls,
                .name = source->login.name,
                .password = source->login.password,
                .timeout = settings->timeout,
            },
        .tree = settings->tree,
        .base = target->base,
        .scope = linked && !target->scope_given ? LDAP_SCOPE_SUBTREE : target->scope,
        .filter = target->filter,
        .style = {.first = settings->first, .hidden = source->hidden},
        .roots = settings->roots.count ? settings->roots.items : (const char *const *)&source->target.base,
        .root_count = settings->roots.count ? settings->roots.count : 1,
        .workers = connections < MOST_CONNECTIONS ? (unsigned)connections : MOST_CONNECTIONS,
        .together = settings->together ? (unsigned)settings->together : 1,
        .page = (unsigned)settings->page,
        .patience = settings->patience,
        .ignore_references = settings->ignore_referrals,
    };
    if (settings->rate > 0 && !(source->plan.server.rate = leat_limiter_new(settings->rate, 1)))
        return leat_fail(error, -ENOMEM, "out of memory");
    if (choose_attributes(source, settings))
        return leat_fail(error, -ENOMEM, "out of memory");
    source->plan.attributes = source->attributes;
    return 0;
}

static int take_nothing(void *arg, LDAP *handle, LDAPMessage *entry) {
    (void)arg, (void)handle, (void)entry;
    return 0;
}

/* A connection that works, to a server that has the base and understands the filter. */
static int try_server(struct source *source, struct lt_ldap_connection *connection, struct leat_error *error) {
    static char *no_attributes[] = {LDAP_NO_ATTRS, NULL};
    const struct lt_ldap_plan *plan = &source->plan;
    const struct lt_ldap_question question = {plan->base, LDAP_SCOPE_BASE, plan->filter, no_attributes};
    struct lt_ldap_answer answer;
    int code = lt_ldap_open(connection, &plan->server, error);
    if (code == 0)
        code = lt_ldap_ask(connection, &question, 0, take_nothing, NULL, &answer, error);
    if (code == 0) {
        free(answer.reference);
        code = lt_ldap_code(answer.result);
        if (code)
            leat_fail(error, code, "%s: %s", *plan->base ? plan->base : "the root",
                      lt_libldap->ldap_err2string(answer.result));
    }
    if (code)
        lt_ldap_close(connection);
    return code;
}

static int run_walk(void *arg) {
    struct source *source = arg;
    lt_ldap_walk_run(source->walk);
    leat_wg_done(&source->running);
    return 0;
}

static int start_walk(struct source *source, struct lt_ldap_connection *connection, struct leat_error *error) {
    source->walk = lt_ldap_walk_new(&source->plan, connection);
    lt_ldap_close(connection);
    if (!source->walk)
        return leat_fail(error, -ENOMEM, "out of memory");
    leat_wg_add(&source->running, 1);
    int code = leat_go_with(NULL, run_walk, source, &(struct leat_task_options){.name = "walk through a directory"});
    if (code == 0)
        return 0;
    leat_wg_done(&source->running);
    lt_ldap_walk_free(source->walk);
    source->walk = NULL;
    return leat_fail(error, code, "the walk cannot begin: %s", strerror(-code));
}

struct reading {
    struct source *source;
    const struct leat_segment *segment;
    struct leat_error *error;
};

static int read_in_block(void *arg) {
    const struct reading *reading = arg;
    struct source *source = reading->source;
    const struct settings *settings = reading->segment->settings;
    int code = lt_ldap_target_read(&source->target, reading->segment->spelling, reading->error);
    if (code == 0)
        code = check(source, settings, reading->error);
    if (code)
        return code;
    const char *name = settings->bind ? settings->bind : source->target.bind_dn;
    return lt_ldap_login_read(&source->login, name, reading->error);
}

static void close_source(void *arg);

static int open_source(void **opened, const struct leat_segment *segment, struct leat_error *error) {
    struct source *source = calloc(1, sizeof *source);
    if (!source)
        return leat_fail(error, -ENOMEM, "out of memory");
    struct lt_ldap_connection connection = {.watched = -1};
    struct reading reading = {source, segment, error};
    int code = leat_block(read_in_block, &reading);
    if (code == 0)
        code = make_plan(source, segment, error);
    if (code == 0)
        code = try_server(source, &connection, error);
    if (code == 0)
        code = start_walk(source, &connection, error);
    if (code)
        close_source(source);
    else
        *opened = source;
    return code;
}

/* ------------------------------------------------------------------- reading */

/* Items of the present sheet, as many as fit. */
static int give(struct source *source, struct leat_batch *batch) {
    struct lt_sheet *sheet = source->sheet;
    size_t before = batch->count;
    struct leat_item *item;
    while (source->given < sheet->count && (item = leat_batch_add(batch))) {
        const struct lt_sheet_item *from = &sheet->items[source->given++];
        item->position = ++source->position;
        item->id = from->id;
        leat_item_set(batch, item, (struct leat_bytes){sheet->bytes + from->begin, from->size}, "entry");
        if (from->code)
            leat_item_fail(batch, item, from->code, "%s", sheet->bytes + from->reason);
    }
    if (batch->count > before) {
        lt_sheet_hold(sheet);
        int code = leat_batch_hold(batch, lt_sheet_release, sheet);
        if (code)
            return code;
    }
    if (source->given == sheet->count) {
        lt_sheet_release(sheet);
        source->sheet = NULL;
        source->given = 0;
    }
    return 0;
}

/* Take all that comes until the walk is over. Returns how many items were not given to anybody. */
static uint64_t drain(struct source *source) {
    uint64_t lost = 0;
    do {
        if (source->sheet)
            lost += source->sheet->count - source->given;
        lt_sheet_release(source->sheet);
        source->sheet = NULL;
        source->given = 0;
    } while (lt_ldap_walk_next(source->walk, &source->sheet) == 0);
    leat_wg_wait(&source->running);
    return lost;
}

struct ending {
    struct source *source;
    uint64_t lost;
};

static int end_walk(void *arg) {
    struct ending *ending = arg;
    lt_ldap_walk_stop(ending->source->walk, -EINTR, "the run was stopped");
    ending->lost = drain(ending->source);
    return 0;
}

/* The last item says what is missing. */
static int read_missing(struct source *source, uint64_t lost) {
    source->over = true;
    return lt_ldap_walk_missing(source->walk, lost, &source->sheet);
}

/* The run was stopped: `code` says so. */
static int read_last(struct source *source, struct leat_batch *batch, int code) {
    struct ending ending = {.source = source};
    leat_shield(end_walk, &ending);
    if (read_missing(source, ending.lost) == 0 && source->sheet)
        give(source, batch);
    return code;
}

static int read_source(void *arg, struct leat_batch *batch, struct leat_error *error) {
    struct source *source = arg;
    int code = 0;
    if (leat_cancelled() && !source->over)
        return read_last(source, batch, -ECANCELED);
    while (code == 0 && batch->count == 0) {
        if (source->sheet) {
            code = give(source, batch);
            continue;
        }
        if (source->over)
            return -ENODATA;
        enum leat_state before = leat_batch_state(batch, LEAT_WAITS_OUTSIDE);
        code = lt_ldap_walk_next(source->walk, &source->sheet);
        if (code == -EPIPE && (code = leat_wg_wait(&source->running)) == 0)
            code = read_missing(source, 0);
        leat_batch_state(batch, before);
        if (code == -ECANCELED)
            code = read_last(source, batch, code);
    }
    return code ? leat_fail(error, code, "%s", strerror(-code)) : 0;
}

static void close_source(void *arg) {
    struct source *source = arg;
    struct ending ending = {.source = source};
    if (source->walk) {
        leat_shield(end_walk, &ending);
        lt_ldap_walk_free(source->walk);
    }
    leat_limiter_free(source->plan.server.rate);
    free(source->attributes);
    lt_ldap_login_free(&source->login);
    lt_ldap_target_free(&source->target);
    free(source);
}

/* One for each scheme: they differ in nothing but what the URL says. */
const struct leat_source_type lt_ldap_source = {
    .scheme = "ldap",
    .syntax = "ldap://HOST/BASE[?ATTRIBUTES[?SCOPE[?FILTER]]]",
    .summary = "Entries of a directory: a search (RFC 4516), or a crawl from the top of a tree down.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .last_read = true,
    .open = open_source,
    .read = read_source,
    .close = close_source,
};

const struct leat_source_type lt_ldaps_source = {
    .scheme = "ldaps",
    .syntax = "ldaps://HOST/BASE[?…]",
    .summary = "The same through TLS.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .last_read = true,
    .open = open_source,
    .read = read_source,
    .close = close_source,
};

const struct leat_source_type lt_ldapi_source = {
    .scheme = "ldapi",
    .syntax = "ldapi://SOCKET/BASE[?…]",
    .summary = "The same through a local socket, its slashes written as %2F.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .last_read = true,
    .open = open_source,
    .read = read_source,
    .close = close_source,
};
