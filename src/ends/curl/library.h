/* SPDX-License-Identifier: MIT */
/** libcurl, which is loaded when an end that needs it is opened (base/library.h says why). */
#ifndef LEAT_ENDS_CURL_LIBRARY_H
#define LEAT_ENDS_CURL_LIBRARY_H

#include "leat-pipeline.h"

#include <curl/curl.h>

/* Each becomes a member of the table, and its name is looked up: one list, so that they cannot differ. */
#define LT_LIBCURL(F)                                                                                                  \
    F(easy_cleanup)                                                                                                    \
    F(easy_getinfo)                                                                                                    \
    F(easy_init)                                                                                                       \
    F(easy_setopt)                                                                                                     \
    F(easy_strerror)                                                                                                   \
    F(global_init)                                                                                                     \
    F(multi_add_handle)                                                                                                \
    F(multi_assign)                                                                                                    \
    F(multi_cleanup)                                                                                                   \
    F(multi_info_read)                                                                                                 \
    F(multi_init)                                                                                                      \
    F(multi_remove_handle)                                                                                             \
    F(multi_setopt)                                                                                                    \
    F(multi_socket_action)                                                                                             \
    F(slist_append)                                                                                                    \
    F(slist_free_all)                                                                                                  \
    F(url)                                                                                                             \
    F(url_cleanup)                                                                                                     \
    F(url_get)                                                                                                         \
    F(url_set)                                                                                                         \
    F(url_strerror)

struct lt_libcurl {
#define MEMBER(name) __typeof__(curl_##name) *name;
    LT_LIBCURL(MEMBER)
#undef MEMBER
};

/** Load it unless it is; a task does so in leat_block(). 0 or what lt_library_load() says. */
int lt_libcurl_load(struct leat_error *error);

/** Its functions, NULL until it was loaded. */
extern const struct lt_libcurl *const lt_libcurl;

#endif
