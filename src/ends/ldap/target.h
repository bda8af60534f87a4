/* SPDX-License-Identifier: MIT */
/**
 * What an LDAP URL (RFC 4516) asks for:
 *
 *     ldap://HOST[:PORT]/BASE?ATTRIBUTES?SCOPE?FILTER?EXTENSIONS
 *
 * Extensions: StartTLS, and bindname=DN (of the older RFC 2255). A critical one
 * ("!name") that is unknown is refused, as the RFC demands.
 */
#ifndef LEAT_ENDS_LDAP_TARGET_H
#define LEAT_ENDS_LDAP_TARGET_H

#include "leat-pipeline.h"

struct lt_ldap_target {
    struct ldap_url_desc *url; /* owns what the strings below point into, except for `server` */
    char *server;              /* "ldap://host:port" */
    const char *base, *filter;
    char **attributes; /* NULL: all user attributes */
    int scope;         /* LDAP_SCOPE_… */
    bool scope_given;
    bool start_tls;
    const char *bind_dn; /* NULL: none in the URL */
};

/** Loads libldap, so not in a task. 0, -EINVAL, -ENOMEM, or why it was not loaded; afterwards lt_ldap_target_free() in
 * any case. */
int lt_ldap_target_read(struct lt_ldap_target *target, const char *text, struct leat_error *error);
void lt_ldap_target_free(struct lt_ldap_target *target);

#endif
