/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "ends/amqp/properties.h"
#include "ends/amqp/source.h"
#include "ends/ends.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const leat_time PATIENCE = LEAT_SECOND;

static const struct leat_option options[] = {
    {"prefetch", 0, LEAT_OPTION_COUNT, offsetof(struct lt_amqp_source_settings, prefetch), "N", "1000",
     "Messages to hold that are not finished, at most 65535; fewer leave more to other consumers."},
    {"max-deliveries", 0, LEAT_OPTION_COUNT, offsetof(struct lt_amqp_source_settings, max_deliveries), "N", NULL,
     "Set aside what was given out more than N times; only quorum queues count beyond 2. All that was held counts, "
     "also "
     "what a stop gave back: take a small --prefetch with it."},
    LT_AMQP_COMMON_OPTIONS,
    {NULL},
};

/* ---------------------------------------------------------------- reading */

/* As many as the batch takes, off the list. Under the mutex. */
static struct lt_amqp_message *take_messages(struct lt_amqp_source *source, struct leat_batch *batch) {
    struct lt_amqp_message *taken = source->first, *message = taken, *end = NULL;
    size_t count = 0, bytes = 0;
    for (; message && count < batch->item_limit && (count == 0 || bytes < batch->byte_limit); count++) {
        bytes += message->body_size;
        end = message;
        message = message->next;
    }
    if (!end)
        return NULL;
    end->next = NULL;
    source->first = message;
    if (!message)
        source->last = &source->first;
    source->waiting -= count;
    source->in_flight += count;
    source->given += count;
    source->moved = lt_now();
    return taken;
}

static void check_deliveries(const struct lt_amqp_source *source, struct leat_batch *batch, struct leat_item *item,
                             const struct lt_amqp_properties *properties, bool redelivered) {
    uint64_t most = source->settings.max_deliveries;
    int64_t before = most ? lt_amqp_delivery_count(properties) : 0;
    uint64_t times = before >= 0 ? (uint64_t)before + 1 : redelivered ? 2 : 1;
    if (most && times > most)
        leat_item_fail(batch, item, -ELOOP, "it was given out %llu times without being finished",
                       (unsigned long long)times);
}

static int add_item(struct lt_amqp_source *source, struct leat_batch *batch, const struct lt_amqp_message *message) {
    struct leat_bytes body = lt_amqp_message_body(message), wire = lt_amqp_message_properties(message);
    struct leat_item *item = leat_batch_add(batch);
    struct leat_envelope *envelope = item ? leat_batch_alloc(batch, sizeof *envelope) : NULL;
    if (!envelope)
        return -ENOMEM;
    struct lt_amqp_properties properties;
    bool readable = lt_amqp_properties_read(&properties, wire);
    bool named = readable && properties.flags & LT_MESSAGE_ID && properties.message_id.size;
    struct leat_bytes identity = named ? properties.message_id : body;
    *envelope = (struct leat_envelope){.form = lt_amqp_form, .bytes = wire};
    leat_item_set(batch, item, body, "message");
    item->envelope = envelope;
    item->id = lt_hash(identity.data, identity.size);
    item->position = ++source->position;
    item->token = message->tag;
    if (!readable)
        properties = (struct lt_amqp_properties){0};
    check_deliveries(source, batch, item, &properties, message->redelivered);
    return 0;
}

static int fill(struct lt_amqp_source *source, struct leat_batch *batch, struct lt_amqp_message *messages,
                struct leat_error *error) {
    int code = leat_batch_hold(batch, lt_amqp_free_messages, messages);
    for (struct lt_amqp_message *message = messages; message && code == 0; message = message->next)
        code = add_item(source, batch, message);
    return code < 0 ? leat_fail(error, code, "out of memory for a batch of messages") : 0;
}

/* Under the mutex. True: nothing is left, nor will be by this run's doing. */
static bool is_empty(const struct lt_amqp_source *source, leat_time now) {
    enum { ENOUGH = 2 };
    return source->zeros >= ENOUGH && (source->in_flight == 0 || now - source->moved >= PATIENCE);
}

