/* SPDX-License-Identifier: MIT */
#include "ends/amqp/link.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/os.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const leat_time FIRST_DELAY = 50 * LEAT_MILLISECOND, LONGEST_DELAY = 5 * LEAT_SECOND, GOOD_BYE = 5 * LEAT_SECOND;
enum { KEPT_OUTPUT = 1 << 20 };

/* --------------------------------------------------------------- writing */

/* Under the mutex of writing. What could not be sent stays, in order. */
static int flush(struct lt_amqp_link *link, leat_time deadline) {
    struct lt_amqp_output *output = &link->output;
    size_t sent = 0;
    int code = output->broken ? -ENOMEM : 0;
    while (code == 0 && sent < output->size) {
        ptrdiff_t count = lt_amqp_transmit(&link->transport, output->data + sent, output->size - sent);
        if (count >= 0) {
            sent += (size_t)count;
            lt_store(&link->last_out, lt_now(), relaxed);
        } else {
            code = count != -EAGAIN ? (int)count : deadline == 0 ? -EAGAIN : 0;
            if (count == -EAGAIN && code == 0)
                code = lt_amqp_wait(&link->transport, LEAT_WRITABLE, deadline);
        }
    }
    output->size -= sent;
    if (output->size)
        memmove(output->data, output->data + sent, output->size);
    else if (output->room > KEPT_OUTPUT) {
        free(output->data);
        *output = (struct lt_amqp_output){0};
    }
    return code;
}

bool lt_amqp_begin(struct lt_amqp_link *link) {
    if (leat_lock(&link->writing) < 0)
        return false;
    if (link->ready)
        return true;
    leat_unlock(&link->writing);
    return false;
}

bool lt_amqp_begin_try(struct lt_amqp_link *link) {
    if (leat_lock_try(&link->writing) < 0)
        return false;
    if (link->ready)
        return true;
    leat_unlock(&link->writing);
    return false;
}

int lt_amqp_end(struct lt_amqp_link *link) {
    int code = flush(link, LEAT_FOREVER);
    if (code < 0 && code != -ECANCELED)
        lt_amqp_shut(&link->transport);
    leat_unlock(&link->writing);
    return code;
}

void lt_amqp_end_try(struct lt_amqp_link *link) {
    flush(link, 0);
    leat_unlock(&link->writing);
}

/* A heartbeat is nothing to wait for: when somebody writes, or the socket is full, the server hears of us or does not
 * want to. */
static void beat(struct lt_amqp_link *link) {
    if (!lt_amqp_begin_try(link))
        return;
    if (link->output.size == 0)
        lt_amqp_put_heartbeat(&link->output);
    lt_amqp_end_try(link);
}

/* --------------------------------------------------------------- reading */

/* A server's words go to a terminal: nothing but text may. */
static void describe(struct leat_bytes text, char *place, size_t room) {
    size_t size = text.size < room - 1 ? text.size : room - 1;
    memcpy(place, text.data, size);
    place[size] = '\0';
    lt_text_tame(place, size);
}

/* "NOT_FOUND - no queue 'q' in vhost '/'": it is not there. Other things are, and cannot be reached: their node is
 * down, or they have crashed. Only the text tells. */
static bool is_missing(struct leat_bytes text) {
    static const char missing[] = "NOT_FOUND - no ";
    size_t size = sizeof missing - 1;
    return text.size >= size && memcmp(text.data, missing, size) == 0;
}

static int closed_by_server(struct lt_amqp_link *link, const struct lt_amqp_method *method, struct leat_error *error) {
    enum { REFUSED = 403, NOT_FOUND = 404, LOCKED = 405, PRECONDITION = 406, NOT_ALLOWED = 530 };
    char why[256];
    describe(method->text, why, sizeof why);
    uint16_t code = method->code;
    link->permanent = code == REFUSED || code == LOCKED || code == PRECONDITION || code == NOT_ALLOWED ||
                      (code == NOT_FOUND && is_missing(method->text));
    link->refused = code == REFUSED && method->channel;
    return leat_fail(error, -ECONNRESET, "%s closed the %s: %u %s", link->address.place,
                     method->channel ? "channel" : "connection", code, why);
}

static int on_connection(struct lt_amqp_link *link, const struct lt_amqp_method *method, struct leat_error *error) {
    switch (method->id) {
    case LT_CONNECTION_CLOSE:
        return closed_by_server(link, method, error);
    case LT_CONNECTION_CLOSE_OK:
        return leat_fail(error, -ESHUTDOWN, "closed");
    case LT_CONNECTION_BLOCKED:
    case LT_CONNECTION_UNBLOCKED:
        return link->owner->method(link->arg, method, error);
    default:
        return 0;
    }
}

