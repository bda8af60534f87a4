/* SPDX-License-Identifier: MIT */
/**
 * Who to be at the server. The password comes from the environment or a file,
 * never from a command line, which everybody can read:
 *
 *     $LDAP_BIND_DN          the name, unless the command line has one
 *     $LDAP_PASSWORD_FILE    a file whose first line is the password
 *     $LDAP_PASSWORD         the password
 *
 * A name without a password, or the other way round, is an error: a server
 * would take it for an anonymous login and succeed.
 */
#ifndef LEAT_ENDS_LDAP_LOGIN_H
#define LEAT_ENDS_LDAP_LOGIN_H

#include "leat-pipeline.h"

struct lt_ldap_login {
    const char *name; /* "": anonymous */
    char *password;   /* NULL: none */
};

/** `name` NULL: from the environment. Blocks for the file. 0 or -EINVAL, -ENOMEM, or what the file's system calls said.
 */
int lt_ldap_login_read(struct lt_ldap_login *login, const char *name, struct leat_error *error);

/** Overwrites the password, then frees it. */
void lt_ldap_login_free(struct lt_ldap_login *login);

#endif
