/* SPDX-License-Identifier: MIT */
/** What the server says about what was published: confirmed, returned, refused, or nothing any more. */
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "ends/amqp/sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const leat_time LONGEST_PAUSE = 2 * LEAT_SECOND;

/* --------------------------------------------------------------- settling */
/* All under the mutex. */

static void release(struct lt_amqp_sink *sink, struct lt_amqp_held *held) {
    *held->back = held->later;
    if (held->later)
        held->later->back = held->back;
    sink->batches--;
    sink->settled_any = true;
    leat_batch_confirm(held->batch);
    free(held);
}

void lt_amqp_settle(struct lt_amqp_sink *sink, struct lt_amqp_held *held, struct leat_item *item) {
    if (item->fate == LEAT_LIVE)
        item->fate = LEAT_DELIVERED;
    /* A batch of which something is still to be published is still in that list. */
    if (--held->open == 0 && held->cursor == held->batch->count)
        release(sink, held);
}

static void confirm(struct lt_amqp_sink *sink, uint64_t number, bool multiple) {
    struct lt_amqp_letter letter;
    for (uint64_t from = 0; lt_amqp_window_settle(&sink->window, number, multiple, &from, &letter);) {
        sink->confirmed += !letter.returned;
        lt_amqp_settle(sink, letter.held, letter.item);
    }
    sink->pause = LT_AMQP_FIRST_PAUSE;
    lt_amqp_progress(&sink->link);
}

static void publish_again(struct lt_amqp_sink *sink, const struct lt_amqp_letter *letter) {
    size_t place = (sink->again_first + sink->again_count++) % sink->window.limit;
    sink->again[place] = *letter;
}

/* A returned message was refused as well: it does not matter any more. */
static void refuse(struct lt_amqp_sink *sink, uint64_t number, bool multiple, leat_time now) {
    struct lt_amqp_letter letter;
    for (uint64_t from = 0; lt_amqp_window_settle(&sink->window, number, multiple, &from, &letter);) {
        sink->refused++;
        if (!letter.refused)
            letter.refused = now;
        if (!letter.returned && now - letter.refused >= sink->settings.common.reconnect)
            leat_item_fail(letter.held->batch, letter.item, -EBUSY,
                           "%s refused it for %lld s (a full queue, or trouble of the server)",
                           sink->link.address.place, (long long)((now - letter.refused) / LEAT_SECOND));
        if (letter.item->fate == LEAT_LIVE)
            publish_again(sink, &letter);
        else
            lt_amqp_settle(sink, letter.held, letter.item);
    }
    if (sink->again_at <= now) {
        sink->again_at = now + sink->pause;
        sink->pause = sink->pause * 2 < LONGEST_PAUSE ? sink->pause * 2 : LONGEST_PAUSE;
    }
}

static bool is_letter(struct lt_amqp_letter *letter, struct leat_bytes body, uint32_t key) {
    struct leat_bytes sent;
    struct leat_error error;
    if (!letter || letter->returned || letter->key != key)
        return false;
    if (leat_item_render(letter->held->batch, letter->item, &sent, &error) < 0)
        return false;
    return sent.size == body.size && (body.size == 0 || memcmp(sent.data, body.data, body.size) == 0);
}

uint32_t lt_amqp_key_hash(struct leat_bytes key) {
    return (uint32_t)lt_hash(key.data, key.size);
}

static bool take_back(struct lt_amqp_sink *sink, const struct lt_amqp_method *method, struct leat_bytes body) {
    struct lt_amqp_window *window = &sink->window;
    uint64_t number = sink->last_returned + 1 > window->first ? sink->last_returned + 1 : window->first;
    uint32_t key = lt_amqp_key_hash(method->key);
    while (number < window->next && !is_letter(lt_amqp_window_find(window, number), body, key))
        number++;
    struct lt_amqp_letter *letter = lt_amqp_window_find(window, number);
    if (!letter)
        return false;
    sink->last_returned = number;
    sink->returned++;
    letter->returned = true;
    leat_item_fail(letter->held->batch, letter->item, -EHOSTUNREACH,
                   "the server returned it: %u %.*s (exchange \"%.*s\", routing key \"%.*s\")", method->code,
                   (int)method->text.size, method->text.data, (int)method->exchange.size, method->exchange.data,
                   (int)method->key.size, method->key.data);
    return true;
}

static void set_blocked(struct lt_amqp_sink *sink, bool blocked) {
    if (sink->blocked == blocked)
        return;
    leat_time now = lt_now();
    if (blocked)
        sink->blocked_since = now;
    else
        sink->blocked_time += now - sink->blocked_since;
    sink->blocked = blocked;
}

/* ------------------------------------------------------- the link's owner */

static int declare(struct lt_amqp_sink *sink, struct leat_error *error) {
    struct lt_amqp_link *link = &sink->link;
    if (*sink->exchange) {
        lt_amqp_put_exchange_check(&link->output, sink->exchange);
        return lt_amqp_call(link, LT_EXCHANGE_DECLARE_OK, error);
    }
    if (!*sink->target.queue)
        return 0;
    struct lt_amqp_queue queue = {sink->target.queue, sink->target.type, sink->settings.common.dead_letter};
    lt_amqp_put_queue_declare(&link->output, &queue);
    return lt_amqp_call(link, LT_QUEUE_DECLARE_OK, error);
}

