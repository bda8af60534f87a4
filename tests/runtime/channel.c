/* SPDX-License-Identifier: MIT */
/** One channel at a time: order, hand-off, capacity, close, try and until, any element size. */
#include "runtime/runtime.h"

static const size_t capacities[] = {0, 1, 7, LEAT_UNBOUNDED};
enum { CAPACITIES = sizeof capacities / sizeof *capacities };

/* ------------------------------------------------------------ order */

enum { SENDERS = 4 };

struct stamp {
    unsigned sender, number;
};

struct stream {
    struct leat_chan *chan;
    size_t count; /* values of each sender */
    unsigned sender;
};

static int send_stamps(void *arg) {
    struct stream *stream = arg;
    for (unsigned i = 0; i < stream->count; i++)
        equal(leat_send(stream->chan, &(struct stamp){stream->sender, i}), 0);
    return 0;
}

static int fifo(void *arg) {
    (void)arg;
    for (int c = 0; c < CAPACITIES; c++) {
        struct leat_chan *chan = leat_chan_new(sizeof(struct stamp), capacities[c]);
        struct leat_scope *scope = leat_scope_open(NULL);
        struct stream streams[SENDERS];
        size_t count = scaled(2000);
        for (unsigned i = 0; i < SENDERS; i++) {
            streams[i] = (struct stream){chan, count, i};
            leat_go(scope, send_stamps, &streams[i]);
        }
        unsigned next[SENDERS] = {0};
        for (size_t i = 0; i < SENDERS * count; i++) {
            struct stamp stamp = {0};
            equal(leat_recv(chan, &stamp), 0);
            if (check(stamp.sender < SENDERS))
                equal(stamp.number, next[stamp.sender]++);
        }
        equal(leat_scope_close(scope), 0);
        equal(leat_recv_try(chan, NULL), -EAGAIN);
        leat_chan_free(chan);
    }
    return 0;
}

struct arrival {
    struct leat_chan *chan;
    int number, got;
    _Atomic int *begun;
};

static int arrive_receiving(void *arg) {
    struct arrival *arrival = arg;
    lt_fetch_add(arrival->begun, 1, relaxed);
    return leat_recv(arrival->chan, &arrival->got);
}

static int arrive_sending(void *arg) {
    struct arrival *arrival = arg;
    lt_fetch_add(arrival->begun, 1, relaxed);
    return leat_send(arrival->chan, &arrival->number);
}

/* On one worker a task that has begun runs until it waits, so the order of arrival is known. */
static void arrive(struct leat_scope *scope, leat_fn *fn, struct arrival *arrival) {
    int before = lt_load(arrival->begun, relaxed);
    leat_go(scope, fn, arrival);
    while (lt_load(arrival->begun, relaxed) == before)
        leat_yield();
}

static int arrival_order(void *arg) {
    (void)arg;
    enum { COUNT = 20 };
    bool known = leat_workers() == 1;
    for (int sending = 0; sending < 2; sending++) {
        struct leat_chan *chan = leat_chan_new(sizeof(int), 0);
        struct leat_scope *scope = leat_scope_open(NULL);
        struct arrival arrivals[COUNT];
        _Atomic int begun = 0;
        int sum = 0;
        for (int i = 0; i < COUNT; i++) {
            arrivals[i] = (struct arrival){chan, i, -1, &begun};
            arrive(scope, sending ? arrive_sending : arrive_receiving, &arrivals[i]);
        }
        for (int i = 0; i < COUNT; i++) {
            int value = i;
            equal(sending ? leat_recv(chan, &value) : leat_send(chan, &value), 0);
            if (sending && known)
                equal(value, i);
            sum += sending ? value : 0;
        }
        equal(leat_scope_close(scope), 0);
        for (int i = 0; i < COUNT && !sending; i++) {
            if (known)
                equal(arrivals[i].got, i);
            sum += arrivals[i].got;
        }
        equal(sum, COUNT * (COUNT - 1) / 2);
        leat_chan_free(chan);
    }
    return 0;
}

/* ---------------------------------------------------------- hand-off */

struct handoff {
    struct leat_chan *chan;
    _Atomic bool sent;
};

