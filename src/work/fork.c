/* SPDX-License-Identifier: MIT */
/**
 * Fork and join: calls that are noted on the caller's stack and given away only
 * when a worker has nothing to do.
 *
 * The fast paths are in leat.h: a task's frames are a list, of which only that
 * task ever touches a link, so a fork is five stores and a load. Here is what
 * happens when somebody is hungry.
 *
 * Invariants
 * - A frame is in its task's list (`older` is set), or was offered (`older` is
 *   NULL). The oldest is offered first, so every frame older than an offered one
 *   was offered, too, or joined.
 * - An offered frame is withdrawn by its owner or taken by one worker; the offer's
 *   place decides (sched/offer.h). Only a taken one is waited for.
 * - `state` of a taken frame goes OFFERED, WAITED, DONE or straight to DONE (or
 *   REFUSED). Whoever finds the other's mark does the rest: an owner that finds
 *   DONE does not park, a taker that finds WAITED wakes. After DONE the frame is
 *   the owner's and may be gone, unless it was WAITED: then it stays until the
 *   owner is woken.
 * - A join is not cut short by cancellation: the frame lies on the owner's stack.
 *   The taker runs in the same scope and ends soon.
 *
 * Nobody asks a task that is parked: it has only frames that nobody took until
 * now, and it makes those calls itself when it goes on.
 *
 * Each join that waits keeps a task and its stack. A recursion in which nothing
 * is left to do between fork and join could make one for each level; so nothing
 * more is offered while very many wait.
 *
 * An offer that is withdrawn was for nothing, and may have cost a wake-up; where
 * the calls are that small the forker leaves ever more hungry looks unanswered,
 * without a clock.
 *
 * Rejected: leapfrogging, in which a join makes other calls while it waits (it
 * saves stacks where tasks have none of their own; here the thread goes on with
 * any task there is); a deque that thieves read (a fence in every join);
 * answering on a beat of a clock (pays while nobody is hungry, and makes the
 * hungry wait).
 */
#include "sched/offer.h"
#include "sched/park.h"

#include <errno.h>

enum { OFFERED, WAITED, DONE, REFUSED };
enum { VAIN_FIRST = 64, VAIN_MOST = 1 << 14, WAITING_PER_WORKER = 64 };

/** One call of leat_parallel(). */
struct gang {
    struct lt_offer_kind kind; /* first: offers point to it */
    leat_forked *fn;
    void *arg;
    int result;
    _Atomic uint64_t offered, taken;
    _Atomic uint32_t waiting; /* joins that wait */
    uint32_t most_waiting;
};

/** What is in the `opaque` of a frame that was offered. */
struct given {
    struct lt_offer offer;
    _Atomic int state;
    int result;
    struct lt_task *owner;
    uint64_t token; /* of the owner's wait */
};
_Static_assert(sizeof(struct given) <= sizeof(((struct leat_frame *)0)->opaque), "struct leat_frame is too small");

/** What is in the `opaque` of a forker. */
struct giver {
    struct gang *gang;
    struct lt_task *task;
    uint32_t skip; /* hungry looks to leave unanswered */
    uint32_t vain; /* how many after the next offer that was for nothing */
};
_Static_assert(sizeof(struct giver) <= sizeof(((struct leat_forker *)0)->opaque), "struct leat_forker is too small");

static struct given *given_of(struct leat_frame *frame) {
    return (struct given *)frame->opaque;
}

static struct giver *giver_of(struct leat_forker *self) {
    return (struct giver *)self->opaque;
}

static void begin(struct leat_forker *self, struct gang *gang) {
    self->newest = &self->none;
    self->hungry = (const uint32_t *)&lt_the_runtime()->hungry;
    self->stop = (const int *)&((struct lt_scope_head *)gang->kind.scope)->stop;
    *giver_of(self) = (struct giver){.gang = gang, .task = lt_self()};
}

/* ------------------------------------------------------------ giving away */

static struct leat_frame *unlink_oldest(struct leat_forker *self) {
    struct leat_frame *oldest = self->none.newer;
    if (oldest == self->newest) {
        self->newest = &self->none;
    } else {
        self->none.newer = oldest->newer;
        oldest->newer->older = &self->none;
    }
    oldest->older = NULL;
    return oldest;
}

static void link_oldest(struct leat_forker *self, struct leat_frame *frame) {
    frame->older = &self->none;
    if (self->newest == &self->none) {
        self->newest = frame;
    } else {
        frame->newer = self->none.newer;
        frame->newer->older = frame;
    }
    self->none.newer = frame;
}

