/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "base/number.h"
#include "base/os.h"
#include "cli/stats.h"
#include "cli/status/library.h"
#include "cli/status/parts.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MOST_CONNECTIONS = 128,
    MOST_MEMORY = 16 * 1024, /* of one connection */
    PATIENCE = 10,           /* seconds without a byte */
    FAREWELL = 500,          /* milliseconds for the streams' last event */
    HELD_ROOM = 16 * 1024,
    BACKLOG = 64,
};

/* ---------------------------------------------------------------- answers */

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned code, const char *type, char *text,
                              size_t size, enum MHD_ResponseMemoryMode mode) {
    struct MHD_Response *response = text ? lt_libmicrohttpd->create_response_from_buffer(size, text, mode) : NULL;
    if (!response)
        return MHD_NO;
    lt_libmicrohttpd->add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    lt_libmicrohttpd->add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    lt_libmicrohttpd->add_response_header(response, "X-Content-Type-Options", "nosniff");
    lt_libmicrohttpd->add_response_header(
        response, "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src "
        "'self'; img-src data:; frame-ancestors 'none'");
    if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
        lt_libmicrohttpd->add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = lt_libmicrohttpd->queue_response(connection, code, response);
    lt_libmicrohttpd->destroy_response(response);
    return result;
}

static const char plain[] = "text/plain; charset=utf-8";

static enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned code, const char *text) {
    return answer(connection, code, plain, (char *)text, strlen(text), MHD_RESPMEM_MUST_COPY);
}