static int send_then_tell(void *arg) {
    struct handoff *handoff = arg;
    int error = leat_send(handoff->chan, &(int){7});
    lt_store(&handoff->sent, true, release);
    return error;
}

static int send_meets_receive(void *arg) {
    (void)arg;
    struct handoff handoff = {.chan = leat_chan_new(sizeof(int), 0)};
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, send_then_tell, &handoff);
    settle();
    check(!lt_load(&handoff.sent, acquire));
    equal(leat_chan_len(handoff.chan), 0);
    int value = 0;
    equal(leat_recv(handoff.chan, &value), 0);
    equal(value, 7);
    equal(leat_scope_close(scope), 0);
    check(lt_load(&handoff.sent, acquire));
    leat_chan_free(handoff.chan);
    return 0;
}

struct permits {
    struct leat_chan *chan;
    size_t rounds;
    int capacity;
    _Atomic int inside;
    size_t plain; /* guarded by a channel of capacity 1 and nothing else */
};

static int enter_and_leave(void *arg) {
    struct permits *permits = arg;
    for (size_t i = 0; i < permits->rounds; i++) {
        equal(leat_send(permits->chan, &(char){0}), 0);
        check(lt_fetch_add(&permits->inside, 1, relaxed) < permits->capacity);
        if (permits->capacity == 1)
            permits->plain++;
        if (i % 4 == 0)
            leat_yield();
        lt_fetch_sub(&permits->inside, 1, relaxed);
        equal(leat_recv(permits->chan, NULL), 0);
    }
    return 0;
}

static int capacity_is_a_semaphore(void *arg) {
    (void)arg;
    enum { TASKS = 8 };
    for (int capacity = 1; capacity <= 3; capacity++) {
        struct permits permits = {leat_chan_new(1, (size_t)capacity), scaled(1000), capacity, 0, 0};
        struct leat_scope *scope = leat_scope_open(NULL);
        for (int i = 0; i < TASKS; i++)
            leat_go(scope, enter_and_leave, &permits);
        equal(leat_scope_close(scope), 0);
        if (capacity == 1)
            equal(permits.plain, TASKS * permits.rounds);
        leat_chan_free(permits.chan);
    }
    return 0;
}

/* ------------------------------------------------------------- close */

static int closed_drains(void *arg) {
    (void)arg;
    for (int c = 1; c < CAPACITIES; c++) {
        struct leat_chan *chan = leat_chan_new(sizeof(int), capacities[c] == 1 ? 5 : capacities[c]);
        for (int i = 0; i < 5; i++)
            equal(leat_send(chan, &i), 0);
        check(!leat_chan_closed(chan));
        equal(leat_chan_close(chan), 0);
        check(leat_chan_closed(chan));
        int value = -1, two[2] = {-1, -1};
        equal(leat_recv(chan, &value), 0);
        equal(value, 0);
        equal(leat_recv_try(chan, &value), 0);
        equal(value, 1);
        equal(leat_recv_until(chan, &value, 0), 0);
        equal(value, 2);
        equal(leat_recv_many(chan, two, 2), 2);
        check(two[0] == 3 && two[1] == 4);
        for (int i = 0; i < 2; i++) {
            value = 99;
            equal(leat_recv(chan, &value), -EPIPE);
            equal(leat_recv_try(chan, &value), -EPIPE);
            equal(leat_recv_until(chan, &value, 0), -EPIPE);
            equal(leat_recv_many(chan, two, 2), -EPIPE);
            equal(leat_recv_many_try(chan, two, 2), -EPIPE);
            equal(value, 99);
        }
        leat_chan_free(chan);
    }
    return 0;
}

struct crowd {
    struct leat_chan *chan;
    _Atomic int broken, others;
};

static void count_result(struct crowd *crowd, int error) {
    lt_fetch_add(error == -EPIPE ? &crowd->broken : &crowd->others, 1, relaxed);
}

static int receive_once(void *arg) {
    struct crowd *crowd = arg;
    count_result(crowd, leat_recv(crowd->chan, NULL));
    return 0;
}

static int send_once(void *arg) {
    struct crowd *crowd = arg;
    count_result(crowd, leat_send(crowd->chan, &(int){1}));
    return 0;
}

