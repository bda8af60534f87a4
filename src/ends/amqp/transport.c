/* SPDX-License-Identifier: MIT */
#include "ends/amqp/transport.h"
#include "base/error.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const leat_time LATER = 2 * LEAT_MILLISECOND;

void lt_amqp_transport_init(struct lt_amqp_transport *transport) {
    transport->fd = -1;
    transport->tls = NULL;
    pthread_mutex_init(&transport->mutex, NULL);
}

/* ------------------------------------------------------------------- TCP */

struct lookup {
    const struct lt_amqp_address *address;
    struct addrinfo *found;
};

static int look_up(void *arg) {
    struct lookup *lookup = arg;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    return getaddrinfo(lookup->address->host, lookup->address->port, &hints, &lookup->found);
}

static int connect_to(struct lt_amqp_transport *transport, const struct addrinfo *info, leat_time deadline) {
    int fd = socket(info->ai_family, info->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, info->ai_protocol);
    if (fd < 0)
        return -errno;
    int one = 1, code = 0;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(fd, info->ai_addr, info->ai_addrlen) < 0)
        code = -errno;
    if (code == -EINPROGRESS) {
        socklen_t size = sizeof code;
        int waited = leat_wait_fd_until(fd, LEAT_WRITABLE, deadline);
        code = waited < 0 ? waited : getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) < 0 ? -errno : -code;
    }
    if (code < 0) {
        leat_close_fd(fd);
        return code;
    }
    transport->fd = fd;
    return 0;
}

static int connect_any(struct lt_amqp_transport *transport, const struct lt_amqp_address *address, leat_time deadline,
                       struct leat_error *error) {
    struct lookup lookup = {.address = address};
    int code = leat_block(look_up, &lookup);
    if (code)
        return leat_fail(error, -EHOSTUNREACH, "cannot find host \"%s\": %s", address->host, gai_strerror(code));
    code = -EHOSTUNREACH;
    for (struct addrinfo *info = lookup.found; info && code < 0 && code != -ECANCELED; info = info->ai_next)
        code = connect_to(transport, info, deadline);
    freeaddrinfo(lookup.found);
    return code < 0 ? leat_fail(error, code, "cannot connect to %s: %s", address->place, strerrordesc_np(-code)) : 0;
}

/* ------------------------------------------------------------------- TLS */

static const char *tls_reason(void) {
    unsigned long code = ERR_peek_last_error(), first = ERR_peek_error();
    if (ERR_SYSTEM_ERROR(first))
        return strerrordesc_np(ERR_GET_REASON(first));
    if (ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER)
        return "what answers there does not speak TLS (amqps has a port of its own, mostly 5671)";
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    return reason ? reason : "the connection was closed";
}

SSL_CTX *lt_amqp_trust(const char *cacert, struct leat_error *error) {
    ERR_clear_error();
    SSL_CTX *trust = SSL_CTX_new(TLS_client_method());
    if (!trust) {
        leat_fail(error, -ENOMEM, "TLS: %s", tls_reason());
        return NULL;
    }
    SSL_CTX_set_min_proto_version(trust, TLS1_2_VERSION);
    SSL_CTX_set_mode(trust, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(trust, SSL_VERIFY_PEER, NULL);
    int loaded = cacert ? SSL_CTX_load_verify_file(trust, cacert) : SSL_CTX_set_default_verify_paths(trust);
    if (loaded == 1)
        return trust;
    leat_fail(error, -EINVAL, "cannot read certificates from \"%s\": %s", cacert ? cacert : "the system", tls_reason());
    SSL_CTX_free(trust);
    return NULL;
}

static bool is_number(const char *host) {
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *found;
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return false;
    freeaddrinfo(found);
    return true;
}

static bool expect_host(SSL *tls, const char *host) {
    if (is_number(host))
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls), host) == 1;
    return SSL_set1_host(tls, host) == 1 && SSL_set_tlsext_host_name(tls, host) == 1;
}

