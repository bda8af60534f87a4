/* SPDX-License-Identifier: MIT */
#include "ends/amqp/address.h"
#include "base/error.h"
#include "ends/query.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LONGEST = 4096 };

static int out_of_memory(struct leat_error *error) {
    return leat_fail(error, -ENOMEM, "out of memory");
}

/* The first line of a small file, with room to spare; NULL: error is filled. */
static char *read_secret(const char *path, struct leat_error *error) {
    char *text = calloc(1, LONGEST + 1);
    if (!text) {
        out_of_memory(error);
        return NULL;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, LONGEST);
    int code = errno;
    if (fd >= 0)
        close(fd);
    if (size < 0) {
        leat_fail(error, -EINVAL, "cannot read \"%s\": %s", path, strerrordesc_np(code));
        free(text);
        return NULL;
    }
    text[strcspn(text, "\r\n")] = '\0';
    return text;
}

static bool is_port(const char *text) {
    size_t length = strspn(text, "0123456789");
    return length >= 1 && length <= 5 && text[length] == '\0' && atoi(text) >= 1 && atoi(text) <= 65535;
}

/* "user:password@host:port/vhost", which is taken apart in place. */
static int split(struct lt_amqp_address *address, char *text, struct leat_error *error) {
    char *vhost = strchr(text, '/');
    if (vhost)
        *vhost++ = '\0';
    char *host = strrchr(text, '@'), *user = NULL, *password = NULL;
    if (host) {
        *host++ = '\0';
        user = text;
        password = strchr(user, ':');
        if (password)
            *password++ = '\0';
    } else {
        host = text;
    }
    char *port = NULL;
    if (*host == '[') {
        char *end = strchr(host, ']');
        if (!end || (end[1] && end[1] != ':'))
            return leat_fail(error, -EINVAL, "an IPv6 address is written in brackets");
        port = end[1] ? end + 2 : NULL;
        *end = '\0';
        host++;
    } else if ((port = strchr(host, ':'))) {
        *port++ = '\0';
    }
    if (port && *port && !is_port(port))
        return leat_fail(error, -EINVAL, "what follows the host's colon is no port number");
    char *parts[] = {user, password, vhost, host};
    bool decoded = true;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        decoded = decoded && (!parts[i] || lt_query_decode(parts[i]));
    if (!decoded)
        return leat_fail(error, -EINVAL, "a percent sign needs two hexadecimal digits after it");
    if (vhost && strlen(vhost) > 255)
        return leat_fail(error, -EINVAL, "the virtual host's name is longer than 255 bytes");
    address->host = strdup(*host ? host : "localhost");
    address->port = strdup(port && *port ? port : address->tls ? "5671" : "5672");
    address->vhost = strdup(vhost && *vhost ? vhost : "/");
    address->user = strdup(user && *user ? user : "guest");
    address->password = password ? strdup(password) : NULL;
    bool complete = address->host && address->port && address->vhost && address->user;
    return complete && (!password || address->password) ? 0 : out_of_memory(error);
}

/* A password's slash would make a host and a port of what stands before it, and they are shown. */
static int check_end(const char *text, struct leat_error *error) {
    if (strchr(text + strcspn(text, "/?#"), '@'))
        return leat_fail(error, -EINVAL,
                         "an @ stands behind a /, ? or #: in a name or password write /, ? and # as %%2F, %%3F, %%23, "
                         "and in a virtual host @ as %%40");
    if (strpbrk(text, "?#"))
        return leat_fail(error, -EINVAL,
                         "nothing may stand behind the virtual host; settings belong into the pipeline: "
                         "amqp:QUEUE?heartbeat=5s");
    return 0;
}

static int read_url(struct lt_amqp_address *address, char *url, const char *name, struct leat_error *error) {
    bool tls = strncmp(url, "amqps://", 8) == 0;
    if (!tls && strncmp(url, "amqp://", 7) != 0)
        return leat_fail(error, -EINVAL, "%s does not begin with amqp:// or amqps://", name);
    address->tls |= tls;
    char *text = url + (tls ? 8 : 7);
    int code = check_end(text, error);
    if (code == 0)
        code = split(address, text, error);
    if (code == -EINVAL)
        lt_error_prefix(error, "%s", name);
    return code;
}

static int read_password(struct lt_amqp_address *address, const char *password_file, struct leat_error *error) {
    const char *path = password_file ? password_file : getenv("AMQP_PASSWORD_FILE"), *value = getenv("AMQP_PASSWORD");
    if (address->password && !password_file)
        return 0;
    if (path && !*path && !password_file)
        path = NULL;
    free(address->password);
    if (path)
        address->password = read_secret(path, error);
    else
        address->password = strdup(value ? value : "guest");
    if (address->password)
        return 0;
    return path ? error->code : out_of_memory(error);
}

int lt_amqp_address_read(struct lt_amqp_address *address, const char *url, bool tls, const char *password_file,
                         struct leat_error *error) {
    *address = (struct lt_amqp_address){.tls = tls};
    const char *variable = getenv("AMQP_URL"), *path = getenv("AMQP_URL_FILE"), *name = "the address";
    char *text = NULL;
    if (url) {
        text = strdup(url);
    } else if (variable && *variable) {
        name = "$AMQP_URL";
        text = strdup(variable);
    } else if (path && *path) {
        name = "the file of $AMQP_URL_FILE";
        text = read_secret(path, error);
        if (!text)
            return error->code;
    } else {
        return leat_fail(error, -EINVAL,
                         "which server? Set AMQP_URL=amqp://user:password@host/vhost, or write "
                         "amqp://user@host/vhost?queue=NAME");
    }
    int code = text ? read_url(address, text, name, error) : out_of_memory(error);
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
    if (code == 0)
        code = read_password(address, password_file, error);
    if (code < 0)
        lt_amqp_address_free(address);
    else
        snprintf(address->place, sizeof address->place, "%s:%s", address->host, address->port);
    return code;
}

void lt_amqp_address_free(struct lt_amqp_address *address) {
    if (address->password)
        explicit_bzero(address->password, strlen(address->password));
    free(address->host);
    free(address->port);
    free(address->user);
    free(address->password);
    free(address->vhost);
    *address = (struct lt_amqp_address){0};
}