/* What to do now; under the mutex. */
enum step { TAKE, END, FAIL, BEGIN, ASK, WAIT };

static enum step next_step(const struct lt_amqp_source *source, leat_time now, leat_time *until) {
    *until = LEAT_FOREVER;
    if (source->first)
        return TAKE;
    if (source->over)
        return FAIL;
    if (source->up && !source->consuming)
        return BEGIN;
    if (source->forever)
        return WAIT;
    if (is_empty(source, now))
        return END;
    if (source->zeros >= 2)
        *until = source->moved + PATIENCE;
    else if (source->up && !source->asked && now >= source->next_question)
        return ASK;
    else
        *until = now + LT_AMQP_SOON;
    return WAIT;
}

/* With the whole prefetch in flight it is not the server that holds us up, but whoever has the messages; with an empty
 * queue it is whoever should fill it. */
static enum leat_state waiting_for(struct lt_amqp_source *source) {
    pthread_mutex_lock(&source->mutex);
    bool full = source->tags.open >= source->settings.prefetch, empty = source->up && source->depth == 0;
    pthread_mutex_unlock(&source->mutex);
    return full ? LEAT_WAITS_OUTPUT : empty ? LEAT_WAITS_INPUT : LEAT_WAITS_OUTSIDE;
}

static int wait_or_ask(struct lt_amqp_source *source, enum step step, leat_time until, struct leat_batch *batch) {
    bool asks = step == BEGIN || step == ASK;
    if (asks && lt_amqp_begin(&source->link)) {
        if (step == BEGIN)
            lt_amqp_put_beginning(source);
        else
            lt_amqp_put_question(source);
        lt_amqp_end(&source->link);
        return 0;
    }
    enum leat_state before = leat_batch_state(batch, waiting_for(source));
    int code = lt_amqp_listen(&source->bell, asks ? leat_after(LT_AMQP_SOON) : until);
    leat_batch_state(batch, before);
    return code == -ETIMEDOUT ? leat_cancelled() : code;
}

static int read_source(void *arg, struct leat_batch *batch, struct leat_error *error) {
    struct lt_amqp_source *source = arg;
    for (;;) {
        leat_time until;
        pthread_mutex_lock(&source->mutex);
        source->wanted = true;
        enum step step = next_step(source, lt_now(), &until);
        struct lt_amqp_message *taken = step == TAKE ? take_messages(source, batch) : NULL;
        pthread_mutex_unlock(&source->mutex);
        if (taken)
            return fill(source, batch, taken, error);
        if (step == END)
            return -ENODATA;
        if (step == FAIL) {
            *error = source->error;
            return error->code;
        }
        int code = wait_or_ask(source, step, until, batch);
        if (code < 0)
            return leat_fail(error, code, "stopped");
    }
}

/* -------------------------------------------------------------- finishing */

static void settle(struct lt_amqp_source *source, const struct leat_item *item) {
    struct lt_amqp_output *output = &source->link.output;
    uint64_t tag = item->token & (((uint64_t)1 << LT_AMQP_TAG_BITS) - 1);
    if (item->token >> LT_AMQP_TAG_BITS != source->generation) {
        source->stale++;
        return;
    }
    switch (item->fate) {
    case LEAT_FAILED:
        lt_amqp_tags_forget(&source->tags, tag);
        lt_amqp_put_reject(output, tag, false);
        break;
    case LEAT_RETURNED:
        break; /* given back at the end, with what was never read: until then it keeps others from taking its place */
    default:
        lt_amqp_tags_finish(&source->tags, tag);
    }
}

static void put_acknowledgements(struct lt_amqp_source *source, size_t most_held) {
    struct lt_amqp_output *output = &source->link.output;
    uint64_t tag = lt_amqp_tags_prefix(&source->tags), from = 0;
    if (tag)
        lt_amqp_put_ack(output, tag, true);
    if (source->tags.held <= most_held)
        return;
    while ((tag = lt_amqp_tags_single(&source->tags, &from)))
        lt_amqp_put_ack(output, tag, false);
}

