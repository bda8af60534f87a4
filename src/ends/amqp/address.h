/* SPDX-License-Identifier: MIT */
/**
 * Where the server is and who asks: from "amqp(s)://user@host:port/vhost", from
 * $AMQP_URL, or from the file that $AMQP_URL_FILE names.
 *
 * A password comes from the environment or a file, never from the pipeline:
 * command lines can be read by everybody on the machine, and pipelines are shown
 * in messages. (The command line refuses such a word before anybody sees it.)
 */
#ifndef LEAT_ENDS_AMQP_ADDRESS_H
#define LEAT_ENDS_AMQP_ADDRESS_H

#include "leat-pipeline.h"

struct lt_amqp_address {
    bool tls;
    char *host, *port, *user, *password, *vhost;
    char place[320]; /**< "host:port" for messages */
};

/**
 * `url` is the segment's own address ("amqp://…" without what follows the
 * question mark), or NULL: the environment's. `tls`: also if the address does not
 * begin with amqps. `password_file` may be NULL.
 * 0, -EINVAL or -ENOMEM; an error's text has no secret in it.
 */
int lt_amqp_address_read(struct lt_amqp_address *address, const char *url, bool tls, const char *password_file,
                         struct leat_error *error);
void lt_amqp_address_free(struct lt_amqp_address *address);

#endif
