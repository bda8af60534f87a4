/* SPDX-License-Identifier: MIT */
/** Select: exactly one case, fair or ordered, what is ready and what is not, no traces of the losers. */
#include "runtime/runtime.h"

#include <malloc.h>

static struct leat_chan *make(size_t capacity) {
    return leat_chan_new(sizeof(uint64_t), capacity);
}

static void send_value(struct leat_chan *chan, uint64_t value) {
    equal(leat_send(chan, &value), 0);
}

/* ------------------------------------------------- what is ready, a table */

enum state { ABSENT, EMPTY, FULL, CLOSED, CLOSED_FULL, STATES };

static struct leat_chan *in_state(enum state state, size_t capacity) {
    if (state == ABSENT)
        return NULL;
    struct leat_chan *chan = make(capacity);
    if (state == FULL || state == CLOSED_FULL)
        send_value(chan, 9);
    if (state == CLOSED || state == CLOSED_FULL)
        leat_chan_close(chan);
    return chan;
}

/* What one case does: index 0 with this error, or 1 for "waits". */
static int outcome(enum leat_op op, enum state state, size_t capacity) {
    switch (state) {
    case ABSENT:
        return 1;
    case EMPTY:
        return op == LEAT_SEND && capacity ? 0 : 1;
    case FULL:
        return op == LEAT_RECV ? 0 : 1;
    case CLOSED:
        return -EPIPE;
    default:
        return op == LEAT_RECV ? 0 : -EPIPE;
    }
}

static void check_outcome(enum leat_op op, enum state state, size_t capacity) {
    int wanted = outcome(op, state, capacity);
    for (int form = 0; form < 4; form++) {
        struct leat_chan *chan = in_state(state, capacity);
        uint64_t value = 4;
        struct leat_case cases[] = {{op, NULL, &value}, {op, chan, &value}, {LEAT_RECV, NULL, NULL}};
        int index = 0;
        leat_time soon = leat_after(LEAT_MILLISECOND / 2);
        switch (form) {
        case 0:
            index = leat_select_try(cases, 3);
            break;
        case 1:
            index = leat_select_until(cases, 3, soon);
            break;
        case 2:
            index = leat_select_with(cases, 3, LEAT_ORDERED, soon);
            break;
        case 3: /* one case only, which may take another way */
            index = leat_select_until(cases + 1, 1, soon);
            index += index >= 0;
            break;
        }
        if (wanted == 1) {
            equal(index, form == 0 ? -EAGAIN : -ETIMEDOUT);
        } else {
            equal(index, 1);
            equal(cases[1].error, wanted);
            if (op == LEAT_RECV && !wanted)
                equal(value, 9);
        }
        if (chan)
            leat_chan_free(chan);
    }
}

static int table(void *arg) {
    (void)arg;
    for (int op = LEAT_RECV; op <= LEAT_SEND; op++)
        for (int state = 0; state < STATES; state++)
            for (size_t capacity = 0; capacity < 2; capacity++)
                if (capacity || (state != FULL && state != CLOSED_FULL))
                    check_outcome((enum leat_op)op, (enum state)state, capacity);
    return 0;
}

static int no_cases(void *arg) {
    (void)arg;
    leat_time deadline = leat_after(2 * LEAT_MILLISECOND);
    equal(leat_select_until(NULL, 0, deadline), -ETIMEDOUT);
    check(leat_now() >= deadline);
    equal(leat_select_try(NULL, 0), -EAGAIN);
    struct leat_case absent[] = {{LEAT_RECV, NULL}, {LEAT_SEND, NULL, absent}};
    deadline = leat_after(2 * LEAT_MILLISECOND);
    equal(leat_select_until(absent, 2, deadline), -ETIMEDOUT);
    check(leat_now() >= deadline);
    return 0;
}

/* --------------------------------------------------------- which one */

