/* SPDX-License-Identifier: MIT */
/* One GET of HTTP/1.0 for a page of our own, whose server answers at once and closes. */
#include "base/error.h"
#include "cli/top/top.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATIENCE = 5, MOST = 4 << 20 };

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
        reason = errno;
        if (fd >= 0)
            close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    if (fd >= 0)
        return fd;
    return leat_fail(error, -reason, "no run is watched at %s:%s: %s", place->host, place->port, strerror(reason));
}

static char *receive(int fd, size_t *size) {
    size_t room = 1 << 16;
    char *text = malloc(room);
    *size = 0;
    while (text) {
        ssize_t got = recv(fd, text + *size, room - *size - 1, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        *size += (size_t)got;
        if (*size + 1 < room)
            continue;
        char *more = room < MOST ? realloc(text, room *= 2) : NULL;
        if (!more)
            break;
        text = more;
    }
    if (text)
        text[*size] = '\0';
    return text;
}

char *lt_top_fetch(const char *url, const char *path, struct leat_error *error) {
    struct place place;
    char request[512];
    if (split(url, &place, error) < 0)
        return NULL;
    int fd = connect_to(&place, error);
    if (fd < 0)
        return NULL;
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, place.host);
    size_t size = 0;
    bool sent = send(fd, request, (size_t)length, MSG_NOSIGNAL) == length;
    char *text = sent ? receive(fd, &size) : NULL;
    close(fd);
    char *body = text ? strstr(text, "\r\n\r\n") : NULL;
    if (!body || !strstr(text, " 200 ") || strstr(text, " 200 ") > strchr(text, '\r')) {
        leat_fail(error, -EPROTO, "%s:%s does not answer as a run of leat does", place.host, place.port);
        free(text);
        return NULL;
    }
    memmove(text, body + 4, size - (size_t)(body + 4 - text) + 1);
    return text;
}
