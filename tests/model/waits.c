/* SPDX-License-Identifier: MIT */
/**
 * The wake-up ticket, and what stands on it: a wait is ended once, by one of
 * several who want to; a select does one case; nothing that was sent is lost.
 *
 * The threads here are ordinary threads as leat sees them, so that they park on
 * a futex (sched/thread.c); channels, select, mutexes and cancellation are the
 * real ones and the same for tasks.
 */
#include "sync/scope.c"

#include "model/checker.h"
#include "sync/channel.h"

enum { CALLERS = 3, CHANNELS = 2 };
static const leat_time SOON = 5;

static struct lt_task records[CALLERS];
static struct leat_chan chans[CHANNELS];
static int buffers[CHANNELS][1];
static struct leat_scope scope;
static struct leat_mutex mutex;
static int result[CALLERS][2], value[CALLERS][2];
static int inside;

/* ------------------------------------------------------------ as runtime.c and worker.c do it for ordinary threads */

struct lt_runtime *_Atomic lt_runtime;
_Atomic uint32_t lt_visitors;

int lt_park(struct lt_task *self, void (*commit)(void *arg), void *arg) {
    return lt_thread_park(self, 0, LEAT_FOREVER, commit, arg);
}

int lt_park_until(struct lt_task *self, uint64_t token, leat_time deadline, void (*commit)(void *arg), void *arg) {
    return lt_thread_park(self, token, deadline, commit, arg);
}

void lt_ready(struct lt_task *task, enum lt_placement placement) {
    (void)placement;
    lt_thread_ready(task);
}

void lt_ready_list(struct lt_task *list) {
    while (list) {
        struct lt_task *task = list;
        list = task->next;
        lt_thread_ready(task);
    }
}

void lt_commit_unlock(void *lock) {
    lt_unlock(lock);
}

/* ------------------------------------------------------------ what is not modelled: tasks, timers, the rest of scopes
 */

void lt_enqueue(struct lt_worker *worker, struct lt_task *task) {
    (void)worker, (void)task;
    model_check(false);
}

void lt_notify_worker(struct lt_runtime *runtime, struct lt_worker *worker) {
    (void)runtime, (void)worker;
}

int lt_timer_start(struct lt_timer_heap *heap, struct lt_timer *timer, leat_time when) {
    (void)heap, (void)timer, (void)when;
    return 0;
}

void lt_timer_stop(struct lt_timer *timer) {
    (void)timer;
}

/* ------------------------------------------------------------ the world */

static void open_channel(struct leat_chan *chan, size_t capacity, int *buffer) {
    chan->element_size = sizeof(int);
    chan->capacity = chan->room = capacity;
    chan->keeps_memory = true;
    chan->buffer = (char *)buffer;
    lt_store(&chan->references, 1, relaxed);
    lt_chan_publish(chan);
}

static void set_up_with(size_t capacity) {
    memset(records, 0, sizeof records);
    memset(chans, 0, sizeof chans);
    memset(buffers, 0, sizeof buffers);
    memset(&scope, 0, sizeof scope);
    memset(&mutex, 0, sizeof mutex);
    memset(result, 0, sizeof result);
    memset(value, 0, sizeof value);
    inside = 0;
    lt_runtime = NULL;
    for (int i = 0; i < CHANNELS; i++)
        open_channel(&chans[i], capacity, buffers[i]);
    for (int i = 0; i < CALLERS; i++) {
        lt_store(&records[i].kind, LT_THREAD, relaxed);
        records[i].random = (uint64_t)i + 1;
    }
}

static void set_up_unbuffered(void) {
    set_up_with(0);
}

static void set_up_buffered(void) {
    set_up_with(1);
}

static void begin(unsigned index) {
    *lt_virtual_local(LT_LOCAL_RECORD) = &records[index];
}

static void forget(void) {
    for (int i = 0; i < CALLERS; i++)
        records[i].random = (uint64_t)i + 1;
}