static int fair(void *arg) {
    (void)arg;
    enum { CASES = 4, TURNS = 8000 };
    struct leat_case cases[CASES];
    int hits[CASES] = {0};
    for (int i = 0; i < CASES; i++)
        cases[i] = (struct leat_case){LEAT_RECV, make(1)};
    for (int i = 0; i < CASES; i++)
        leat_chan_close(cases[i].chan);
    for (int i = 0; i < TURNS; i++) {
        int index = i % 2 ? leat_select(cases, CASES) : leat_select_try(cases, CASES);
        if (check(index >= 0 && index < CASES))
            hits[index]++;
    }
    double chi = 0, wanted = TURNS / (double)CASES;
    for (int i = 0; i < CASES; i++) {
        chi += (hits[i] - wanted) * (hits[i] - wanted) / wanted;
        leat_chan_free(cases[i].chan);
    }
    /* Three degrees of freedom: a fair choice exceeds 45 less than once in 10^9 runs. */
    check(chi < 45);
    return 0;
}

static int ordered(void *arg) {
    (void)arg;
    struct leat_chan *a = make(4), *b = make(4), *c = make(4);
    uint64_t value;
    struct leat_case cases[] = {{LEAT_RECV, a, &value}, {LEAT_RECV, b, &value}, {LEAT_SEND, c, &(uint64_t){1}}};
    for (int i = 0; i < 50; i++) {
        equal(leat_select_with(cases, 3, LEAT_ORDERED, LEAT_FOREVER), 2);
        send_value(b, 2);
        equal(leat_select_with(cases, 3, LEAT_ORDERED, LEAT_FOREVER), 1);
        send_value(b, 2);
        send_value(a, 1);
        equal(leat_select_with(cases, 3, LEAT_ORDERED, 0), 0);
        equal(value, 1);
        equal(leat_recv(b, &value), 0);
        equal(leat_recv(c, &value), 0);
    }
    leat_chan_free(a);
    leat_chan_free(b);
    leat_chan_free(c);
    return 0;
}

static int same_channel_twice(void *arg) {
    (void)arg;
    struct leat_chan *chan = make(0), *room = make(1);
    uint64_t value = 3;
    /* A select never meets itself. */
    struct leat_case self[] = {{LEAT_SEND, chan, &value}, {LEAT_RECV, chan, &value}, {LEAT_SEND, chan, &value}};
    equal(leat_select_try(self, 3), -EAGAIN);
    equal(leat_select_until(self, 3, leat_after(LEAT_MILLISECOND)), -ETIMEDOUT);
    equal(leat_recv_try(chan, NULL), -EAGAIN);
    equal(leat_send_try(chan, &value), -EAGAIN);
    /* With room it is an ordinary buffer: put, take, put, take. */
    uint64_t got = 0;
    struct leat_case both[] = {{LEAT_SEND, room, &value}, {LEAT_RECV, room, &got}};
    for (int i = 0; i < 100; i++) {
        equal(leat_select(both, 2), i % 2);
        equal(leat_chan_len(room), 1 - i % 2);
    }
    equal(got, 3);
    leat_chan_free(chan);
    leat_chan_free(room);
    return 0;
}

struct pair {
    struct leat_chan *a, *b;
    size_t rounds;
    _Atomic size_t sent, received;
};

static int select_both_ways(void *arg) {
    struct pair *pair = arg;
    uint64_t out = leat_task_id(), in = 0;
    for (size_t i = 0; i < pair->rounds; i++) {
        struct leat_case cases[] = {{LEAT_SEND, pair->a, &out}, {LEAT_RECV, pair->a, &in}};
        int index = leat_select(cases, 2);
        if (index == 1)
            check(in != out);
        lt_fetch_add(index ? &pair->received : &pair->sent, 1, relaxed);
    }
    return 0;
}

/* Two tasks that both send and receive on one channel: each round one meets the other, never itself. */
static int self_select(void *arg) {
    (void)arg;
    struct pair pair = {.a = make(0), .rounds = scaled(5000)};
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, select_both_ways, &pair);
    leat_go(scope, select_both_ways, &pair);
    equal(leat_scope_close(scope), 0);
    equal(pair.sent, pair.rounds);
    equal(pair.received, pair.rounds);
    leat_chan_free(pair.a);
    return 0;
}