static int on_method(void *arg, const struct lt_amqp_method *method, struct leat_error *error) {
    struct lt_amqp_link *link = arg;
    if (method->id == link->awaited) {
        link->awaited = 0;
        link->replied = true;
        link->reply = *method;
        return 0;
    }
    if (method->channel == 0)
        return on_connection(link, method, error);
    if (method->id == LT_CHANNEL_CLOSE)
        return closed_by_server(link, method, error);
    if (method->id == LT_CHANNEL_FLOW)
        return leat_fail(error, -EPROTO, "%s asked for channel.flow, which RabbitMQ does not", link->address.place);
    return link->owner->method(link->arg, method, error);
}

static int on_message(void *arg, const struct lt_amqp_method *method, struct lt_amqp_message *message,
                      struct leat_error *error) {
    struct lt_amqp_link *link = arg;
    return link->owner->message(link->arg, method, message, error);
}

static const struct lt_amqp_handler handler = {.method = on_method, .message = on_message};

/* What there is to read. 1: there may be more; 0: not now. */
static int read_some(struct lt_amqp_link *link, struct leat_error *error) {
    size_t room;
    uint8_t *place = lt_amqp_reader_room(&link->reader, &room);
    ptrdiff_t count = lt_amqp_receive(&link->transport, place, room);
    if (count == -EAGAIN)
        return 0;
    if (count == 0)
        return leat_fail(error, -ECONNRESET, "%s closed the connection without a word", link->address.place);
    if (count < 0)
        return leat_fail(error, (int)count, "connection with %s: %s", link->address.place,
                         strerrordesc_np((int)-count));
    lt_store(&link->last_in, lt_now(), relaxed);
    int code = lt_amqp_reader_take(&link->reader, (size_t)count, error);
    if (code < 0)
        return code;
    return link->transport.tls || (size_t)count == room;
}

/* ----------------------------------------------------------------- login */

/* Send, then read until the reply is there. */
static int await(struct lt_amqp_link *link, uint32_t id, leat_time deadline, struct leat_error *error) {
    link->awaited = id;
    link->replied = false;
    int code = flush(link, deadline);
    while (code == 0 && !link->replied) {
        int more = read_some(link, error);
        if (more < 0)
            return more;
        if (more == 0 && !link->replied)
            code = lt_amqp_wait(&link->transport, LEAT_READABLE, deadline);
    }
    return code < 0 ? leat_fail(error, code, "%s does not answer: %s", link->address.place, strerrordesc_np(-code)) : 0;
}

int lt_amqp_call(struct lt_amqp_link *link, uint32_t id, struct leat_error *error) {
    return await(link, id, leat_after(link->settings.connect_timeout), error);
}

static int tune(struct lt_amqp_link *link, struct leat_error *error) {
    enum { USUAL_FRAME = 131072 };
    uint32_t frame = link->reply.frame_max ? link->reply.frame_max : USUAL_FRAME;
    if (frame > LT_AMQP_MOST_FRAME)
        frame = LT_AMQP_MOST_FRAME;
    if (frame < LT_AMQP_LEAST_FRAME)
        return leat_fail(error, -EPROTO, "%s asks for frames of %u bytes", link->address.place, frame);
    leat_time seconds = (link->settings.heartbeat + LEAT_SECOND - 1) / LEAT_SECOND;
    if (link->reply.heartbeat && link->reply.heartbeat < seconds)
        seconds = link->reply.heartbeat;
    if (seconds < 1 || seconds > UINT16_MAX)
        seconds = seconds < 1 ? 1 : UINT16_MAX;
    link->frame_max = frame;
    link->beat = seconds * LEAT_SECOND;
    lt_amqp_put_tune_ok(&link->output, link->reply.channel_max, frame, (uint16_t)seconds);
    return lt_amqp_reader_tune(&link->reader, frame);
}

static int log_in(struct lt_amqp_link *link, leat_time deadline, struct leat_error *error) {
    struct lt_amqp_address *address = &link->address;
    struct lt_amqp_login login = {address->user, address->password, address->vhost};
    lt_amqp_put_header(&link->output);
    int code = await(link, LT_CONNECTION_START, deadline, error);
    if (code < 0)
        return code;
    lt_amqp_put_start_ok(&link->output, &login);
    code = await(link, LT_CONNECTION_TUNE, deadline, error);
    if (code == 0)
        code = tune(link, error);
    if (code < 0)
        return code;
    lt_amqp_put_open(&link->output, address->vhost);
    code = await(link, LT_CONNECTION_OPEN_OK, deadline, error);
    if (code < 0)
        return code;
    lt_amqp_put_channel_open(&link->output);
    return await(link, LT_CHANNEL_OPEN_OK, deadline, error);
}

