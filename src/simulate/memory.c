/* SPDX-License-Identifier: MIT */
/* Stores that others see later. */
#include "simulate/virtual.h"

#include <string.h>

static void apply(const struct lt_stored *stored) {
    lt_changed();
    memcpy((void *)stored->object, &stored->value, stored->size);
}

void lt_drain_one(struct lt_virtual *thread) {
    apply(&thread->stores[0]);
    memmove(&thread->stores[0], &thread->stores[1], --thread->stored * sizeof thread->stores[0]);
}

void lt_drain(struct lt_virtual *thread) {
    for (unsigned i = 0; i < thread->stored; i++)
        apply(&thread->stores[i]);
    thread->stored = 0;
}

void lt_see(const volatile void *object, void *value, size_t size) {
    const struct lt_virtual *self = lt_present();
    if (!self)
        return;
    for (unsigned i = self->stored; i-- > 0;)
        if (self->stores[i].object == object) {
            memcpy(value, &self->stores[i].value, size);
            return;
        }
}

/*
 * On the running stack: a store of its own that came late would hit what lies
 * there by then, for plain accesses of the same thread do not wait for it.
 */
static bool on_own_stack(const volatile void *object) {
    char here;
    const char *at = (const char *)object;
    return at >= &here && at < lt_stack_top();
}

void lt_put(volatile void *object, const void *value, size_t size, enum lt_order order, const struct lt_site *site) {
    lt_before(LT_STORE, object, site);
    struct lt_virtual *self = lt_present();
    struct lt_stored stored = {object, 0, size, site};
    memcpy(&stored.value, value, size);
    /* Nobody would see that it is late. */
    if (!self || lt_direct_stores || order == LT_ORDER_seq_cst || lt_virtual_count() == 1 || on_own_stack(object)) {
        if (self)
            lt_drain(self);
        apply(&stored);
        return;
    }
    if (self->stored == LT_STORES)
        lt_drain_one(self);
    self->stores[self->stored++] = stored;
}

void lt_before_change(const volatile void *object, const struct lt_site *site) {
    lt_before(LT_CHANGE, object, site);
    lt_changed();
    if (lt_present())
        lt_drain(lt_present());
}

void lt_full_fence(const struct lt_site *site) {
    lt_before(LT_FENCE, NULL, site);
    if (lt_present())
        lt_drain(lt_present());
}

void lt_virtual_free(void *memory) {
    if (lt_present())
        lt_drain(lt_present());
    (free)(memory);
}
