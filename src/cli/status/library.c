/* SPDX-License-Identifier: MIT */
#include "cli/status/library.h"
#include "base/library.h"

#include <pthread.h>

static struct lt_libmicrohttpd libmicrohttpd;
const struct lt_libmicrohttpd *const lt_libmicrohttpd = &libmicrohttpd;
static struct leat_error trouble; /* that there was with loading it */

static void load(void) {
    static const struct lt_symbol symbols[] = {
#define SYMBOL(name) {"MHD_" #name, offsetof(struct lt_libmicrohttpd, name)},
        LT_LIBMICROHTTPD(SYMBOL)
#undef SYMBOL
            {NULL, 0}};
    lt_library_load(LEAT_MICROHTTPD_LIBRARY, symbols, &libmicrohttpd, &trouble);
}

int lt_libmicrohttpd_load(struct leat_error *error) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (trouble.code)
        *error = trouble;
    return trouble.code;
}