/* The mutex of writing is free, the link down. */
static void hang_up(struct lt_amqp_link *link) {
    if (link->transport.fd >= 0)
        lt_amqp_shut(&link->transport);
    while (leat_lock_until(&link->writing, LEAT_FOREVER) < 0)
        ;
    link->ready = false;
    lt_amqp_transport_close(&link->transport);
    link->output.size = 0;
    link->output.broken = false;
    leat_unlock(&link->writing);
}

static int hang_up_shielded(void *arg) {
    hang_up(arg);
    return 0;
}

static int establish(struct lt_amqp_link *link, struct leat_error *error) {
    leat_time deadline = leat_after(link->settings.connect_timeout);
    link->permanent = false;
    lt_amqp_reader_reset(&link->reader);
    int code = lt_amqp_connect(&link->transport, &link->address, link->trust, deadline, error);
    if (code == 0)
        code = log_in(link, deadline, error);
    if (code == 0)
        code = link->owner->setup(link->arg, error);
    if (code < 0) {
        leat_shield(hang_up_shielded, link);
        return code;
    }
    leat_time now = lt_now();
    lt_store(&link->last_in, now, relaxed);
    lt_store(&link->last_out, now, relaxed);
    link->permanent = false;
    code = leat_lock(&link->writing);
    if (code < 0)
        return code;
    link->ready = true;
    leat_unlock(&link->writing);
    return 0;
}

/* ---------------------------------------------------------------- serving */

static leat_time earlier(leat_time a, leat_time b) {
    return a < b ? a : b;
}

/* Until the connection is lost or closed. */
static int serve(struct lt_amqp_link *link, struct leat_error *error) {
    for (;;) {
        int more = read_some(link, error);
        if (more < 0)
            return more;
        link->owner->pause(link->arg);
        if (more > 0)
            continue;
        leat_time now = lt_now(), silent = now - lt_load(&link->last_in, relaxed);
        if (silent > 2 * link->beat)
            return leat_fail(error, -ETIMEDOUT, "nothing was heard of %s for %lld s", link->address.place,
                             (long long)(silent / LEAT_SECOND));
        if (now - lt_load(&link->last_out, relaxed) >= link->beat / 2)
            beat(link);
        leat_time next = earlier(now + link->beat / 2, link->owner->tick(link->arg, now));
        int code = lt_amqp_wait(&link->transport, LEAT_READABLE, next);
        if (code < 0 && code != -ETIMEDOUT)
            return leat_fail(error, code, "connection with %s: %s", link->address.place, strerrordesc_np(-code));
    }
}

static bool is_closing(struct lt_amqp_link *link) {
    pthread_mutex_lock(&link->mutex);
    bool closing = link->closing;
    pthread_mutex_unlock(&link->mutex);
    return closing || leat_cancelled() < 0;
}

/* Between half and all of it, so that many clients of one server do not come back at once. */
static leat_time jitter(leat_time delay, uint64_t seed) {
    return delay / 2 + (leat_time)(lt_hash_mix(seed) % (uint64_t)(delay / 2 + 1));
}

static int tell(void *text) {
    lt_report(STDERR_FILENO, text, strlen(text));
    return 0;
}

static void tell_loss(struct lt_amqp_link *link, const struct leat_error *error) {
    char text[sizeof error->text + 256];
    if (link->settings.quiet)
        return;
    snprintf(text, sizeof text, "leat: %s: %s; trying again for %lld s\n", link->settings.spelling, error->text,
             (long long)(link->settings.patience / LEAT_SECOND));
    leat_block(tell, text);
    link->told = true;
}

/* Once for each trouble: a server that ends every connection would have much to tell. */
static void tell_return(struct lt_amqp_link *link) {
    char text[256];
    if (!link->told)
        return;
    snprintf(text, sizeof text, "leat: %s: connected again\n", link->settings.spelling);
    leat_block(tell, text);
    link->told = false;
}

