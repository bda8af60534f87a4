/* SPDX-License-Identifier: MIT */
/**
 * Whatever tasks do to two channels at the same time, in every form, alone or
 * by select, is explained by two plain queues with lines of waiters.
 */
#include "runtime/history.h"

enum { CHANNELS = 2, CASES = 2, ROOM = OPERATIONS, LARGE = 200 };

/* Sending and receiving are selects of one case. */
enum kind { TRANSFER, LENGTH, CLOSE };
enum form { PLAIN, TRY, UNTIL };

/* argument[2 * i]: the channel of case i, or -1; argument[2 * i + 1]: the value to send, or RECEIVE. */
enum { RECEIVE = -1, NO_CASE = -1 };

/* result: of a transfer the case done, or -EAGAIN, -ETIMEDOUT; then value: received, SENT or -EPIPE. */
enum { SENT = -100 };

static const char specification_text[] =
    "#   A channel is a queue of at most `capacity` values, a mark `closed`, and a line of waiting operations.\n"
    "#   send: closed: -EPIPE. A receiver waits: the first of the line has the value. Room: append. Else wait, or\n"
    "#     -EAGAIN, -ETIMEDOUT.\n"
    "#   receive: a value is there: take the first, and let the first waiting sender append. A sender waits: take its\n"
    "#     value. Closed: -EPIPE. Else wait, or -EAGAIN, -ETIMEDOUT.\n"
    "#   select: one of the cases that can go on; none: wait in all lines, or -EAGAIN, -ETIMEDOUT.\n"
    "#   close: all who wait in the line have -EPIPE; closed before: -EPIPE.\n"
    "#   length: the number of values in the queue.\n";

/* -------------------------------------------------- the specification */

struct queue {
    int8_t values[ROOM];
    uint8_t count, capacity, closed;
};

struct channels {
    struct queue queues[CHANNELS];
    uint8_t waits[OPERATIONS]; /* the place in line of those that wait, 0: does not */
    uint8_t ended[OPERATIONS]; /* somebody has ended the wait */
    uint8_t arrivals;
};

static bool is_send(const struct operation *operation, int one) {
    return operation->argument[2 * one] != NO_CASE && operation->argument[2 * one + 1] != RECEIVE;
}

static bool is_receive(const struct operation *operation, int one) {
    return operation->argument[2 * one] != NO_CASE && operation->argument[2 * one + 1] == RECEIVE;
}

/* The operation that waits longest to send to (or to receive from) the channel, and by which case. -1: none. */
static int first_in_line(const struct channels *channels, const struct operation *operations, int channel, bool send,
                         int *by) {
    int first = -1;
    for (int i = 0; i < OPERATIONS; i++) {
        if (!channels->waits[i] || (first >= 0 && channels->waits[i] > channels->waits[first]))
            continue;
        for (int one = CASES; one-- > 0;)
            if (operations[i].argument[2 * one] == channel &&
                (send ? is_send(&operations[i], one) : is_receive(&operations[i], one))) {
                first = i;
                *by = one;
            }
    }
    return first;
}

/* The wait of operation `index` ends by case `one` with `value`: false if it did not return that. */
static bool end_wait(struct channels *channels, const struct operation *operations, int index, int one, int value) {
    channels->waits[index] = 0;
    channels->ended[index] = 1;
    return operations[index].result == one && operations[index].value == value;
}

