/* SPDX-License-Identifier: MIT */
#include "world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

void world_check(struct world *world, bool holds, const char *what, const char *file, int line) {
    if (holds)
        return;
    if (lt_fetch_add(&world->wrong, 1, relaxed) < 5)
        fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
}

uint64_t world_random(uint64_t seed, uint64_t n) {
    uint64_t x = seed * 0x9E3779B97F4A7C15u + n * 0xBF58476D1CE4E5B9u + 0x94D049BB133111EBu;
    x ^= x >> 30;
    x *= 0xBF58476D1CE4E5B9u;
    x ^= x >> 27;
    x *= 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

static void raise_to(_Atomic uint64_t *most, uint64_t value) {
    uint64_t seen = lt_load(most, relaxed);
    while (value > seen && !lt_cas(most, &seen, value, acq_rel))
        ;
}

/* ------------------------------------------------------------------ source */

struct source {
    struct world *world;
    uint64_t next;
};

static int open_source(void **opened, const struct leat_segment *segment, struct leat_error *error) {
    struct source *source = calloc(1, sizeof *source);
    (void)error;
    source->world = (struct world *)segment->settings;
    lt_fetch_add(&source->world->opened, 1, relaxed);
    *opened = source;
    return 0;
}

static bool add_item(struct source *source, struct leat_batch *batch) {
    struct world *world = source->world;
    struct leat_item *item = leat_batch_add(batch);
    if (!item)
        return false;
    uint64_t id = source->next++;
    size_t room = world->body > 32 ? world->body : 32;
    char *text = leat_batch_alloc(batch, room);
    memset(text, world->fill ? world->fill : 'x', room);
    size_t size = (size_t)snprintf(text, 32, "item-%llu", (unsigned long long)id);
    leat_item_set(batch, item, (struct leat_bytes){text, world->body ? world->body : size}, "line");
    item->id = id;
    item->position = id + 1;
    lt_fetch_add(&world->book[id].read, 1, relaxed);
    if (world->set_aside_every && id % world->set_aside_every == 0)
        leat_item_fail(batch, item, -EMSGSIZE, "too long");
    if (world->stop_at && id + 1 == world->stop_at)
        lt_pipeline_stop(world->pipeline, world->stop_how);
    return true;
}

static int read_source(void *opened, struct leat_batch *batch, struct leat_error *error) {
    struct source *source = opened;
    struct world *world = source->world;
    lt_fetch_add(&world->reads, 1, relaxed);
    if (world->gives_nothing)
        return 0;
    uint64_t end = world->error_at ? world->error_at - 1 : world->total;
    while (source->next < end && add_item(source, batch))
        ;
    CHECK(world, batch->count <= batch->item_limit);
    if (batch->count > 0) {
        raise_to(&world->most_in_flight, lt_fetch_add(&world->in_flight, 1, relaxed) + 1);
        raise_to(&world->most_bytes_in_flight,
                 lt_fetch_add(&world->bytes_in_flight, batch->bytes, relaxed) + batch->bytes);
        return 0;
    }
    if (world->error_at)
        return leat_fail(error, -EIO, "the tape is torn");
    if (!world->waits_at_end)
        return -ENODATA;
    return leat_sleep(LEAT_FOREVER);
}

static void tell(struct world *world, const struct leat_item *item) {
    struct book *book = &world->book[item->id];
    CHECK(world, lt_fetch_add(&book->told, 1, relaxed) == 0);
    CHECK(world, item->fate != LEAT_LIVE);
    CHECK(world, item->fate != LEAT_DELIVERED || lt_load(&book->safe, acquire) == 1);
    CHECK(world, item->fate != LEAT_FAILED || (item->stage && item->reason.size > 0 && item->code < 0));
    CHECK(world, item->fate != LEAT_FAILED || !world->plan.dead || lt_load(&book->dead, acquire) == 1);
    lt_store(&book->fate, item->fate, relaxed);
}

static int finish_source(void *opened, struct leat_batch **batches, size_t count, struct leat_error *error) {
    struct world *world = ((struct source *)opened)->world;
    for (size_t b = 0; b < count; b++) {
        for (size_t i = 0; i < batches[b]->count; i++)
            tell(world, &batches[b]->items[i]);
        lt_fetch_sub(&world->in_flight, 1, relaxed);
        lt_fetch_sub(&world->bytes_in_flight, batches[b]->bytes, relaxed);
    }
    return world->finish_error ? leat_fail(error, world->finish_error, "the receipt book is full") : 0;
}

static uint64_t total_of_source(void *opened) {
    return ((struct source *)opened)->world->total;
}

static size_t count_reads(void *opened, struct leat_counter *counters) {
    struct world *world = ((struct source *)opened)->world;
    counters[0] = (struct leat_counter){.name = "reads", .value = lt_load(&world->reads, relaxed)};
    return 1;
}

static void close_source(void *opened) {
    lt_fetch_add(&((struct source *)opened)->world->closed, 1, relaxed);
    free(opened);
}

const struct leat_source_type world_source = {
    .scheme = "world",
    .open = open_source,
    .read = read_source,
    .finish = finish_source,
    .total = total_of_source,
    .counters = count_reads,
    .close = close_source,
};

static int read_last(void *opened, struct leat_batch *batch, struct leat_error *error) {
    struct source *source = opened;
    if (!leat_cancelled())
        return read_source(opened, batch, error);
    if (source->next > source->world->total || !add_item(source, batch))
        return -ECANCELED;
    source->world->last_words++;
    leat_item_fail(batch, &batch->items[0], -EINTR, "the rest is missing");
    lt_fetch_add(&source->world->in_flight, 1, relaxed);
    lt_fetch_add(&source->world->bytes_in_flight, batch->bytes, relaxed);
    return -ECANCELED;
}

const struct leat_source_type world_last_source = {
    .scheme = "world",
    .last_read = true,
    .open = open_source,
    .read = read_last,
    .finish = finish_source,
    .close = close_source,
};

/* ------------------------------------------------------------------ stages */

static int open_stage(void **stage, const struct leat_segment *segment, struct leat_error *error) {
    struct world *world = (struct world *)segment->settings;
    (void)error;
    lt_fetch_add(&world->opened, 1, relaxed);
    *stage = world;
    return 0;
}

static int open_worker(void *stage, void **worker, struct leat_error *error) {
    (void)error;
    *worker = calloc(1, sizeof(uint64_t));
    lt_fetch_add(&((struct world *)stage)->opened, 1, relaxed);
    lt_fetch_add(&((struct world *)stage)->workers_opened, 1, relaxed);
    return 0;
}

static void close_worker(void *stage, void *worker) {
    free(worker);
    lt_fetch_add(&((struct world *)stage)->closed, 1, relaxed);
}

static void close_stage(void *stage) {
    lt_fetch_add(&((struct world *)stage)->closed, 1, relaxed);
}

/** The worker's own call count, which shows that no two calls share a worker's state. */
static void enter(struct world *world, void *worker) {
    uint64_t *calls = worker;
    if ((*calls)++ == 0)
        lt_fetch_add(&world->workers_seen, 1, relaxed);
    lt_fetch_add(&world->stage_calls, 1, relaxed);
}

static int seventh(void *stage, void *worker, struct leat_batch *batch, struct leat_error *error) {
    (void)error;
    enter(stage, worker);
    for (size_t i = 0; i < batch->count; i++)
        if (batch->items[i].fate == LEAT_LIVE && batch->items[i].id % 7 == 0)
            leat_item_fail(batch, &batch->items[i], -EBADMSG, "id %d is a multiple of 7", (int)batch->items[i].id);
    return 0;
}

static int fifth(void *stage, void *worker, struct leat_batch *batch, struct leat_error *error) {
    (void)error;
    enter(stage, worker);
    for (size_t i = 0; i < batch->count; i++)
        if (batch->items[i].fate == LEAT_LIVE && batch->items[i].id % 5 == 0)
            leat_item_drop(&batch->items[i]);
    return 0;
}

static int nap(void *stage, void *worker, struct leat_batch *batch, struct leat_error *error) {
    struct world *world = stage;
    (void)error;
    enter(world, worker);
    enum leat_state before = leat_batch_state(batch, LEAT_WAITS_OUTSIDE);
    CHECK(world, before == LEAT_BUSY);
    int code = leat_sleep((leat_time)(world_random(world->seed, batch->items[0].id) % 500) * LEAT_MICROSECOND);
    leat_batch_state(batch, before);
    return code;
}

/* Waits so long that only a stop ends it. */
static int patient(void *stage, void *worker, struct leat_batch *batch, struct leat_error *error) {
    (void)error;
    enter(stage, worker);
    leat_batch_state(batch, LEAT_THROTTLED);
    int code = leat_sleep(LEAT_FOREVER);
    if (code < 0 && batch->items[0].id % 2)
        leat_item_fail(batch, &batch->items[0], code, "the wait was cut short");
    return code;
}

/* Says nothing of its waiting. */
static int meets_all(void *stage, void *worker, struct leat_batch *batch, struct leat_error *error) {
    struct world *world = stage;
    (void)error;
    enter(world, worker);
    CHECK(world, batch->count == 1);
    leat_wg_done(&world->meeting);
    return leat_wg_wait(&world->meeting);
}

static bool is_stopping(struct world *world) {
    struct lt_snapshot snapshot;
    lt_pipeline_snapshot(world->pipeline, &snapshot);
    return snapshot.stopping;
}

static int broken(void *stage, void *worker, struct leat_batch *batch, struct leat_error *error) {
    (void)batch;
    enter(stage, worker);
    lt_fetch_add(&((struct world *)stage)->calls_after_break, is_stopping(stage), relaxed);
    if (lt_fetch_add(&((struct world *)stage)->broken_calls, 1, relaxed) + 1 == 10)
        return leat_fail(error, -EPROTO, "the child has gone");
    return 0;
}

static int stuck(void *stage, void *worker, struct leat_batch *batch, struct leat_error *error) {
    (void)error;
    enter(stage, worker);
    while (batch->count > 0)
        pause();
    return 0;
}

#define STAGE(function)                                                                                                \
    const struct leat_stage_type stage_##function = {                                                                  \
        .name = #function,                                                                                             \
        .open = open_stage,                                                                                            \
        .open_worker = open_worker,                                                                                    \
        .process = function,                                                                                           \
        .close_worker = close_worker,                                                                                  \
        .close = close_stage,                                                                                          \
    }
