/* SPDX-License-Identifier: MIT */
#include "ends/ldap/library.h"
#include "base/library.h"

#include <pthread.h>

static struct lt_libldap libldap;
const struct lt_libldap *const lt_libldap = &libldap;
static struct leat_error trouble; /* that there was with loading it */

static void load(void) {
    static const struct lt_symbol symbols[] = {
#define SYMBOL(name) {#name, offsetof(struct lt_libldap, name)},
        LT_LIBLDAP(SYMBOL)
#undef SYMBOL
            {NULL, 0}};
    lt_library_load(LEAT_LDAP_LIBRARY, symbols, &libldap, &trouble);
}

int lt_libldap_load(struct leat_error *error) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (trouble.code)
        *error = trouble;
    return trouble.code;
}
