/* SPDX-License-Identifier: MIT */
#include "base/library.h"
#include "base/error.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

static int fail(const char *soname, struct leat_error *error) {
    return leat_fail(error, -ELIBACC, "%s cannot be loaded: %s", soname, dlerror());
}

int lt_library_load(const char *soname, const struct lt_symbol *symbols, void *table, struct leat_error *error) {
    /* All is resolved now: what a library lacks is an error here, not the end of the process later. */
    void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return fail(soname, error);
    for (const struct lt_symbol *symbol = symbols; symbol->name; symbol++) {
        void *address = dlsym(library, symbol->name);
        if (!address)
            return fail(soname, error);
        memcpy((char *)table + symbol->offset, &address, sizeof address);
    }
    return 0;
}
