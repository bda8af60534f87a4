/* SPDX-License-Identifier: MIT */
/**
 * Names of a directory that allows no search for everything: from one person down, those whose manager we know already,
 * with eight connections. Ends when nothing is left to do. example-crawl-directory ldap://HOST BASE-DN ROOT-DN
 */
#define _GNU_SOURCE 1 /* asprintf */
#include <errno.h>
#include <ldap.h>
#include <leat.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char **words; /* of the command line */

struct worker {
    LDAP *handle; /* NULL: not connected */
    char *filter;
    LDAPMessage *found;
};

static int search(void *arg) { /* libldap blocks a thread, so this gets one of its own */
    struct worker *worker = arg;
    char *attributes[] = {LDAP_NO_ATTRS, NULL};
    if (!worker->handle && ldap_initialize(&worker->handle, words[1]))
        return -EINVAL;
    if (!ldap_search_ext_s(worker->handle, words[2], LDAP_SCOPE_SUBTREE, worker->filter, attributes, 0, NULL, NULL,
                           &(struct timeval){.tv_sec = 10}, LDAP_NO_LIMIT, &worker->found))
        return 0;
    ldap_unbind_ext(worker->handle, NULL, NULL);
    worker->handle = NULL;
    return -EIO;
}

static int visit(struct leat_visit *visit) {
    struct worker *worker = visit->state;
    struct berval name = {visit->branch->size - 1, visit->branch->data}, value = {0};
    if (ldap_bv2escaped_filter_value(&name, &value) || asprintf(&worker->filter, "(manager=%s)", value.bv_val) < 0)
        return -ENOMEM;
    int error = leat_block(search, worker);
    LDAPMessage *entry = error ? NULL : ldap_first_entry(worker->handle, worker->found);
    for (; entry && error >= 0; entry = ldap_next_entry(worker->handle, entry)) {
        char *below = ldap_get_dn(worker->handle, entry);
        error = leat_crawl_add(visit, NULL, below, strlen(below) + 1);
        ldap_memfree(below);
    }
    ldap_memfree(value.bv_val);
    ldap_msgfree(worker->found);
    worker->found = NULL;
    free(worker->filter);
    return error < 0 ? error : puts(name.bv_val) < 0 ? -EIO : 0;
}

static int enter(void *arg, unsigned number, void **state) {
    (void)arg, (void)number;
    return (*state = calloc(1, sizeof(struct worker))) ? 0 : -ENOMEM;
}

static void leave(void *arg, void *state) {
    struct worker *worker = ((void)arg, state);
    if (worker->handle)
        ldap_unbind_ext(worker->handle, NULL, NULL);
    free(worker);
}

static int crawl(void *root) { /* who is found again is not asked again, but a server that went away is */
    struct leat_crawl_options options = {.visit = visit, .enter = enter, .leave = leave, .workers = 8, .unique = true};
    options.retries = 9;
    options.backoff = LEAT_SECOND / 10;
    return leat_crawl(&options, &(struct leat_bytes){root, strlen(root) + 1}, 1);
}

int main(int count, char **arguments) {
    words = arguments;
    signal(SIGPIPE, SIG_IGN); /* libldap writes to connections that may be gone */
    ldap_set_option(NULL, LDAP_OPT_PROTOCOL_VERSION, &(int){LDAP_VERSION3});
    return count == 4 && leat_run(crawl, words[3]) == 0 ? 0 : 1;
}