STAGE(seventh);
STAGE(fifth);
STAGE(nap);
STAGE(patient);
STAGE(meets_all);
STAGE(broken);
STAGE(stuck);

/* -------------------------------------------------------------------- sink */

enum { HELD = 3 }; /* batches after which those that confirm late confirm in reverse */

static void make_safe(struct world *world, struct leat_batch *batch) {
    for (size_t i = 0; i < batch->count; i++)
        if (batch->items[i].fate == LEAT_DELIVERED)
            lt_fetch_add(&world->book[batch->items[i].id].safe, 1, release);
    leat_batch_confirm(batch);
}

static int confirm_later(void *argument) {
    struct world *world = argument;
    struct leat_batch *held[HELD];
    ptrdiff_t count;
    while ((count = leat_recv_many(world->later, held, HELD)) > 0) {
        leat_sleep(100 * LEAT_MICROSECOND);
        for (ptrdiff_t b = count; b-- > 0;) {
            make_safe(world, held[b]);
            leat_wg_done(&world->open_batches);
        }
    }
    return 0;
}

static void *confirm_in_thread(void *argument) {
    confirm_later(argument);
    return NULL;
}

static int open_sink(void **sink, const struct leat_segment *segment, struct leat_error *error) {
    struct world *world = (struct world *)segment->settings;
    (void)error;
    lt_fetch_add(&world->opened, 1, relaxed);
    *sink = world;
    if (world->confirm == BY_A_TASK || world->confirm == BY_A_THREAD)
        world->later = leat_chan_new(sizeof(struct leat_batch *), LEAT_UNBOUNDED);
    if (world->confirm == BY_A_THREAD)
        return pthread_create(&world->thread, NULL, confirm_in_thread, world);
    if (world->confirm == BY_A_TASK) {
        world->scope = leat_scope_open(NULL);
        return leat_go(world->scope, confirm_later, world);
    }
    return 0;
}

