/* SPDX-License-Identifier: MIT */
#include "stages/coproc/exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const leat_time LAST_BREATH = LEAT_SECOND / 2;

enum { PIPE = 256 * 1024, PIECE = 64 * 1024 };

int lt_stream_reserve(struct lt_stream *stream, size_t more) {
    if (stream->room - stream->size >= more)
        return 0;
    size_t room = (stream->size + more) * 2;
    char *data = realloc(stream->data, room);
    if (!data)
        return -ENOMEM;
    stream->data = data;
    stream->room = room;
    return 0;
}

int lt_partner_start(struct lt_partner *partner, struct leat_error *error) {
    int code = lt_child_start(&partner->child, partner->launch, error);
    if (code)
        return code;
    partner->alive = true;
    partner->loss = LT_LOST_NOT;
    /* Larger pipes mean fewer switches to and fro; without them it is slower and no more. */
    fcntl(partner->child.input, F_SETPIPE_SZ, PIPE);
    fcntl(partner->child.output, F_SETPIPE_SZ, PIPE);
    code = fcntl(partner->child.output, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
    lt_watch_next(&partner->watch);
    if (code == 0)
        code = lt_watch_child(&partner->watch, &partner->child, LT_CHILD_INPUT | LT_CHILD_OUTPUT | LT_CHILD_EXIT, true);
    if (code == 0)
        return 0;
    lt_child_end(&partner->child, true);
    partner->alive = false;
    return leat_fail(error, code, "cannot watch %s: %s", partner->launch->path, strerror(-code));
}

/* ------------------------------------------------------------------ ending */

static int wait_for_end(struct lt_partner *partner, leat_time until) {
    for (;;) {
        int events = lt_watch_wait(&partner->watch, until);
        if (events < 0 || events & LT_CHILD_EXIT)
            return events < 0 ? events : 0;
        if (leat_now() >= until)
            return -ETIMEDOUT;
    }
}

/* Ask it, then make it. */
static int end_by_force(void *argument) {
    struct lt_partner *partner = argument;
    lt_child_close(&partner->child.input);
    lt_child_signal(&partner->child, SIGTERM);
    wait_for_end(partner, leat_after(partner->patience));
    return 0;
}

static void lose(struct lt_partner *partner, enum lt_loss why) {
    if (!partner->alive)
        return;
    partner->patience = why == LT_LOST_STOP && partner->kill_after > LEAT_SECOND ? LEAT_SECOND : partner->kill_after;
    if (why != LT_LOST_ENDED)
        leat_shield(end_by_force, partner);
    partner->ending = lt_child_end(&partner->child, true);
    partner->loss = why;
    partner->alive = false;
}

static int end_in_peace(void *argument) {
    struct lt_partner *partner = argument;
    lt_child_close(&partner->child.input);
    return wait_for_end(partner, leat_after(partner->kill_after)) ? end_by_force(partner) : 0;
}

void lt_partner_end(struct lt_partner *partner) {
    if (!partner->alive)
        return;
    partner->patience = partner->kill_after;
    leat_shield(end_in_peace, partner);
    partner->ending = lt_child_end(&partner->child, true);
    partner->alive = false;
}

/* ---------------------------------------------------------------- talking */

/* What can be sent now. True: some was. */
static bool send_some(struct lt_partner *partner) {
    size_t before = partner->sent;
    while (partner->sent < partner->output.size) {
        ssize_t count =
            write(partner->child.input, partner->output.data + partner->sent, partner->output.size - partner->sent);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0) {
            partner->deaf = errno != EAGAIN;
            break;
        }
        partner->sent += (size_t)count;
    }
    return partner->sent > before;
}

/* What has come. 1: some; 0: nothing; -EPIPE: no more will; -ENOMEM. */
static int receive_some(struct lt_partner *partner) {
    struct lt_stream *input = &partner->input;
    if (lt_stream_reserve(input, PIECE))
        return -ENOMEM;
    ssize_t count;
    do
        count = read(partner->child.output, input->data + input->size, input->room - input->size);
    while (count < 0 && errno == EINTR);
    if (count < 0)
        return errno == EAGAIN ? 0 : -EPIPE;
    input->size += (size_t)count;
    return count ? 1 : -EPIPE;
}

/* The lines that are whole, `most` at most. */
static size_t cut(struct lt_partner *partner, size_t begin, size_t most, lt_answer *answer, void *argument,
                  size_t *end) {
    const struct lt_stream *input = &partner->input;
    size_t lines = 0;
    while (lines < most && partner->scanned < input->size) {
        const char *from = input->data + partner->scanned;
        const char *newline = memchr(from, '\n', input->size - partner->scanned);
        if (!newline) {
            partner->scanned = input->size;
            break;
        }
        size_t at = (size_t)(newline - input->data);
        answer(argument, begin, at - begin);
        begin = partner->scanned = at + 1;
        lines++;
    }
    *end = begin;
    return lines;
}

/* Something it wrote since the last exchange: it answers more than it was asked. */
static bool speaks_unasked(struct lt_partner *partner) {
    partner->input.size = partner->scanned = 0;
    return receive_some(partner) == 1;
}

ptrdiff_t lt_partner_exchange(struct lt_partner *partner, size_t count, lt_answer *answer, void *argument) {
    size_t answered = 0, begin = 0;
    leat_time last = leat_now();
    partner->sent = 0;
    partner->deaf = false;
    if (speaks_unasked(partner)) {
        lose(partner, LT_LOST_SPEECH);
        return 0;
    }
    bool ended = false;
    while (answered < count) {
        bool moved = send_some(partner);
        int came = receive_some(partner);
        size_t lines = came > 0 ? cut(partner, begin, count - answered, answer, argument, &begin) : 0;
        answered += lines;
        if (lines)
            last = leat_now();
        if (came == -ENOMEM || partner->input.size - begin > partner->longest) {
            lose(partner, LT_LOST_LENGTH);
            return came == -ENOMEM ? came : (ptrdiff_t)answered;
        }
        if (moved || came > 0)
            continue;
        /* Who has closed an end will not answer everything; mostly it is about to end. */
        if ((came == -EPIPE || partner->deaf) && !ended) {
            wait_for_end(partner, leat_after(LAST_BREATH));
            ended = true;
        }
        if (ended || leat_now() - last >= partner->timeout) {
            lose(partner, ended ? LT_LOST_ENDED : LT_LOST_TIME);
            return (ptrdiff_t)answered;
        }
        int events = lt_watch_wait(&partner->watch, last + partner->timeout);
        if (events < 0) {
            lose(partner, LT_LOST_STOP);
            return events;
        }
        ended = events & LT_CHILD_EXIT;
    }
    if (begin < partner->input.size)
        lose(partner, LT_LOST_SPEECH);
    return (ptrdiff_t)answered;
}
