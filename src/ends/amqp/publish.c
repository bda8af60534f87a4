/* SPDX-License-Identifier: MIT */
/** Publishing: messages are made one after the other into the output until it is worth a system call. */
#include "base/clock.h"
#include "base/error.h"
#include "ends/amqp/key.h"
#include "ends/amqp/properties.h"
#include "ends/amqp/sink.h"

#include <errno.h>
#include <string.h>

enum { AT_ONCE = 128 * 1024, LARGEST_BODY = 128 << 20 };

/* ------------------------------------------------------------- publishing */
/* All under the mutex, within lt_amqp_begin() and lt_amqp_end(). */

static struct leat_bytes make_properties(struct lt_amqp_sink *sink, const struct leat_item *item) {
    struct lt_amqp_properties properties = {0};
    const struct leat_envelope *envelope = item->envelope;
    if (!envelope || envelope->form != lt_amqp_form || !lt_amqp_properties_read(&properties, envelope->bytes))
        properties = (struct lt_amqp_properties){0};
    if (item->value_count) {
        properties.content_type = lt_amqp_text("application/json");
        properties.flags = (properties.flags | LT_CONTENT_TYPE) & (uint16_t)~LT_CONTENT_ENCODING;
    }
    if (sink->settings.content_type) {
        properties.content_type = lt_amqp_text(sink->settings.content_type);
        properties.flags |= LT_CONTENT_TYPE;
    }
    properties.delivery_mode = sink->settings.transient ? 1 : 2;
    properties.flags |= LT_DELIVERY_MODE;
    sink->properties.size = 0;
    lt_amqp_properties_put(&sink->properties, &properties);
    return (struct leat_bytes){(const char *)sink->properties.data, sink->properties.size};
}

static int make(struct lt_amqp_sink *sink, struct leat_batch *batch, struct leat_item *item, char *place,
                struct lt_amqp_publication *publication, struct leat_error *error) {
    int code = leat_item_render(batch, item, &publication->body, error);
    if (code == 0 && publication->body.size > LARGEST_BODY)
        code = leat_fail(error, -EMSGSIZE, "a message of %zu bytes is too large; %d is the limit",
                         publication->body.size, LARGEST_BODY);
    publication->key = lt_amqp_text(sink->target.queue);
    if (code == 0 && sink->key)
        code = lt_amqp_key_make(sink->key, batch, item, place, &publication->key, error);
    if (code < 0)
        return code;
    publication->exchange = lt_amqp_text(sink->exchange);
    publication->mandatory = !sink->settings.optional;
    publication->properties = make_properties(sink, item);
    if (sink->properties.broken)
        return leat_fail(error, -ENOMEM, "out of memory");
    size_t most = lt_amqp_most_properties(sink->link.frame_max);
    if (publication->properties.size <= most)
        return 0;
    return leat_fail(error, -EMSGSIZE, "its properties take %zu bytes; a frame of this server has room for %zu",
                     publication->properties.size, most);
}

static void publish(struct lt_amqp_sink *sink, struct lt_amqp_letter *letter) {
    char place[LT_AMQP_LONGEST_KEY];
    struct lt_amqp_publication publication;
    struct leat_error error;
    struct lt_amqp_held *held = letter->held;
    int code = make(sink, held->batch, letter->item, place, &publication, &error);
    if (code < 0) {
        leat_item_fail(held->batch, letter->item, code, "%s", error.text);
        lt_amqp_settle(sink, held, letter->item);
        return;
    }
    letter->key = lt_amqp_key_hash(publication.key);
    lt_amqp_put_publication(&sink->link.output, &publication, sink->link.frame_max);
    lt_amqp_window_add(&sink->window, letter);
}

static void publish_one_again(struct lt_amqp_sink *sink) {
    struct lt_amqp_letter letter = sink->again[sink->again_first];
    sink->again_first = (sink->again_first + 1) % sink->window.limit;
    sink->again_count--;
    publish(sink, &letter);
}

/* The next item of the first batch in the list; a batch leaves the list before its last item is published. */
static void publish_next(struct lt_amqp_sink *sink) {
    struct lt_amqp_held *held = sink->unpublished;
    struct leat_batch *batch = held->batch;
    struct lt_amqp_letter letter = {.held = held};
    while (held->cursor < batch->count && batch->items[held->cursor].fate != LEAT_LIVE)
        held->cursor++;
    letter.item = &batch->items[held->cursor++];
    while (held->cursor < batch->count && batch->items[held->cursor].fate != LEAT_LIVE)
        held->cursor++;
    if (held->cursor == batch->count) {
        sink->unpublished = held->next;
        if (!held->next)
            sink->unpublished_end = &sink->unpublished;
    }
    sink->unpublished_items--;
    publish(sink, &letter);
}

static bool may_publish(const struct lt_amqp_sink *sink, leat_time now) {
    if (!sink->up || sink->blocked || sink->over || lt_amqp_window_room(&sink->window) == 0)
        return false;
    return sink->again_count ? now >= sink->again_at : sink->unpublished != NULL;
}

/* Fill the output. True: something is settled already, since it cannot be published, and nobody was told. */
static bool publish_some(struct lt_amqp_sink *sink) {
    leat_time now = lt_now();
    pthread_mutex_lock(&sink->mutex);
    while (sink->link.output.size < AT_ONCE && may_publish(sink, now)) {
        if (sink->again_count)
            publish_one_again(sink);
        else
            publish_next(sink);
    }
    bool settled = sink->settled_any;
    sink->settled_any = false;
    pthread_mutex_unlock(&sink->mutex);
    return settled;
}

/* True: there is something to publish now. */
static bool look_for_work(struct lt_amqp_sink *sink, leat_time *until, bool *end) {
    leat_time now = lt_now();
    pthread_mutex_lock(&sink->mutex);
    bool work = may_publish(sink, now);
    *end = sink->over || sink->closing;
    *until = sink->again_count && sink->up && !sink->blocked ? sink->again_at : LEAT_FOREVER;
    if (*until < now)
        *until = LEAT_FOREVER;
    /* With a full window, wait for a part of it: single messages would cost a system call each. */
    bool waits = !work && (sink->again_count || sink->unpublished);
    sink->wanted_room = waits ? sink->window.limit / 4 + 1 : sink->window.limit + 1;
    pthread_mutex_unlock(&sink->mutex);
    return work;
}

int lt_amqp_publisher(void *arg) {
    struct lt_amqp_sink *sink = arg;
    for (;;) {
        leat_time until;
        bool end;
        bool work = look_for_work(sink, &until, &end);
        if (end)
            return 0;
        if (work && lt_amqp_begin(&sink->link)) {
            if (publish_some(sink))
                lt_amqp_ring(&sink->settled);
            lt_amqp_end(&sink->link);
            continue;
        }
        int code = lt_amqp_listen(&sink->work, work ? leat_after(LT_AMQP_FIRST_PAUSE) : until);
        if (code < 0 && (code != -ETIMEDOUT || leat_cancelled() < 0))
            return 0;
    }
}