/* All ended, and nobody stands in a line any more. */
static const char *judge_lines(const bool *ended, unsigned threads) {
    for (unsigned i = 0; i < threads; i++)
        if (!ended[i])
            return "somebody waits for ever";
    for (int i = 0; i < CHANNELS; i++)
        if (chans[i].receivers.head || chans[i].senders.head)
            return "a waiter was left in a line";
    return NULL;
}

static int receive(unsigned index, int turn, leat_time deadline) {
    int got = 0;
    result[index][turn] = leat_recv_until(&chans[0], &got, deadline);
    value[index][turn] = result[index][turn] ? 0 : got;
    return result[index][turn];
}

static void send(unsigned index, int turn, struct leat_chan *chan, int number, leat_time deadline) {
    result[index][turn] = leat_send_until(chan, &number, deadline);
    value[index][turn] = result[index][turn] ? 0 : number;
}

/* ------------------------------------------------------------ a peer or a cancellation, and then the next wait */

static void set_up_cancelled(void) {
    set_up_buffered();
    lt_store(&records[0].scope, &scope, relaxed);
    scope.owner = &records[0];
}

static void cancelled(unsigned index) {
    begin(index);
    if (index == 0) {
        receive(0, 0, LEAT_FOREVER);
        receive(0, 1, LEAT_FOREVER);
    } else if (index == 1) {
        send(1, 0, &chans[0], 7, LEAT_FOREVER);
    } else {
        leat_scope_cancel(&scope, -ECANCELED);
    }
}

static const char *judge_cancelled(const bool *ended) {
    const char *wrong = judge_lines(ended, 3);
    if (wrong)
        return wrong;
    if (result[0][0] && result[0][0] != -ECANCELED)
        return "the first wait was ended by nobody";
    if (result[0][1] != -ECANCELED)
        return "the second wait was ended by what ended the first";
    if (result[0][0] == 0 && value[0][0] != 7)
        return "the value is not what was sent";
    return chans[0].count == (result[0][0] != 0) ? NULL : "a value is lost, or there twice";
}

/* ------------------------------------------------------------ a peer or the time, and then again */

static void timed(unsigned index) {
    begin(index);
    for (int i = 0; i < 2; i++) {
        if (index == 0)
            receive(0, i, SOON);
        else
            send(1, i, &chans[0], 10 + i, SOON);
    }
}

static const char *judge_timed(const bool *ended) {
    const char *wrong = judge_lines(ended, 2);
    if (wrong)
        return wrong;
    int got = value[0][0] + value[0][1], sent = value[1][0] + value[1][1];
    return got == sent ? NULL : "what was sent is not what was received";
}

/* ------------------------------------------------------------ a select and two senders */

static void choose(unsigned index, int turn, leat_time deadline) {
    int got[CHANNELS] = {0, 0};
    struct leat_case cases[] = {{LEAT_RECV, &chans[0], &got[0], 0}, {LEAT_RECV, &chans[1], &got[1], 0}};
    int chosen = leat_select_with(cases, 2, LEAT_ORDERED, deadline);
    result[index][turn] = chosen;
    value[index][turn] = chosen >= 0 && !cases[chosen].error ? got[chosen] : 0;
    /* The other one was not touched. */
    model_check(chosen < 0 || got[1 - chosen] == 0);
}

static void two_senders(unsigned index) {
    begin(index);
    if (index == 0) {
        choose(0, 0, LEAT_FOREVER);
        choose(0, 1, LEAT_FOREVER);
    } else {
        send(index, 0, &chans[index - 1], (int)index, LEAT_FOREVER);
    }
}

static const char *judge_two_senders(const bool *ended) {
    const char *wrong = judge_lines(ended, 3);
    if (wrong)
        return wrong;
    return value[0][0] + value[0][1] == 3 && value[0][0] != value[0][1] ? NULL : "a value is lost, or there twice";
}

