/* SPDX-License-Identifier: MIT */
/** Channels: creation, send, receive, close. The invariants are in channel.h. */
#include "sync/channel.h"
#include "base/clock.h"

#include <stdlib.h>

enum { MOST_BYTES = 65536, KEPT_BYTES = 64 << 10 };
static const leat_time NEVER_WAIT = -1;

/* ------------------------------------------------------------ creation */

struct leat_chan *leat_chan_new_with(size_t element_size, size_t capacity, const struct leat_chan_options *options) {
    if (element_size > MOST_BYTES || (options && options->byte_limit && !options->weigh))
        return NULL;
    if (element_size && capacity != LEAT_UNBOUNDED && capacity > PTRDIFF_MAX / element_size)
        return NULL;
    struct leat_chan *chan = aligned_alloc(64, (sizeof *chan + 63) & ~(size_t)63);
    if (!chan)
        return NULL;
    memset(chan, 0, sizeof *chan);
    chan->element_size = (uint32_t)element_size;
    chan->capacity = capacity;
    chan->keeps_memory = capacity != LEAT_UNBOUNDED;
    lt_store(&chan->references, 1, relaxed);
    if (options) {
        chan->name = options->name;
        chan->byte_limit = options->byte_limit;
        chan->weigh = options->byte_limit ? options->weigh : NULL;
    }
    lt_chan_publish(chan);
    return chan;
}

struct leat_chan *leat_chan_new(size_t element_size, size_t capacity) {
    return leat_chan_new_with(element_size, capacity, NULL);
}

struct leat_chan *leat_chan_retain(struct leat_chan *chan) {
    lt_fetch_add(&chan->references, 1, relaxed);
    return chan;
}

void leat_chan_free(struct leat_chan *chan) {
    if (!chan || lt_fetch_sub(&chan->references, 1, acq_rel) != 1)
        return;
    free(chan->buffer);
    free(chan);
}

/* ------------------------------------------------------------ the invariants, in a simulation */

#if defined(LEAT_SIMULATION)

static bool can_be_won(const struct lt_waiter *waiter) {
    return atomic_load_explicit(&waiter->task->ticket, memory_order_relaxed) == waiter->token;
}

static const struct lt_waiter *first_live(const struct lt_waiters *queue) {
    const struct lt_waiter *waiter = queue->head;
    while (waiter && !can_be_won(waiter))
        waiter = waiter->next;
    return waiter;
}

void lt_chan_must_be_sound(const struct leat_chan *chan) {
    const struct lt_waiter *receiver = first_live(&chan->receivers), *sender = first_live(&chan->senders);
    lt_must(!receiver || !sender || receiver->task == sender->task,
            "a channel has a waiting sender and a waiting receiver");
    lt_must(!receiver || chan->count == 0, "a channel has values and a waiting receiver");
    lt_must(!receiver || !chan->closed, "a closed channel has a waiting receiver");
    lt_must(!sender || !chan->closed, "a closed channel has a waiting sender");
    lt_must(!sender || lt_chan_full(chan) || chan->count == chan->room, "a channel has room and a waiting sender");
    lt_must(chan->count <= chan->room && (chan->count <= chan->capacity), "a channel has more than it can hold");
}

#endif

/* ------------------------------------------------------------ the buffer */

static size_t grown_room(const struct leat_chan *chan) {
    size_t size = chan->element_size ? chan->element_size : 1;
    size_t first = KEPT_BYTES / size;
    /* Small channels have their whole buffer at the first send; large ones grow into it. */
    size_t room = chan->room ? chan->room * 2 : first ? first : 1;
    if (!chan->keeps_memory && !chan->room)
        room = 4096 / size ? 4096 / size : 1;
    return room < chan->capacity ? room : chan->capacity;
}

int lt_chan_grow(struct leat_chan *chan) {
    lt_lock(&chan->lock);
    size_t had = chan->room;
    size_t room = grown_room(chan);
    lt_unlock(&chan->lock);
    size_t bytes = room * chan->element_size;
    char *buffer = malloc(bytes ? bytes : 1);
    if (!buffer)
        return -ENOMEM;
    lt_lock(&chan->lock);
    if (chan->room != had || chan->closed) {
        lt_unlock(&chan->lock);
        free(buffer);
        return 0;
    }
    size_t size = chan->element_size;
    size_t until_end = chan->room - chan->head < chan->count ? chan->room - chan->head : chan->count;
    if (chan->count) {
        memcpy(buffer, chan->buffer + chan->head * size, until_end * size);
        memcpy(buffer + until_end * size, chan->buffer, (chan->count - until_end) * size);
    }
    char *old = chan->buffer;
    chan->buffer = buffer;
    chan->room = room;
    chan->head = 0;
    lt_unlock(&chan->lock);
    free(old);
    return 0;
}

