/* SPDX-License-Identifier: MIT */
/** Whatever tasks do to a mutex, a condition and a wait group at the same time is explained by a flag, a line, a
 * number. */
#include "runtime/history.h"

enum kind { LOCK, UNLOCK, WAIT, SIGNAL, BROADCAST, ADD, JOIN };
enum form { PLAIN, TRY, UNTIL };

static const char specification_text[] =
    "#   mutex: a flag. lock: set it if it is not set; else wait, or -EAGAIN, -ETIMEDOUT. unlock: clear it; not set: "
    "-EPERM.\n"
    "#   condition: a line. wait: clear the mutex and join the line; leave it, signalled or -ETIMEDOUT; set the "
    "mutex.\n"
    "#     signal: the first of the line is signalled, if there is one. broadcast: all of it.\n"
    "#   group: a number. add: -EINVAL if it would fall below zero. join: wait until it is zero, or -ETIMEDOUT.\n";

/* -------------------------------------------------- the specification */

struct things {
    int count;
    uint8_t held;
    uint8_t arrivals;
    uint8_t waits[OPERATIONS]; /* the place in the condition's line, 0: not in it */
    uint8_t signalled[OPERATIONS];
};

static int first_in_line(const struct things *things) {
    int first = -1;
    for (int i = 0; i < OPERATIONS; i++)
        if (things->waits[i] && (first < 0 || things->waits[i] < things->waits[first]))
            first = i;
    return first;
}

static void signal_first(struct things *things) {
    int first = first_in_line(things);
    if (first < 0)
        return;
    things->waits[first] = 0;
    things->signalled[first] = 1;
}

/* 0: give up the mutex and join the line; 1: leave it; 2: take the mutex. */
static bool take_wait(struct things *things, const struct operation *mine, unsigned index, unsigned step,
                      unsigned *next) {
    *next = step == 2 ? WHOLE : step + 1;
    if (step == 1) {
        bool timed_out = things->waits[index] != 0;
        things->waits[index] = 0;
        return mine->result == (timed_out ? -ETIMEDOUT : 0);
    }
    bool fits = things->held == (step == 0);
    things->held = step == 2;
    if (step == 0)
        things->waits[index] = ++things->arrivals;
    return fits;
}

static bool take(void *state, const struct operation *operations, unsigned index, unsigned step, unsigned *next) {
    struct things *things = state;
    const struct operation *mine = &operations[index];
    bool held = things->held;
    switch (mine->kind) {
    case LOCK:
        things->held = 1;
        return mine->result == (!held ? 0 : mine->form == TRY ? -EAGAIN : mine->form == UNTIL ? -ETIMEDOUT : 1);
    case UNLOCK:
        things->held = 0;
        return mine->result == (held ? 0 : -EPERM);
    case WAIT:
        return take_wait(things, mine, index, step, next);
    case SIGNAL:
        signal_first(things);
        return true;
    case BROADCAST:
        while (first_in_line(things) >= 0)
            signal_first(things);
        return true;
    case ADD:
        if (things->count + mine->argument[0] < 0)
            return mine->result == -EINVAL;
        things->count += mine->argument[0];
        return mine->result == 0;
    default:
        return mine->result == (things->count == 0 ? 0 : mine->form == UNTIL ? -ETIMEDOUT : 1);
    }
}

static void describe(const struct operation *operation, char *text, size_t size) {
    static const char *const forms[] = {"", " (try)", " (until)"};
    static const char *const names[] = {"lock", "unlock", "wait", "signal", "broadcast", "add", "join"};
    snprintf(text, size, "%s%s %d: %d", names[operation->kind], forms[operation->form], operation->argument[0],
             operation->result);
}

static const struct specification things_specification = {specification_text, sizeof(struct things), take, describe};
_Static_assert(sizeof(struct things) <= MOST_STATE, "the state is too large for the search");

/* -------------------------------------------------- the things themselves */

struct objects {
    struct leat_mutex mutex;
    struct leat_cond condition;
    struct leat_wg group;
};

