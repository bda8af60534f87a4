/* SPDX-License-Identifier: MIT */
/**
 * Histories: whatever tasks do to a channel at the same time, there is one
 * order of their operations, each between its call and its return, in which a
 * plain queue gives the same results (Wing and Gong's check, by search).
 */
#include "runtime/runtime.h"

enum { TASKS = 3, EACH = 4, OPERATIONS = TASKS * EACH, CAPACITY = 2 };

enum kind { SEND, RECEIVE, LENGTH, CLOSE };

struct operation {
    enum kind kind;
    int value;  /* sent, or received */
    int result; /* as returned */
    unsigned called, returned;
};

struct history {
    struct leat_chan *chan;
    _Atomic unsigned clock, ready;
    struct operation operations[OPERATIONS];
};

struct author {
    struct history *history;
    struct operation *mine;
};

static void perform(struct history *history, struct operation *operation) {
    operation->called = lt_fetch_add(&history->clock, 1, seq_cst);
    switch (operation->kind) {
    case SEND:
        operation->result = leat_send_try(history->chan, &operation->value);
        break;
    case RECEIVE:
        operation->result = leat_recv_try(history->chan, &operation->value);
        break;
    case LENGTH:
        operation->result = (int)leat_chan_len(history->chan);
        break;
    default:
        operation->result = leat_chan_close(history->chan);
        break;
    }
    operation->returned = lt_fetch_add(&history->clock, 1, seq_cst);
}

static int write_history(void *arg) {
    struct author *author = arg;
    lt_fetch_add(&author->history->ready, 1, relaxed);
    /* Begin together if that is possible, so that operations overlap. */
    for (int i = 0; i < 1000 && lt_load(&author->history->ready, relaxed) < TASKS; i++)
        lt_pause();
    for (int i = 0; i < EACH; i++)
        perform(author->history, &author->mine[i]);
    return 0;
}

/* -------------------------------------------------- what a plain queue does */

struct queue {
    int values[CAPACITY], count;
    bool closed;
};

static bool agrees(struct queue *queue, const struct operation *operation) {
    switch (operation->kind) {
    case SEND:
        if (queue->closed)
            return operation->result == -EPIPE;
        if (queue->count == CAPACITY)
            return operation->result == -EAGAIN;
        queue->values[queue->count++] = operation->value;
        return operation->result == 0;
    case RECEIVE:
        if (queue->count == 0)
            return operation->result == (queue->closed ? -EPIPE : -EAGAIN);
        if (operation->result != 0 || operation->value != queue->values[0])
            return false;
        memmove(queue->values, queue->values + 1, sizeof queue->values - sizeof *queue->values);
        queue->count--;
        return true;
    case LENGTH:
        return operation->result == queue->count;
    default:
        if (operation->result != (queue->closed ? -EPIPE : 0))
            return false;
        queue->closed = true;
        return true;
    }
}

/* Can the operations not in `done` follow one another from here on? */
static bool explained(const struct operation *operations, unsigned done, struct queue queue) {
    unsigned earliest_return = UINT32_MAX;
    for (unsigned i = 0; i < OPERATIONS; i++)
        if (!(done & 1u << i) && operations[i].returned < earliest_return)
            earliest_return = operations[i].returned;
    if (earliest_return == UINT32_MAX)
        return true;
    for (unsigned i = 0; i < OPERATIONS; i++) {
        /* It may come next if nobody else has returned before it was called. */
        if (done & 1u << i || operations[i].called > earliest_return)
            continue;
        struct queue next = queue;
        if (agrees(&next, &operations[i]) && explained(operations, done | 1u << i, next))
            return true;
    }
    return false;
}

static void show(const struct operation *operations) {
    static const char *const names[] = {"send", "receive", "length", "close"};
    for (int i = 0; i < OPERATIONS; i++) {
        const struct operation *it = &operations[i];
        dprintf(2, "# task %d, %u to %u: %s, value %d, result %d\n", i / EACH, it->called, it->returned,
                names[it->kind], it->value, it->result);
    }
}

static int histories(void *arg) {
    (void)arg;
    uint64_t seed = 20010101;
    for (size_t round = 0; round < scaled(5000); round++) {
        struct history history = {.chan = leat_chan_new(sizeof(int), CAPACITY)};
        struct author authors[TASKS];
        for (int i = 0; i < OPERATIONS; i++) {
            unsigned chance = (unsigned)(next_random(&seed) % 32);
            enum kind kind = chance == 0 ? CLOSE : chance < 6 ? LENGTH : chance < 19 ? SEND : RECEIVE;
            history.operations[i] = (struct operation){.kind = kind, .value = kind == SEND ? i : -1};
        }
        struct leat_scope *scope = leat_scope_open(NULL);
        for (int i = 0; i < TASKS; i++) {
            authors[i] = (struct author){&history, &history.operations[i * EACH]};
            leat_go(scope, write_history, &authors[i]);
        }
        equal(leat_scope_close(scope), 0);
        if (!check(explained(history.operations, 0, (struct queue){.count = 0}))) {
            show(history.operations);
            return 0;
        }
        leat_chan_free(history.chan);
    }
    return 0;
}

/* The check itself can fail: a value received before it was sent, a length that never was. */
static void check_can_fail(void) {
    struct operation operations[OPERATIONS];
    for (unsigned i = 0; i < OPERATIONS; i++)
        operations[i] = (struct operation){.kind = LENGTH, .result = 0, .called = 2 * i, .returned = 2 * i + 1};
    assert_true(explained(operations, 0, (struct queue){.count = 0}));
    operations[3].result = 1;
    assert_false(explained(operations, 0, (struct queue){.count = 0}));
    operations[3] = (struct operation){.kind = RECEIVE, .value = 5, .called = 6, .returned = 7};
    operations[4] = (struct operation){.kind = SEND, .value = 5, .called = 8, .returned = 9};
    assert_false(explained(operations, 0, (struct queue){.count = 0}));
    operations[4].called = 5; /* they overlap: the send may have come first */
    assert_true(explained(operations, 0, (struct queue){.count = 0}));
}

static const struct test tests[] = {
    {"the check finds what cannot be explained", .plain = check_can_fail},
    {"every history can be explained by a plain queue", histories},
};

int main(int argc, char **argv) {
    return run_group("linearizable", tests, sizeof tests / sizeof *tests, argc, argv);
}