static int tls_failure(SSL *tls, const struct lt_amqp_address *address, struct leat_error *error) {
    long verdict = SSL_get_verify_result(tls);
    const char *why = verdict == X509_V_OK ? tls_reason() : X509_verify_cert_error_string(verdict);
    return leat_fail(error, -ECONNABORTED, "TLS with %s: %s", address->place, why);
}

static int shake_hands(struct lt_amqp_transport *transport, const struct lt_amqp_address *address, SSL_CTX *trust,
                       leat_time deadline, struct leat_error *error) {
    SSL *tls = transport->tls = SSL_new(trust);
    if (!tls || !expect_host(tls, address->host) || SSL_set_fd(tls, transport->fd) != 1)
        return leat_fail(error, -ENOMEM, "TLS with %s: out of memory", address->place);
    for (;;) {
        ERR_clear_error();
        int result = SSL_connect(tls);
        if (result == 1)
            return 0;
        int wants = SSL_get_error(tls, result);
        if (wants != SSL_ERROR_WANT_READ && wants != SSL_ERROR_WANT_WRITE)
            return tls_failure(tls, address, error);
        int events = wants == SSL_ERROR_WANT_READ ? LEAT_READABLE : LEAT_WRITABLE;
        int code = leat_wait_fd_until(transport->fd, events, deadline);
        if (code < 0)
            return leat_fail(error, code, "TLS with %s: %s", address->place, strerrordesc_np(-code));
    }
}

int lt_amqp_connect(struct lt_amqp_transport *transport, const struct lt_amqp_address *address, SSL_CTX *trust,
                    leat_time deadline, struct leat_error *error) {
    int code = connect_any(transport, address, deadline, error);
    if (code == 0 && trust)
        code = shake_hands(transport, address, trust, deadline, error);
    if (code < 0)
        lt_amqp_transport_close(transport);
    return code;
}

/* -------------------------------------------------------------- transfers */

static ptrdiff_t tls_result(SSL *tls, int result) {
    switch (SSL_get_error(tls, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    default:
        return -ECONNRESET;
    }
}

static int cut(size_t size) {
    return size < 1 << 30 ? (int)size : 1 << 30;
}

static ptrdiff_t tls_transfer(struct lt_amqp_transport *transport, void *in, const void *out, size_t size) {
    pthread_mutex_lock(&transport->mutex);
    ERR_clear_error();
    int result = in ? SSL_read(transport->tls, in, cut(size)) : SSL_write(transport->tls, out, cut(size));
    ptrdiff_t count = result > 0 ? result : tls_result(transport->tls, result);
    pthread_mutex_unlock(&transport->mutex);
    return count;
}

ptrdiff_t lt_amqp_receive(struct lt_amqp_transport *transport, void *data, size_t size) {
    if (transport->tls)
        return tls_transfer(transport, data, NULL, size);
    ptrdiff_t count = recv(transport->fd, data, size, 0);
    return count < 0 ? -errno : count;
}

ptrdiff_t lt_amqp_transmit(struct lt_amqp_transport *transport, const void *data, size_t size) {
    if (transport->tls)
        return tls_transfer(transport, NULL, data, size);
    ptrdiff_t count = send(transport->fd, data, size, MSG_NOSIGNAL);
    return count < 0 ? -errno : count;
}

int lt_amqp_wait(struct lt_amqp_transport *transport, int events, leat_time deadline) {
    if (transport->tls && events == LEAT_WRITABLE && leat_wait_fd_until(transport->fd, events, deadline) > 0)
        return leat_sleep(LATER);
    int code = leat_wait_fd_until(transport->fd, events, deadline);
    return code < 0 ? code : 0;
}

void lt_amqp_shut(struct lt_amqp_transport *transport) {
    shutdown(transport->fd, SHUT_RDWR);
}

void lt_amqp_transport_close(struct lt_amqp_transport *transport) {
    SSL_free(transport->tls);
    transport->tls = NULL;
    if (transport->fd >= 0)
        leat_close_fd(transport->fd);
    transport->fd = -1;
}
