/* SPDX-License-Identifier: MIT */
/** /control: what a person on the page may do. */
#include "cli/status/library.h"
#include "cli/status/parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* In a time that does not tell how much of it was right. */
static bool is_same(const char *left, const char *right) {
    size_t size = strlen(right);
    if (strlen(left) != size)
        return false;
    unsigned char difference = 0;
    for (size_t i = 0; i < size; i++)
        difference |= (unsigned char)(left[i] ^ right[i]);
    return difference == 0;
}

static bool is_allowed(const struct lt_status *status, struct MHD_Connection *connection) {
    static const char scheme[] = "Bearer ";
    const char *given =
        lt_libmicrohttpd->lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
    return given && strncmp(given, scheme, sizeof scheme - 1) == 0 && is_same(given + sizeof scheme - 1, status->token);
}

static bool number(struct MHD_Connection *connection, const char *name, double *value) {
    const char *text = lt_libmicrohttpd->lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
    char *end;
    if (!text || !*text)
        return false;
    *value = strtod(text, &end);
    return *end == '\0' && *value >= 0 && *value <= 1e12;
}

static unsigned say(char *answer, size_t room, unsigned code, const char *text) {
    snprintf(answer, room, "%s\n", text);
    return code;
}

static unsigned set_rate(struct lt_status *status, struct MHD_Connection *connection, char *answer, size_t room) {
    double rate;
    if (!number(connection, "value", &rate))
        return say(answer, room, MHD_HTTP_BAD_REQUEST, "rate?value=N, items a second; 0: no limit");
    if (lt_pipeline_limit(status->pipeline, rate) < 0)
        return say(answer, room, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
    return say(answer, room, MHD_HTTP_OK, "the rate is set");
}

static unsigned refuse_workers(struct lt_status *status, size_t stage, char *answer, size_t room) {
    struct lt_snapshot *now = malloc(sizeof *now);
    if (!now)
        return say(answer, room, MHD_HTTP_SERVICE_UNAVAILABLE, "out of memory");
    lt_pipeline_snapshot(status->pipeline, now);
    snprintf(answer, room, "stage %zu can have 1 to %u workers\n", stage, now->stages[stage].most_workers);
    free(now);
    return MHD_HTTP_BAD_REQUEST;
}

static unsigned set_workers(struct lt_status *status, struct MHD_Connection *connection, char *answer, size_t room) {
    double stage, workers;
    if (!number(connection, "stage", &stage) || !number(connection, "value", &workers) || workers > 1e6)
        return say(answer, room, MHD_HTTP_BAD_REQUEST, "workers?stage=I&value=N, with I from 1");
    switch (lt_pipeline_set_workers(status->pipeline, (size_t)stage, (unsigned)workers)) {
    case 0:
        return say(answer, room, MHD_HTTP_OK, "the number of workers is set");
    case -ERANGE:
        return refuse_workers(status, (size_t)stage, answer, room);
    default:
        return say(answer, room, MHD_HTTP_NOT_FOUND, "no stage with workers has this number");
    }
}

static unsigned act(struct lt_status *status, struct MHD_Connection *connection, const char *what, char *answer,
                    size_t room) {
    if (strcmp(what, "rate") == 0)
        return set_rate(status, connection, answer, room);
    if (strcmp(what, "workers") == 0)
        return set_workers(status, connection, answer, room);
    if (strcmp(what, "pause") == 0)
        lt_pipeline_pause(status->pipeline, true);
    else if (strcmp(what, "resume") == 0)
        lt_pipeline_pause(status->pipeline, false);
    else if (strcmp(what, "stop") == 0)
        lt_pipeline_stop(status->pipeline, LT_STOP_DRAIN);
    else if (strcmp(what, "drop") == 0)
        lt_pipeline_stop(status->pipeline, LT_STOP_DROP);
    else
        return say(answer, room, MHD_HTTP_NOT_FOUND, "pause, resume, stop, drop, rate or workers");
    return say(answer, room, MHD_HTTP_OK, "done");
}

unsigned lt_status_control(struct lt_status *status, struct MHD_Connection *connection, const char *what, char *answer,
                           size_t room) {
    if (!status->control)
        return say(answer, room, MHD_HTTP_FORBIDDEN, "this run was started without --control");
    if (!is_allowed(status, connection))
        return say(answer, room, MHD_HTTP_UNAUTHORIZED, "the token is missing or wrong");
    pthread_mutex_lock(&status->mutex);
    bool ended = status->ended;
    pthread_mutex_unlock(&status->mutex);
    if (ended)
        return say(answer, room, MHD_HTTP_CONFLICT, "the run has ended");
    return act(status, connection, what, answer, room);
}