static enum MHD_Result answer_page(struct lt_status *status, struct MHD_Connection *connection) {
    (void)status;
    return answer(connection, MHD_HTTP_OK, "text/html; charset=utf-8", (char *)lt_status_page.data, lt_status_page.size,
                  MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result answer_json(struct lt_status *status, struct MHD_Connection *connection) {
    pthread_mutex_lock(&status->mutex);
    enum MHD_Result result = answer(connection, MHD_HTTP_OK, "application/json", status->json.text, status->json.size,
                                    MHD_RESPMEM_MUST_COPY);
    pthread_mutex_unlock(&status->mutex);
    return result;
}

static enum MHD_Result answer_events(struct lt_status *status, struct MHD_Connection *connection) {
    if (lt_stream_open(status, connection) == MHD_YES)
        return MHD_YES;
    return answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "too many watch already\n");
}

static enum MHD_Result answer_metrics(struct lt_status *status, struct MHD_Connection *connection) {
    struct lt_snapshot *now = malloc(sizeof *now);
    struct lt_shown shown = {0};
    FILE *file = now ? open_memstream(&shown.text, &shown.size) : NULL;
    if (file) {
        pthread_mutex_lock(&status->mutex);
        struct lt_verdict verdict = status->verdict;
        pthread_mutex_unlock(&status->mutex);
        lt_pipeline_snapshot(status->pipeline, now);
        lt_status_metrics(file, now, &verdict);
        fclose(file);
    }
    free(now);
    return answer(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", shown.text, shown.size,
                  MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result answer_live(struct lt_status *status, struct MHD_Connection *connection) {
    (void)status;
    return answer_text(connection, MHD_HTTP_OK, "live\n");
}

static enum MHD_Result answer_ready(struct lt_status *status, struct MHD_Connection *connection) {
    struct lt_snapshot *now = malloc(sizeof *now);
    bool ready = false;
    if (now) {
        lt_pipeline_snapshot(status->pipeline, now);
        ready = now->flowing && !now->stopping;
    }
    free(now);
    return ready ? answer_text(connection, MHD_HTTP_OK, "ready\n")
                 : answer_text(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "not ready\n");
}

static enum MHD_Result answer_stuck(struct lt_status *status, struct MHD_Connection *connection) {
    char *text = malloc(HELD_ROOM);
    size_t size = text ? lt_pipeline_held(status->pipeline, text, HELD_ROOM) : 0;
    return answer(connection, MHD_HTTP_OK, plain, text, size, MHD_RESPMEM_MUST_FREE);
}

/* ---------------------------------------------------------------- requests */

static const struct {
    const char *path;
    enum MHD_Result (*answer)(struct lt_status *status, struct MHD_Connection *connection);
} routes[] = {
    {"/", answer_page},     {"/status.json", answer_json}, {"/events", answer_events}, {"/metrics", answer_metrics},
    {"/live", answer_live}, {"/ready", answer_ready},      {"/stuck", answer_stuck},
};

static enum MHD_Result control(struct lt_status *status, struct MHD_Connection *connection, const char *what) {
    char text[256];
    unsigned code = lt_status_control(status, connection, what, text, sizeof text);
    return answer_text(connection, code, text);
}

/* Called once with the headers and then with each part of a body, which nothing here has. */
static enum MHD_Result serve(void *argument, struct MHD_Connection *connection, const char *path, const char *method,
                             const char *version, const char *body, size_t *body_size, void **known) {
    static const char steering[] = "/control/";
    struct lt_status *status = argument;
    (void)version;
    (void)body;
    if (!*known) {
        *known = status;
        return MHD_YES;
    }
    if (*body_size)
        return MHD_NO;
    if (strcmp(method, MHD_HTTP_METHOD_POST) == 0 && strncmp(path, steering, sizeof steering - 1) == 0)
        return control(status, connection, path + sizeof steering - 1);
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return answer_text(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET or HEAD\n");
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (strcmp(path, routes[i].path) == 0)
            return routes[i].answer(status, connection);
    return answer_text(connection, MHD_HTTP_NOT_FOUND, "not found\n");
}

/* --------------------------------------------------------------- listening */

/* "HOST:PORT", "[V6]:PORT", ":PORT", "PORT" */
static int split(const char *address, char *host, size_t room, const char **port) {
    const char *colon = strrchr(address, ':');
    *port = colon ? colon + 1 : address;
    size_t size = colon ? (size_t)(colon - address) : 0;
    bool bracketed = size >= 2 && address[0] == '[' && address[size - 1] == ']';
    const char *begin = bracketed ? address + 1 : address;
    size -= bracketed ? 2 : 0;
    if (size >= room || !**port || (!bracketed && memchr(begin, ':', size)))
        return -EINVAL;
    snprintf(host, room, "%.*s", (int)size, size ? begin : "127.0.0.1");
    if (!size)
        snprintf(host, room, "127.0.0.1");
    return 0;
}

static int listen_on(const struct addrinfo *where) {
    int fd = socket(where->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, where->ai_addr, where->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int code = -errno;
    close(fd);
    return code;
}

static int open_socket(const char *address, struct leat_error *error) {
    char host[256];
    const char *port;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found;
    if (split(address, host, sizeof host, &port) < 0)
        return leat_fail(error, -EINVAL, "--http %s: write HOST:PORT, [V6]:PORT or PORT", address);
    /* getaddrinfo() would cut 70000 to 16 bits and listen at 4464. */
    if (!lt_number_is_port(port))
        return leat_fail(error, -EINVAL, "--http %s: \"%s\" is no port from 0 to 65535: write HOST:PORT or PORT",
                         address, port);
    int code = getaddrinfo(host, port, &hints, &found);
    if (code)
        return leat_fail(error, -EINVAL, "--http %s: %s", address, gai_strerror(code));
    int fd = listen_on(found);
    freeaddrinfo(found);
    return fd < 0 ? leat_fail(error, fd, "--http %s: %s", address, strerror(-fd)) : fd;
}

static void announce(const struct lt_status *status, int fd) {
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    char host[256], port[16], text[512];
    if (getsockname(fd, (struct sockaddr *)&name, &size) < 0 ||
        getnameinfo((struct sockaddr *)&name, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV))
        return;
    bool v6 = strchr(host, ':');
    int length = snprintf(text, sizeof text, "leat: watch at http://%s%s%s:%s/%s%s\n", v6 ? "[" : "", host,
                          v6 ? "]" : "", port, status->control ? "#" : "", status->control ? status->token : "");
    lt_report(STDERR_FILENO, text, (size_t)length);
}

/* Those that a browser leaves as they are behind a "#". */
static const char token_characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

static int make_token(struct lt_status *status, const struct lt_status_settings *settings, struct leat_error *error) {
    unsigned char random[16];
    status->control = settings->control;
    if (!settings->control)
        return 0;
    if (settings->token && *settings->token) {
        if (settings->token[strspn(settings->token, token_characters)])
            return leat_fail(error, -EINVAL,
                             "the token in $LEAT_CONTROL_TOKEN may have letters, digits, \"-\", \".\", \"_\" and "
                             "\"~\" only: it becomes a part of a link");
        if (strlen(settings->token) >= sizeof status->token)
            return leat_fail(error, -EINVAL, "the token of --control is longer than %zu", sizeof status->token - 1);
        strcpy(status->token, settings->token);
        return 0;
    }
    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        return leat_fail(error, -errno, "no random token for --control: %s", strerror(errno));
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(status->token + 2 * i, 3, "%02x", random[i]);
    return 0;
}

/* ---------------------------------------------------------------- lifecycle */

static void free_status(struct lt_status *status) {
    pthread_mutex_destroy(&status->mutex);
    pthread_cond_destroy(&status->gone);
    free(status->json.text);
    free(status);
}

static int start(struct lt_status *status, const struct lt_status_settings *settings, struct leat_error *error) {
    int code = lt_libmicrohttpd_load(error);
    if (code) {
        lt_error_prefix(error, "--http %s", settings->address);
        return code;
    }
    int fd = open_socket(settings->address, error);
    if (fd < 0)
        return fd;
    status->daemon = lt_libmicrohttpd->start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC, 0, NULL, NULL, serve, status,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)MOST_CONNECTIONS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MOST_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)PATIENCE,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (!status->daemon) {
        close(fd);
        return leat_fail(error, -EIO, "--http %s: the server does not start", settings->address);
    }
    announce(status, fd);
    return 0;
}

int lt_status_start(struct lt_status **started, const struct lt_status_settings *settings, struct lt_pipeline *pipeline,
                    struct leat_error *error) {
    static const struct lt_snapshot nothing;
    struct lt_status *status = calloc(1, sizeof *status);
    if (!status)
        return leat_fail(error, -ENOMEM, "--http: out of memory");
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&status->gone, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&status->mutex, NULL);
    status->pipeline = pipeline;
    int code = make_token(status, settings, error);
    if (code == 0) {
        struct lt_verdict verdict;
        lt_verdict(NULL, &nothing, lt_processors(), &verdict);
        lt_status_show(status, &nothing, &nothing, &verdict);
        code = start(status, settings, error);
    }
    if (code < 0)
        free_status(status);
    else
        *started = status;
    return code;
}

static void make_json(struct lt_status *status, const struct lt_snapshot *from, const struct lt_snapshot *to,
                      const struct lt_verdict *verdict, bool ended, struct lt_shown *shown) {
    FILE *file = open_memstream(&shown->text, &shown->size);
    if (!file)
        return;
    struct lt_failures failures;
    lt_pipeline_failures(status->pipeline, &failures);
    fputc('{', file);
    lt_stats_members(file, from, to, verdict);
    fprintf(file, ",\"ended\":%s,\"control\":%s", ended ? "true" : "false", status->control ? "true" : "false");
    lt_stats_failures(file, &failures);
    fputc('}', file);
    if (fclose(file) == 0)
        return;
    free(shown->text);
    *shown = (struct lt_shown){0};
}

static void show(struct lt_status *status, const struct lt_snapshot *from, const struct lt_snapshot *to,
                 const struct lt_verdict *verdict, bool ended) {
    struct lt_shown shown = {0};
    make_json(status, from, to, verdict, ended, &shown);
    pthread_mutex_lock(&status->mutex);
    if (shown.text) {
        free(status->json.text);
        status->json = shown;
        status->version++;
    }
    status->verdict = *verdict;
    status->ended = ended;
    lt_streams_wake(status);
    pthread_mutex_unlock(&status->mutex);
}

void lt_status_show(struct lt_status *status, const struct lt_snapshot *from, const struct lt_snapshot *to,
                    const struct lt_verdict *verdict) {
    show(status, from, to, verdict, false);
}

static void wait_for_streams(struct lt_status *status) {
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_nsec += FAREWELL * 1000000L;
    end.tv_sec += end.tv_nsec / 1000000000L;
    end.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&status->mutex);
    while (status->stream_count && pthread_cond_timedwait(&status->gone, &status->mutex, &end) == 0)
        continue;
    pthread_mutex_unlock(&status->mutex);
}

void lt_status_end(struct lt_status *status, const struct lt_snapshot *from, const struct lt_snapshot *to,
                   const struct lt_verdict *verdict) {
    if (!status)
        return;
    show(status, from, to, verdict, true);
    wait_for_streams(status);
    lt_libmicrohttpd->stop_daemon(status->daemon);
    free_status(status);
}