static int select_once(void *arg) {
    struct crowd *crowd = arg;
    struct leat_case cases[] = {{LEAT_RECV, crowd->chan}};
    equal(leat_select(cases, 1), 0);
    count_result(crowd, cases[0].error);
    return 0;
}

static int close_wakes_all(void *arg) {
    (void)arg;
    enum { TASKS = 30 };
    leat_fn *const kinds[] = {receive_once, send_once, select_once};
    for (size_t round = 0; round < 3 * scaled(30); round++) {
        leat_fn *kind = kinds[round % 3];
        bool full = kind == send_once && round % 2;
        struct crowd crowd = {.chan = leat_chan_new(sizeof(int), full ? 1 : 0)};
        if (full)
            equal(leat_send(crowd.chan, &(int){5}), 0);
        struct leat_scope *scope = leat_scope_open(NULL);
        for (int i = 0; i < TASKS; i++)
            leat_go_at(scope, kind, &crowd, NULL, "close_wakes_all", __FILE__, __LINE__);
        if (round < 3)
            settle();
        equal(leat_chan_close(crowd.chan), 0);
        equal(leat_scope_close(scope), 0);
        equal(crowd.broken, TASKS);
        equal(crowd.others, 0);
        /* No sender's value slipped in: only what was there before. */
        int value = 0;
        equal(leat_recv(crowd.chan, &value), full ? 0 : -EPIPE);
        equal(value, full ? 5 : 0);
        leat_chan_free(crowd.chan);
    }
    return 0;
}

static int after_close(void *arg) {
    (void)arg;
    for (int c = 0; c < CAPACITIES; c++) {
        struct leat_chan *chan = leat_chan_new(sizeof(int), capacities[c]);
        int value = 3;
        equal(leat_chan_close(chan), 0);
        equal(leat_chan_close(chan), -EPIPE);
        equal(leat_send(chan, &value), -EPIPE);
        equal(leat_send_try(chan, &value), -EPIPE);
        equal(leat_send_until(chan, &value, 0), -EPIPE);
        equal(leat_send_many(chan, &value, 1), -EPIPE);
        equal(leat_send_many_try(chan, &value, 1), -EPIPE);
        equal(value, 3);
        equal(leat_chan_len(chan), 0);
        equal(leat_chan_close(chan), -EPIPE);
        leat_chan_free(chan);
    }
    return 0;
}

/* ---------------------------------------------------------- try, until */

static int take_one(void *arg) {
    return leat_recv(*(struct leat_chan **)arg, NULL);
}

static int give_one(void *arg) {
    return leat_send(*(struct leat_chan **)arg, &(int){1});
}

static int try_needs_a_partner(void *arg) {
    (void)arg;
    struct leat_chan *chan = leat_chan_new(sizeof(int), 0);
    for (size_t i = 0; i < scaled(300); i++) {
        int value = 1;
        equal(leat_send_try(chan, &value), -EAGAIN);
        struct leat_scope *scope = leat_scope_open(NULL);
        leat_go(scope, take_one, &chan);
        int error;
        while ((error = leat_send_try(chan, &value)) == -EAGAIN)
            leat_yield();
        equal(error, 0);
        equal(leat_send_try(chan, &value), -EAGAIN);
        equal(leat_scope_close(scope), 0);

        equal(leat_recv_try(chan, &value), -EAGAIN);
        scope = leat_scope_open(NULL);
        leat_go(scope, give_one, &chan);
        while ((error = leat_recv_try(chan, &value)) == -EAGAIN)
            leat_yield();
        equal(error, 0);
        equal(leat_recv_try(chan, &value), -EAGAIN);
        equal(leat_scope_close(scope), 0);
    }
    leat_chan_free(chan);
    return 0;
}

static int expect_one(void *arg) {
    struct leat_chan *chan = arg;
    equal(leat_recv_try(chan, NULL), 0);
    leat_chan_free(chan);
    return 0;
}