/* What case `one` would give now: a value, SENT or -EPIPE. False: it cannot go on. `*agreed`: so did whom it woke. */
static bool go_on(struct channels *channels, const struct operation *operations, const struct operation *mine, int one,
                  int *value, bool *agreed) {
    int channel = mine->argument[2 * one], by = 0;
    struct queue *queue = &channels->queues[channel];
    bool send = is_send(mine, one);
    int partner = first_in_line(channels, operations, channel, !send, &by);
    if (send) {
        *value = queue->closed ? -EPIPE : SENT;
        if (queue->closed)
            return true;
        if (partner >= 0)
            *agreed = end_wait(channels, operations, partner, by, mine->argument[2 * one + 1]);
        else if (queue->count < queue->capacity)
            queue->values[queue->count++] = (int8_t)mine->argument[2 * one + 1];
        else
            return false;
        return true;
    }
    if (queue->count) {
        *value = queue->values[0];
        memmove(queue->values, queue->values + 1, sizeof queue->values - 1);
        queue->values[--queue->count] = 0;
        if (partner >= 0) {
            queue->values[queue->count++] = (int8_t)operations[partner].argument[2 * by + 1];
            *agreed = end_wait(channels, operations, partner, by, SENT);
        }
        return true;
    }
    *value = -EPIPE;
    if (partner >= 0) {
        *value = operations[partner].argument[2 * by + 1];
        *agreed = end_wait(channels, operations, partner, by, SENT);
    }
    return partner >= 0 || queue->closed;
}

static bool can_go_on(const struct channels *channels, const struct operation *operations,
                      const struct operation *mine) {
    for (int one = 0; one < CASES; one++) {
        struct channels copy = *channels;
        int value;
        bool agreed;
        if (mine->argument[2 * one] != NO_CASE && go_on(&copy, operations, mine, one, &value, &agreed))
            return true;
    }
    return false;
}

static bool transfer(struct channels *channels, const struct operation *operations, unsigned index, unsigned step,
                     unsigned *next) {
    const struct operation *mine = &operations[index];
    if (step == 1) {
        bool timed_out = channels->waits[index] && mine->result == -ETIMEDOUT;
        channels->waits[index] = 0;
        return timed_out || channels->ended[index];
    }
    if (can_go_on(channels, operations, mine)) {
        int value;
        bool agreed = true;
        return mine->result >= 0 && go_on(channels, operations, mine, mine->result, &value, &agreed) && agreed &&
               value == mine->value;
    }
    if (mine->form == TRY)
        return mine->result == -EAGAIN;
    channels->waits[index] = ++channels->arrivals;
    *next = 1;
    return true;
}

static bool close_queue(struct channels *channels, const struct operation *operations, int channel, int result) {
    struct queue *queue = &channels->queues[channel];
    if (queue->closed)
        return result == -EPIPE;
    queue->closed = 1;
    for (int i = 0, one; (i = first_in_line(channels, operations, channel, false, &one)) >= 0;)
        if (!end_wait(channels, operations, i, one, -EPIPE))
            return false;
    for (int i = 0, one; (i = first_in_line(channels, operations, channel, true, &one)) >= 0;)
        if (!end_wait(channels, operations, i, one, -EPIPE))
            return false;
    return result == 0;
}

static bool take(void *state, const struct operation *operations, unsigned index, unsigned step, unsigned *next) {
    struct channels *channels = state;
    const struct operation *mine = &operations[index];
    if (mine->kind == TRANSFER)
        return transfer(channels, operations, index, step, next);
    if (mine->kind == LENGTH)
        return mine->result == channels->queues[mine->argument[0]].count;
    return close_queue(channels, operations, mine->argument[0], mine->result);
}

static void describe(const struct operation *operation, char *text, size_t size) {
    static const char *const forms[] = {"", " (try)", " (until)"};
    if (operation->kind != TRANSFER) {
        snprintf(text, size, "%s of %c: %d", operation->kind == LENGTH ? "length" : "close",
                 "ab"[operation->argument[0]], operation -> result);
        return;
    }
    int length = 0;
    for (int one = 0; one < CASES; one++) {
        if (is_send(operation, one))
            length += snprintf(text + length, size - (size_t)length, "send %d to %c, ",
                               operation->argument[2 * one + 1], "ab"[operation->argument[2 * one]]);
        else if (is_receive(operation, one))
            length +=
                snprintf(text + length, size - (size_t)length, "receive from %c, ", "ab"[operation->argument[2 * one]]);
    }
    length += snprintf(text + length, size - (size_t)length, "%s: ", forms[operation->form]);
    if (operation->result < 0)
        snprintf(text + length, size - (size_t)length, "%d", operation->result);
    else if (operation->value == SENT)
        snprintf(text + length, size - (size_t)length, "case %d sent", operation->result);
    else
        snprintf(text + length, size - (size_t)length, "case %d has %d", operation->result, operation->value);
}