static void note_order(struct world *world, uint64_t id) {
    if (lt_exchange(&world->next_expected, id + 1, relaxed) > id)
        lt_fetch_add(&world->out_of_order, 1, relaxed);
}

static void write_item(struct world *world, struct leat_batch *batch, struct leat_item *item) {
    if (item->fate != LEAT_LIVE)
        return;
    note_order(world, item->id);
    if (world->refuse_every && item->id % world->refuse_every == 0) {
        leat_item_fail(batch, item, -EFBIG, "the shelf is too small");
        return;
    }
    lt_fetch_add(&world->book[item->id].written, 1, relaxed);
    item->fate = LEAT_DELIVERED;
}

static int write_sink(void *sink, struct leat_batch **batches, size_t count, struct leat_error *error) {
    struct world *world = sink;
    uint64_t call = lt_fetch_add(&world->writes, 1, relaxed) + 1;
    while (world->sink_stuck)
        pause();
    if (world->write_time)
        leat_sleep(world->write_time);
    bool fails = world->write_error_at && call >= world->write_error_at;
    /* Half of the batches are confirmed before the error. */
    size_t end = fails ? count / 2 : count;
    for (size_t b = 0; b < count; b++)
        for (size_t i = 0; i < batches[b]->count; i++)
            write_item(world, batches[b], &batches[b]->items[i]);
    for (size_t b = 0; b < end; b++) {
        struct leat_batch *batch = batches[world->confirm == BEFORE_WRITE_RETURNS_REVERSED ? end - 1 - b : b];
        if (world->later) {
            leat_wg_add(&world->open_batches, 1);
            leat_send(world->later, &batch);
        } else if (world->confirm != NEVER) {
            make_safe(world, batch);
            if (world->confirm == TWICE)
                leat_batch_confirm(batch);
        }
    }
    return fails ? leat_fail(error, -ENOSPC, "the shelf is full") : 0;
}

