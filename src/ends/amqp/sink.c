/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/error.h"
#include "ends/amqp/key.h"
#include "ends/amqp/sink.h"
#include "ends/ends.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_WINDOW = 1 << 20 };

static const struct leat_option options[] = {
    {"exchange", 0, LEAT_OPTION_STRING, offsetof(struct lt_amqp_sink_settings, exchange), "NAME", NULL,
     "Publish to this exchange instead of a queue."},
    {"key", 0, LEAT_OPTION_STRING, offsetof(struct lt_amqp_sink_settings, key), "KEY", NULL,
     "The routing key; {field} stands for a value of the item."},
    {"window", 0, LEAT_OPTION_COUNT, offsetof(struct lt_amqp_sink_settings, window), "N", "2000",
     "Messages that may wait for their confirmation."},
    {"content-type", 0, LEAT_OPTION_STRING, offsetof(struct lt_amqp_sink_settings, content_type), "TYPE", NULL,
     "Instead of what came with the message, or application/json for what leat made."},
    {"transient", 0, LEAT_OPTION_FLAG, offsetof(struct lt_amqp_sink_settings, transient), NULL, NULL,
     "Messages need not survive a restart of the server."},
    {"optional", 0, LEAT_OPTION_FLAG, offsetof(struct lt_amqp_sink_settings, optional), NULL, NULL,
     "A message that no queue wants is dropped by the server instead of failing here."},
    LT_AMQP_COMMON_OPTIONS,
    {NULL},
};

/* ---------------------------------------------------------------- writing */

static int hold(struct lt_amqp_sink *sink, struct leat_batch *batch) {
    struct lt_amqp_held *held = calloc(1, sizeof *held);
    if (!held)
        return -ENOMEM;
    held->batch = batch;
    for (size_t i = 0; i < batch->count; i++)
        held->open += batch->items[i].fate == LEAT_LIVE;
    pthread_mutex_lock(&sink->mutex);
    held->back = &sink->all;
    held->later = sink->all;
    if (held->later)
        held->later->back = &held->later;
    sink->all = held;
    *sink->unpublished_end = held;
    sink->unpublished_end = &held->next;
    sink->batches++;
    sink->unpublished_items += held->open;
    pthread_mutex_unlock(&sink->mutex);
    return 0;
}

/* Wait until at most `items` are to be published and at most `batches` to be confirmed. */
static int wait_until_at_most(struct lt_amqp_sink *sink, size_t items, size_t batches, struct leat_error *error) {
    for (;;) {
        pthread_mutex_lock(&sink->mutex);
        bool done = sink->unpublished_items <= items && sink->batches <= batches, over = sink->over;
        if (over)
            *error = sink->error;
        pthread_mutex_unlock(&sink->mutex);
        if (over)
            return error->code;
        if (done)
            return 0;
        int code = lt_amqp_listen(&sink->settled, LEAT_FOREVER);
        if (code < 0)
            return leat_fail(error, code, "stopped");
    }
}

static int write_sink(void *arg, struct leat_batch **batches, size_t count, struct leat_error *error) {
    struct lt_amqp_sink *sink = arg;
    leat_batch_state(batches[0], LEAT_WAITS_OUTSIDE); /* before they may be gone */
    for (size_t b = 0; b < count; b++)
        if (hold(sink, batches[b]) < 0)
            return leat_fail(error, -ENOMEM, "out of memory");
    lt_amqp_ring(&sink->work);
    return wait_until_at_most(sink, sink->window.limit, SIZE_MAX, error);
}

static int flush_sink(void *arg, struct leat_error *error) {
    return wait_until_at_most(arg, 0, 0, error);
}

/* How much is ready in the queue, or -ETIMEDOUT: no answer. */
static int64_t ask_how_much(struct lt_amqp_sink *sink) {
    static const leat_time LONG_ENOUGH = LEAT_SECOND;
    struct lt_amqp_queue queue = {.name = sink->target.queue};
    leat_time deadline = leat_after(LONG_ENOUGH);
    if (!lt_amqp_begin(&sink->link))
        return -ETIMEDOUT;
    pthread_mutex_lock(&sink->mutex);
    uint64_t before = sink->answers;
    pthread_mutex_unlock(&sink->mutex);
    lt_amqp_put_queue_declare(&sink->link.output, &queue);
    lt_amqp_end(&sink->link);
    for (;;) {
        int code = lt_amqp_listen(&sink->settled, deadline);
        pthread_mutex_lock(&sink->mutex);
        bool answered = sink->answers > before;
        int64_t left = sink->left;
        pthread_mutex_unlock(&sink->mutex);
        if (answered || code < 0)
            return answered ? left : -ETIMEDOUT;
    }
}

