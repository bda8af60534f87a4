/* SPDX-License-Identifier: MIT */
/**
 * A TCP connection, with TLS or without, for tasks: nothing here blocks a
 * thread, and every wait has an end.
 *
 * One task reads while another writes. OpenSSL's object is not made for that, so
 * a mutex is held around its calls, none of which waits. Where it wants the
 * other direction than the one asked for (a change of keys) the caller tries
 * again a little later: waiting for it would be waiting in the other task's place.
 */
#ifndef LEAT_ENDS_AMQP_TRANSPORT_H
#define LEAT_ENDS_AMQP_TRANSPORT_H

#include "ends/amqp/address.h"

#include <openssl/ssl.h>
#include <pthread.h>

struct lt_amqp_transport {
    int fd; /**< -1: closed */
    SSL *tls;
    pthread_mutex_t mutex; /* of tls */
};

/** The certificates to believe in: of `cacert`, or the system's. NULL: error is filled. */
SSL_CTX *lt_amqp_trust(const char *cacert, struct leat_error *error);

void lt_amqp_transport_init(struct lt_amqp_transport *transport);
/** `trust` NULL: without TLS. */
int lt_amqp_connect(struct lt_amqp_transport *transport, const struct lt_amqp_address *address, SSL_CTX *trust,
                    leat_time deadline, struct leat_error *error);
/** Bytes read; 0: the end; -EAGAIN: nothing now; another negative errno value. */
ptrdiff_t lt_amqp_receive(struct lt_amqp_transport *transport, void *data, size_t size);
/** Bytes written; -EAGAIN: none now. */
ptrdiff_t lt_amqp_transmit(struct lt_amqp_transport *transport, const void *data, size_t size);
/** Wait until reading, or writing, may be worth another try. */
int lt_amqp_wait(struct lt_amqp_transport *transport, int events, leat_time deadline);
/** Any task: end all transfers, so that those who wait come back. The descriptor stays. */
void lt_amqp_shut(struct lt_amqp_transport *transport);
void lt_amqp_transport_close(struct lt_amqp_transport *transport);

#endif