static int flush_sink(void *sink, struct leat_error *error) {
    struct world *world = sink;
    (void)error;
    return leat_wg_wait(&world->open_batches);
}

static void close_sink(void *sink) {
    struct world *world = sink;
    lt_fetch_add(&world->closed, 1, relaxed);
    if (!world->later)
        return;
    leat_chan_close(world->later);
    if (world->confirm == BY_A_THREAD)
        pthread_join(world->thread, NULL);
    else {
        /* A stop while the ends are opened cancels their scopes, and then nothing is read. */
        int code = leat_scope_close(world->scope);
        CHECK(world, code == 0 || lt_load(&world->reads, relaxed) == 0);
    }
    leat_chan_free(world->later);
    world->later = NULL;
}

static size_t count_writes(void *sink, struct leat_counter *counters) {
    struct world *world = sink;
    counters[0] = (struct leat_counter){.name = "writes", .value = lt_load(&world->writes, relaxed)};
    counters[1] = (struct leat_counter){.name = "held", .value = lt_load(&world->in_flight, relaxed), .level = true};
    return 2;
}

const struct leat_sink_type world_sink = {
    .scheme = "world",
    .open = open_sink,
    .write = write_sink,
    .flush = flush_sink,
    .counters = count_writes,
    .close = close_sink,
};

static int open_dead(void **sink, const struct leat_segment *segment, struct leat_error *error) {
    (void)error;
    *sink = (void *)segment->settings;
    lt_fetch_add(&((struct world *)*sink)->opened, 1, relaxed);
    return 0;
}

static void bury(struct world *world, struct leat_batch *batch) {
    for (size_t i = 0; i < batch->count; i++)
        lt_fetch_add(&world->book[batch->items[i].id].dead, 1, release);
    leat_batch_confirm(batch);
}

static int bury_later(void *argument) {
    struct world *world = argument;
    leat_sleep(LEAT_MILLISECOND / 10);
    bury(world, world->burial);
    return 0;
}

static int write_dead(void *sink, struct leat_batch **batches, size_t count, struct leat_error *error) {
    struct world *world = sink;
    if (world->dead_error)
        return leat_fail(error, world->dead_error, "no more graves");
    for (size_t b = 0; b < count; b++) {
        for (size_t i = 0; i < batches[b]->count; i++) {
            struct leat_item *item = &batches[b]->items[i];
            char text[32];
            snprintf(text, sizeof text, "item-%llu", (unsigned long long)item->id);
            CHECK(world, item->fate == LEAT_LIVE && item->position == item->id + 1);
            CHECK(world, item->body.size == strlen(text) && memcmp(item->body.data, text, item->body.size) == 0);
            CHECK(world, lt_load(&world->book[item->id].told, relaxed) == 0);
            item->fate = LEAT_DELIVERED;
        }
        world->burial = batches[b];
        if (!world->dead_later || leat_go(NULL, bury_later, world) < 0)
            bury(world, batches[b]);
    }
    return 0;
}

static void close_dead(void *sink) {
    lt_fetch_add(&((struct world *)sink)->closed, 1, relaxed);
}

const struct leat_sink_type world_dead_sink = {
    .scheme = "graves", .open = open_dead, .write = write_dead, .close = close_dead};

/* -------------------------------------------------------- what cannot be opened */