static int finish_source(void *arg, struct leat_batch **batches, size_t count, struct leat_error *error) {
    struct lt_amqp_source *source = arg;
    (void)error;
    bool writing = lt_amqp_begin(&source->link);
    pthread_mutex_lock(&source->mutex);
    bool current = writing && source->up;
    for (size_t b = 0; b < count; b++) {
        for (size_t i = 0; i < batches[b]->count; i++) {
            if (current)
                settle(source, &batches[b]->items[i]);
            else
                source->stale++;
        }
        source->in_flight -= batches[b]->count;
    }
    if (current)
        put_acknowledgements(source, source->settings.prefetch / 2);
    source->moved = lt_now();
    pthread_mutex_unlock(&source->mutex);
    if (current)
        lt_amqp_progress(&source->link);
    if (writing)
        lt_amqp_end(&source->link); /* a loss is the link's; the messages come again */
    if (!source->forever)
        lt_amqp_ring(&source->bell);
    return 0;
}

/* ------------------------------------------------------ opening and closing */

static int read_segment(struct lt_amqp_target *target, struct lt_amqp_source_settings *settings,
                        const struct leat_segment *segment, struct leat_error *error) {
    int code = lt_amqp_target_read(target, segment, options, settings, sizeof *settings, error);
    if (code < 0)
        return code;
    if (!*target->queue)
        return leat_fail(error, -EINVAL, "%s: which queue? Write amqp:QUEUE or amqp://…?queue=QUEUE",
                         segment->spelling);
    if (settings->prefetch < 1 || settings->prefetch > UINT16_MAX)
        return leat_fail(error, -EINVAL, "%s: --prefetch takes 1 to %d", segment->spelling, UINT16_MAX);
    return 0;
}

static int check_source(const struct leat_segment *segment, struct leat_error *error) {
    struct lt_amqp_target target;
    struct lt_amqp_source_settings settings;
    int code = read_segment(&target, &settings, segment, error);
    lt_amqp_target_free(&target);
    return code;
}

/* Wait until the server has answered so far. False: it does not, or the connection is lost. */
static bool wait_for_answer(struct lt_amqp_source *source, enum lt_amqp_farewell answer, leat_time deadline) {
    for (;;) {
        pthread_mutex_lock(&source->mutex);
        bool answered = source->farewell >= answer, hopeless = !source->up;
        pthread_mutex_unlock(&source->mutex);
        if (answered || hopeless)
            return answered;
        if (lt_amqp_listen(&source->bell, deadline) < 0)
            return false;
    }
}

/* Write one part of the good-bye, if the connection is still the one of the part before. */
static bool say(struct lt_amqp_source *source, enum lt_amqp_farewell part, void (*put)(struct lt_amqp_source *)) {
    if (!lt_amqp_begin(&source->link))
        return false;
    pthread_mutex_lock(&source->mutex);
    bool same = source->up && source->farewell == part;
    if (same)
        put(source);
    pthread_mutex_unlock(&source->mutex);
    return lt_amqp_end(&source->link) == 0 && same;
}

static void put_end(struct lt_amqp_source *source) {
    put_acknowledgements(source, 0);
    lt_amqp_put_cancel(&source->link.output, LT_AMQP_CONSUMER);
}

static void put_last_question(struct lt_amqp_source *source) {
    struct lt_amqp_queue queue = {.name = source->target.queue};
    lt_amqp_put_queue_declare(&source->link.output, &queue);
}

static void put_rest(struct lt_amqp_source *source) {
    if (source->tags.open)
        lt_amqp_put_nack(&source->link.output, 0, true, true);
}

/* What is finished is acknowledged, all else given back: explicitly, so that it is there when this run is over, and not
 * when the server has noticed the end of the connection. (A quorum queue counts both as a delivery.) In between, two
 * answers are waited for (source.h says why). */