char *lt_chan_shrink(struct leat_chan *chan) {
    if (chan->keeps_memory || chan->count || chan->room * chan->element_size <= KEPT_BYTES)
        return NULL;
    char *buffer = chan->buffer;
    chan->buffer = NULL;
    chan->room = chan->head = 0;
    return buffer;
}

/* ------------------------------------------------------------ waiting */

static int forget(struct leat_chan *chan, struct lt_waiters *queue, struct lt_waiter *waiter, int result) {
    lt_lock(&chan->lock);
    lt_waiters_remove(queue, waiter);
    lt_chan_publish(chan);
    lt_unlock(&chan->lock);
    return result;
}

/* Join the queue and wait; called with the lock, returns without it. 0 (waiter->done tells), -EPIPE or why not. */
static __attribute__((noinline)) int wait_in(struct leat_chan *chan, struct lt_waiters *queue, struct lt_waiter *waiter,
                                             leat_time deadline) {
    struct lt_task *self = waiter->task;
    if (deadline != LEAT_FOREVER && deadline <= lt_now()) {
        lt_unlock(&chan->lock);
        return -ETIMEDOUT;
    }
    waiter->token = lt_arm(self);
    int cancelled = lt_cancelled(self);
    if (cancelled && lt_disarm(self, waiter->token)) {
        lt_unlock(&chan->lock);
        return cancelled;
    }
    lt_waiters_append(queue, waiter);
    lt_chan_publish(chan);
    lt_waits(self, queue == &chan->senders ? LT_WAIT_SEND : LT_WAIT_RECEIVE, chan, chan->name);
    int result = lt_park_until(self, waiter->token, deadline, lt_commit_unlock, &chan->lock);
    if (result < 0)
        return forget(chan, queue, waiter, result);
    return waiter->closed ? -EPIPE : 0;
}

/* ------------------------------------------------------------ one value */

static inline __attribute__((always_inline)) int send(struct leat_chan *chan, const void *value, leat_time deadline,
                                                      enum lt_placement placement) {
    if (deadline != NEVER_WAIT)
        lt_disturb();
    struct lt_task *self = lt_self();
    if (__builtin_expect(!self, 0))
        return -ENOMEM;
    for (;;) {
        int cancelled = lt_cancelled(self);
        if (__builtin_expect(cancelled, 0))
            return cancelled;
        struct lt_task *wake = NULL;
        lt_lock(&chan->lock);
        int result = lt_chan_put(chan, value, &wake);
        if (result == -EAGAIN && deadline != NEVER_WAIT && !wake) {
            struct lt_waiter waiter = {.task = self, .value = (void *)value, .room = 1};
            return wait_in(chan, &chan->senders, &waiter, deadline);
        }
        lt_unlock(&chan->lock);
        lt_chan_wake(wake, placement);
        /* Somebody who waited longer went first: look again. */
        if (__builtin_expect(result == -EAGAIN && wake && deadline != NEVER_WAIT, 0))
            continue;
        if (__builtin_expect(result != LT_NEEDS_ROOM, 1))
            return result;
        result = lt_chan_grow(chan);
        if (result < 0)
            return result;
    }
}

int leat_send(struct leat_chan *chan, const void *value) {
    return send(chan, value, LEAT_FOREVER, LT_RUN_NEXT);
}

int leat_send_try(struct leat_chan *chan, const void *value) {
    lt_disturb_here();
    if (!(lt_load(&chan->peek, acquire) & LT_MAY_SEND)) {
        struct lt_task *self = lt_self();
        int cancelled = self ? lt_cancelled(self) : 0;
        return cancelled ? cancelled : -EAGAIN;
    }
    return send(chan, value, NEVER_WAIT, LT_SHARE);
}

int leat_send_until(struct leat_chan *chan, const void *value, leat_time deadline) {
    return send(chan, value, deadline < 0 ? 0 : deadline, LT_RUN_NEXT);
}