/* ----------------------------------------------------- becomes ready */

struct later {
    struct leat_chan *chan;
    enum leat_op op;
};

static int act_later(void *arg) {
    struct later *later = arg;
    settle();
    return later->op == LEAT_SEND ? leat_send(later->chan, &(uint64_t){5}) : leat_recv(later->chan, NULL);
}

static int becomes_ready(void *arg) {
    (void)arg;
    for (int which = 0; which < 4; which++) {
        struct leat_chan *chans[4];
        struct leat_case cases[4];
        uint64_t values[4] = {1, 2, 3, 4};
        for (int i = 0; i < 4; i++) {
            chans[i] = make(0);
            cases[i] = (struct leat_case){i % 2 ? LEAT_SEND : LEAT_RECV, chans[i], &values[i]};
        }
        struct later later = {chans[which], which % 2 ? LEAT_RECV : LEAT_SEND};
        struct leat_scope *scope = leat_scope_open(NULL);
        leat_go(scope, act_later, &later);
        equal(leat_select(cases, 4), which);
        equal(cases[which].error, 0);
        equal(leat_scope_close(scope), 0);
        /* The other cases left nothing behind. */
        for (int i = 0; i < 4; i++) {
            equal(values[i], i == which && i % 2 == 0 ? 5 : i + 1);
            equal(leat_send_try(chans[i], &values[i]), -EAGAIN);
            equal(leat_recv_try(chans[i], NULL), -EAGAIN);
            leat_chan_free(chans[i]);
        }
    }
    return 0;
}

/* A losing send is not reported as closed when its channel is closed afterwards, nor the other way about. */
static int close_while_selecting(void *arg) {
    (void)arg;
    for (size_t i = 0; i < scaled(300); i++) {
        struct leat_chan *open = make(0), *shut = make(0);
        struct leat_case cases[] = {{LEAT_SEND, shut, &(uint64_t){1}}, {LEAT_RECV, open, NULL}};
        struct later later = {open, LEAT_SEND};
        struct leat_scope *scope = leat_scope_open(NULL);
        if (i % 2)
            leat_go(scope, act_later, &later);
        else
            leat_chan_close(shut);
        int index = leat_select(cases, 2);
        equal(index, i % 2);
        equal(cases[i % 2].error, i % 2 ? 0 : -EPIPE);
        leat_chan_close(shut);
        equal(leat_scope_close(scope), 0);
        leat_chan_free(open);
        leat_chan_free(shut);
    }
    return 0;
}

/* ---------------------------------------------------- exactly one case */

struct duel {
    struct leat_chan *a, *b;
    uint64_t count;
    _Atomic uint64_t next; /* numbers given out to senders */
    _Atomic unsigned char *seen;
    _Atomic uint64_t received;
};

static int duel_sender(void *arg) {
    struct duel *duel = arg;
    for (;;) {
        uint64_t number = lt_fetch_add(&duel->next, 1, relaxed);
        if (number >= duel->count)
            return 0;
        /* The same value on both: if two cases were done, it would be seen twice. */
        struct leat_case cases[] = {{LEAT_SEND, duel->a, &number}, {LEAT_SEND, duel->b, &number}};
        int index = leat_select(cases, 2);
        if (!check(index == 0 || index == 1) || !equal(cases[index].error, 0))
            return 0;
    }
}

static int duel_receiver(void *arg) {
    struct duel *duel = arg;
    uint64_t fresh = UINT64_MAX;
    for (;;) {
        uint64_t a = fresh, b = fresh;
        struct leat_case cases[] = {{LEAT_RECV, duel->a, &a}, {LEAT_RECV, duel->b, &b}};
        int index = leat_select(cases, 2);
        if (!check(index >= 0) || cases[index].error)
            return 0;
        check((index == 0 ? b : a) == fresh);
        uint64_t number = index == 0 ? a : b;
        lt_fetch_add(&duel->received, 1, relaxed);
        if (check(number < duel->count))
            equal(lt_fetch_add(&duel->seen[number], 1, relaxed), 0);
    }
}