static int setup(void *arg, struct leat_error *error) {
    struct lt_amqp_sink *sink = arg;
    int code = declare(sink, error);
    if (code < 0)
        return code;
    lt_amqp_put_confirm_select(&sink->link.output);
    code = lt_amqp_call(&sink->link, LT_CONFIRM_SELECT_OK, error);
    if (code < 0)
        return code;
    pthread_mutex_lock(&sink->mutex);
    lt_amqp_window_restart(&sink->window);
    sink->last_returned = 0;
    sink->again_at = 0;
    sink->up = true;
    pthread_mutex_unlock(&sink->mutex);
    return 0;
}

static int on_method(void *arg, const struct lt_amqp_method *method, struct leat_error *error) {
    struct lt_amqp_sink *sink = arg;
    int code = 0;
    pthread_mutex_lock(&sink->mutex);
    switch (method->id) {
    case LT_BASIC_ACK:
    case LT_BASIC_NACK: {
        uint64_t last = sink->window.next - 1, number = method->tag == 0 && method->multiple ? last : method->tag;
        if (number < 1 || number > last)
            code = leat_fail(error, -EPROTO, "the server broke the protocol: it confirmed message %llu of %llu",
                             (unsigned long long)method->tag, (unsigned long long)last);
        else if (method->id == LT_BASIC_ACK)
            confirm(sink, number, method->multiple);
        else
            refuse(sink, number, method->multiple, lt_now());
        break;
    }
    case LT_CONNECTION_BLOCKED:
        set_blocked(sink, true);
        break;
    case LT_CONNECTION_UNBLOCKED:
        set_blocked(sink, false);
        sink->wanted_room = 0;
        break;
    case LT_QUEUE_DECLARE_OK:
        sink->answers++;
        sink->left = method->messages;
        sink->settled_any = true;
        break;
    default:
        break;
    }
    pthread_mutex_unlock(&sink->mutex);
    return code;
}

/* The queue's name always leads to the queue, so that it is not this message's fault, and would be the next ones', too.
 * The next connection makes the queue again, or finds that it is missing; nothing of this one is settled. */
static int queue_is_gone(const struct lt_amqp_sink *sink, const struct lt_amqp_method *method,
                         struct leat_error *error) {
    return leat_fail(error, -ECONNRESET, "queue \"%s\" is gone: %s returned a message (%u)", sink->target.queue,
                     sink->link.address.place, method->code);
}

static int on_message(void *arg, const struct lt_amqp_method *method, struct lt_amqp_message *message,
                      struct leat_error *error) {
    struct lt_amqp_sink *sink = arg;
    if (method->id == LT_BASIC_RETURN && *sink->target.queue) {
        free(message);
        return queue_is_gone(sink, method, error);
    }
    pthread_mutex_lock(&sink->mutex);
    bool ours = method->id == LT_BASIC_RETURN && take_back(sink, method, lt_amqp_message_body(message));
    pthread_mutex_unlock(&sink->mutex);
    free(message);
    if (ours)
        return 0;
    return leat_fail(error, -EPROTO, "the server broke the protocol: it returned what was not published");
}

/* Whoever waits is woken once for all that one read brought. */
static void on_pause(void *arg) {
    struct lt_amqp_sink *sink = arg;
    pthread_mutex_lock(&sink->mutex);
    bool settled = sink->settled_any;
    bool work = lt_amqp_window_room(&sink->window) >= sink->wanted_room || sink->again_count;
    if (work)
        sink->wanted_room = sink->window.limit + 1;
    sink->settled_any = false;
    pthread_mutex_unlock(&sink->mutex);
    if (settled)
        lt_amqp_ring(&sink->settled);
    if (work)
        lt_amqp_ring(&sink->work);
}

static leat_time on_tick(void *arg, leat_time now) {
    (void)arg;
    (void)now;
    return LEAT_FOREVER;
}

/* What is not confirmed is published again, in the order of before, and before what was refused. */
static void on_lost(void *arg) {
    struct lt_amqp_sink *sink = arg;
    struct lt_amqp_letter letter;
    pthread_mutex_lock(&sink->mutex);
    size_t refused = sink->again_count;
    sink->up = false;
    set_blocked(sink, false);
    for (uint64_t from = 0; lt_amqp_window_settle(&sink->window, sink->window.next - 1, true, &from, &letter);) {
        if (letter.returned)
            lt_amqp_settle(sink, letter.held, letter.item);
        else
            publish_again(sink, &letter);
    }
    for (; refused > 0; refused--) {
        letter = sink->again[sink->again_first];
        sink->again_first = (sink->again_first + 1) % sink->window.limit;
        sink->again_count--;
        publish_again(sink, &letter);
    }
    sink->wanted_room = 0;
    pthread_mutex_unlock(&sink->mutex);
}

static void on_gave_up(void *arg, const struct leat_error *error) {
    struct lt_amqp_sink *sink = arg;
    pthread_mutex_lock(&sink->mutex);
    sink->over = true;
    sink->error = *error;
    for (struct lt_amqp_held *held = sink->all; held; held = held->later)
        leat_batch_abandon(held->batch, error);
    pthread_mutex_unlock(&sink->mutex);
    lt_amqp_ring(&sink->work);
    lt_amqp_ring(&sink->settled);
}

const struct lt_amqp_owner lt_amqp_sink_owner = {
    .setup = setup,
    .method = on_method,
    .message = on_message,
    .pause = on_pause,
    .tick = on_tick,
    .lost = on_lost,
    .gave_up = on_gave_up,
};
