/* SPDX-License-Identifier: MIT */
#include "ends/ldap/login.h"
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *variable(const char *name) {
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static int read_file(const char *path, char **password, struct leat_error *error) {
    FILE *file = fopen(path, "re");
    if (!file)
        return leat_fail(error, -errno, "LDAP_PASSWORD_FILE: %s: %s", path, strerror(errno));
    size_t room = 0;
    ssize_t length = getline(password, &room, file);
    int code = length < 0 && ferror(file) ? -EIO : 0;
    fclose(file);
    if (code || length < 0)
        return leat_fail(error, code ? code : -EINVAL, "LDAP_PASSWORD_FILE: %s: %s", path,
                         code ? "it cannot be read" : "it is empty");
    (*password)[strcspn(*password, "\r\n")] = '\0';
    return 0;
}

int lt_ldap_login_read(struct lt_ldap_login *login, const char *name, struct leat_error *error) {
    *login = (struct lt_ldap_login){.name = name ? name : variable("LDAP_BIND_DN")};
    const char *path = variable("LDAP_PASSWORD_FILE"), *password = variable("LDAP_PASSWORD");
    int code = path ? read_file(path, &login->password, error) : 0;
    if (code == 0 && !path && password && !(login->password = strdup(password)))
        code = leat_fail(error, -ENOMEM, "out of memory");
    bool named = login->name && *login->name;
    if (code == 0 && named && (!login->password || !*login->password))
        code = leat_fail(error, -EINVAL,
                         "there is no password for %s: it belongs into LDAP_PASSWORD or the file LDAP_PASSWORD_FILE",
                         login->name);
    if (code == 0 && !named && login->password)
        code = leat_fail(error, -EINVAL,
                         "there is a password and nobody to use it: who logs in belongs into "
                         "LDAP_BIND_DN or after --bind");
    if (!named)
        login->name = "";
    return code;
}

void lt_ldap_login_free(struct lt_ldap_login *login) {
    if (login->password)
        explicit_bzero(login->password, strlen(login->password));
    free(login->password);
}
