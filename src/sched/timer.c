/* SPDX-License-Identifier: MIT */
#include "sched/timer.h"
#include "base/os.h"
#include "sched/task.h"

#include <errno.h>
#include <stdlib.h>

enum { BRANCHES = 4, FIRST_ROOM = 64 };

void lt_timer_heap_open(struct lt_timer_heap *heap) {
    *heap = (struct lt_timer_heap){.entries = NULL};
    lt_store(&heap->earliest, LEAT_FOREVER, relaxed);
}

void lt_timer_heap_close(struct lt_timer_heap *heap) {
    free(heap->entries);
}

static void put(struct lt_timer_heap *heap, uint32_t index, struct lt_timer_entry entry) {
    heap->entries[index] = entry;
    entry.timer->index = index;
}

static void sift_up(struct lt_timer_heap *heap, uint32_t index, struct lt_timer_entry entry) {
    while (index > 0) {
        uint32_t parent = (index - 1) / BRANCHES;
        if (heap->entries[parent].when <= entry.when)
            break;
        put(heap, index, heap->entries[parent]);
        index = parent;
    }
    put(heap, index, entry);
}

static void sift_down(struct lt_timer_heap *heap, uint32_t index, struct lt_timer_entry entry) {
    for (;;) {
        uint32_t first = index * BRANCHES + 1;
        if (first >= heap->count)
            break;
        uint32_t end = first + BRANCHES < heap->count ? first + BRANCHES : heap->count;
        uint32_t least = first;
        for (uint32_t child = first + 1; child < end; child++)
            if (heap->entries[child].when < heap->entries[least].when)
                least = child;
        if (heap->entries[least].when >= entry.when)
            break;
        put(heap, index, heap->entries[least]);
        index = least;
    }
    put(heap, index, entry);
}

static void publish_earliest(struct lt_timer_heap *heap) {
    lt_store(&heap->earliest, heap->count ? heap->entries[0].when : LEAT_FOREVER, release);
}

/* Take the entry at `index` out, whatever its place. */
static void take_out(struct lt_timer_heap *heap, uint32_t index) {
    heap->entries[index].timer->index = LT_TIMER_OUT;
    struct lt_timer_entry last = heap->entries[--heap->count];
    if (index == heap->count)
        return;
    if (index > 0 && last.when < heap->entries[(index - 1) / BRANCHES].when)
        sift_up(heap, index, last);
    else
        sift_down(heap, index, last);
}

int lt_timer_start(struct lt_timer_heap *heap, struct lt_timer *timer, leat_time when) {
    lt_lock(&heap->lock);
    if (heap->count == heap->room) {
        /* Growing under the lock is rare and keeps the common path to one section. */
        uint32_t room = heap->room ? heap->room * 2 : FIRST_ROOM;
        struct lt_timer_entry *entries = realloc(heap->entries, room * sizeof *entries);
        if (!entries) {
            lt_unlock(&heap->lock);
            return -ENOMEM;
        }
        heap->entries = entries;
        heap->room = room;
    }
    timer->when = when;
    timer->heap = heap;
    lt_store(&timer->firing, 0, relaxed);
    sift_up(heap, heap->count++, (struct lt_timer_entry){when, timer});
    if (timer->index == 0)
        publish_earliest(heap);
    lt_unlock(&heap->lock);
    return 0;
}

void lt_timer_stop(struct lt_timer *timer) {
    struct lt_timer_heap *heap = timer->heap;
    lt_lock(&heap->lock);
    if (timer->index != LT_TIMER_OUT) {
        bool first = timer->index == 0;
        take_out(heap, timer->index);
        if (first)
            publish_earliest(heap);
    }
    lt_unlock(&heap->lock);
    while (lt_load(&timer->firing, acquire))
        lt_os_yield();
}

/* Fire at most one timer that needs to run without the lock; `*list` collects tasks. */
static struct lt_timer *expire_locked(struct lt_timer_heap *heap, leat_time now, struct lt_task **list) {
    while (heap->count && heap->entries[0].when <= now) {
        struct lt_timer *timer = heap->entries[0].timer;
        take_out(heap, 0);
        if (timer->later) {
            lt_store(&timer->firing, 1, relaxed);
            return timer;
        }
        struct lt_task *task = timer->fire(timer);
        if (!task)
            continue;
        task->next = *list;
        *list = task;
    }
    return NULL;
}

/* The list was built backwards; tasks run in the order of their deadlines. */
static struct lt_task *reversed(struct lt_task *list) {
    struct lt_task *result = NULL;
    while (list) {
        struct lt_task *next = list->next;
        list->next = result;
        result = list;
        list = next;
    }
    return result;
}

struct lt_task *lt_timer_expire(struct lt_timer_heap *heap, leat_time now) {
    struct lt_task *list = NULL;
    if (lt_load(&heap->earliest, acquire) > now)
        return NULL;
    for (;;) {
        lt_lock(&heap->lock);
        struct lt_timer *timer = expire_locked(heap, now, &list);
        if (!timer)
            publish_earliest(heap);
        lt_unlock(&heap->lock);
        if (!timer)
            return reversed(list);
        timer->later(timer);
        lt_store(&timer->firing, 0, release);
    }
}