static bool reconnect(struct lt_amqp_link *link, struct leat_error *error) {
    leat_time since = lt_load(&link->trouble, relaxed);
    if (!since) {
        lt_store(&link->trouble, since = lt_now(), relaxed);
        link->delay = FIRST_DELAY;
        tell_loss(link, error);
    }
    for (;;) {
        leat_time left = link->settings.patience - (lt_now() - since);
        if (left <= 0) {
            struct leat_error last = *error;
            leat_fail(error, last.code, "%s (gave up after %lld s)", last.text,
                      (long long)(link->settings.patience / LEAT_SECOND));
            return false;
        }
        leat_sleep(earlier(jitter(link->delay, (uint64_t)lt_now()), left));
        link->delay = earlier(link->delay * 2, LONGEST_DELAY);
        if (is_closing(link))
            return false;
        if (establish(link, error) == 0) {
            lt_fetch_add(&link->reconnects, 1, relaxed);
            tell_return(link);
            return true;
        }
        if (link->permanent)
            return false;
    }
}

static void keep_up(struct lt_amqp_link *link) {
    struct leat_error error = {0};
    for (;;) {
        serve(link, &error);
        bool closing = is_closing(link);
        link->owner->lost(link->arg);
        leat_shield(hang_up_shielded, link);
        if (closing)
            return;
        if (link->refused || !reconnect(link, &error)) {
            if (!is_closing(link))
                link->owner->gave_up(link->arg, &error);
            return;
        }
    }
}

static void set_scope(struct lt_amqp_link *link, struct leat_scope *scope) {
    pthread_mutex_lock(&link->mutex);
    link->scope = scope;
    pthread_mutex_unlock(&link->mutex);
}

static int link_task(void *arg) {
    struct lt_amqp_link *link = arg;
    struct leat_scope *scope = leat_scope_open(&(struct leat_scope_options){.name = "amqp", .collect = true});
    if (!scope) {
        struct leat_error error;
        leat_fail(&error, -ENOMEM, "out of memory");
        link->owner->lost(link->arg);
        link->owner->gave_up(link->arg, &error);
        return 0;
    }
    set_scope(link, scope);
    keep_up(link);
    set_scope(link, NULL);
    leat_scope_close(scope);
    return 0;
}

/* -------------------------------------------------------- opening, closing */

void lt_amqp_link_init(struct lt_amqp_link *link) {
    *link = (struct lt_amqp_link){0};
    lt_amqp_transport_init(&link->transport);
    pthread_mutex_init(&link->mutex, NULL);
}

int lt_amqp_link_open(struct lt_amqp_link *link, const char *url, bool tls,
                      const struct lt_amqp_link_settings *settings, const struct lt_amqp_owner *owner, void *arg,
                      struct leat_error *error) {
    link->settings = *settings;
    link->owner = owner;
    link->arg = arg;
    int code = lt_amqp_address_read(&link->address, url, tls, settings->password_file, error);
    if (code < 0)
        return code;
    if (link->address.tls) {
        link->trust = lt_amqp_trust(settings->cacert, error);
        if (!link->trust)
            return error->code;
    }
    if (lt_amqp_reader_open(&link->reader, &handler, link) < 0)
        return leat_fail(error, -ENOMEM, "out of memory");
    code = establish(link, error);
    return code < 0 ? code : lt_amqp_helper_start(&link->task, link_task, link, "amqp", error);
}

static void set_closing(struct lt_amqp_link *link, bool at_once) {
    pthread_mutex_lock(&link->mutex);
    link->closing = true;
    if (at_once && link->scope)
        leat_scope_cancel(link->scope, -ECANCELED);
    pthread_mutex_unlock(&link->mutex);
}

void lt_amqp_link_abort(struct lt_amqp_link *link) {
    set_closing(link, true);
}

/* True when the server was told, and may answer. */
static bool announce_end(struct lt_amqp_link *link, leat_time deadline) {
    if (leat_lock_until(&link->writing, deadline) < 0)
        return false;
    bool told = link->ready;
    if (told) {
        lt_amqp_put_close(&link->output);
        told = flush(link, deadline) == 0;
    }
    leat_unlock(&link->writing);
    return told;
}

static int say_good_bye(void *arg) {
    struct lt_amqp_link *link = arg;
    leat_time deadline = leat_after(GOOD_BYE);
    set_closing(link, false);
    if (announce_end(link, deadline) && lt_amqp_helper_join(&link->task, deadline))
        return 0;
    set_closing(link, true);
    lt_amqp_helper_join(&link->task, LEAT_FOREVER);
    return 0;
}

void lt_amqp_link_close(struct lt_amqp_link *link) {
    if (link->task.running)
        leat_shield(say_good_bye, link);
    else if (link->transport.fd >= 0)
        leat_shield(hang_up_shielded, link);
    lt_amqp_reader_close(&link->reader);
    lt_amqp_address_free(&link->address);
    SSL_CTX_free(link->trust);
    free(link->output.data);
}
