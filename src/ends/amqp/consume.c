/* SPDX-License-Identifier: MIT */
/** What the server tells a consumer: deliveries, how much is ready, that it is gone. */
#include "base/clock.h"
#include "base/error.h"
#include "ends/amqp/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const leat_time DEPTH_EVERY = LEAT_SECOND;

/* ------------------------------------------------------- the link's owner */

static int setup(void *arg, struct leat_error *error) {
    struct lt_amqp_source *source = arg;
    struct lt_amqp_link *link = &source->link;
    struct lt_amqp_queue queue = {source->target.queue, source->target.type, source->settings.common.dead_letter};
    lt_amqp_put_queue_declare(&link->output, &queue);
    int code = lt_amqp_call(link, LT_QUEUE_DECLARE_OK, error);
    if (code < 0)
        return code;
    pthread_mutex_lock(&source->mutex);
    source->depth = link->reply.messages;
    source->generation = (source->generation + 1) & UINT16_MAX;
    source->up = true;
    source->consuming = source->wanted;
    source->farewell = LT_AMQP_CONSUMING;
    source->asked = source->spoiled = false;
    source->zeros = 0;
    lt_amqp_tags_reset(&source->tags);
    bool consume = source->consuming;
    pthread_mutex_unlock(&source->mutex);
    if (!consume)
        return 0;
    lt_amqp_put_qos(&link->output, (uint16_t)source->settings.prefetch);
    code = lt_amqp_call(link, LT_BASIC_QOS_OK, error);
    if (code < 0)
        return code;
    lt_amqp_put_consume(&link->output, source->target.queue, LT_AMQP_CONSUMER);
    return lt_amqp_call(link, LT_BASIC_CONSUME_OK, error);
}

static int on_message(void *arg, const struct lt_amqp_method *method, struct lt_amqp_message *message,
                      struct leat_error *error) {
    struct lt_amqp_source *source = arg;
    if (method->id != LT_BASIC_DELIVER) {
        free(message);
        return leat_fail(error, -EPROTO, "the server broke the protocol: it returned a message to a consumer");
    }
    pthread_mutex_lock(&source->mutex);
    int code = lt_amqp_tags_add(&source->tags, message->tag);
    if (code == 0) {
        message->tag |= source->generation << LT_AMQP_TAG_BITS;
        message->next = NULL;
        *source->last = message;
        source->last = &message->next;
        source->waiting++;
        source->depth -= source->depth > 0; /* until the next answer */
        source->redelivered += message->redelivered;
        source->zeros = 0;
        source->fresh = source->spoiled = true;
    }
    pthread_mutex_unlock(&source->mutex);
    if (code == 0)
        return 0;
    free(message);
    return leat_fail(error, code, "delivery tag %llu: %s", (unsigned long long)method->tag, strerrordesc_np(-code));
}

static int said_farewell(struct lt_amqp_source *source, enum lt_amqp_farewell answer) {
    pthread_mutex_lock(&source->mutex);
    source->farewell = answer;
    source->fresh = true;
    pthread_mutex_unlock(&source->mutex);
    return 0;
}

static int on_method(void *arg, const struct lt_amqp_method *method, struct leat_error *error) {
    struct lt_amqp_source *source = arg;
    if (method->id == LT_BASIC_CANCEL)
        return leat_fail(error, -ECONNRESET, "the server took queue \"%s\" away", source->target.queue);
    if (method->id == LT_BASIC_CANCEL_OK)
        return said_farewell(source, LT_AMQP_CANCELLED);
    if (method->id != LT_QUEUE_DECLARE_OK)
        return 0;
    pthread_mutex_lock(&source->mutex);
    if (source->farewell == LT_AMQP_CANCELLED)
        source->farewell = LT_AMQP_SETTLED;
    source->depth = method->messages;
    source->zeros = method->messages == 0 && !source->spoiled ? source->zeros + 1 : 0;
    source->next_question = source->zeros == 1 ? 0 : lt_now() + LT_AMQP_SOON;
    source->asked = source->spoiled = false;
    source->fresh = true;
    pthread_mutex_unlock(&source->mutex);
    return 0;
}

static void on_pause(void *arg) {
    struct lt_amqp_source *source = arg;
    pthread_mutex_lock(&source->mutex);
    bool fresh = source->fresh;
    source->fresh = false;
    pthread_mutex_unlock(&source->mutex);
    if (fresh)
        lt_amqp_ring(&source->bell);
}

/* The question goes out; nobody waits for the answer. The output is the caller's. */
void lt_amqp_put_question(struct lt_amqp_source *source) {
    struct lt_amqp_queue queue = {.name = source->target.queue};
    pthread_mutex_lock(&source->mutex);
    bool ask = source->up && !source->asked;
    if (ask) {
        source->asked = true;
        source->spoiled = false;
        source->next_question = lt_now() + DEPTH_EVERY;
    }
    pthread_mutex_unlock(&source->mutex);
    if (ask)
        lt_amqp_put_queue_declare(&source->link.output, &queue);
}

void lt_amqp_put_beginning(struct lt_amqp_source *source) {
    pthread_mutex_lock(&source->mutex);
    bool begin = source->up && !source->consuming;
    source->consuming |= begin;
    pthread_mutex_unlock(&source->mutex);
    if (!begin)
        return;
    lt_amqp_put_qos(&source->link.output, (uint16_t)source->settings.prefetch);
    lt_amqp_put_consume(&source->link.output, source->target.queue, LT_AMQP_CONSUMER);
}

static leat_time on_tick(void *arg, leat_time now) {
    struct lt_amqp_source *source = arg;
    pthread_mutex_lock(&source->mutex);
    leat_time due = source->next_question;
    bool ask = source->forever && !source->asked && now >= due;
    pthread_mutex_unlock(&source->mutex);
    if (ask && lt_amqp_begin_try(&source->link)) {
        lt_amqp_put_question(source);
        lt_amqp_end_try(&source->link);
    }
    return now + DEPTH_EVERY;
}

void lt_amqp_free_messages(void *arg) {
    for (struct lt_amqp_message *message = arg, *next; message; message = next) {
        next = message->next;
        free(message);
    }
}

void lt_amqp_forget_deliveries(void *arg) {
    struct lt_amqp_source *source = arg;
    pthread_mutex_lock(&source->mutex);
    struct lt_amqp_message *message = source->first;
    source->first = NULL;
    source->last = &source->first;
    source->waiting = 0;
    source->up = source->asked = source->consuming = false;
    source->zeros = 0;
    pthread_mutex_unlock(&source->mutex);
    lt_amqp_free_messages(message);
}

static void on_lost(void *arg) {
    struct lt_amqp_source *source = arg;
    lt_amqp_forget_deliveries(source);
    lt_amqp_ring(&source->bell); /* who waits for an answer waits in vain */
}

static void on_gave_up(void *arg, const struct leat_error *error) {
    struct lt_amqp_source *source = arg;
    pthread_mutex_lock(&source->mutex);
    source->over = true;
    source->error = *error;
    pthread_mutex_unlock(&source->mutex);
    lt_amqp_ring(&source->bell);
}

const struct lt_amqp_owner lt_amqp_source_owner = {
    .setup = setup,
    .method = on_method,
    .message = on_message,
    .pause = on_pause,
    .tick = on_tick,
    .lost = on_lost,
    .gave_up = on_gave_up,
};