/* ------------------------------------------------------------ a select, a sender that gives up, a close */

static void closing(unsigned index) {
    begin(index);
    if (index == 0)
        choose(0, 0, LEAT_FOREVER);
    else if (index == 1)
        send(1, 0, &chans[0], 1, SOON);
    else
        leat_chan_close(&chans[1]);
}

static const char *judge_closing(const bool *ended) {
    const char *wrong = judge_lines(ended, 3);
    if (wrong)
        return wrong;
    return value[0][0] == value[1][0] ? NULL : "what was sent is not what was received";
}

/* ------------------------------------------------------------ selects that face each other */

static void facing(unsigned index) {
    begin(index);
    int mine = 1 + (int)index, got = 0;
    struct leat_case cases[] = {{LEAT_SEND, &chans[index], &mine, 0}, {LEAT_RECV, &chans[1 - index], &got, 0}};
    result[index][0] = leat_select_with(cases, 2, LEAT_ORDERED, LEAT_FOREVER);
    value[index][0] = got;
}

static const char *judge_facing(const bool *ended) {
    const char *wrong = judge_lines(ended, 2);
    if (wrong)
        return wrong;
    if (result[0][0] == result[1][0])
        return "both sent, or both received";
    return value[0][0] + value[1][0] == (result[0][0] == 0 ? 1 : 2) ? NULL : "the value is not what was sent";
}

/* ------------------------------------------------------------ a select that never waits */

static void set_up_instant(void) {
    set_up_buffered();
    uint64_t number = 1; /* as long as a copy of the usual size */
    struct lt_task *wake = NULL;
    lt_chan_put(&chans[0], &number, &wake);
}

/* The second channel has a value before the first has none. */
static void instant(unsigned index) {
    begin(index);
    if (index == 1) {
        send(1, 0, &chans[1], 2, LEAT_FOREVER);
        receive(1, 1, 0);
        return;
    }
    int got[CHANNELS];
    struct leat_case cases[] = {{LEAT_RECV, &chans[1], &got[1], 0}, {LEAT_RECV, &chans[0], &got[0], 0}};
    result[0][0] = leat_select_try(cases, 2);
    model_check(result[0][0] >= 0);
}

/* ------------------------------------------------------------ a mutex */

static void mutexes(unsigned index) {
    begin(index);
    /* The first one gives up; the other two do not. */
    result[index][0] = leat_lock_until(&mutex, index == 0 ? SOON : LEAT_FOREVER);
    if (result[index][0])
        return;
    model_check(inside++ == 0);
    lt_fence(seq_cst);
    inside--;
    leat_unlock(&mutex);
}

static const char *judge_mutex(const bool *ended) {
    const char *wrong = judge_lines(ended, 3);
    return wrong ? wrong : leat_lock_try(&mutex) == 0 ? NULL : "the mutex is held by nobody";
}

#define OF(setting, function, judgement, count) count, setting, function, NULL, judgement, forget

static const struct model models[] = {
    {"a peer or a cancellation, then the next wait", OF(set_up_cancelled, cancelled, judge_cancelled, 3)},
    {"a peer or the time, then again", OF(set_up_unbuffered, timed, judge_timed, 2)},
    {"a select and two senders", OF(set_up_unbuffered, two_senders, judge_two_senders, 3), .preemptions = 3},
    {"a select, a sender that gives up, a close", OF(set_up_unbuffered, closing, judge_closing, 3), .preemptions = 3},
    {"selects that face each other", OF(set_up_unbuffered, facing, judge_facing, 2)},
    {"a select that never waits", OF(set_up_instant, instant, NULL, 2)},
    {"a mutex, and one who gives up", OF(set_up_unbuffered, mutexes, judge_mutex, 3), .preemptions = 3},
};

int main(void) {
    return model_main(models, sizeof models / sizeof *models);
}
