/* SPDX-License-Identifier: MIT */
/**
 * The crawl: every branch once, the end exactly at the end, memory within its bound, hand-overs, blocking visits.
 * What goes wrong (errors, retries, workers that cannot enter, cancellation) is in crawl-errors.c.
 *
 * $LEAT_TEST_FULL: all published trees with each number of workers, T3L among them, and larger boards.
 */
#include "runtime/crawl.h"
#include "runtime/uts.h"

/* ------------------------------------------------------------ published results */

struct sums {
    const struct uts_tree *tree;
    _Atomic uint64_t nodes, leaves;
    _Atomic unsigned deepest;
};

static int search_node(struct leat_visit *visit) {
    struct sums *sums = visit->arg;
    const struct uts_node *node = visit->branch->data;
    unsigned depth = visit->branch->depth, children = uts_children(sums->tree, node, depth);
    lt_fetch_add(&sums->nodes, 1, relaxed);
    lt_fetch_add(&sums->leaves, children == 0, relaxed);
    for (unsigned before = lt_load(&sums->deepest, relaxed);
         depth > before && !lt_cas(&sums->deepest, &before, depth, acq_rel);)
        ;
    for (unsigned i = 0; i < children; i++) {
        struct uts_node child = uts_child(node, i);
        if (leat_crawl_add(visit, NULL, &child, sizeof child) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int published_trees(void *arg) {
    (void)arg;
    struct uts_tree trees[UTS_TREES];
    size_t count = uts_trees_to_search(trees, leat_workers(), THREAD_SANITIZER || ADDRESS_SANITIZER || scaled(10) < 5);
    for (size_t i = 0; i < count; i++) {
        struct sums sums = {.tree = &trees[i]};
        struct leat_crawl_report report;
        const struct leat_crawl_options options = {.visit = search_node, .arg = &sums, .report = &report};
        struct uts_node root = uts_root(sums.tree);
        equal(crawl(&options, &root, sizeof root), 0);
        equal(sums.nodes, sums.tree->nodes);
        equal(sums.leaves, sums.tree->leaves);
        equal(sums.deepest, sums.tree->deepest);
        equal(report.visited, sums.tree->nodes);
        balanced(&report);
    }
    return 0;
}

enum { QUEENS = 14 };

struct board {
    unsigned char size, row, columns[QUEENS];
};

static bool safe(const struct board *board, unsigned column) {
    for (unsigned i = 0; i < board->row; i++) {
        unsigned distance = board->row - i, other = board->columns[i];
        if (other == column || other + distance == column || column + distance == other)
            return false;
    }
    return true;
}

static int place_queen(struct leat_visit *visit) {
    _Atomic uint64_t *solutions = visit->arg;
    const struct board *board = visit->branch->data;
    if (board->row == board->size) {
        lt_fetch_add(solutions, 1, relaxed);
        return 0;
    }
    for (unsigned char column = 0; column < board->size; column++) {
        if (!safe(board, column))
            continue;
        struct board next = *board;
        next.columns[next.row++] = column;
        if (leat_crawl_add(visit, NULL, &next, sizeof next) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int queens(void *arg) {
    (void)arg;
    static const uint64_t wanted[] = {92, 352, 724, 2680, 14200, 73712, 365596};
    unsigned most = getenv("LEAT_TEST_FULL") ? 13 : THREAD_SANITIZER || ADDRESS_SANITIZER || SIMULATED ? 8 : 10;
    for (unsigned size = 8; size <= most; size++) {
        _Atomic uint64_t solutions = 0;
        struct board board = {.size = (unsigned char)size};
        equal(crawl(&(struct leat_crawl_options){.visit = place_queen, .arg = &solutions}, &board, sizeof board), 0);
        equal(solutions, wanted[size - 8]);
    }
    return 0;
}

struct range {
    uint64_t first, count;
};

static int split(struct leat_visit *visit) {
    const struct range *range = visit->branch->data;
    if (range->count == 1) {
        lt_fetch_add((_Atomic uint64_t *)visit->arg, range->first, relaxed);
        return 0;
    }
    for (uint64_t i = 0; i < 10; i++) {
        struct range part = {range->first + i * (range->count / 10), range->count / 10};
        if (leat_crawl_add(visit, NULL, &part, sizeof part) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int million_leaves(void *arg) {
    (void)arg;
    _Atomic uint64_t sum = 0;
    bool small = THREAD_SANITIZER || ADDRESS_SANITIZER;
    struct range root = {0, small ? 10000 : 1000000};
    equal(crawl(&(struct leat_crawl_options){.visit = split, .arg = &sum}, &root, sizeof root), 0);
    equal(sum, small ? 49995000 : 499999500000);
    return 0;
}

/* ------------------------------------------------------------ who visits */

static int no_peers(void *arg) {
    (void)arg;
    _Atomic uint64_t sum = 0;
    struct range root = {0, 10000};
    struct leat_crawl_report report;
    const struct leat_crawl_options options = {.visit = split, .arg = &sum, .workers = 1, .report = &report};
    equal(crawl(&options, &root, sizeof root), 0);
    equal(sum, 49995000);
    equal(report.visited, 11111);
    equal(report.handed_over, 0);
    equal(report.workers, 1);
    equal(report.most_busy, 1);
    return 0;
}

struct house {
    struct leat_mutex mutex;
    struct leat_cond changed;
    int inside, most, wanted, done;
    struct leat_chan *chan;
};

/* Waits until as many are inside as there are workers: more would never come, fewer would wait for ever. */
static int meet(struct leat_visit *visit) {
    struct house *house = visit->arg;
    if (visit->branch->depth == 0) {
        for (int i = 0; i < house->wanted; i++)
            equal(leat_crawl_add(visit, NULL, &i, sizeof i) < 0, 0);
        return 0;
    }
    int error = leat_lock(&house->mutex);
    house->inside++;
    house->most = house->inside > house->most ? house->inside : house->most;
    leat_cond_broadcast(&house->changed);
    while (house->most < house->wanted && !error)
        error = leat_cond_wait(&house->changed, &house->mutex);
    house->inside--;
    leat_unlock(&house->mutex);
    return error;
}

static int all_at_once(void *arg) {
    (void)arg;
    struct house house = {.wanted = 50};
    struct leat_crawl_report report;
    const struct leat_crawl_options options = {.visit = meet, .arg = &house, .workers = 50, .report = &report};
    equal(crawl(&options, "", 0), 0);
    equal(house.most, 50);
    equal(report.most_busy, 50);
    equal(report.workers, 50);
    equal(report.visited, 51);
    return 0;
}

static int slow_ten(struct leat_visit *visit) {
    struct house *house = visit->arg;
    int error = leat_sleep(10 * LEAT_MILLISECOND);
    if (!error)
        error = leat_lock(&house->mutex);
    if (error)
        return error;
    house->done++;
    leat_unlock(&house->mutex);
    for (int i = 0; visit->branch->depth < 3 && i < 6; i++)
        if (leat_crawl_add(visit, NULL, &i, sizeof i) < 0)
            return -ENOMEM;
    return 0;
}

static int fifty_wait(void *arg) {
    (void)arg;
    struct house house = {0};
    struct leat_crawl_report report;
    const struct leat_crawl_options options = {.visit = slow_ten, .arg = &house, .workers = 50, .report = &report};
    equal(crawl(&options, "", 0), 0);
    equal(house.done, 1 + 6 + 36 + 216);
    equal(report.visited, 259);
    equal(report.most_busy, 50);
    return 0;
}

/* Adds two, then computes until the other worker has visited one of them. */
static int never_blocks(struct leat_visit *visit) {
    struct house *house = visit->arg;
    if (visit->branch->depth == 1) {
        __atomic_fetch_add(&house->done, 1, __ATOMIC_RELEASE);
        return 0;
    }
    for (int i = 0; i < 2; i++)
        equal(leat_crawl_add(visit, NULL, &i, sizeof i), 0);
    while (!__atomic_load_n(&house->done, __ATOMIC_ACQUIRE))
        if (leat_workers() == 1) /* there is only this thread */
            leat_yield();
    return 0;
}

static int hog(void *arg) {
    (void)arg;
    for (int i = 0; i < 20; i++) {
        struct house house = {0};
        struct leat_crawl_report report;
        const struct leat_crawl_options options = {
            .visit = never_blocks, .arg = &house, .workers = 2, .report = &report};
        equal(crawl(&options, "", 0), 0);
        equal(house.done, 2);
        check(report.handed_over >= 1);
    }
    return 0;
}

/* One branch waits for a value that only another one's visit sends. */
static int wait_or_send(struct leat_visit *visit) {
    struct house *house = visit->arg;
    const char *what = visit->branch->data;
    int value = 42;
    if (strcmp(what, "root") == 0)
        return leat_crawl_add(visit, NULL, "send", 5) < 0 || leat_crawl_add(visit, NULL, "wait", 5) < 0 ? -ENOMEM : 0;
    return strcmp(what, "wait") == 0 ? leat_recv(house->chan, &value) : leat_send(house->chan, &value);
}

static int blocking(void *arg) {
    (void)arg;
    for (int i = 0; i < 20; i++) {
        struct house house = {.chan = leat_chan_new(sizeof(int), 0)};
        equal(crawl(&(struct leat_crawl_options){.visit = wait_or_send, .arg = &house, .workers = 2}, "root", 5), 0);
        leat_chan_free(house.chan);
    }
    return 0;
}

/* ------------------------------------------------------------ memory */

static int ten_below(struct leat_visit *visit) {
    const unsigned *levels = visit->arg;
    for (int i = 0; visit->branch->depth < *levels && i < 10; i++)
        if (leat_crawl_add(visit, NULL, &i, sizeof i) < 0)
            return -ENOMEM;
    return 0;
}

static int ten_children(void *arg) {
    (void)arg;
    unsigned levels = scaled(100) < 10 ? 3 : 5;
    for (unsigned workers = 1; workers <= 9; workers += 4) {
        struct leat_crawl_report report;
        const struct leat_crawl_options options = {
            .visit = ten_below, .arg = &levels, .workers = workers, .report = &report};
        equal(crawl(&options, "", 0), 0);
        equal(report.visited, levels == 3 ? 1111 : 111111);
        check(report.most_pending <= (levels + 1) * 10);
        check(report.workers <= workers && report.most_busy <= workers);
    }
    return 0;
}

enum { LINKS = 20000 };

static int add_link(struct leat_visit *visit) {
    return visit->branch->depth < LINKS ? leat_crawl_add(visit, NULL, NULL, 0) : 0;
}

static int chain(void *arg) {
    (void)arg;
    struct leat_crawl_report report;
    const struct leat_crawl_options options = {.visit = add_link, .workers = 3, .report = &report};
    equal(crawl(&options, NULL, 0), 0);
    equal(report.visited, LINKS + 1);
    equal(report.most_pending, 1);
    equal(report.workers, 1); /* nobody was woken for a chain */
    equal(report.handed_over, 0);
    return 0;
}

/* A folder of a million, and in each of its entries three more; the cursor is the number of the next one. */
enum { ENTRIES = 1000000, PARTS = 3, STEP = 100 };

static size_t entries_of_folder(void) {
    return ADDRESS_SANITIZER || scaled(100) < 100 ? ENTRIES / 200 : ENTRIES; /* where a visit is slow */
}

static int list_folder(struct leat_visit *visit) {
    size_t entries = visit->branch->depth == 0 ? entries_of_folder() : visit->branch->depth == 1 ? PARTS : 0;
    size_t next = (size_t)(uintptr_t)visit->branch->cursor;
    int full = 0;
    while (full == 0 && next < entries) {
        full = leat_crawl_add(visit, NULL, &next, sizeof next);
        next++;
    }
    visit->branch->cursor = (void *)(uintptr_t)next;
    return full < 0 ? full : next < entries ? LEAT_MORE : 0;
}

static int large_folder(void *arg) {
    (void)arg;
    for (unsigned workers = 1; workers <= 4; workers += 3) {
        struct leat_crawl_report report;
        const struct leat_crawl_options options = {
            .visit = list_folder, .workers = workers, .room = STEP, .report = &report, .movable = workers > 1};
        equal(crawl(&options, "", 0), 0);
        equal(report.visited, 1 + entries_of_folder() * (1 + PARTS));
        check(report.most_pending <= (2 + 1) * STEP);
        check(report.calls >= report.visited + entries_of_folder() / STEP - 1);
    }
    return 0;
}

static int add_five(struct leat_visit *visit) {
    int taken = 0;
    for (int i = 0; i < 5 && visit->branch->depth == 0; i++) {
        int result = leat_crawl_add(visit, NULL, &i, sizeof i);
        check(result == (taken < 3 ? 0 : -ENOBUFS));
        taken += result == 0;
    }
    return 0;
}

static int pending_limit(void *arg) {
    (void)arg;
    struct leat_crawl_report report;
    const struct leat_crawl_options options = {.visit = add_five, .workers = 1, .pending_limit = 3, .report = &report};
    equal(crawl(&options, "", 0), 0);
    equal(report.visited, 4);
    return 0;
}

/* ------------------------------------------------------------ going on with a branch */

struct trip {
    unsigned worker;
    int calls;
};

static int stay_at_home(struct leat_visit *visit) {
    struct trip *trip = visit->branch->cursor;
    if (visit->branch->depth == 1)
        return leat_sleep(LEAT_MICROSECOND);
    if (!trip) {
        visit->branch->cursor = trip = calloc(1, sizeof *trip);
        trip->worker = visit->worker;
    }
    equal(visit->worker, trip->worker);
    for (int full = 0; full == 0;)
        full = leat_crawl_add(visit, NULL, "x", 1);
    if (++trip->calls < 30)
        return LEAT_MORE;
    visit->branch->cursor = NULL;
    free(trip);
    return 0;
}

static int bound_cursor(void *arg) {
    (void)arg;
    struct leat_crawl_report report;
    const struct leat_crawl_options options = {.visit = stay_at_home, .workers = 8, .room = 10, .report = &report};
    equal(crawl(&options, "", 0), 0);
    equal(report.visited, 301);
    return 0;
}

/* The only child waits until its parent was called again, which only another worker can do. */
static int pass_on(struct leat_visit *visit) {
    struct house *house = visit->arg;
    int value = 0;
    if (visit->branch->depth == 1)
        return leat_recv(house->chan, &value);
    if (visit->branch->cursor)
        return leat_send(house->chan, &value);
    visit->branch->cursor = house;
    return leat_crawl_add(visit, NULL, "x", 1) < 0 ? -ENOMEM : LEAT_MORE;
}

static int movable_cursor(void *arg) {
    (void)arg;
    for (int i = 0; i < 20; i++) {
        struct house house = {.chan = leat_chan_new(sizeof(int), 0)};
        const struct leat_crawl_options options = {.visit = pass_on, .arg = &house, .workers = 2, .movable = true};
        equal(crawl(&options, "", 0), 0);
        leat_chan_free(house.chan);
    }
    return 0;
}

/* ------------------------------------------------------------ batches, duplicates, results */

struct batches {
    _Atomic uint64_t branches, full;
};

static int take_batch(struct leat_visit *visit) {
    struct batches *batches = visit->arg;
    check(visit->count >= 1 && visit->count <= 50);
    check(visit->branch == visit->branches[0]);
    lt_fetch_add(&batches->branches, visit->count, relaxed);
    lt_fetch_add(&batches->full, visit->count == 50, relaxed);
    for (size_t i = 0; i < visit->count; i++) {
        const struct leat_branch *parent = visit->branches[i];
        check(parent->size == sizeof(unsigned) && *(unsigned *)parent->data == parent->depth);
        unsigned below = parent->depth + 1;
        for (int k = 0; below <= 4 && k < 9; k++)
            check(leat_crawl_add(visit, parent, &below, sizeof below) >= 0);
    }
    return 0;
}

static int batch(void *arg) {
    (void)arg;
    for (unsigned workers = 1; workers <= 5; workers += 4) {
        struct batches batches = {0};
        struct leat_crawl_report report;
        const struct leat_crawl_options options = {
            .visit = take_batch, .arg = &batches, .workers = workers, .batch = 50, .report = &report};
        unsigned root = 0;
        equal(crawl(&options, &root, sizeof root), 0);
        equal(batches.branches, 1 + 9 + 81 + 729 + 6561);
        equal(report.visited, batches.branches);
        check(report.calls < 1000);
        check(workers > 1 || batches.full > 100);
    }
    return 0;
}

/* Two arrows from each of N points: a graph full of cycles. */
enum { POINTS = 10007 };

static int follow_arrows(struct leat_visit *visit) {
    uint32_t point = *(uint32_t *)visit->branch->data, next[2] = {2 * point % POINTS, (3 * point + 1) % POINTS};
    lt_fetch_add(&((_Atomic uint32_t *)visit->arg)[point], 1, relaxed);
    for (int i = 0; i < 2; i++)
        if (leat_crawl_add(visit, NULL, &next[i], sizeof next[i]) < 0)
            return -ENOMEM;
    return 0;
}

static int duplicates(void *arg) {
    (void)arg;
    _Atomic uint32_t *visits = calloc(POINTS, sizeof *visits);
    struct leat_crawl_report report;
    const struct leat_crawl_options options = {
        .visit = follow_arrows, .arg = visits, .workers = 6, .unique = true, .report = &report};
    uint32_t root = 1;
    equal(crawl(&options, &root, sizeof root), 0);
    uint64_t reached = 0;
    for (int i = 0; i < POINTS; i++) {
        check(visits[i] <= 1);
        reached += visits[i];
    }
    equal(report.visited, reached);
    check(reached > POINTS / 2);
    equal(report.branches + report.duplicates, 1 + 2 * reached);
    free(visits);
    return 0;
}

static struct leat_bytes last_letter(void *arg, const struct leat_branch *branch) {
    (void)arg;
    return (struct leat_bytes){(char *)branch->data + branch->size - 1, 1};
}

static int nothing(struct leat_visit *visit) {
    (void)visit;
    return 0;
}

static int keys(void *arg) {
    (void)arg;
    const struct leat_bytes roots[] = {{"one", 3}, {"two", 3}, {"three", 5}, {"four", 4}, {"four", 4}};
    struct leat_crawl_report report;
    struct leat_crawl_options options = {.visit = nothing, .unique = true, .key = last_letter, .report = &report};
    equal(leat_crawl(&options, roots, 5), 0);
    equal(report.visited, 3); /* e o r */
    equal(report.duplicates, 2);
    options.key = NULL;
    equal(leat_crawl(&options, roots, 5), 0);
    equal(report.visited, 4);
    options.unique = false;
    equal(leat_crawl(&options, roots, 5), 0);
    equal(report.visited, 5);
    return 0;
}

static int emit_leaf(struct leat_visit *visit) {
    uint32_t number = *(uint32_t *)visit->branch->data;
    if (number < 2)
        return leat_crawl_emit(visit, &number);
    uint32_t parts[2] = {number / 2, number - number / 2};
    for (int i = 0; i < 2; i++)
        if (leat_crawl_add(visit, NULL, &parts[i], sizeof parts[i]) < 0)
            return -ENOMEM;
    return 0;
}

static int run_emitter(void *out) {
    struct leat_crawl_report report;
    const struct leat_crawl_options options = {.visit = emit_leaf, .workers = 5, .out = out, .report = &report};
    uint32_t root = 1000;
    int error = crawl(&options, &root, sizeof root);
    equal(report.emitted, 1000);
    return error;
}

static int results(void *arg) {
    (void)arg;
    struct leat_chan *out = leat_chan_new(sizeof(uint32_t), 3);
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, run_emitter, out);
    uint32_t number, sum = 0;
    while (!leat_recv(out, &number))
        sum += number;
    equal(sum, 1000);
    equal(leat_scope_close(scope), 0);
    leat_chan_free(out);
    return 0;
}

static int stop_listening(void *arg) {
    (void)arg;
    struct leat_chan *out = leat_chan_new(sizeof(uint32_t), 3);
    leat_chan_close(out);
    uint32_t root = 1000000;
    equal(crawl(&(struct leat_crawl_options){.visit = emit_leaf, .out = out, .workers = 3}, &root, sizeof root),
          -EPIPE);
    leat_chan_free(out);
    return 0;
}

/* ------------------------------------------------------------ the end */

struct ends {
    _Atomic uint64_t visits, open, most;
    uint64_t seed;
};

/* A tree of some hundred nodes, of another shape each time; some visits wait. */
static int random_tree(struct leat_visit *visit) {
    struct ends *ends = visit->arg;
    lt_fetch_add(&ends->open, 1, acq_rel);
    lt_fetch_add(&ends->visits, 1, relaxed);
    uint64_t state = *(uint64_t *)visit->branch->data, count = next_random(&state) % 4;
    if (state % 7 == 0)
        leat_yield();
    for (uint64_t i = 0; i < count && visit->branch->depth < 8; i++) {
        uint64_t child = next_random(&state) | 1;
        check(leat_crawl_add(visit, NULL, &child, sizeof child) >= 0);
    }
    lt_fetch_sub(&ends->open, 1, acq_rel);
    return 0;
}

static int exact_ends(void *arg) {
    (void)arg;
    size_t rounds = scaled(2000);
    for (size_t i = 1; i <= rounds; i++) {
        struct ends ends = {0};
        struct leat_crawl_report report;
        const struct leat_crawl_options options = {
            .visit = random_tree, .arg = &ends, .workers = 1 + i % 9, .report = &report};
        uint64_t root = i * 0x9e3779b97f4a7c15u;
        equal(crawl(&options, &root, sizeof root), 0);
        equal(ends.open, 0);
        equal(report.visited, ends.visits);
        equal(report.visited, report.branches);
    }
    return 0;
}

static int crawl_within(struct leat_visit *visit) {
    struct leat_crawl_report report;
    const struct leat_crawl_options options = {.visit = split, .arg = visit->arg, .workers = 2, .report = &report};
    struct range root = {0, 100};
    int error = crawl(&options, &root, sizeof root);
    equal(report.visited, 111);
    return error;
}

static int nested(void *arg) {
    (void)arg;
    _Atomic uint64_t sum = 0;
    const struct leat_bytes roots[] = {{"a", 1}, {"b", 1}, {"c", 1}};
    equal(leat_crawl(&(struct leat_crawl_options){.visit = crawl_within, .arg = &sum, .workers = 3}, roots, 3), 0);
    equal(sum, 3 * 4950);
    return 0;
}

static int no_roots(void *arg) {
    (void)arg;
    struct leat_chan *out = leat_chan_new(1, 1);
    struct leat_crawl_report report = {.visited = 7};
    equal(leat_crawl(&(struct leat_crawl_options){.visit = nothing, .out = out, .report = &report}, NULL, 0), 0);
    equal(report.visited, 0);
    check(leat_chan_closed(out));
    leat_chan_free(out);
    out = leat_chan_new(1, 1);
    equal(crawl(&(struct leat_crawl_options){.out = out}, "", 0), -EINVAL);
    check(leat_chan_closed(out));
    leat_chan_free(out);
    return 0;
}

static const struct test tests[] = {
    {"published trees: every node once", published_trees},
    {"queens on boards of 8 and more", queens},
    {"skynet: a million leaves", million_leaves, .real = "a million leaves are millions of steps"},
    {"one worker gives nothing away", no_peers},
    {"fifty visits wait for each other", all_at_once},
    {"fifty workers are busy when every visit waits", fifty_wait},
    {"a visit that never blocks gives branches away", hog},
    {"a visit that blocks holds up only itself", blocking},
    {"ten children each: it ends, within its memory", ten_children, .real = "333,333 visits are millions of steps"},
    {"a chain of 20,000 stays with one worker", chain},
    {"a folder of a million is never in memory at once", large_folder},
    {"more than the limit is refused", pending_limit},
    {"what a worker began it goes on with", bound_cursor},
    {"a movable branch is gone on with by another", movable_cursor},
    {"batches: up to so many in one visit, each once", batch},
    {"no branch twice, in a graph of cycles", duplicates},
    {"keys say what is the same", keys},
    {"results end exactly at the end", results},
    {"nobody listens: it ends", stop_listening},
    {"thousands of crawls, each to its end", exact_ends},
    {"crawls within crawls", nested},
    {"nothing to do, or nobody to do it", no_roots},
};

int main(int argc, char **argv) {
    return run_group("crawl", tests, sizeof tests / sizeof *tests, argc, argv);
}
