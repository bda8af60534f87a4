/* SPDX-License-Identifier: MIT */
/** What goes in comes out, once: many to many, discard, unbounded and large values, batches, byte limits, long chains.
 */
#include "runtime/runtime.h"

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

static const size_t capacities[] = {0, 1, 7, LEAT_UNBOUNDED};
enum { CAPACITIES = sizeof capacities / sizeof *capacities };

/* ------------------------------------------------- many to many, once each */

enum { SIDES = 6 };

struct market {
    struct leat_chan *chan;
    size_t each; /* values of each sender */
    size_t batch;
    _Atomic unsigned char *seen;
    _Atomic uint64_t total;
    _Atomic unsigned next_sender;
};

static int market_sender(void *arg) {
    struct market *market = arg;
    uint64_t value = lt_fetch_add(&market->next_sender, 1, relaxed) * market->each;
    uint64_t end = value + market->each;
    uint64_t many[16];
    while (value < end) {
        size_t count = market->batch < end - value ? market->batch : end - value;
        for (size_t i = 0; i < count; i++)
            many[i] = value++;
        if (market->batch == 1)
            equal(leat_send(market->chan, many), 0);
        else
            equal(leat_send_many(market->chan, many, count), count);
    }
    return 0;
}

static int market_receiver(void *arg) {
    struct market *market = arg;
    uint64_t many[16];
    for (;;) {
        ptrdiff_t count = 1;
        if (market->batch == 1) {
            int error = leat_recv(market->chan, many);
            count = error ? error : 1;
        } else {
            count = leat_recv_many(market->chan, many, market->batch);
        }
        if (count < 0)
            return equal(count, -EPIPE) ? 0 : -EPROTO;
        check(count > 0);
        lt_fetch_add(&market->total, (uint64_t)count, relaxed);
        for (ptrdiff_t i = 0; i < count; i++)
            if (check(many[i] < SIDES * market->each))
                equal(lt_fetch_add(&market->seen[many[i]], 1, relaxed), 0);
    }
}

static int each_value_once(void *arg) {
    (void)arg;
    for (size_t batch = 1; batch <= 16; batch += 15) {
        for (int c = 0; c < CAPACITIES; c++) {
            struct market market = {
                .chan = leat_chan_new(sizeof(uint64_t), capacities[c]), .each = scaled(5000), .batch = batch};
            market.seen = calloc(SIDES * market.each, 1);
            struct leat_scope *receivers = leat_scope_open(NULL);
            for (int i = 0; i < SIDES; i++)
                leat_go(receivers, market_receiver, &market);
            struct leat_scope *senders = leat_scope_open(NULL);
            for (int i = 0; i < SIDES; i++)
                leat_go(senders, market_sender, &market);
            equal(leat_scope_close(senders), 0);
            leat_chan_close(market.chan);
            equal(leat_scope_close(receivers), 0);
            equal(market.total, SIDES * market.each);
            free((void *)market.seen);
            leat_chan_free(market.chan);
        }
    }
    return 0;
}

/* ------------------------------------------------------------- discard */

static void destroy_value(void *value, void *arg) {
    uint64_t number;
    memcpy(&number, value, sizeof number);
    struct market *market = arg;
    lt_fetch_add(&market->total, 1, relaxed);
    if (check(number < SIDES * market->each))
        equal(lt_fetch_add(&market->seen[number], 1, relaxed), 0);
}

static int sender_until_closed(void *arg) {
    struct market *market = arg;
    uint64_t value = lt_fetch_add(&market->next_sender, 1, relaxed) * market->each;
    for (uint64_t end = value + market->each; value < end; value++) {
        int error = leat_send(market->chan, &value);
        if (!error)
            continue;
        /* Refused: the value is still the sender's, nobody else has seen it. */
        equal(error, -EPIPE);
        for (; value < end; value++) {
            lt_fetch_add(&market->total, 1, relaxed);
            equal(lt_fetch_add(&market->seen[value], 1, relaxed), 0);
        }
        return 0;
    }
    return 0;
}