/* Twice in succession, since what a consumer gives back is away for a moment. */
static int emptied(void *arg, struct leat_error *error) {
    static const leat_time BETWEEN = 50 * LEAT_MILLISECOND;
    enum { ENOUGH = 2 };
    struct lt_amqp_sink *sink = arg;
    for (unsigned zeros = 0; zeros < ENOUGH;) {
        zeros = ask_how_much(sink) == 0 ? zeros + 1 : 0;
        pthread_mutex_lock(&sink->mutex);
        bool over = sink->over;
        if (over)
            *error = sink->error;
        pthread_mutex_unlock(&sink->mutex);
        if (over)
            return error->code;
        int code = leat_sleep(BETWEEN);
        if (code < 0)
            return leat_fail(error, code, "stopped");
    }
    return 0;
}

/* ------------------------------------------------------ opening and closing */

static int check(const struct lt_amqp_target *target, const struct lt_amqp_sink_settings *settings,
                 const struct leat_segment *segment, struct leat_error *error) {
    const char *spelling = segment->spelling;
    if (settings->exchange && *target->queue)
        return leat_fail(error, -EINVAL, "%s: a queue, or --exchange with --key, not both", spelling);
    if (settings->exchange && target->type != LT_QUEUE_EXISTS)
        return leat_fail(error, -EINVAL, "%s: --declare makes queues, no exchange", spelling);
    if (settings->key && *target->queue)
        return leat_fail(error, -EINVAL, "%s: the routing key of a queue is its name; --key goes with --exchange",
                         spelling);
    if (!*target->queue && !settings->key && !settings->exchange)
        return leat_fail(error, -EINVAL, "%s: where to? Write amqp:QUEUE, or --exchange with --key", spelling);
    if (settings->exchange && strlen(settings->exchange) > 255)
        return leat_fail(error, -EINVAL, "%s: an exchange's name has at most 255 bytes", spelling);
    if (settings->content_type && strlen(settings->content_type) > 255)
        return leat_fail(error, -EINVAL, "%s: a content type has at most 255 bytes", spelling);
    if (settings->window < 1 || settings->window > MOST_WINDOW)
        return leat_fail(error, -EINVAL, "%s: --window takes 1 to %d", spelling, MOST_WINDOW);
    if (segment->until_empty && !*target->queue)
        return leat_fail(error, -EINVAL, "%s: it names no queue that could become empty", spelling);
    return settings->key ? lt_amqp_key_check(settings->key, error) : 0;
}

static int read_segment(struct lt_amqp_target *target, struct lt_amqp_sink_settings *settings,
                        const struct leat_segment *segment, struct leat_error *error) {
    int code = lt_amqp_target_read(target, segment, options, settings, sizeof *settings, error);
    return code < 0 ? code : check(target, settings, segment, error);
}

static int check_sink(const struct leat_segment *segment, struct leat_error *error) {
    struct lt_amqp_target target;
    struct lt_amqp_sink_settings settings;
    int code = read_segment(&target, &settings, segment, error);
    lt_amqp_target_free(&target);
    return code;
}

static int make_room(struct lt_amqp_sink *sink, struct leat_error *error) {
    sink->again = calloc(sink->settings.window, sizeof *sink->again);
    if (sink->again && lt_amqp_window_open(&sink->window, sink->settings.window) == 0 &&
        lt_amqp_bell_open(&sink->work) == 0 && lt_amqp_bell_open(&sink->settled) == 0)
        return 0;
    return leat_fail(error, -ENOMEM, "out of memory");
}

static int end_publisher(void *arg) {
    struct lt_amqp_sink *sink = arg;
    static const leat_time SHORT = LEAT_SECOND;
    lt_amqp_ring(&sink->work);
    if (lt_amqp_helper_join(&sink->publisher, leat_after(SHORT)))
        return 0;
    /* It writes, and the server does not read. */
    lt_amqp_link_abort(&sink->link);
    lt_amqp_helper_join(&sink->publisher, LEAT_FOREVER);
    return 0;
}

