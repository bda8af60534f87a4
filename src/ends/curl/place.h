/* SPDX-License-Identifier: MIT */
/** The address of a server, taken apart: where it is, who logs in there, and whether it is this machine. */
#ifndef LEAT_ENDS_CURL_PLACE_H
#define LEAT_ENDS_CURL_PLACE_H

#include "leat-pipeline.h"

struct lt_place {
    char *url;             /**< without user and password, and without slashes at its end */
    char *user, *password; /**< decoded; NULL: none */
    bool tls;              /**< the scheme is one of TLS from the first byte on: https, smtps */
    bool local;            /**< this machine: what goes there cannot be overheard */
};

/** Loads libcurl, so not in a task. `schemes`: "http" or "smtp", each with or without an s. `name` is what errors call
 * the address. 0, -EINVAL, -ENOMEM, or why it was not loaded. */
int lt_place_read(struct lt_place *place, const char *text, const char *scheme, const char *name,
                  struct leat_error *error);
void lt_place_free(struct lt_place *place);

#endif