static int discard_accounts_for_all(void *arg) {
    (void)arg;
    for (size_t round = 0; round < scaled(200); round++) {
        struct market market = {
            .chan = leat_chan_new(sizeof(uint64_t), capacities[round % CAPACITIES]), .each = 100, .batch = 1};
        market.seen = calloc(SIDES * market.each, 1);
        struct leat_scope *scope = leat_scope_open(NULL);
        for (int i = 0; i < SIDES; i++)
            leat_go(scope, sender_until_closed, &market);
        for (int i = 0; i < 2; i++)
            leat_go(scope, market_receiver, &market);
        for (size_t i = 0; i < round % 13; i++)
            leat_yield();
        leat_chan_discard(market.chan, destroy_value, &market);
        equal(leat_chan_len(market.chan), 0);
        equal(leat_scope_close(scope), 0);
        equal(leat_chan_discard(market.chan, destroy_value, &market), 0);
        equal(market.total, SIDES * market.each);
        free((void *)market.seen);
        leat_chan_free(market.chan);
    }
    return 0;
}

static int discard_counts(void *arg) {
    (void)arg;
    struct leat_chan *chan = leat_chan_new(sizeof(uint64_t), LEAT_UNBOUNDED);
    struct market market = {.each = 1000};
    market.seen = calloc(SIDES * market.each, 1);
    for (uint64_t i = 0; i < 1000; i++)
        equal(leat_send(chan, &i), 0);
    equal(leat_recv(chan, NULL), 0);
    equal(leat_chan_discard(chan, destroy_value, &market), 999);
    equal(market.total, 999);
    equal(market.seen[0], 0);
    equal(leat_recv(chan, NULL), -EPIPE);
    equal(leat_send(chan, &(uint64_t){0}), -EPIPE);
    free((void *)market.seen);
    leat_chan_free(chan);
    chan = leat_chan_new(sizeof(uint64_t), 4);
    equal(leat_send(chan, &(uint64_t){0}), 0);
    equal(leat_chan_discard(chan, NULL, NULL), 1);
    leat_chan_free(chan);
    return 0;
}

/* ----------------------------------------------------- unbounded, large */