static int try_never_misses(void *arg) {
    (void)arg;
    struct leat_scope *scope = leat_scope_open(NULL);
    for (size_t i = 0; i < scaled(20000); i++) {
        struct leat_chan *chan = leat_chan_new(sizeof(int), 1);
        equal(leat_send_try(chan, &(int){1}), 0);
        equal(leat_send_try(chan, &(int){1}), -EAGAIN);
        leat_go(scope, expect_one, leat_chan_retain(chan));
        leat_chan_close(chan);
        leat_chan_free(chan);
        if (i % 64 == 0)
            leat_yield();
    }
    equal(leat_scope_close(scope), 0);
    return 0;
}

static int until_gives_up(void *arg) {
    (void)arg;
    struct leat_chan *empty = leat_chan_new(sizeof(int), 0);
    struct leat_chan *full = leat_chan_new(sizeof(int), 1);
    equal(leat_send(full, &(int){1}), 0);
    for (size_t i = 0; i < scaled(20); i++) {
        int value = 42, wanted = 42;
        leat_time deadline = leat_after(LEAT_MILLISECOND);
        equal(leat_send_until(empty, &value, deadline), -ETIMEDOUT);
        check(leat_now() >= deadline);
        deadline = leat_after(LEAT_MILLISECOND);
        equal(leat_recv_until(empty, &value, deadline), -ETIMEDOUT);
        check(leat_now() >= deadline);
        equal(leat_send_until(full, &value, leat_after(LEAT_MILLISECOND / 10)), -ETIMEDOUT);
        equal(value, wanted);
        /* Nothing of the calls that gave up is left behind. */
        equal(leat_recv_try(empty, &value), -EAGAIN);
        equal(leat_send_try(empty, &value), -EAGAIN);
        equal(leat_chan_len(full), 1);
    }
    /* Ready comes before timed out. */
    int value = 0;
    equal(leat_recv_until(full, &value, 0), 0);
    equal(value, 1);
    equal(leat_send_until(full, &value, 0), 0);
    equal(leat_send_until(full, &value, 0), -ETIMEDOUT);
    equal(leat_recv_until(empty, &value, 0), -ETIMEDOUT);
    leat_chan_free(empty);
    leat_chan_free(full);
    return 0;
}

struct race {
    struct leat_chan *chan;
    size_t rounds;
    _Atomic size_t sent, received;
    uint64_t seed;
};

static int send_in_time(void *arg) {
    struct race *race = arg;
    uint64_t seed = race->seed;
    for (size_t i = 0; i < race->rounds; i++) {
        int error =
            leat_send_until(race->chan, &(int){1}, leat_after((leat_time)(next_random(&seed) % 50) * LEAT_MICROSECOND));
        if (!error)
            lt_fetch_add(&race->sent, 1, relaxed);
        else
            equal(error, -ETIMEDOUT);
    }
    return 0;
}

static int receive_in_time(void *arg) {
    struct race *race = arg;
    uint64_t seed = ~race->seed;
    for (;;) {
        int error =
            leat_recv_until(race->chan, NULL, leat_after((leat_time)(next_random(&seed) % 50) * LEAT_MICROSECOND));
        if (error == -EPIPE)
            return 0;
        if (!error)
            lt_fetch_add(&race->received, 1, relaxed);
        else
            equal(error, -ETIMEDOUT);
    }
}

/* A value whose sender gave up is never received; one that was taken is never given up. */
static int time_out_races_hand_off(void *arg) {
    (void)arg;
    for (size_t capacity = 0; capacity < 2; capacity++) {
        struct race race = {
            .chan = leat_chan_new(sizeof(int), capacity), .rounds = scaled(1000), .seed = seeded(88172645463325252u)};
        struct leat_scope *receivers = leat_scope_open(NULL);
        for (int i = 0; i < 3; i++)
            leat_go(receivers, receive_in_time, &race);
        struct leat_scope *senders = leat_scope_open(NULL);
        for (int i = 0; i < 3; i++)
            leat_go(senders, send_in_time, &race);
        equal(leat_scope_close(senders), 0);
        leat_chan_close(race.chan);
        equal(leat_scope_close(receivers), 0);
        equal(race.received, race.sent);
        leat_chan_free(race.chan);
    }
    return 0;
}

/* -------------------------------------------------------- size, number */