static const struct specification channels_specification = {specification_text, sizeof(struct channels), take,
                                                            describe};
_Static_assert(sizeof(struct channels) <= MOST_STATE, "the state is too large for the search");

/* -------------------------------------------------- the channels themselves */

/* By the call for one channel where there is only one case, else by select. */
static int transfer_one(struct leat_chan *chan, bool send, int *value, enum form form, leat_time deadline) {
    if (form == PLAIN)
        return send ? leat_send(chan, value) : leat_recv(chan, value);
    if (form == TRY)
        return send ? leat_send_try(chan, value) : leat_recv_try(chan, value);
    return send ? leat_send_until(chan, value, deadline) : leat_recv_until(chan, value, deadline);
}

static void perform_transfer(struct leat_chan **chans, struct operation *mine) {
    leat_time deadline = leat_after(20 * LEAT_MICROSECOND);
    int values[CASES] = {mine->argument[1], mine->argument[3]};
    struct leat_case cases[CASES];
    size_t count = 0;
    for (int one = 0; one < CASES; one++)
        if (mine->argument[2 * one] != NO_CASE)
            cases[count++] = (struct leat_case){.op = is_send(mine, one) ? LEAT_SEND : LEAT_RECV,
                                                .chan = chans[mine->argument[2 * one]],
                                                .value = &values[one]};
    if (count == 1) {
        int result = transfer_one(cases[0].chan, is_send(mine, 0), &values[0], (enum form)mine->form, deadline);
        cases[0].error = result;
        mine->result = result == 0 || result == -EPIPE ? 0 : result;
    } else if (mine->form == TRY) {
        mine->result = leat_select_try(cases, count);
    } else {
        mine->result = mine->form == PLAIN ? leat_select(cases, count) : leat_select_until(cases, count, deadline);
    }
    if (mine->result < 0)
        return;
    int error = cases[mine->result].error;
    mine->value = error ? error : is_send(mine, mine->result) ? SENT : values[mine->result];
}

static void perform(void *objects, struct operation *mine) {
    struct leat_chan **chans = objects;
    if (mine->kind == TRANSFER)
        perform_transfer(chans, mine);
    else if (mine->kind == LENGTH)
        mine->result = (int)leat_chan_len(chans[mine->argument[0]]);
    else
        mine->result = leat_chan_close(chans[mine->argument[0]]);
}

/* -------------------------------------------------- histories */

static struct operation drawn(uint64_t *seed, int number, unsigned chans) {
    struct operation operation = {.used = 1, .kind = TRANSFER, .form = UNTIL, .argument = {0, 0, NO_CASE, 0}};
    unsigned chance = (unsigned)(next_random(seed) >> 20) % 32;
    operation.argument[0] = (int)((next_random(seed) >> 20) % chans);
    if (chance < 3) {
        operation.kind = chance == 0 ? CLOSE : LENGTH;
        return operation;
    }
    operation.form = (uint8_t)(chance < 6 ? PLAIN : chance < 20 ? TRY : UNTIL);
    operation.argument[1] = next_random(seed) >> 20 & 1 ? 2 * number : RECEIVE;
    if (chans > 1 && next_random(seed) >> 20 & 1) {
        operation.argument[2] = (int)((next_random(seed) >> 20) % chans);
        operation.argument[3] = next_random(seed) >> 20 & 1 ? 2 * number + 1 : RECEIVE;
    }
    return operation;
}

static void write_about(const size_t *capacities, unsigned chans, size_t rounds) {
    uint64_t seed = seeded(20010101 + chans);
    for (size_t round = 0; round < rounds; round++) {
        struct history history = {0};
        struct leat_chan *made[CHANNELS] = {0};
        struct channels state = {0};
        for (unsigned i = 0; i < chans; i++) {
            made[i] = leat_chan_new(sizeof(int), capacities[i]);
            state.queues[i].capacity = (uint8_t)(capacities[i] > LARGE ? LARGE : capacities[i]);
            history.operations[AUTHORS * EACH + i] = (struct operation){.used = 1, .kind = CLOSE, .argument = {(int)i}};
        }
        for (int i = 0; i < AUTHORS * EACH; i++)
            history.operations[i] = drawn(&seed, i, chans);
        bool complete = write_together(&history, made, round % 4 == 0, perform);
        bool good = !complete || check(explained(&channels_specification, history.operations, &state));
        for (unsigned i = 0; i < chans; i++)
            leat_chan_free(made[i]);
        if (!good) {
            show(&channels_specification, history.operations);
            return;
        }
    }
}

