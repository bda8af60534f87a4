/* SPDX-License-Identifier: MIT */
/** libmicrohttpd, which is loaded for --http (base/library.h says why). */
#ifndef LEAT_CLI_STATUS_LIBRARY_H
#define LEAT_CLI_STATUS_LIBRARY_H

#include "leat-pipeline.h"

#include <microhttpd.h>

/* Each becomes a member of the table, and its name is looked up: one list, so that they cannot differ. */
#define LT_LIBMICROHTTPD(F)                                                                                            \
    F(add_response_header)                                                                                             \
    F(create_response_from_buffer)                                                                                     \
    F(create_response_from_callback)                                                                                   \
    F(destroy_response)                                                                                                \
    F(lookup_connection_value)                                                                                         \
    F(queue_response)                                                                                                  \
    F(resume_connection)                                                                                               \
    F(start_daemon)                                                                                                    \
    F(stop_daemon)                                                                                                     \
    F(suspend_connection)

struct lt_libmicrohttpd {
#define MEMBER(name) __typeof__(MHD_##name) *name;
    LT_LIBMICROHTTPD(MEMBER)
#undef MEMBER
};

/** Load it unless it is. 0 or what lt_library_load() says. */
int lt_libmicrohttpd_load(struct leat_error *error);

/** Its functions, NULL until it was loaded. */
extern const struct lt_libmicrohttpd *const lt_libmicrohttpd;

#endif