static inline __attribute__((always_inline)) int receive(struct leat_chan *chan, void *value, leat_time deadline,
                                                         enum lt_placement placement) {
    if (deadline != NEVER_WAIT)
        lt_disturb();
    struct lt_task *self = lt_self();
    if (__builtin_expect(!self, 0))
        return -ENOMEM;
    int cancelled = lt_cancelled(self);
    if (__builtin_expect(cancelled, 0))
        return cancelled;
    struct lt_task *wake = NULL;
    lt_lock(&chan->lock);
    int result = lt_chan_take(chan, value, &wake);
    if (result == -EAGAIN && deadline != NEVER_WAIT) {
        struct lt_waiter waiter = {.task = self, .value = value, .room = 1};
        return wait_in(chan, &chan->receivers, &waiter, deadline);
    }
    char *buffer = chan->keeps_memory ? NULL : lt_chan_shrink(chan);
    lt_unlock(&chan->lock);
    lt_chan_wake(wake, placement);
    free(buffer);
    return result;
}

int leat_recv(struct leat_chan *chan, void *value) {
    return receive(chan, value, LEAT_FOREVER, LT_RUN_NEXT);
}

int leat_recv_try(struct leat_chan *chan, void *value) {
    lt_disturb_here();
    if (!(lt_load(&chan->peek, acquire) & LT_MAY_RECEIVE)) {
        struct lt_task *self = lt_self();
        int cancelled = self ? lt_cancelled(self) : 0;
        return cancelled ? cancelled : -EAGAIN;
    }
    return receive(chan, value, NEVER_WAIT, LT_SHARE);
}

int leat_recv_until(struct leat_chan *chan, void *value, leat_time deadline) {
    return receive(chan, value, deadline < 0 ? 0 : deadline, LT_RUN_NEXT);
}

/* ------------------------------------------------------------ many values */

/* Hand values to waiting receivers and to the buffer; under the lock. How many; `*result` says why not more. */
static size_t put_many(struct leat_chan *chan, const char *values, size_t count, struct lt_task **wake, int *result) {
    size_t done = 0;
    *result = chan->closed ? -EPIPE : 0;
    while (!*result && done < count) {
        struct lt_waiter *receiver = chan->receivers.head ? lt_waiters_win(&chan->receivers) : NULL;
        if (receiver) {
            size_t given = receiver->room < count - done ? receiver->room : count - done;
            if (receiver->value)
                memcpy(receiver->value, values + done * chan->element_size, given * chan->element_size);
            receiver->done = given;
            receiver->task->next = *wake;
            *wake = receiver->task;
            done += given;
            continue;
        }
        if (chan->senders.head)
            *wake = lt_chan_admit(chan, *wake);
        if (lt_chan_full(chan)) {
            *result = -EAGAIN;
        } else if (chan->count == chan->room) {
            *result = LT_NEEDS_ROOM;
        } else {
            lt_chan_append(chan, values + done++ * chan->element_size);
        }
    }
    lt_chan_publish(chan);
    return done;
}

static ptrdiff_t send_many(struct leat_chan *chan, const char *values, size_t count, leat_time deadline,
                           enum lt_placement placement) {
    if (deadline != NEVER_WAIT)
        lt_disturb();
    struct lt_task *self = lt_self();
    size_t sent = 0;
    int result = self ? 0 : -ENOMEM;
    while (result == 0 && sent < count) {
        result = lt_cancelled(self);
        if (result)
            break;
        struct lt_task *wake = NULL;
        lt_lock(&chan->lock);
        sent += put_many(chan, values + sent * chan->element_size, count - sent, &wake, &result);
        if (result == -EAGAIN && deadline != NEVER_WAIT && !wake) {
            struct lt_waiter waiter = {.task = self,
                                       .value = (char *)values + sent * chan->element_size,
                                       .room = chan->capacity ? count - sent : 1};
            result = wait_in(chan, &chan->senders, &waiter, deadline);
            sent += waiter.done;
            continue;
        }
        lt_unlock(&chan->lock);
        lt_chan_wake(wake, placement);
        /* With somebody woken there is a reason to look again before waiting. */
        if (result == -EAGAIN && wake && deadline != NEVER_WAIT)
            result = 0;
        if (result == LT_NEEDS_ROOM)
            result = lt_chan_grow(chan);
    }
    return sent || !result ? (ptrdiff_t)sent : result;
}

ptrdiff_t leat_send_many(struct leat_chan *chan, const void *values, size_t count) {
    return send_many(chan, values, count, LEAT_FOREVER, LT_RUN_NEXT);
}

ptrdiff_t leat_send_many_try(struct leat_chan *chan, const void *values, size_t count) {
    return send_many(chan, values, count, NEVER_WAIT, LT_SHARE);
}