static int single_channels(void *arg) {
    (void)arg;
    static const size_t capacities[] = {0, 1, 2, LEAT_UNBOUNDED};
    for (size_t i = 0; i < sizeof capacities / sizeof *capacities; i++)
        write_about(&capacities[i], 1, scaled(1000));
    return 0;
}

static int two_channels(void *arg) {
    (void)arg;
    static const size_t capacities[][CHANNELS] = {{0, 0}, {1, 1}, {2, 0}, {0, LEAT_UNBOUNDED}};
    for (size_t i = 0; i < sizeof capacities / sizeof *capacities; i++)
        write_about(capacities[i], CHANNELS, scaled(1000));
    return 0;
}

/* -------------------------------------------------- the check itself */

/* Operations one after another, unless told otherwise, of channels with the given capacities. */
static bool holds(size_t capacity, const struct operation *operations, int count, bool at_once) {
    struct operation all[OPERATIONS] = {0};
    struct channels state = {0};
    for (int i = 0; i < CHANNELS; i++)
        state.queues[i].capacity = (uint8_t)capacity;
    for (int i = 0; i < count; i++) {
        all[i] = operations[i];
        all[i].used = 1;
        all[i].called = at_once ? (unsigned)i : (unsigned)(2 * i);
        all[i].returned = at_once ? (unsigned)(count + i) : (unsigned)(2 * i + 1);
    }
    return explained(&channels_specification, all, &state);
}

#define SEND_OF(chan, number, how, outcome)                                                                            \
    { .form = how, .argument = {chan, number, NO_CASE}, .result = (outcome) == SENT ? 0 : (outcome), .value = SENT }
#define RECEIVED(chan, how, got)                                                                                       \
    { .form = how, .argument = {chan, RECEIVE, NO_CASE}, .result = 0, .value = got }
#define NOT_RECEIVED(chan, how, error)                                                                                 \
    { .form = how, .argument = {chan, RECEIVE, NO_CASE}, .result = error }
#define CLOSED(chan, outcome)                                                                                          \
    { .kind = CLOSE, .argument = {chan}, .result = outcome }
#define SELECTED(outcome, got)                                                                                         \
    { .form = TRY, .argument = {0, RECEIVE, 1, RECEIVE}, .result = outcome, .value = got }
#define REFUSED(capacity, at_once, ...)                                                                                \
    do {                                                                                                               \
        const struct operation refused[] = {__VA_ARGS__};                                                              \
        assert_false(holds(capacity, refused, sizeof refused / sizeof *refused, at_once));                             \
    } while (0)
#define EXPLAINED(capacity, at_once, ...)                                                                              \
    do {                                                                                                               \
        const struct operation good[] = {__VA_ARGS__};                                                                 \
        assert_true(holds(capacity, good, sizeof good / sizeof *good, at_once));                                       \
    } while (0)

static void finds_disorder(void) {
    EXPLAINED(2, false, SEND_OF(0, 1, TRY, SENT), SEND_OF(0, 2, TRY, SENT), RECEIVED(0, TRY, 1));
    REFUSED(2, false, SEND_OF(0, 1, TRY, SENT), SEND_OF(0, 2, TRY, SENT), RECEIVED(0, TRY, 2));
    EXPLAINED(2, true, SEND_OF(0, 1, TRY, SENT), SEND_OF(0, 2, TRY, SENT), RECEIVED(0, TRY, 2));
    REFUSED(2, true, SEND_OF(0, 1, TRY, SENT), RECEIVED(0, TRY, 1), RECEIVED(0, PLAIN, 1));
    REFUSED(1, false, RECEIVED(0, TRY, 5), SEND_OF(0, 5, TRY, SENT));
    REFUSED(1, false, SEND_OF(0, 1, TRY, SENT), SEND_OF(0, 2, TRY, SENT));
    REFUSED(1, false, SEND_OF(0, 1, TRY, -EAGAIN));
    REFUSED(1, false, SEND_OF(0, 1, TRY, SENT), NOT_RECEIVED(0, UNTIL, -ETIMEDOUT));
    REFUSED(1, false, SEND_OF(0, 1, TRY, SENT), {.kind = LENGTH, .argument = {0}, .result = 0});
}