static int lock(struct leat_mutex *mutex, enum form form, leat_time deadline) {
    if (form == UNTIL)
        return leat_lock_until(mutex, deadline);
    return form == TRY ? leat_lock_try(mutex) : leat_lock(mutex);
}

static void perform(void *arg, struct operation *mine) {
    struct objects *objects = arg;
    leat_time deadline = leat_after(20 * LEAT_MICROSECOND);
    bool until = mine->form == UNTIL;
    switch (mine->kind) {
    case LOCK:
        mine->result = lock(&objects->mutex, (enum form)mine->form, deadline);
        break;
    case UNLOCK:
        mine->result = leat_unlock(&objects->mutex);
        break;
    case WAIT:
        mine->result = until ? leat_cond_wait_until(&objects->condition, &objects->mutex, deadline)
                             : leat_cond_wait(&objects->condition, &objects->mutex);
        break;
    case SIGNAL:
        leat_cond_signal(&objects->condition);
        break;
    case BROADCAST:
        leat_cond_broadcast(&objects->condition);
        break;
    case ADD:
        mine->result = leat_wg_add(&objects->group, mine->argument[0]);
        break;
    default:
        mine->result = until ? leat_wg_wait_until(&objects->group, deadline) : leat_wg_wait(&objects->group);
        break;
    }
}

/* -------------------------------------------------- histories */

static unsigned draw(uint64_t *seed, unsigned count) {
    return (unsigned)(next_random(seed) >> 20) % count;
}

static struct operation operation(enum kind kind, enum form form, int argument) {
    return (struct operation){.used = 1, .kind = (uint8_t)kind, .form = (uint8_t)form, .argument = {argument}};
}

/* Locks and unlocks, by anybody; at last whoever still waits is let in. */
static void draw_mutex(uint64_t *seed, struct operation *operations) {
    for (int i = 0; i < AUTHORS * EACH; i++) {
        unsigned chance = draw(seed, 16);
        operations[i] = chance < 7    ? operation(UNLOCK, PLAIN, 0)
                        : chance < 8  ? operation(LOCK, PLAIN, 0)
                        : chance < 12 ? operation(LOCK, TRY, 0)
                                      : operation(LOCK, UNTIL, 0);
    }
    for (int i = 0; i < LAST; i++)
        operations[AUTHORS * EACH + i] = operation(UNLOCK, PLAIN, 0);
}

/* Waits, signals and broadcasts with the mutex held, signals also without it. */
static void draw_condition(uint64_t *seed, struct operation *operations) {
    for (int i = 0; i < AUTHORS; i++) {
        struct operation *mine = &operations[i * EACH];
        unsigned chance = draw(seed, 8);
        mine[0] = operation(LOCK, PLAIN, 0);
        mine[1] = chance < 2   ? operation(WAIT, PLAIN, 0)
                  : chance < 5 ? operation(WAIT, UNTIL, 0)
                  : chance < 7 ? operation(SIGNAL, PLAIN, 0)
                               : operation(BROADCAST, PLAIN, 0);
        mine[2] = operation(UNLOCK, PLAIN, 0);
        mine[3] = operation(draw(seed, 4) ? SIGNAL : BROADCAST, PLAIN, 0);
    }
    for (int i = 0; i < LAST; i++)
        operations[AUTHORS * EACH + i] = operation(BROADCAST, PLAIN, 0);
}

static void draw_group(uint64_t *seed, struct operation *operations) {
    for (int i = 0; i < AUTHORS * EACH; i++) {
        unsigned chance = draw(seed, 16);
        operations[i] = chance < 5    ? operation(ADD, PLAIN, 1 + (int)draw(seed, 2))
                        : chance < 11 ? operation(ADD, PLAIN, -1 - (int)draw(seed, 2))
                        : chance < 12 ? operation(JOIN, PLAIN, 0)
                                      : operation(JOIN, UNTIL, 0);
    }
    /* Binary: whatever is left goes to zero, and what would be too much is refused. */
    for (int i = 0; i < LAST; i++)
        operations[AUTHORS * EACH + i] = operation(ADD, PLAIN, -(16 >> i % 5));
}