static void close_sink(void *arg) {
    struct lt_amqp_sink *sink = arg;
    pthread_mutex_lock(&sink->mutex);
    sink->closing = true;
    pthread_mutex_unlock(&sink->mutex);
    if (sink->publisher.running)
        leat_shield(end_publisher, sink);
    lt_amqp_link_close(&sink->link);
    while (sink->all) {
        struct lt_amqp_held *held = sink->all;
        sink->all = held->later;
        free(held);
    }
    lt_amqp_window_close(&sink->window);
    lt_amqp_target_free(&sink->target);
    leat_chan_free(sink->work.chan);
    leat_chan_free(sink->settled.chan);
    pthread_mutex_destroy(&sink->mutex);
    free(sink->properties.data);
    free(sink->again);
    free(sink);
}

static int open_sink(void **opened, const struct leat_segment *segment, struct leat_error *error) {
    struct lt_amqp_sink *sink = calloc(1, sizeof *sink);
    if (!sink)
        return leat_fail(error, -ENOMEM, "%s: out of memory", segment->spelling);
    sink->unpublished_end = &sink->unpublished;
    sink->pause = LT_AMQP_FIRST_PAUSE;
    pthread_mutex_init(&sink->mutex, NULL);
    lt_amqp_link_init(&sink->link);
    int code = read_segment(&sink->target, &sink->settings, segment, error);
    sink->exchange = sink->settings.exchange ? sink->settings.exchange : "";
    sink->key = sink->settings.key;
    if (code == 0)
        code = make_room(sink, error);
    struct lt_amqp_link_settings settings = lt_amqp_link_settings(&sink->settings.common, segment);
    if (code == 0)
        code = lt_amqp_link_open(&sink->link, sink->target.url, sink->target.tls, &settings, &lt_amqp_sink_owner, sink,
                                 error);
    if (code == 0)
        code = lt_amqp_helper_start(&sink->publisher, lt_amqp_publisher, sink, "amqp publisher", error);
    if (code < 0)
        close_sink(sink);
    else
        *opened = sink;
    return code;
}

/* -------------------------------------------------------------- reporting */

static size_t counters_of(void *arg, struct leat_counter counters[LEAT_COUNTERS]) {
    struct lt_amqp_sink *sink = arg;
    size_t count = 0;
    pthread_mutex_lock(&sink->mutex);
    counters[count++] = (struct leat_counter){"confirmed", sink->confirmed, false};
    counters[count++] = (struct leat_counter){"unconfirmed", sink->window.open + sink->again_count, true};
    counters[count++] = (struct leat_counter){"returned", sink->returned, false};
    counters[count++] = (struct leat_counter){"refused", sink->refused, false};
    counters[count++] = (struct leat_counter){"reconnects", lt_load(&sink->link.reconnects, relaxed), false};
    counters[count++] = (struct leat_counter){"blocked", sink->blocked, true};
    leat_time blocked = sink->blocked_time + (sink->blocked ? lt_now() - sink->blocked_since : 0);
    counters[count++] = (struct leat_counter){.name = "blocked-ms",
                                              .value = (uint64_t)(blocked / LEAT_MILLISECOND),
                                              .hindrance = "it blocked publishers (an alarm of memory or disk)"};
    pthread_mutex_unlock(&sink->mutex);
    return count;
}

const struct leat_sink_type lt_amqp_sink = {
    .scheme = "amqp",
    .syntax = "amqp:QUEUE | amqp: --exchange NAME --key KEY | amqp://USER@HOST/VHOST?queue=QUEUE",
    .summary = "Messages in a RabbitMQ queue or to an exchange, confirmed by the server.",
    .server = "the broker",
    .options = options,
    .settings_size = sizeof(struct lt_amqp_sink_settings),
    .renders = true,
    .check = check_sink,
    .open = open_sink,
    .write = write_sink,
    .flush = flush_sink,
    .emptied = emptied,
    .counters = counters_of,
    .close = close_sink,
};

const struct leat_sink_type lt_amqps_sink = {
    .scheme = "amqps",
    .syntax = "amqps:QUEUE | amqps: --exchange NAME --key KEY | amqps://USER@HOST/VHOST?queue=QUEUE",
    .summary = "The same through TLS.",
    .server = "the broker",
    .options = options,
    .settings_size = sizeof(struct lt_amqp_sink_settings),
    .renders = true,
    .check = check_sink,
    .open = open_sink,
    .write = write_sink,
    .flush = flush_sink,
    .emptied = emptied,
    .counters = counters_of,
    .close = close_sink,
};