static void finds_hand_overs_without_partner(void) {
    EXPLAINED(0, true, SEND_OF(0, 1, PLAIN, SENT), RECEIVED(0, TRY, 1));
    EXPLAINED(0, true, SEND_OF(0, 1, TRY, SENT), RECEIVED(0, UNTIL, 1));
    REFUSED(0, true, SEND_OF(0, 1, TRY, SENT), RECEIVED(0, TRY, 1));      /* neither waits */
    REFUSED(0, false, SEND_OF(0, 1, PLAIN, SENT), RECEIVED(0, PLAIN, 1)); /* the send ended before */
    REFUSED(0, true, SEND_OF(0, 1, PLAIN, SENT), NOT_RECEIVED(0, TRY, -EAGAIN));
}

static void finds_wrong_ends(void) {
    EXPLAINED(1, false, SEND_OF(0, 1, TRY, SENT), CLOSED(0, 0), RECEIVED(0, PLAIN, 1), RECEIVED(0, PLAIN, -EPIPE));
    REFUSED(1, false, SEND_OF(0, 1, TRY, SENT), CLOSED(0, 0), RECEIVED(0, PLAIN, -EPIPE));
    REFUSED(1, false, CLOSED(0, 0), CLOSED(0, 0));
    REFUSED(1, false, CLOSED(0, 0), SEND_OF(0, 1, TRY, SENT));
    EXPLAINED(0, true, RECEIVED(0, PLAIN, -EPIPE), CLOSED(0, 0));
    REFUSED(0, true, RECEIVED(0, PLAIN, -EPIPE), NOT_RECEIVED(0, TRY, -EAGAIN));
}

/* A value is always in one of two channels: it is sent to the second before it is taken from the first. */
static void finds_selects_of_two_instants(void) {
    static const struct operation before = SEND_OF(1, 1, TRY, SENT);
    struct operation operations[] = {before, SEND_OF(0, 2, TRY, SENT), RECEIVED(1, TRY, 1), SELECTED(-EAGAIN, 0)};
    struct operation all[OPERATIONS] = {0};
    struct channels state = {.queues = {{.capacity = 1}, {.capacity = 1}}};
    for (unsigned i = 0; i < 4; i++) {
        all[i] = operations[i];
        all[i].used = 1;
        all[i].called = 10 * i;
        all[i].returned = 10 * i + 5;
    }
    all[3].called = 6; /* all the time from the first to the last */
    assert_false(explained(&channels_specification, all, &state));
    all[3].result = 1;
    all[3].value = 1;
    assert_false(explained(&channels_specification, all, &state)); /* a value twice */
    all[2] = (struct operation)NOT_RECEIVED(1, TRY, -EAGAIN);
    all[2].used = 1;
    all[2].called = 20;
    all[2].returned = 25;
    assert_true(explained(&channels_specification, all, &state));
}

static const struct test tests[] = {
    {"the check finds disorder", .plain = finds_disorder},
    {"the check finds hand-overs without a partner", .plain = finds_hand_overs_without_partner},
    {"the check finds wrong ends", .plain = finds_wrong_ends},
    {"the check finds selects that did not act at one instant", .plain = finds_selects_of_two_instants},
    {"every history of one channel can be explained by a plain queue", single_channels},
    {"every history of two channels and selects can be explained by two plain queues", two_channels},
};

int main(int argc, char **argv) {
    return run_group("linearizable", tests, sizeof tests / sizeof *tests, argc, argv);
}