static int exactly_one(void *arg) {
    (void)arg;
    for (size_t capacity = 0; capacity < 4; capacity += 3) {
        struct duel duel = {.a = make(capacity), .b = make(capacity), .count = scaled(20000)};
        duel.seen = calloc(duel.count, 1);
        struct leat_scope *receivers = leat_scope_open(NULL);
        for (int i = 0; i < 4; i++)
            leat_go(receivers, duel_receiver, &duel);
        struct leat_scope *senders = leat_scope_open(NULL);
        for (int i = 0; i < 4; i++)
            leat_go(senders, duel_sender, &duel);
        equal(leat_scope_close(senders), 0);
        /* All that was sent lies in a buffer or was received; the end of one channel must not end receivers early. */
        while (leat_chan_len(duel.a) || leat_chan_len(duel.b))
            leat_yield();
        leat_chan_close(duel.a);
        leat_chan_close(duel.b);
        equal(leat_scope_close(receivers), 0);
        equal(duel.received, duel.count);
        free((void *)duel.seen);
        leat_chan_free(duel.a);
        leat_chan_free(duel.b);
    }
    return 0;
}

/* -------------------------------------------------------- one instant */

static int peek_once(void *arg) {
    struct pair *pair = arg;
    struct leat_case cases[] = {{LEAT_RECV, pair->a}, {LEAT_RECV, pair->b}};
    check(leat_select_try(cases, 2) >= 0);
    return 0;
}

static int peek_backwards(void *arg) {
    struct pair *pair = arg;
    struct leat_case cases[] = {{LEAT_RECV, pair->b}, {LEAT_RECV, pair->a}};
    check(leat_select_try(cases, 2) >= 0);
    return 0;
}

/* `b` becomes ready before `a` ceases to be: at every instant one of them is, so looking at one after the other is
 * wrong. */
static int one_instant(void *arg) {
    (void)arg;
    for (size_t i = 0; i < scaled(20000); i++) {
        struct pair pair = {.a = make(1), .b = make(1)};
        send_value(pair.a, 1);
        struct leat_scope *scope = leat_scope_open(NULL);
        leat_go(scope, i / 2 % 2 ? peek_once : peek_backwards, &pair);
        if (i % 3 == 0)
            leat_yield();
        if (i % 2)
            send_value(pair.b, 1);
        else
            leat_chan_close(pair.b);
        leat_recv_try(pair.a, NULL);
        equal(leat_scope_close(scope), 0);
        leat_chan_free(pair.a);
        leat_chan_free(pair.b);
    }
    return 0;
}

/* ---------------------------------------------------------- no traces */