ptrdiff_t leat_send_many_until(struct leat_chan *chan, const void *values, size_t count, leat_time deadline) {
    return send_many(chan, values, count, deadline < 0 ? 0 : deadline, LT_RUN_NEXT);
}

static ptrdiff_t receive_many(struct leat_chan *chan, char *values, size_t max, leat_time deadline,
                              enum lt_placement placement) {
    if (!max)
        return 0;
    if (deadline != NEVER_WAIT)
        lt_disturb();
    struct lt_task *self = lt_self();
    int result = self ? lt_cancelled(self) : -ENOMEM;
    if (result)
        return result;
    size_t got = 0;
    struct lt_task *wake = NULL;
    lt_lock(&chan->lock);
    while (got < max && result == 0) {
        result = lt_chan_take(chan, values ? values + got * chan->element_size : NULL, &wake);
        got += result == 0;
    }
    if (!got && result == -EAGAIN && deadline != NEVER_WAIT) {
        struct lt_waiter waiter = {.task = self, .value = values, .room = max};
        result = wait_in(chan, &chan->receivers, &waiter, deadline);
        return result < 0 ? result : (ptrdiff_t)waiter.done;
    }
    char *buffer = lt_chan_shrink(chan);
    lt_unlock(&chan->lock);
    lt_chan_wake(wake, placement);
    free(buffer);
    return got ? (ptrdiff_t)got : result;
}

ptrdiff_t leat_recv_many(struct leat_chan *chan, void *values, size_t max) {
    return receive_many(chan, values, max, LEAT_FOREVER, LT_RUN_NEXT);
}

ptrdiff_t leat_recv_many_try(struct leat_chan *chan, void *values, size_t max) {
    return receive_many(chan, values, max, NEVER_WAIT, LT_SHARE);
}

ptrdiff_t leat_recv_many_until(struct leat_chan *chan, void *values, size_t max, leat_time deadline) {
    return receive_many(chan, values, max, deadline < 0 ? 0 : deadline, LT_RUN_NEXT);
}

/* ------------------------------------------------------------ the end */

static struct lt_task *close_queue(struct lt_waiters *queue, struct lt_task *list) {
    for (struct lt_waiter *waiter; (waiter = lt_waiters_win(queue));) {
        waiter->closed = true;
        waiter->task->next = list;
        list = waiter->task;
    }
    return list;
}

/* Under the lock. */
static struct lt_task *close_locked(struct leat_chan *chan) {
    chan->closed = true;
    struct lt_task *list = close_queue(&chan->receivers, NULL);
    list = close_queue(&chan->senders, list);
    lt_chan_publish(chan);
    return list;
}

int leat_chan_close(struct leat_chan *chan) {
    lt_disturb_here();
    lt_lock(&chan->lock);
    bool before = chan->closed;
    struct lt_task *list = before ? NULL : close_locked(chan);
    lt_unlock(&chan->lock);
    lt_ready_list(list);
    return before ? -EPIPE : 0;
}

size_t leat_chan_discard(struct leat_chan *chan, void (*destroy)(void *value, void *arg), void *arg) {
    lt_disturb_here();
    lt_lock(&chan->lock);
    struct lt_task *list = chan->closed ? NULL : close_locked(chan);
    char *buffer = chan->buffer;
    size_t head = chan->head, room = chan->room, count = chan->count;
    chan->buffer = NULL;
    chan->head = chan->room = chan->count = chan->bytes = 0;
    lt_chan_publish(chan);
    lt_unlock(&chan->lock);
    lt_ready_list(list);
    for (size_t i = 0; i < count && destroy; i++)
        destroy(buffer + (head + i) % room * chan->element_size, arg);
    free(buffer);
    return count;
}

size_t leat_chan_len(const struct leat_chan *chan) {
    lt_disturb_here();
    struct leat_chan *mine = (struct leat_chan *)chan;
    lt_lock(&mine->lock);
    size_t count = mine->count;
    lt_unlock(&mine->lock);
    return count;
}

size_t leat_chan_element_size(const struct leat_chan *chan) {
    return chan->element_size;
}

size_t leat_chan_cap(const struct leat_chan *chan) {
    return chan->capacity;
}

bool leat_chan_closed(const struct leat_chan *chan) {
    lt_disturb_here();
    struct leat_chan *mine = (struct leat_chan *)chan;
    lt_lock(&mine->lock);
    bool closed = mine->closed;
    lt_unlock(&mine->lock);
    return closed;
}