static int length_is_exact(void *arg) {
    (void)arg;
    struct leat_chan *chan = leat_chan_new(sizeof(int), 5);
    equal(leat_chan_cap(chan), 5);
    equal(leat_chan_element_size(chan), sizeof(int));
    for (int turn = 0; turn < 3; turn++) {
        for (int i = 0; i < 5; i++) {
            equal(leat_chan_len(chan), i);
            equal(leat_send_try(chan, &i), 0);
        }
        equal(leat_chan_len(chan), 5);
        equal(leat_send_try(chan, &turn), -EAGAIN);
        for (int i = 0, value; i < 5; i++) {
            equal(leat_recv_try(chan, &value), 0);
            equal(value, i);
            equal(leat_chan_len(chan), 4 - i);
        }
    }
    leat_chan_free(chan);
    chan = leat_chan_new(1, 0);
    equal(leat_chan_cap(chan), 0);
    leat_chan_free(chan);
    chan = leat_chan_new(1, LEAT_UNBOUNDED);
    check(leat_chan_cap(chan) == LEAT_UNBOUNDED);
    leat_chan_free(chan);
    check(!leat_chan_new(65537, 1));
    check(!leat_chan_new(65536, SIZE_MAX / 4));
    return 0;
}

static int count_values(void *arg) {
    struct race *race = arg;
    while (leat_recv(race->chan, NULL) == 0)
        lt_fetch_add(&race->received, 1, relaxed);
    return 0;
}

static int empty_values(void *arg) {
    (void)arg;
    for (int c = 0; c < CAPACITIES; c++) {
        struct race race = {.chan = leat_chan_new(0, capacities[c])};
        struct leat_scope *scope = leat_scope_open(NULL);
        leat_go(scope, count_values, &race);
        for (int i = 0; i < 100; i++)
            equal(leat_send(race.chan, NULL), 0);
        leat_chan_close(race.chan);
        equal(leat_scope_close(scope), 0);
        equal(race.received, 100);
        leat_chan_free(race.chan);
    }
    return 0;
}

static int send_back(void *arg) {
    struct leat_chan *requests = arg, *answers;
    while (leat_recv(requests, &answers) == 0)
        equal(leat_send(answers, &(int){11}), 0);
    return 0;
}

static int channels_through_channels(void *arg) {
    (void)arg;
    struct leat_chan *requests = leat_chan_new(sizeof(struct leat_chan *), 0);
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, send_back, requests);
    for (int i = 0; i < 10; i++) {
        struct leat_chan *answers = leat_chan_new(sizeof(int), (size_t)i % 2);
        int value = 0;
        equal(leat_send(requests, &answers), 0);
        equal(leat_recv(answers, &value), 0);
        equal(value, 11);
        leat_chan_free(answers);
    }
    leat_chan_close(requests);
    equal(leat_scope_close(scope), 0);
    leat_chan_free(requests);

    struct leat_chan *self = leat_chan_new(sizeof self, 1), *got = NULL;
    equal(leat_send(self, &self), 0);
    equal(leat_recv(self, &got), 0);
    check(got == self);
    leat_chan_free(self);
    return 0;
}

static const struct test tests[] = {
    {"values of one sender arrive in the order sent", fifo},
    {"waiting senders and receivers are served in the order of arrival", arrival_order},
    {"an unbuffered send ends only after its value was taken", send_meets_receive},
    {"a channel of capacity n is a semaphore of n", capacity_is_a_semaphore},
    {"a closed channel gives what it has, then the end, without blocking", closed_drains},
    {"close wakes every waiting sender and receiver", close_wakes_all},
    {"sending or closing after close is refused", after_close},
    {"try succeeds when and only when a partner waits", try_needs_a_partner},
    {"try never misses what is there", try_never_misses},
    {"until gives up at its time and leaves nothing behind", until_gives_up},
    {"time-out and hand-off never both happen", time_out_races_hand_off},
    {"length and capacity are exact", length_is_exact},
    {"values of no size", empty_values},
    {"channels through channels, and through themselves", channels_through_channels},
};

int main(int argc, char **argv) {
    return run_group("channel", tests, sizeof tests / sizeof *tests, argc, argv);
}