static int open_shut(void **opened, const struct leat_segment *segment, struct leat_error *error) {
    (void)opened;
    (void)segment;
    return leat_fail(error, -ENOENT, "it is not there");
}

static int open_or_shut_worker(void *stage, void **worker, struct leat_error *error) {
    struct world *world = stage;
    if (lt_fetch_add(&world->shut_tried, 1, relaxed) + 1 >= world->shut_worker)
        return leat_fail(error, -EMFILE, "no more children");
    return open_worker(stage, worker, error);
}

const struct leat_source_type shut_source = {.scheme = "shut", .open = open_shut, .read = read_source};
const struct leat_sink_type shut_sink = {.scheme = "shut", .open = open_shut, .write = write_sink};
const struct leat_stage_type shut_stage = {.name = "shut", .open = open_shut, .process = fifth};
const struct leat_stage_type shut_worker_stage = {
    .name = "shut",
    .open = open_stage,
    .open_worker = open_or_shut_worker,
    .process = nap,
    .close_worker = close_worker,
    .close = close_stage,
};

/* ------------------------------------------------------------------- world */

void world_open(struct world *world, uint64_t total) {
    memset(world, 0, sizeof *world);
    assert_true(total <= MOST_ITEMS);
    world->total = total;
    world->seed = 1;
    world->book = calloc(total + 1, sizeof(struct book));
    struct lt_plan *plan = &world->plan;
    plan->source = &world_source;
    plan->from = (struct leat_segment){.spelling = "world:in", .target = "in", .settings = world};
    plan->sink = &world_sink;
    plan->to = (struct leat_segment){.spelling = "world:out", .target = "out", .settings = world};
    plan->stages = world->stages;
    plan->options.grace = 60 * LEAT_SECOND;
}

void world_close(struct world *world) {
    lt_pipeline_free(world->pipeline);
    free(world->book);
}

void world_stage(struct world *world, const struct leat_stage_type *type, unsigned workers) {
    world->stages[world->plan.stage_count++] = (struct lt_planned_stage){
        .type = type,
        .segment = {.spelling = type->name, .name = type->name, .settings = world, .workers = workers},
    };
}

uint64_t world_batches(const struct world *world) {
    uint64_t batches = 2 + 8 + 16;
    const struct lt_plan *plan = &world->plan;
    for (size_t s = 0; s < plan->stage_count; s++) {
        unsigned own = plan->stages[s].segment.workers;
        bool fused = s > 0 && !own && !plan->stages[s - 1].segment.workers;
        uint64_t workers = own ? own : plan->options.workers;
        batches += fused ? 0 : workers + (workers < 2 ? 2 : workers);
    }
    return batches;
}

static void check_book(struct world *world, const struct lt_counts *counts) {
    uint64_t read = 0, fates[LEAT_RETURNED + 1] = {0};
    for (uint64_t id = 0; id < world->total; id++) {
        struct book *book = &world->book[id];
        CHECK(world, book->read <= 1 && book->written <= 1 && book->safe <= 1 && book->dead <= 1);
        CHECK(world, book->told == book->read);
        CHECK(world, book->fate != LEAT_DELIVERED || book->written == 1);
        CHECK(world, !book->safe || book->fate == LEAT_DELIVERED);
        read += book->read;
        fates[book->fate] += book->read;
    }
    assert_int_equal(counts->in, read);
    assert_int_equal(counts->delivered, fates[LEAT_DELIVERED]);
    assert_int_equal(counts->filtered, fates[LEAT_FILTERED]);
    assert_int_equal(counts->failed, fates[LEAT_FAILED]);
    assert_int_equal(counts->returned, fates[LEAT_RETURNED]);
    assert_int_equal(counts->in, counts->delivered + counts->filtered + counts->failed + counts->returned);
}

void world_run(struct world *world, struct lt_report *report) {
    struct leat_error error;
    world->pipeline = lt_pipeline_new(&world->plan, &error);
    assert_non_null(world->pipeline);
    if (world->on_stuck)
        lt_pipeline_on_stuck(world->pipeline, world->on_stuck, world);
    lt_pipeline_run(world->pipeline, report);
    check_book(world, &report->last.counts);
    assert_int_equal(world->in_flight, 0);
    assert_int_equal(world->opened, world->closed);
    assert_true(!world->plan.options.workers || world->most_in_flight <= world_batches(world));
    assert_int_equal(world->wrong, 0);
}