static int give_back(void *arg) {
    static const leat_time PATIENCE_AT_END = 5 * LEAT_SECOND;
    struct lt_amqp_source *source = arg;
    leat_time deadline = leat_after(PATIENCE_AT_END);
    bool answered = say(source, LT_AMQP_CONSUMING, put_end) && wait_for_answer(source, LT_AMQP_CANCELLED, deadline) &&
                    say(source, LT_AMQP_CANCELLED, put_last_question) &&
                    wait_for_answer(source, LT_AMQP_SETTLED, deadline);
    return answered && say(source, LT_AMQP_SETTLED, put_rest) ? 0 : -ECONNRESET;
}

static void close_source(void *arg) {
    struct lt_amqp_source *source = arg;
    leat_shield(give_back, source);
    lt_amqp_link_close(&source->link);
    lt_amqp_forget_deliveries(source);
    lt_amqp_tags_free(&source->tags);
    leat_chan_free(source->bell.chan);
    lt_amqp_target_free(&source->target);
    pthread_mutex_destroy(&source->mutex);
    free(source);
}

static int open_source(void **opened, const struct leat_segment *segment, struct leat_error *error) {
    struct lt_amqp_source *source = calloc(1, sizeof *source);
    if (!source)
        return leat_fail(error, -ENOMEM, "%s: out of memory", segment->spelling);
    source->forever = segment->forever;
    source->last = &source->first;
    pthread_mutex_init(&source->mutex, NULL);
    lt_amqp_tags_init(&source->tags);
    lt_amqp_link_init(&source->link);
    int code = read_segment(&source->target, &source->settings, segment, error);
    if (code == 0 && lt_amqp_bell_open(&source->bell) < 0)
        code = leat_fail(error, -ENOMEM, "%s: out of memory", segment->spelling);
    struct lt_amqp_link_settings settings = lt_amqp_link_settings(&source->settings.common, segment);
    if (code == 0)
        code = lt_amqp_link_open(&source->link, source->target.url, source->target.tls, &settings,
                                 &lt_amqp_source_owner, source, error);
    if (code < 0)
        close_source(source);
    else
        *opened = source;
    return code;
}

/* -------------------------------------------------------------- reporting */

static uint64_t total_of(void *arg) {
    struct lt_amqp_source *source = arg;
    pthread_mutex_lock(&source->mutex);
    uint64_t total = source->forever ? 0 : source->given + source->waiting + source->depth;
    pthread_mutex_unlock(&source->mutex);
    return total;
}

static size_t counters_of(void *arg, struct leat_counter counters[LEAT_COUNTERS]) {
    struct lt_amqp_source *source = arg;
    size_t count = 0;
    pthread_mutex_lock(&source->mutex);
    counters[count++] = (struct leat_counter){"unacked", source->tags.open, true};
    counters[count++] = (struct leat_counter){"depth", source->depth, true};
    counters[count++] = (struct leat_counter){"redelivered", source->redelivered, false};
    counters[count++] = (struct leat_counter){"unacknowledged", source->stale, false};
    counters[count++] = (struct leat_counter){"reconnects", lt_load(&source->link.reconnects, relaxed), false};
    pthread_mutex_unlock(&source->mutex);
    return count;
}

const struct leat_source_type lt_amqp_source = {
    .scheme = "amqp",
    .syntax = "amqp:QUEUE | amqp://USER@HOST/VHOST?queue=QUEUE",
    .summary = "The messages of a RabbitMQ queue; each is acknowledged when its result is delivered.",
    .server = "the broker",
    .options = options,
    .settings_size = sizeof(struct lt_amqp_source_settings),
    .forgets = true,
    .check = check_source,
    .open = open_source,
    .read = read_source,
    .finish = finish_source,
    .total = total_of,
    .counters = counters_of,
    .close = close_source,
};

const struct leat_source_type lt_amqps_source = {
    .scheme = "amqps",
    .syntax = "amqps:QUEUE | amqps://USER@HOST/VHOST?queue=QUEUE",
    .summary = "The same through TLS.",
    .server = "the broker",
    .options = options,
    .settings_size = sizeof(struct lt_amqp_source_settings),
    .forgets = true,
    .check = check_source,
    .open = open_source,
    .read = read_source,
    .finish = finish_source,
    .total = total_of,
    .counters = counters_of,
    .close = close_source,
};
