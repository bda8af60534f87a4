/* SPDX-License-Identifier: MIT */
/**
 * /events: server-sent events. A stream that has sent all there is suspends its
 * connection, which then costs nothing until lt_streams_wake() resumes it. A slow
 * reader misses versions in between, never parts of one.
 */
#include "cli/status/library.h"
#include "cli/status/parts.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_STREAMS = 32, BLOCK = 4096 };

/* Under the mutex: the next event, if there is a new one. */
static bool take_event(struct lt_stream *stream) {
    struct lt_status *status = stream->status;
    if (stream->seen == status->version)
        return false;
    free(stream->event.text);
    stream->event = (struct lt_shown){0};
    stream->sent = 0;
    int length = asprintf(&stream->event.text, "data: %.*s\n\n", (int)status->json.size, status->json.text);
    if (length < 0) {
        stream->event.text = NULL;
        return false;
    }
    stream->event.size = (size_t)length;
    stream->seen = status->version;
    return true;
}

static ssize_t read_stream(void *argument, uint64_t position, char *room, size_t size) {
    struct lt_stream *stream = argument;
    struct lt_status *status = stream->status;
    (void)position;
    pthread_mutex_lock(&status->mutex);
    ssize_t taken = 0;
    if (stream->sent < stream->event.size || take_event(stream)) {
        size_t left = stream->event.size - stream->sent;
        taken = (ssize_t)(left < size ? left : size);
        memcpy(room, stream->event.text + stream->sent, (size_t)taken);
        stream->sent += (size_t)taken;
    } else if (status->ended) {
        taken = MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        stream->suspended = true;
        lt_libmicrohttpd->suspend_connection(stream->connection);
    }
    pthread_mutex_unlock(&status->mutex);
    return taken;
}

static void close_stream(void *argument) {
    struct lt_stream *stream = argument;
    struct lt_status *status = stream->status;
    pthread_mutex_lock(&status->mutex);
    struct lt_stream **link = &status->streams;
    while (*link != stream)
        link = &(*link)->next;
    *link = stream->next;
    status->stream_count--;
    pthread_cond_signal(&status->gone);
    pthread_mutex_unlock(&status->mutex);
    free(stream->event.text);
    free(stream);
}

void lt_streams_wake(struct lt_status *status) {
    for (struct lt_stream *stream = status->streams; stream; stream = stream->next) {
        if (!stream->suspended)
            continue;
        stream->suspended = false;
        lt_libmicrohttpd->resume_connection(stream->connection);
    }
}

static struct lt_stream *new_stream(struct lt_status *status, struct MHD_Connection *connection) {
    struct lt_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    stream->status = status;
    stream->connection = connection;
    pthread_mutex_lock(&status->mutex);
    bool room = status->stream_count < MOST_STREAMS && !status->ended;
    if (room) {
        stream->next = status->streams;
        status->streams = stream;
        status->stream_count++;
    }
    pthread_mutex_unlock(&status->mutex);
    if (room)
        return stream;
    free(stream);
    return NULL;
}

int lt_stream_open(struct lt_status *status, struct MHD_Connection *connection) {
    struct lt_stream *stream = new_stream(status, connection);
    if (!stream)
        return MHD_NO;
    struct MHD_Response *response =
        lt_libmicrohttpd->create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, stream, close_stream);
    if (!response) {
        close_stream(stream);
        return MHD_NO;
    }
    lt_libmicrohttpd->add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
    lt_libmicrohttpd->add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    int code = (int)lt_libmicrohttpd->queue_response(connection, MHD_HTTP_OK, response);
    lt_libmicrohttpd->destroy_response(response);
    return code;
}