static void write_about(void (*draw_all)(uint64_t *seed, struct operation *operations), size_t rounds) {
    uint64_t seed = seeded(20010101);
    for (size_t round = 0; round < rounds; round++) {
        struct history history = {0};
        struct objects objects = {0};
        struct things state = {0};
        draw_all(&seed, history.operations);
        if (!write_together(&history, &objects, round % 4 == 0, perform))
            continue;
        if (!check(explained(&things_specification, history.operations, &state))) {
            show(&things_specification, history.operations);
            return;
        }
    }
}

static int mutexes(void *arg) {
    (void)arg;
    write_about(draw_mutex, scaled(1000));
    return 0;
}

static int conditions(void *arg) {
    (void)arg;
    write_about(draw_condition, scaled(1000));
    return 0;
}

static int groups(void *arg) {
    (void)arg;
    write_about(draw_group, scaled(1000));
    return 0;
}

/* -------------------------------------------------- the check itself */

static struct operation returned(enum kind kind, enum form form, int argument, int result) {
    struct operation made = operation(kind, form, argument);
    made.result = result;
    return made;
}

/* `overlap`: the first operation lasts until after all others. */
static bool holds(const struct operation *operations, unsigned count, bool overlap) {
    struct operation all[OPERATIONS] = {0};
    struct things state = {0};
    for (unsigned i = 0; i < count; i++) {
        all[i] = operations[i];
        all[i].called = 2 * i;
        all[i].returned = overlap && i == 0 ? 2 * count : 2 * i + 1;
    }
    return explained(&things_specification, all, &state);
}

static void check_can_fail(void) {
    struct operation twice[] = {returned(LOCK, PLAIN, 0, 0), returned(LOCK, TRY, 0, 0)};
    assert_false(holds(twice, 2, false));
    twice[1].result = -EAGAIN;
    assert_true(holds(twice, 2, false));
    struct operation missed[] = {returned(LOCK, PLAIN, 0, 0), returned(UNLOCK, PLAIN, 0, 0),
                                 returned(LOCK, UNTIL, 0, -ETIMEDOUT)};
    assert_false(holds(missed, 3, false));
    struct operation stolen[] = {returned(WAIT, PLAIN, 0, 0), returned(LOCK, PLAIN, 0, 0),
                                 returned(UNLOCK, PLAIN, 0, 0)};
    assert_false(holds(stolen, 3, true)); /* nobody signalled, and nobody held the mutex */
    struct operation woken[] = {returned(LOCK, PLAIN, 0, 0), returned(WAIT, PLAIN, 0, 0), returned(LOCK, PLAIN, 0, 0),
                                returned(SIGNAL, PLAIN, 0, 0), returned(UNLOCK, PLAIN, 0, 0)};
    struct operation all[OPERATIONS] = {0};
    struct things state = {0};
    for (unsigned i = 0; i < 5; i++) {
        all[i] = woken[i];
        all[i].called = 2 * i;
        all[i].returned = i == 1 ? 20 : 2 * i + 1;
    }
    assert_true(explained(&things_specification, all, &state));
    all[3].kind = UNLOCK; /* without the signal */
    assert_false(explained(&things_specification, all, &state));
    struct operation early[] = {returned(ADD, PLAIN, 1, 0), returned(JOIN, PLAIN, 0, 0), returned(ADD, PLAIN, -1, 0)};
    assert_false(holds(early, 3, false));
    struct operation below[] = {returned(ADD, PLAIN, -1, 0)};
    assert_false(holds(below, 1, false));
}

static const struct test tests[] = {
    {"the check finds what cannot be explained", .plain = check_can_fail},
    {"every history of a mutex can be explained by a flag", mutexes},
    {"every history of a condition can be explained by a line and a flag", conditions},
    {"every history of a wait group can be explained by a number", groups},
};

int main(int argc, char **argv) {
    return run_group("linearizable-sync", tests, sizeof tests / sizeof *tests, argc, argv);
}
