/* SPDX-License-Identifier: MIT */
/**
 * Shared libraries that are loaded when they are needed for the first time.
 *
 * An HTTP or LDAP client brings some twenty other libraries; linked, they would be
 * mapped and relocated at each start, whatever it is for. Each such library has a
 * table of its functions, of the types that its header declares, which is filled
 * once, by a pthread_once of its own; all calls go through it. The name is the
 * soname of what stood beside that header when leat was built (tools/soname).
 * A library that was loaded stays: nothing would be won by giving it back.
 *
 * Rejected: lazy binding, which maps all libraries all the same; a module of leat's
 * own for each, which has to be installed and found, and may be of another version.
 */
#ifndef LEAT_BASE_LIBRARY_H
#define LEAT_BASE_LIBRARY_H

#include "leat-pipeline.h"

#include <stddef.h>

/** What the library is to have, and where in the table its address belongs. */
struct lt_symbol {
    const char *name;
    size_t offset;
};

/** Takes some milliseconds of the calling thread. What libraries do while they are loaded is done by a thread of its
 * own: it has an ordinary stack, and is over, with all that they keep for each thread, before the process can end,
 * which threads of leat_block() need not be. `symbols` end with a NULL name. 0, -ELIBACC, or no thread can be had. */
int lt_library_load(const char *soname, const struct lt_symbol *symbols, void *table, struct leat_error *error);

#endif