static size_t allocated(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* An idle channel that always loses gathers no memory and no waiters. */
static int losers_leave_nothing(void *arg) {
    (void)arg;
    struct leat_chan *idle = make(0), *busy = make(0), *more[20];
    for (int i = 0; i < 20; i++)
        more[i] = make(0);
    size_t before = 0;
    size_t rounds = scaled(20000); /* if each left a note behind, more than a mebibyte */
    for (size_t i = 0; i < rounds; i++) {
        if (i == rounds / 10)
            before = allocated();
        struct leat_case cases[22] = {{LEAT_RECV, idle}, {LEAT_RECV, busy}};
        for (int k = 0; k < 20; k++)
            cases[2 + k] = (struct leat_case){LEAT_SEND, more[k], &(uint64_t){1}};
        /* Few cases and many: they may keep their notes in different places. */
        equal(leat_select_until(cases, i % 2 ? 2 : 22, leat_after(LEAT_MICROSECOND)), -ETIMEDOUT);
    }
    if (!check(allocated() < before + (1 << 20)))
        dprintf(2, "# %zu bytes before, %zu after\n", before, allocated());
    equal(leat_send_try(idle, &(uint64_t){1}), -EAGAIN);
    equal(leat_send_try(busy, &(uint64_t){1}), -EAGAIN);
    for (int i = 0; i < 20; i++) {
        equal(leat_recv_try(more[i], NULL), -EAGAIN);
        leat_chan_free(more[i]);
    }
    leat_chan_free(idle);
    leat_chan_free(busy);
    return 0;
}

/* A waiter in the middle of a channel's queue that goes away must not break the queue. */
static int wait_then_leave(void *arg) {
    struct pair *pair = arg;
    struct leat_case cases[] = {{LEAT_RECV, pair->a}, {LEAT_RECV, pair->b}};
    int index = leat_select(cases, 2);
    if (!check(index >= 0))
        return 0;
    lt_fetch_add(index ? &pair->received : &pair->sent, cases[index].error ? 0 : 1, relaxed);
    return 0;
}

static int wait_in_queue(void *arg) {
    struct pair *pair = arg;
    if (leat_recv(pair->a, NULL) == 0)
        lt_fetch_add(&pair->sent, 1, relaxed);
    return 0;
}

static int leave_the_queue(void *arg) {
    (void)arg;
    for (size_t i = 0; i < scaled(200); i++) {
        struct pair pair = {.a = make(0), .b = make(0)};
        struct leat_scope *scope = leat_scope_open(NULL);
        for (int k = 0; k < 6; k++)
            leat_go_at(scope, k % 2 ? wait_then_leave : wait_in_queue, &pair, NULL, "waiter", __FILE__, __LINE__);
        for (int k = 0; k < 3; k++)
            send_value(pair.b, 1); /* the selecting ones leave the middle of a's queue */
        for (int k = 0; k < 3; k++)
            send_value(pair.a, 1);
        equal(leat_scope_close(scope), 0);
        equal(pair.received, 3);
        equal(pair.sent, 3);
        leat_chan_free(pair.a);
        leat_chan_free(pair.b);
    }
    return 0;
}

/* -------------------------------------------------------------- stress */

enum { CHANS = 5, TASKS = 12 };

struct web {
    struct leat_chan *chans[CHANS];
    size_t rounds;
    _Atomic uint64_t sent, received, sum_sent, sum_received;
    _Atomic uint64_t seed;
};

static void note_done(struct web *web, const struct leat_case *done, uint64_t value) {
    bool send = done->op == LEAT_SEND;
    lt_fetch_add(send ? &web->sent : &web->received, 1, relaxed);
    lt_fetch_add(send ? &web->sum_sent : &web->sum_received, value, relaxed);
}

/* Random cases in random order on random channels; now and then impatient. */
static int tangle(void *arg) {
    struct web *web = arg;
    uint64_t seed = lt_fetch_add(&web->seed, 0x9E3779B97F4A7C15u, relaxed) | 1;
    for (size_t i = 0; i < web->rounds; i++) {
        struct leat_case cases[6];
        uint64_t values[6];
        size_t count = 1 + next_random(&seed) % 6;
        for (size_t k = 0; k < count; k++) {
            values[k] = next_random(&seed);
            cases[k] = (struct leat_case){next_random(&seed) % 2 ? LEAT_SEND : LEAT_RECV,
                                          web->chans[next_random(&seed) % CHANS], &values[k]};
        }
        leat_time patience = (leat_time)(next_random(&seed) % 100) * LEAT_MICROSECOND;
        int index = next_random(&seed) % 4 ? leat_select_until(cases, count, leat_after(patience))
                                           : leat_select_try(cases, count);
        if (index < 0)
            check(index == -ETIMEDOUT || index == -EAGAIN);
        else if (equal(cases[index].error, 0))
            note_done(web, &cases[index], values[index]);
    }
    return 0;
}

static int drains_exactly(void *arg) {
    (void)arg;
    struct web web = {.rounds = scaled(4000), .seed = seeded(12345)};
    for (int i = 0; i < CHANS; i++)
        web.chans[i] = make((size_t)i % 3);
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < TASKS; i++)
        leat_go(scope, tangle, &web);
    equal(leat_scope_close(scope), 0);
    uint64_t value;
    for (int i = 0; i < CHANS; i++) {
        while (leat_recv_try(web.chans[i], &value) == 0)
            note_done(&web, &(struct leat_case){LEAT_RECV}, value);
        leat_chan_free(web.chans[i]);
    }
    equal(web.sent, web.received);
    check(web.sum_sent == web.sum_received);
    return 0;
}

