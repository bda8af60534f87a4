/* SPDX-License-Identifier: MIT */
#include "ends/ldap/target.h"
#include "base/error.h"
#include "ends/ldap/library.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define START_TLS_OID "1.3.6.1.4.1.1466.20037"

static const char *problem(int code) {
    switch (code) {
    case LDAP_URL_ERR_BADSCHEME:
        return "it does not begin with ldap://, ldaps:// or ldapi://";
    case LDAP_URL_ERR_BADHOST:
        return "its host or port is not valid";
    case LDAP_URL_ERR_BADATTRS:
        return "its list of attributes is not valid";
    case LDAP_URL_ERR_BADSCOPE:
        return "its scope is not one of base, one, sub and children";
    case LDAP_URL_ERR_BADFILTER:
        return "its filter is not valid";
    case LDAP_URL_ERR_BADEXTS:
        return "its extensions are not valid";
    default:
        return "it is no LDAP URL: ldap://HOST/BASE?ATTRIBUTES?SCOPE?FILTER";
    }
}

/* libldap says "base" for a scope that is not there. */
static bool has_scope(const char *text) {
    for (int field = 0; field < 2; field++) {
        text = strchr(text, '?');
        if (!text)
            return false;
        text++;
    }
    return *text && *text != '?';
}

static int read_extension(struct lt_ldap_target *target, const char *extension, struct leat_error *error) {
    bool critical = *extension == '!';
    extension += critical;
    if (strcasecmp(extension, "StartTLS") == 0 || strcmp(extension, START_TLS_OID) == 0)
        target->start_tls = true;
    else if (strncasecmp(extension, "bindname=", 9) == 0)
        target->bind_dn = extension + 9;
    else if (critical)
        return leat_fail(error, -EINVAL, "leat does not know the extension \"%s\", and it is marked critical",
                         extension);
    return 0;
}

int lt_ldap_target_read(struct lt_ldap_target *target, const char *text, struct leat_error *error) {
    *target = (struct lt_ldap_target){0};
    int code = lt_libldap_load(error);
    if (code)
        return code;
    code = lt_libldap->ldap_url_parse(text, &target->url);
    if (code == LDAP_URL_ERR_MEM)
        return leat_fail(error, -ENOMEM, "out of memory");
    if (code)
        return leat_fail(error, -EINVAL, "%s", problem(code));
    const LDAPURLDesc *url = target->url;
    target->base = url->lud_dn ? url->lud_dn : "";
    target->filter = url->lud_filter ? url->lud_filter : "(objectClass=*)";
    target->attributes = url->lud_attrs;
    target->scope = url->lud_scope;
    target->scope_given = has_scope(text);
    for (char **extension = url->lud_exts; extension && *extension; extension++)
        if (read_extension(target, *extension, error))
            return -EINVAL;
    LDAPURLDesc server = {
        .lud_scheme = url->lud_scheme,
        .lud_host = url->lud_host,
        .lud_port = url->lud_port,
        .lud_scope = LDAP_SCOPE_DEFAULT,
    };
    target->server = lt_libldap->ldap_url_desc2str(&server);
    return target->server ? 0 : leat_fail(error, -ENOMEM, "out of memory");
}

void lt_ldap_target_free(struct lt_ldap_target *target) {
    if (target->url)
        lt_libldap->ldap_free_urldesc(target->url);
    if (target->server)
        lt_libldap->ldap_memfree(target->server);
}
