/* SPDX-License-Identifier: MIT */
#include "base/library.h"
#include "base/error.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

struct loading {
    const char *soname;
    const struct lt_symbol *symbols;
    void *table;
    struct leat_error *error;
};

static int fail(const char *soname, struct leat_error *error) {
    return leat_fail(error, -ELIBACC, "%s cannot be loaded: %s", soname, dlerror());
}

static int load(const struct loading *loading) {
    /* All is resolved now: what a library lacks is an error here, not the end of the process later. */
    void *library = dlopen(loading->soname, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return fail(loading->soname, loading->error);
    for (const struct lt_symbol *symbol = loading->symbols; symbol->name; symbol++) {
        void *address = dlsym(library, symbol->name);
        if (!address)
            return fail(loading->soname, loading->error);
        memcpy((char *)loading->table + symbol->offset, &address, sizeof address);
    }
    return 0;
}

static void *load_in_thread(void *loading) {
    return load(loading) == 0 ? loading : NULL;
}

int lt_library_load(const char *soname, const struct lt_symbol *symbols, void *table, struct leat_error *error) {
    struct loading loading = {soname, symbols, table, error};
    pthread_t thread;
    void *loaded;
    int code = pthread_create(&thread, NULL, load_in_thread, &loading);
    if (code)
        return leat_fail(error, -code, "%s cannot be loaded: %s", soname, strerror(code));
    pthread_join(thread, &loaded);
    return loaded ? 0 : -ELIBACC;
}
