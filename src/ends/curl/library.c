/* SPDX-License-Identifier: MIT */
#include "ends/curl/library.h"
#include "base/library.h"

#include <pthread.h>

static struct lt_libcurl libcurl;
const struct lt_libcurl *const lt_libcurl = &libcurl;
static struct leat_error trouble; /* that there was with loading it */

static void load(void) {
    static const struct lt_symbol symbols[] = {
#define SYMBOL(name) {"curl_" #name, offsetof(struct lt_libcurl, name)},
        LT_LIBCURL(SYMBOL)
#undef SYMBOL
            {NULL, 0}};
    lt_library_load(LEAT_CURL_LIBRARY, symbols, &libcurl, &trouble);
}

int lt_libcurl_load(struct leat_error *error) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (trouble.code)
        *error = trouble;
    return trouble.code;
}