static size_t allocated(void) {
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static int unbounded(void *arg) {
    (void)arg;
    size_t count = scaled(1000000);
    struct leat_chan *chan = leat_chan_new(sizeof(uint64_t), LEAT_UNBOUNDED);
    size_t before = allocated(); /* workers may still be starting: that is less than a mebibyte */
    for (int turn = 0; turn < 2; turn++) {
        for (uint64_t i = 0; i < count; i++)
            if (!equal(leat_send_try(chan, &i), 0))
                return 0;
        equal(leat_chan_len(chan), count);
        for (uint64_t i = 0, value = 0; i < count; i++)
            if (!equal(leat_recv_try(chan, &value), 0) || !equal(value, i))
                return 0;
        equal(leat_recv_try(chan, NULL), -EAGAIN);
        if (!check(allocated() < before + (1 << 20)))
            dprintf(2, "# %zu bytes before, %zu after\n", before, allocated());
    }
    leat_chan_free(chan);
    return 0;
}

/* Some are taken out before it grows, so that what is in it goes round the end of its memory. */
static int grows_in_order(void *arg) {
    (void)arg;
    enum { MANY = 3000 };
    for (uint64_t taken = 1; taken < 600; taken += 1 + taken / 3) {
        struct leat_chan *chan = leat_chan_new(sizeof(uint64_t), LEAT_UNBOUNDED);
        for (uint64_t i = 0, next = 0, value; i < taken + MANY; i++) {
            equal(leat_send_try(chan, &i), 0);
            if (i >= taken && i < 2 * taken && equal(leat_recv_try(chan, &value), 0))
                equal(value, next++);
        }
        for (uint64_t i = taken, value; i < taken + MANY; i++)
            if (!equal(leat_recv_try(chan, &value), 0) || !equal(value, i))
                return 0;
        equal(leat_chan_len(chan), 0);
        leat_chan_free(chan);
    }
    return 0;
}

struct block {
    struct leat_chan *chan;
    size_t size, count;
    unsigned char mark;
};

static int send_blocks(void *arg) {
    struct block *block = arg;
    unsigned char *bytes = malloc(block->size);
    for (size_t i = 0; i < block->count; i++) {
        memset(bytes, (int)(block->mark + i), block->size);
        equal(leat_send(block->chan, bytes), 0);
    }
    free(bytes);
    return 0;
}

static int receive_blocks(void *arg) {
    struct block *block = arg;
    unsigned char *bytes = malloc(block->size);
    while (leat_recv(block->chan, bytes) == 0)
        for (size_t k = 1; k < block->size; k++)
            if (!equal(bytes[k], bytes[0]))
                break;
    free(bytes);
    return 0;
}

static int large_values(void *arg) {
    (void)arg;
    const size_t sizes[] = {4096, 65536, 13};
    for (int s = 0; s < 3; s++) {
        for (size_t capacity = 0; capacity < 4; capacity += 3) {
            struct leat_chan *chan = leat_chan_new(sizes[s], capacity);
            struct block block = {chan, sizes[s], scaled(200), 0}, marked[3];
            struct leat_scope *receivers = leat_scope_open(NULL);
            leat_go(receivers, receive_blocks, &block);
            leat_go(receivers, receive_blocks, &block);
            struct leat_scope *senders = leat_scope_open(NULL);
            for (int i = 0; i < 3; i++) {
                marked[i] = block;
                marked[i].mark = (unsigned char)(i * 80);
                leat_go(senders, send_blocks, &marked[i]);
            }
            equal(leat_scope_close(senders), 0);
            leat_chan_close(chan);
            equal(leat_scope_close(receivers), 0);
            leat_chan_free(chan);
        }
    }
    return 0;
}

/* ------------------------------------------------------------- batches */

static int batches(void *arg) {
    (void)arg;
    struct leat_chan *chan = leat_chan_new(sizeof(int), 4);
    int values[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, got[10];
    equal(leat_send_many_try(chan, values, 10), 4);
    equal(leat_send_many_try(chan, values, 10), -EAGAIN);
    equal(leat_recv_many(chan, got, 3), 3);
    check(got[0] == 0 && got[1] == 1 && got[2] == 2);
    leat_time deadline = leat_after(LEAT_MILLISECOND);
    equal(leat_send_many_until(chan, values + 4, 6, deadline), 3);
    check(leat_now() >= deadline);
    equal(leat_recv_many(chan, got, 10), 4);
    check(got[0] == 3 && got[1] == 4 && got[2] == 5 && got[3] == 6);
    equal(leat_recv_many_try(chan, got, 10), -EAGAIN);
    equal(leat_recv_many_until(chan, got, 10, leat_after(LEAT_MILLISECOND)), -ETIMEDOUT);
    equal(leat_send_many_until(chan, values, 2, 0), 2);
    leat_chan_free(chan);
    return 0;
}

struct cut {
    struct leat_chan *chan;
    ptrdiff_t result;
};

static int send_ten(void *arg) {
    struct cut *cut = arg;
    int values[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    cut->result = leat_send_many(cut->chan, values, 10);
    return 0;
}

/* How many were taken is how many can be received, wherever close or cancel strikes. */
static int batch_cut_short(void *arg) {
    (void)arg;
    for (size_t round = 0; round < 4 * scaled(50); round++) {
        struct cut cut = {.chan = leat_chan_new(sizeof(int), round % 4)};
        struct leat_scope *scope = leat_scope_open(NULL);
        leat_go(scope, send_ten, &cut);
        if (round < 8)
            settle();
        int received = 0, value;
        for (size_t i = 0; i < round % 7; i++) {
            leat_yield();
            if (leat_recv_try(cut.chan, &value) == 0)
                equal(value, received++);
        }
        bool close = round % 2;
        if (close)
            leat_chan_close(cut.chan);
        else
            leat_scope_cancel(scope, 0);
        equal(leat_scope_close(scope), close ? 0 : -ECANCELED);
        while (leat_recv_try(cut.chan, &value) == 0)
            equal(value, received++);
        equal(cut.result, received ? received : close ? -EPIPE : -ECANCELED);
        leat_chan_free(cut.chan);
    }
    return 0;
}

/* ---------------------------------------------------------- byte limit */

static size_t weight(const void *value) {
    return *(const size_t *)value;
}

static int byte_limit(void *arg) {
    (void)arg;
    struct leat_chan_options options = {.name = "heavy", .byte_limit = 100, .weigh = weight};
    struct leat_chan *chan = leat_chan_new_with(sizeof(size_t), LEAT_UNBOUNDED, &options);
    /* Below the limit a send goes through, however heavy. */
    equal(leat_send_try(chan, &(size_t){99}), 0);
    equal(leat_send_try(chan, &(size_t){1000}), 0);
    equal(leat_send_try(chan, &(size_t){1}), -EAGAIN);
    equal(leat_send_until(chan, &(size_t){0}, leat_after(LEAT_MILLISECOND)), -ETIMEDOUT);
    size_t value = 0;
    equal(leat_recv(chan, &value), 0);
    equal(value, 99);
    equal(leat_send_try(chan, &(size_t){1}), -EAGAIN);
    equal(leat_recv(chan, &value), 0);
    equal(value, 1000);
    equal(leat_send_try(chan, &(size_t){1}), 0);
    leat_chan_free(chan);
    return 0;
}

struct load {
    struct leat_chan *chan;
    size_t rounds;
    _Atomic size_t got;
};

static int send_loads(void *arg) {
    struct load *load = arg;
    for (size_t i = 0; i < load->rounds; i++)
        equal(leat_send(load->chan, &(size_t){i % 30}), 0);
    return 0;
}

static int receive_loads(void *arg) {
    struct load *load = arg;
    size_t value;
    while (leat_recv(load->chan, &value) == 0)
        lt_fetch_add(&load->got, value + 1, relaxed);
    return 0;
}

static int byte_limit_wakes(void *arg) {
    (void)arg;
    struct leat_chan_options options = {.byte_limit = 50, .weigh = weight};
    struct load load = {.chan = leat_chan_new_with(sizeof(size_t), LEAT_UNBOUNDED, &options), .rounds = scaled(3000)};
    struct leat_scope *receivers = leat_scope_open(NULL);
    leat_go(receivers, receive_loads, &load);
    leat_go(receivers, receive_loads, &load);
    struct leat_scope *senders = leat_scope_open(NULL);
    for (int i = 0; i < 4; i++)
        leat_go(senders, send_loads, &load);
    equal(leat_scope_close(senders), 0);
    leat_chan_close(load.chan);
    equal(leat_scope_close(receivers), 0);
    size_t sum = 0;
    for (size_t i = 0; i < load.rounds; i++)
        sum += i % 30 + 1;
    equal(load.got, 4 * sum);
    leat_chan_free(load.chan);
    return 0;
}

struct parcel {
    size_t weight;
    int number;
    char filling[4096]; /* so large that the channel has memory for one at first */
};

struct parcel_sender {
    struct leat_chan *chan;
    int number;
};

static int send_parcel(void *arg) {
    struct parcel_sender *sender = arg;
    return leat_send(sender->chan, &(struct parcel){.weight = 10, .number = sender->number});
}

/* How many tasks wait to send to the channel of that name, as the report tells. */
static int senders_of(const char *name) {
    static char text[1 << 16]; /* one task asks at a time */
    char wanted[64];
    snprintf(wanted, sizeof wanted, "waits to send to channel \"%s\"", name);
    int fd = memfd_create("report", 0), count = 0;
    leat_dump(fd);
    ssize_t size = pread(fd, text, sizeof text - 1, 0);
    close(fd);
    text[size > 0 ? size : 0] = 0;
    for (const char *at = text; (at = strstr(at, wanted)); at++)
        count++;
    return count;
}

/* One heavy value goes, and there is room for several: those that wait come before one that comes then. */
static int byte_limit_in_order(void *arg) {
    (void)arg;
    struct leat_chan_options options = {.name = "parcels", .byte_limit = 100, .weigh = weight};
    struct leat_chan *chan = leat_chan_new_with(sizeof(struct parcel), LEAT_UNBOUNDED, &options);
    struct parcel_sender waiting[3];
    struct leat_scope *scope = leat_scope_open(NULL);
    equal(leat_send(chan, &(struct parcel){.weight = 100}), 0);
    for (int i = 0; i < 3; i++) {
        waiting[i] = (struct parcel_sender){chan, i + 1};
        leat_go(scope, send_parcel, &waiting[i]);
        while (senders_of("parcels") <= i)
            leat_yield();
    }
    struct parcel parcel;
    equal(leat_recv(chan, &parcel), 0);
    equal(leat_send(chan, &(struct parcel){.weight = 10, .number = 4}), 0);
    for (int i = 1; i <= 4; i++) {
        equal(leat_recv(chan, &parcel), 0);
        equal(parcel.number, i);
    }
    equal(leat_scope_close(scope), 0);
    leat_chan_free(chan);
    return 0;
}

/* --------------------------------------------------------- daisy chain */

struct link {
    struct leat_chan *from, *to;
};

static int pass_on(void *arg) {
    struct link *link = arg;
    int value = 0;
    int error = leat_recv(link->from, &value);
    value++;
    return error ? error : leat_send(link->to, &value);
}

static int daisy_chain(void *arg) {
    (void)arg;
    size_t count = scaled(10000);
    struct leat_chan **chans = calloc(count + 1, sizeof *chans);
    struct link *links = calloc(count, sizeof *links);
    struct leat_scope *scope = leat_scope_open(NULL);
    chans[0] = leat_chan_new(sizeof(int), 0);
    for (size_t i = 0; i < count; i++) {
        chans[i + 1] = leat_chan_new(sizeof(int), 0);
        links[i] = (struct link){chans[i], chans[i + 1]};
        if (!equal(leat_go(scope, pass_on, &links[i]), 0))
            abort();
    }
    int value = 0;
    equal(leat_send(chans[0], &value), 0);
    equal(leat_recv(chans[count], &value), 0);
    equal(value, count);
    equal(leat_scope_close(scope), 0);
    for (size_t i = 0; i <= count; i++)
        leat_chan_free(chans[i]);
    free(chans);
    free(links);
    return 0;
}

static const struct test tests[] = {
    {"many to many: each value once", each_value_once},
    {"discard hands over each undelivered value once", discard_accounts_for_all},
    {"discard counts, closes and empties", discard_counts},
    {"an unbounded send never waits, and memory returns after the drain", unbounded},
    {"an unbounded channel keeps its order as it grows", grows_in_order},
    {"large values stay whole under contention", large_values},
    {"batches take what fits", batches},
    {"a batch that is cut short tells how many were taken", batch_cut_short},
    {"a byte limit holds senders back", byte_limit},
    {"senders held back by a byte limit go on", byte_limit_wakes},
    {"senders held back by a byte limit go on in the order of their arrival", byte_limit_in_order},
    {"ten thousand tasks in a chain", daisy_chain},
};

int main(int argc, char **argv) {
    return run_group("delivery", tests, sizeof tests / sizeof *tests, argc, argv);
}
