/* SPDX-License-Identifier: MIT */
/**
 * What the source and the sink have in common: the settings, the address in the
 * target, and a bell for one task that waits.
 */
#ifndef LEAT_ENDS_AMQP_AMQP_H
#define LEAT_ENDS_AMQP_AMQP_H

#include "ends/amqp/link.h"

#include <errno.h>

struct lt_amqp_common {
    const char *queue, *declare, *dead_letter, *cacert, *password_file;
    leat_time reconnect, heartbeat, connect_timeout;
};

/** Rows of both option tables; the settings begin with a struct lt_amqp_common. A macro, because C has no other way to
 * share rows. */
#define LT_AMQP_COMMON_OPTIONS                                                                                         \
    {"queue",                                                                                                          \
     0,                                                                                                                \
     LEAT_OPTION_STRING,                                                                                               \
     offsetof(struct lt_amqp_common, queue),                                                                           \
     "NAME",                                                                                                           \
     NULL,                                                                                                             \
     "The queue, when the address is written out. Otherwise the server is that of $AMQP_URL, or of the file that "     \
     "$AMQP_URL_FILE names: amqp://user:password@host/vhost"},                                                         \
        {"declare",                                                                                                    \
         0,                                                                                                            \
         LEAT_OPTION_STRING,                                                                                           \
         offsetof(struct lt_amqp_common, declare),                                                                     \
         "TYPE",                                                                                                       \
         NULL,                                                                                                         \
         "Make the queue, durable, if it is not there: quorum or classic; without this it must exist."},               \
        {"dead-letter",                                                                                                \
         0,                                                                                                            \
         LEAT_OPTION_STRING,                                                                                           \
         offsetof(struct lt_amqp_common, dead_letter),                                                                 \
         "EXCHANGE",                                                                                                   \
         NULL,                                                                                                         \
         "With --declare: where the queue sends what is rejected."},                                                   \
        {"reconnect",                                                                                                  \
         0,                                                                                                            \
         LEAT_OPTION_DURATION,                                                                                         \
         offsetof(struct lt_amqp_common, reconnect),                                                                   \
         "TIME",                                                                                                       \
         "1m",                                                                                                         \
         "How long to try again when the server is away or refuses."},                                                 \
        {"heartbeat",                                                                                                  \
         0,                                                                                                            \
         LEAT_OPTION_DURATION,                                                                                         \
         offsetof(struct lt_amqp_common, heartbeat),                                                                   \
         "TIME",                                                                                                       \
         "20s",                                                                                                        \
         "Between signs of life; a server that is silent for twice as long is given up."},                             \
        {"connect-timeout",                                                                                            \
         0,                                                                                                            \
         LEAT_OPTION_DURATION,                                                                                         \
         offsetof(struct lt_amqp_common, connect_timeout),                                                             \
         "TIME",                                                                                                       \
         "10s",                                                                                                        \
         "For one connection with login and declarations."},                                                           \
        {"cacert",                                                                                                     \
         0,                                                                                                            \
         LEAT_OPTION_STRING,                                                                                           \
         offsetof(struct lt_amqp_common, cacert),                                                                      \
         "FILE",                                                                                                       \
         NULL,                                                                                                         \
         "With amqps: the certificates to believe in; without this the system's."},                                    \
    {                                                                                                                  \
        "password-file", 0, LEAT_OPTION_STRING, offsetof(struct lt_amqp_common, password_file), "FILE", NULL,          \
            "The password, instead of that of $AMQP_URL, of the file that $AMQP_PASSWORD_FILE names, or "              \
            "$AMQP_PASSWORD."                                                                                          \
    }

/** The target: settings with its query applied, the queue's name, the address. Strings live until free(*path). */
struct lt_amqp_target {
    char *path; /**< owner of the strings */
    char *url;  /**< NULL: the environment's */
    bool tls;
    const char *queue; /**< "": none */
    enum lt_amqp_queue_type type;
};

int lt_amqp_target_read(struct lt_amqp_target *target, const struct leat_segment *segment,
                        const struct leat_option *options, void *settings, size_t size, struct leat_error *error);
void lt_amqp_target_free(struct lt_amqp_target *target);
struct lt_amqp_link_settings lt_amqp_link_settings(const struct lt_amqp_common *common,
                                                   const struct leat_segment *segment);

/** Wakes one waiting task; rings again and again count once. */
struct lt_amqp_bell {
    struct leat_chan *chan;
};

static inline int lt_amqp_bell_open(struct lt_amqp_bell *bell) {
    bell->chan = leat_chan_new(0, 1);
    return bell->chan ? 0 : -ENOMEM;
}

static inline void lt_amqp_ring(struct lt_amqp_bell *bell) {
    leat_send_try(bell->chan, NULL);
}

/** 0, -ETIMEDOUT or -ECANCELED. */
static inline int lt_amqp_listen(struct lt_amqp_bell *bell, leat_time deadline) {
    return leat_recv_until(bell->chan, NULL, deadline);
}

#endif
