/* SPDX-License-Identifier: MIT */
#include "sched/queue.h"
#include "sched/task.h"

uint32_t lt_ring_spill(struct lt_ring *ring, struct lt_task **list) {
    uint32_t head = lt_load(&ring->head, acquire);
    uint32_t count = (lt_load(&ring->tail, relaxed) - head) / 2;
    struct lt_task *tasks[LT_RING_SLOTS];
    for (uint32_t i = 0; i < count; i++)
        tasks[i] = lt_load(&ring->slots[(head + i) % LT_RING_SLOTS], relaxed);
    /* A thief was faster: the ring is no longer full, which is as good. */
    if (!count || !lt_cas(&ring->head, &head, head + count, acq_rel))
        return 0;
    for (uint32_t i = 0; i < count; i++)
        tasks[i]->next = i + 1 < count ? tasks[i + 1] : NULL;
    *list = tasks[0];
    return count;
}

struct lt_task *lt_ring_steal(struct lt_ring *thief, struct lt_ring *victim) {
    uint32_t tail = lt_load(&thief->tail, relaxed);
    uint32_t head = lt_load(&victim->head, acquire);
    for (;;) {
        uint32_t available = lt_load(&victim->tail, acquire) - head;
        uint32_t count = available - available / 2;
        if (available == 0)
            return NULL;
        if (available > LT_RING_SLOTS) {
            /* Head and tail were read at different times. */
            head = lt_load(&victim->head, acquire);
            continue;
        }
        /* The first is run at once, so it needs no slot. */
        struct lt_task *first = lt_load(&victim->slots[head % LT_RING_SLOTS], relaxed);
        for (uint32_t i = 1; i < count; i++) {
            struct lt_task *task = lt_load(&victim->slots[(head + i) % LT_RING_SLOTS], relaxed);
            lt_store(&thief->slots[(tail + i - 1) % LT_RING_SLOTS], task, relaxed);
        }
        if (!lt_cas(&victim->head, &head, head + count, acq_rel))
            continue;
        lt_store(&thief->tail, tail + count - 1, release);
        return first;
    }
}

void lt_inject(struct lt_injection *injection, struct lt_task *head, struct lt_task *tail, size_t count) {
    tail->next = NULL;
    lt_lock(&injection->lock);
    if (injection->tail)
        injection->tail->next = head;
    else
        injection->head = head;
    injection->tail = tail;
    lt_store(&injection->count, lt_load(&injection->count, relaxed) + count, release);
    lt_unlock(&injection->lock);
}

struct lt_task *lt_injection_take(struct lt_injection *injection, struct lt_ring *ring, size_t most) {
    if (!lt_load(&injection->count, acquire))
        return NULL;
    lt_lock(&injection->lock);
    struct lt_task *first = injection->head;
    size_t taken = 0;
    while (taken < most && injection->head) {
        struct lt_task *task = injection->head;
        /* Read before the push: whoever steals the task may already link it elsewhere. */
        struct lt_task *next = task->next;
        if (taken && !lt_ring_push(ring, task))
            break;
        injection->head = next;
        taken++;
    }
    if (!injection->head)
        injection->tail = NULL;
    lt_store(&injection->count, lt_load(&injection->count, relaxed) - taken, release);
    lt_unlock(&injection->lock);
    return taken ? first : NULL;
}
