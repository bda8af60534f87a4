/* SPDX-License-Identifier: MIT */
/**
 * A connection to the server that is kept up: login, heartbeats, reading,
 * writing, and after a loss a new one, until the time for that is over.
 *
 * Who does what
 * - The opener's task makes the first connection; a failure there is final.
 * - From then on one task per link reads, notices silence, and reconnects. It
 *   calls the owner's functions, and never waits for anything but the server.
 * - Any task writes, between lt_amqp_begin() and lt_amqp_end(), one at a time.
 *   What is written in between leaves in as few system calls as the socket
 *   takes. A write waits as long as the server lives: the reading task sees to
 *   it that it comes back when the server does not.
 *
 * Invariants
 * - `ready` is true from the owner's setup to the loss, and changes only under
 *   the mutex of writing; so nothing of one connection is written to the next.
 * - The owner's lost() runs before another setup(), and nothing of the old
 *   connection is handed over after it.
 * - `trouble` is the moment of the first loss since the owner last got anywhere;
 *   so a server that takes connections and then always ends them is given up
 *   like one that takes none.
 *
 * Rejected: librabbitmq's connection. Its login and its sends block without a
 * deadline of ours, its TLS cannot be given several frames at once, and a
 * heartbeat that is due makes its publish wait for the server to say something.
 */
#ifndef LEAT_ENDS_AMQP_LINK_H
#define LEAT_ENDS_AMQP_LINK_H

#include "base/atomic.h"
#include "ends/amqp/helper.h"
#include "ends/amqp/reader.h"
#include "ends/amqp/transport.h"

struct lt_amqp_link_settings {
    const char *spelling; /* of the end, for what is said of losses */
    bool quiet;           /* nothing is said of them */
    const char *cacert, *password_file;
    leat_time connect_timeout, heartbeat, patience; /* patience: --reconnect */
};

struct lt_amqp_owner {
    /** The channel is open: make what is needed with lt_amqp_call(). */
    int (*setup)(void *arg, struct leat_error *error);
    int (*method)(void *arg, const struct lt_amqp_method *method, struct leat_error *error);
    int (*message)(void *arg, const struct lt_amqp_method *method, struct lt_amqp_message *message,
                   struct leat_error *error);
    /** All that one read brought has been handed over. */
    void (*pause)(void *arg);
    /** Something may be due. Returns when to be called again at the latest. */
    leat_time (*tick)(void *arg, leat_time now);
    void (*lost)(void *arg);
    /** The link is down for good; after lost(). */
    void (*gave_up)(void *arg, const struct leat_error *error);
};

struct lt_amqp_link {
    struct lt_amqp_link_settings settings;
    struct lt_amqp_address address;
    SSL_CTX *trust;
    const struct lt_amqp_owner *owner;
    void *arg;

    struct lt_amqp_transport transport;
    struct lt_amqp_reader reader;
    struct leat_mutex writing; /* of what follows */
    struct lt_amqp_output output;
    bool ready;

    uint32_t frame_max;
    leat_time beat; /* between heartbeats */
    _Atomic leat_time last_in, last_out, trouble;
    uint32_t awaited; /* the reply that a call waits for */
    bool replied, permanent;
    bool told;       /* of the loss, and not yet of its end */
    bool refused;    /* the last connection, because of what it was used for: the next one would be, too */
    leat_time delay; /* before the next attempt; grows until the owner gets anywhere */
    struct lt_amqp_method reply;

    pthread_mutex_t mutex;
    struct leat_scope *scope; /* of the task; under the mutex */
    bool closing;
    struct lt_amqp_helper task;
    _Atomic uint64_t reconnects;
};

/** Before anything else; then a close is always right. */
void lt_amqp_link_init(struct lt_amqp_link *link);
/** Connect, log in, set up, and start the task. `url` as lt_amqp_address_read() takes it. */
int lt_amqp_link_open(struct lt_amqp_link *link, const char *url, bool tls,
                      const struct lt_amqp_link_settings *settings, const struct lt_amqp_owner *owner, void *arg,
                      struct leat_error *error);
/** Say good-bye, wait for the answer (not for ever), free everything. Also after a failed open. */
void lt_amqp_link_close(struct lt_amqp_link *link);

/** In setup: send what is in the output and wait for the reply `id`. Texts of the reply are not kept. */
int lt_amqp_call(struct lt_amqp_link *link, uint32_t id, struct leat_error *error);

/** Let no more time pass: whoever reads or writes comes back. The link is to be closed next. */
void lt_amqp_link_abort(struct lt_amqp_link *link);

/** Add to link->output from here on. False: the link is down, or the caller cancelled; nothing is held. */
bool lt_amqp_begin(struct lt_amqp_link *link);
/** Send it. An error is the reading task's to deal with as well. */
int lt_amqp_end(struct lt_amqp_link *link);

/** For the link's own task, which must never wait for the socket: begin unless somebody else writes … */
bool lt_amqp_begin_try(struct lt_amqp_link *link);
/** … and send what the socket takes; the rest goes out with what comes next. */
void lt_amqp_end_try(struct lt_amqp_link *link);

/** Something arrived where it should: the link is worth its trouble. */
static inline void lt_amqp_progress(struct lt_amqp_link *link) {
    if (lt_load(&link->trouble, relaxed))
        lt_store(&link->trouble, 0, relaxed);
}

#endif
