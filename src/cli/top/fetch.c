/* SPDX-License-Identifier: MIT */
/* One GET of HTTP/1.0 for a page of our own, whose server answers at once and closes. */
#include "base/error.h"
#include "base/number.h"
#include "base/text.h"
#include "cli/top/top.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATIENCE = 5, MOST = 4 << 20, BLOCK = 1 << 16 };

struct place {
    char host[256], port[16];
};

/* "http://HOST:PORT/…", "HOST:PORT", "PORT"; what is missing is 127.0.0.1 and 9090. */
static int split(const char *url, struct place *place, struct leat_error *error) {
    const char *begin = strncmp(url, "http://", 7) == 0 ? url + 7 : url;
    size_t size = strcspn(begin, "/#?");
    const char *close = *begin == '[' ? memchr(begin, ']', size) : NULL;
    const char *colon = memrchr(close ? close : begin, ':', size - (size_t)(close ? close - begin : 0));
    bool bare = !colon && strspn(begin, "0123456789") == size && size > 0;
    const char *port = bare ? begin : colon ? colon + 1 : "9090";
    size_t host_size = bare ? 0 : colon ? (size_t)(colon - begin) : size;
    size_t port_size = colon || bare ? (size_t)(begin + size - port) : strlen(port);
    if (close) {
        begin++;
        host_size = (size_t)(close - begin);
    }
    if (host_size >= sizeof place->host || port_size >= sizeof place->port || !port_size ||
        strstr(url, "://") > url + 4)
        return leat_fail(error, -EINVAL, "%s: write http://HOST:PORT, HOST:PORT or PORT", url);
    snprintf(place->host, sizeof place->host, "%.*s", (int)host_size, begin);
    if (!host_size)
        strcpy(place->host, "127.0.0.1");
    snprintf(place->port, sizeof place->port, "%.*s", (int)port_size, port);
    if (!lt_number_is_port(place->port))
        return leat_fail(error, -EINVAL, "%s: \"%s\" is no port from 0 to 65535: write HOST:PORT or PORT", url,
                         place->port);
    return 0;
}

static int connect_to(const struct place *place, struct leat_error *error) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    int code = getaddrinfo(place->host, place->port, &hints, &found);
    if (code)
        return leat_fail(error, -EINVAL, "%s:%s: %s", place->host, place->port, gai_strerror(code));
    int fd = -1, reason = 0;
    for (struct addrinfo *where = found; where && fd < 0; where = where->ai_next) {
        fd = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct timeval patience = {.tv_sec = PATIENCE};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        if (fd >= 0 && connect(fd, where->ai_addr, where->ai_addrlen) == 0)
            break;
        reason = errno == EINPROGRESS ? ETIMEDOUT : errno; /* what connect() says when SO_SNDTIMEO is over */
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    if (fd >= 0)
        return fd;
    return leat_fail(error, -reason, "no run is watched at %s:%s: %s", place->host, place->port, strerror(reason));
}

/* All until the other side closes. 0 or a negative errno value. */
static int receive(int fd, struct lt_text *text) {
    for (;;) {
        if (text->size >= MOST)
            return -EMSGSIZE;
        char *room = lt_text_room(text, BLOCK);
        if (!room)
            return -ENOMEM;
        ssize_t got = recv(fd, room, BLOCK, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        room[got] = '\0';
        text->size += (size_t)got;
        if (got == 0)
            return text->size ? 0 : -ECONNRESET;
    }
}

static int exchange(int fd, const struct place *place, const char *path, struct lt_text *answer) {
    char request[512];
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, place->host);
    if (send(fd, request, (size_t)length, MSG_NOSIGNAL) < 0)
        return errno == EPIPE ? -ECONNRESET : -errno;
    return receive(fd, answer);
}

char *lt_top_fetch(const char *url, const char *path, struct leat_error *error) {
    struct place place;
    if (split(url, &place, error) < 0)
        return NULL;
    int fd = connect_to(&place, error);
    if (fd < 0)
        return NULL;
    struct lt_text answer = {0};
    int code = exchange(fd, &place, path, &answer);
    close(fd);
    char *text = answer.data, *body = code == 0 ? strstr(text, "\r\n\r\n") : NULL;
    if (body && strstr(text, " 200 ") && strstr(text, " 200 ") < strchr(text, '\r')) {
        memmove(text, body + 4, answer.size - (size_t)(body + 4 - text) + 1);
        return text;
    }
    free(text);
    if (code == -ETIMEDOUT)
        leat_fail(error, code, "%s:%s does not answer within %d s", place.host, place.port, PATIENCE);
    else if (code < 0)
        leat_fail(error, code, "%s:%s: %s", place.host, place.port, strerror(-code));
    else
        leat_fail(error, -EPROTO, "%s:%s does not answer as a run of leat does", place.host, place.port);
    return NULL;
}