struct side {
    struct leat_chan **chans;
    size_t rounds;
    bool backwards, sends;
};

/* One side lists the channels forwards, the other backwards: locks taken in the order of the cases would deadlock. */
static int face(void *arg) {
    struct side *side = arg;
    size_t left[CHANS], total = CHANS * side->rounds;
    for (int i = 0; i < CHANS; i++)
        left[i] = side->rounds;
    while (total--) {
        struct leat_case cases[CHANS];
        size_t which[CHANS];
        uint64_t value = total;
        for (size_t i = 0; i < CHANS; i++) {
            which[i] = side->backwards ? CHANS - 1 - i : i;
            struct leat_chan *chan = left[which[i]] ? side->chans[which[i]] : NULL;
            cases[i] = (struct leat_case){side->sends ? LEAT_SEND : LEAT_RECV, chan, &value};
        }
        int index = leat_select(cases, CHANS);
        if (!check(index >= 0) || !equal(cases[index].error, 0))
            return 0;
        left[which[index]]--;
    }
    return 0;
}

static int opposite_orders(void *arg) {
    (void)arg;
    struct leat_chan *chans[CHANS];
    for (int i = 0; i < CHANS; i++)
        chans[i] = make(0);
    struct side sides[4];
    struct leat_scope *scope = leat_scope_open(NULL);
    for (int i = 0; i < 4; i++) {
        sides[i] = (struct side){chans, scaled(2000), i % 2, i < 2};
        leat_go(scope, face, &sides[i]);
    }
    equal(leat_scope_close(scope), 0);
    for (int i = 0; i < CHANS; i++) {
        equal(leat_send_try(chans[i], &(uint64_t){1}), -EAGAIN);
        leat_chan_free(chans[i]);
    }
    return 0;
}

static int many_cases(void *arg) {
    (void)arg;
    enum { COUNT = 3000 };
    struct leat_case *cases = calloc(COUNT, sizeof *cases);
    uint64_t value = 0;
    for (int i = 0; i < COUNT; i++)
        cases[i] = (struct leat_case){LEAT_RECV, make(1), &value};
    equal(leat_select_try(cases, COUNT), -EAGAIN);
    struct later later = {cases[COUNT - 7].chan, LEAT_SEND};
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, act_later, &later);
    equal(leat_select(cases, COUNT), COUNT - 7);
    equal(value, 5);
    equal(leat_scope_close(scope), 0);
    check(leat_select_try(cases, 65536) < 0);
    for (int i = 0; i < COUNT; i++)
        leat_chan_free(cases[i].chan);
    free(cases);
    return 0;
}

static const struct test tests[] = {
    {"what is ready and what waits: absent, empty, full, closed", table},
    {"no cases: sleep until the time is over", no_cases},
    {"among ready cases each is as likely", fair},
    {"ordered: the first ready case wins", ordered},
    {"the same channel in several cases", same_channel_twice},
    {"a select never meets itself", self_select},
    {"a waiting select goes on with the case that becomes ready", becomes_ready},
    {"a losing case is never reported as closed", close_while_selecting},
    {"exactly one case is done", exactly_one},
    {"select acts at one instant", one_instant},
    {"losing cases leave nothing behind", losers_leave_nothing},
    {"losers leave a queue whole", leave_the_queue},
    {"random selects drain exactly", drains_exactly},
    {"selects in opposite orders do not deadlock", opposite_orders},
    {"thousands of cases", many_cases},
};

int main(int argc, char **argv) {
    return run_group("select", tests, sizeof tests / sizeof *tests, argc, argv);
}