void leat_fork_offer(struct leat_forker *self) {
    struct giver *giver = giver_of(self);
    struct lt_runtime *runtime = lt_the_runtime();
    if (self->newest == &self->none || lt_load(&runtime->offer, relaxed) ||
        lt_load(&giver->gang->waiting, relaxed) >= giver->gang->most_waiting)
        return;
    if (giver->skip) {
        giver->skip--;
        return;
    }
    struct leat_frame *frame = unlink_oldest(self);
    struct given *given = given_of(frame);
    given->offer.kind = &giver->gang->kind;
    given->owner = giver->task;
    lt_store(&given->state, OFFERED, relaxed);
    if (lt_offer_make(runtime, &given->offer))
        lt_fetch_add(&giver->gang->offered, 1, relaxed);
    else
        link_oldest(self, frame);
}

/* ------------------------------------------------------------ a call that was taken */

/* The last touch of a frame, unless its owner waits. */
static void finish(struct given *given, int state) {
    if (lt_exchange(&given->state, state, acq_rel) != WAITED)
        return;
    struct lt_task *owner = given->owner;
    if (lt_fire(owner, given->token, 0))
        lt_ready(owner, LT_RUN_NEXT);
}

static void refuse(struct lt_offer *offer) {
    finish((struct given *)offer, REFUSED);
}

static int run_frame(void *offer) {
    struct given *given = offer;
    struct leat_frame *frame = (struct leat_frame *)((char *)given - offsetof(struct leat_frame, opaque));
    struct gang *gang = (struct gang *)given->offer.kind;
    lt_fetch_add(&gang->taken, 1, relaxed);
    struct leat_forker self;
    begin(&self, gang);
    given->result = frame->fn(&self, frame->arg);
    finish(given, DONE);
    return 0;
}

/* ------------------------------------------------------------ joining */

static void wait_for(struct giver *giver, struct given *given) {
    struct lt_task *task = giver->task;
    if (lt_load(&given->state, acquire) != OFFERED)
        return;
    lt_fetch_add(&giver->gang->waiting, 1, relaxed);
    lt_store(&task->uncancellable, 1, relaxed);
    given->token = lt_arm(task);
    lt_waits(task, LT_WAIT_JOIN, NULL, NULL);
    int state = OFFERED;
    if (lt_cas(&given->state, &state, WAITED, acq_rel)) {
        lt_park(task, NULL, NULL);
    } else {
        lt_disarm(task, given->token);
        lt_store(&task->wait, LT_WAIT_NOTHING, relaxed);
    }
    lt_store(&task->uncancellable, 0, relaxed);
    lt_fetch_sub(&giver->gang->waiting, 1, relaxed);
}

bool leat_join_offered(struct leat_forker *self, struct leat_frame *frame, int *result) {
    lt_disturb();
    struct giver *giver = giver_of(self);
    struct given *given = given_of(frame);
    bool mine = lt_offer_withdraw(lt_the_runtime(), &given->offer);
    if (mine) {
        giver->vain = giver->vain ? 2 * giver->vain : VAIN_FIRST;
        giver->vain = giver->vain < VAIN_MOST ? giver->vain : VAIN_MOST;
        giver->skip = giver->vain;
    } else {
        giver->vain /= 2;
        wait_for(giver, given);
        mine = lt_load(&given->state, acquire) == REFUSED;
    }
    *result = mine ? __atomic_load_n(self->stop, __ATOMIC_RELAXED) : given->result;
    return mine && *result == 0;
}

/* ------------------------------------------------------------ the whole */

static int begin_recursion(void *arg) {
    struct gang *gang = arg;
    struct leat_forker self;
    begin(&self, gang);
    gang->result = gang->fn(&self, gang->arg);
    return 0;
}

int leat_parallel_at(leat_forked *fn, void *arg, const struct leat_parallel_options *options, const char *function,
                     const char *file, int line) {
    static const struct leat_parallel_options none;
    if (!options)
        options = &none;
    const char *name = options->name ? options->name : function;
    struct gang gang = {.most_waiting = WAITING_PER_WORKER * leat_workers(),
                        .fn = fn,
                        .arg = arg,
                        .kind = {.run = run_frame, .refuse = refuse, .name = name, .file = file, .line = line}};
    gang.kind.scope = leat_scope_open(&(struct leat_scope_options){.name = name, .deadline = options->deadline});
    if (!gang.kind.scope)
        return leat_workers() ? -ENOMEM : -EINVAL;
    struct leat_task_options task = {.name = name, .stack = LEAT_STACK_COMPUTE};
    int error = leat_go_at(gang.kind.scope, begin_recursion, &gang, &task, name, file, line);
    int cause = leat_scope_close(gang.kind.scope);
    if (options->report)
        *options->report = (struct leat_parallel_report){.offered = gang.offered, .taken = gang.taken};
    if (error || gang.result)
        return error ? error : gang.result;
    return cause;
}
