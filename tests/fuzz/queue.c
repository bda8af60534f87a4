/* SPDX-License-Identifier: MIT */
/**
 * A queue file that somebody damaged: it is refused, or it is read, settled,
 * written and read again; the process does not die of it. When only its end was
 * cut off, either it is refused or nothing is missing.
 *
 * The first byte chooses one of four good files and whether the file is only
 * looked at; then come the damages. LMDB trusts its file, so what this finds is
 * what src/ends/queue/check.c does not see.
 */
#include "base/hash.h"
#include "ends/queue/queue.h"
#include "fuzz.h"

#include <sys/stat.h>
#include <unistd.h>

enum { BASES = 4, ONLY_LOOK = 0x80, MOST_DAMAGES = 16, PAGE = 4096, LARGEST = 1 << 21, MESSAGES = 300 };

struct base {
    char *bytes;
    size_t size;
    uint64_t content; /* what its messages add up to */
};

static struct base bases[BASES];
static char path[256];

static void must_work(int code, const struct leat_error *error) {
    if (code)
        fprintf(stderr, "%s\n", error->text);
    must(code == 0);
}

static bool add_up(void *arg, const struct lt_queue_message *message) {
    uint64_t *sum = arg;
    *sum += lt_hash_mix(lt_hash(message->body.data, message->body.size) + message->sequence);
    *sum += lt_hash(message->stage.data, message->stage.size) + lt_hash(message->reason.data, message->reason.size);
    return true;
}

static int read_all(struct lt_queue *queue, uint64_t *sum, struct leat_error *error) {
    *sum = 0;
    int code = lt_queue_read(queue, 0, add_up, sum, error);
    return code ? code : lt_queue_read_dead(queue, 0, add_up, sum, error);
}

static void remove_files(void) {
    char lock[sizeof path + 8];
    snprintf(lock, sizeof lock, "%s-lock", path);
    unlink(path);
    unlink(lock);
}

/* ---------------------------------------------------------------- good files */

static void put_messages(struct lt_queue *queue, size_t count, size_t size) {
    struct leat_error error;
    static char body[300000];
    memset(body, 'x', sizeof body);
    for (size_t i = 0; i < count; i++) {
        struct leat_bytes bytes = {body, (size_t)snprintf(body, 64, "message %zu", i) + size};
        must_work(lt_queue_put(queue, &bytes, 1, &error), &error);
    }
}

static void end_messages(struct lt_queue *queue, uint64_t from, uint64_t to, uint64_t step, const char *stage) {
    struct leat_error error;
    for (uint64_t sequence = from; sequence < to; sequence += step) {
        struct lt_queue_end end = {.sequence = sequence, .stage = stage, .reason = {"no luck", 7}, .code = -5};
        must_work(lt_queue_settle(queue, &end, 1, &error), &error);
    }
}

static void fill(struct lt_queue *queue, int which) {
    struct leat_error error;
    uint64_t removed;
    switch (which) {
    case 0: /* small */
        put_messages(queue, 3, 0);
        end_messages(queue, 2, 3, 1, "match");
        break;
    case 1: /* many blocks, holes in them, many dead ones */
        put_messages(queue, MESSAGES, 700);
        end_messages(queue, 1, MESSAGES, 7, NULL);
        end_messages(queue, 3, MESSAGES, 5, "where");
        break;
    case 2: /* bodies on pages of their own */
        put_messages(queue, 3, 20000);
        end_messages(queue, 3, 4, 1, "read");
        put_messages(queue, 1, 200000);
        break;
    default: /* many free pages */
        put_messages(queue, MESSAGES, 700);
        must_work(lt_queue_purge(queue, false, &removed, &error), &error);
        put_messages(queue, 20, 700);
        break;
    }
}

static void make_base(int which) {
    struct leat_error error;
    struct lt_queue *queue, *other;
    struct stat status;
    char target[sizeof path + 8];
    remove_files();
    must_work(lt_queue_open(&queue, path, LT_STORE_CREATE, &error), &error);
    snprintf(target, sizeof target, "%s#other", path);
    must_work(lt_queue_open(&other, target, LT_STORE_CREATE, &error), &error);
    fill(queue, which);
    put_messages(other, 1, 10);
    must_work(read_all(queue, &bases[which].content, &error), &error);
    lt_queue_close(other);
    lt_queue_close(queue);
    FILE *file = fopen(path, "re");
    must(file && fstat(fileno(file), &status) == 0 && status.st_size < LARGEST);
    bases[which].size = (size_t)status.st_size;
    bases[which].bytes = malloc(bases[which].size);
    must(fread(bases[which].bytes, 1, bases[which].size, file) == bases[which].size);
    fclose(file);
    remove_files();
}

static void make_bases(void) {
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/leat-fuzz-%d.queue", folder ? folder : "/tmp", (int)getpid());
    for (int which = 0; which < BASES; which++)
        make_base(which);
}

/* ------------------------------------------------------------------- damage */

/* A place within the file, from two kinds of number: a page and what lies in it, of which the beginning matters most.
 */
static size_t next_place(struct input *input, size_t size) {
    size_t page = next_byte(input), offset = next_number(input, 2);
    size_t place = page * PAGE + offset % PAGE;
    return size ? place % size : 0;
}

/* False: more than the end was taken. */
static bool damage(struct input *input, char *bytes, size_t *size) {
    unsigned kind = next_byte(input) % 7;
    size_t place = next_place(input, *size), width = *size - place < 8 ? *size - place : 8;
    uint64_t value;
    switch (kind) {
    case 0: /* the end is cut off */
        *size = place;
        return true;
    case 1: /* a bit */
        if (*size)
            bytes[place] ^= (char)(1 << next_byte(input) % 8);
        return false;
    case 2: /* a byte */
        if (*size)
            bytes[place] = (char)next_byte(input);
        return false;
    case 3: /* a short number */
    case 4: /* a long one */
        value = next_number(input, kind == 3 ? 2 : 4);
        memcpy(bytes + place, &value, kind == 3 && width > 2 ? 2 : width);
        return false;
    case 5: /* a page becomes a copy of another */
    {
        size_t from = next_byte(input) * (size_t)PAGE, to = place / PAGE * PAGE;
        if (from + PAGE <= *size && to + PAGE <= *size)
            memmove(bytes + to, bytes + from, PAGE);
        return false;
    }
    default: /* a hole, as a crash leaves one that the disk did not order */
        memset(bytes + place / PAGE * PAGE, 0, *size - place / PAGE * PAGE < PAGE ? *size - place / PAGE * PAGE : PAGE);
        return false;
    }
}

/* ---------------------------------------------------------------------- use */

/* As a consumer, then as `leat queue` does it. Any of it may be refused. */
static int use(struct lt_queue *queue, struct leat_error *error) {
    struct lt_queue_end ends[] = {
        {.sequence = 1}, {.sequence = 2, .stage = "match", .reason = {"x", 1}}, {.sequence = 9}, {.sequence = 250}};
    struct lt_queue_state state;
    uint64_t moved, sum;
    int code = lt_queue_lease(queue, error);
    if (code == 0)
        code = lt_queue_settle(queue, ends, 4, error);
    if (code == 0)
        code = lt_queue_requeue(queue, &moved, error);
    if (code == 0)
        code = lt_queue_put(queue, &(struct leat_bytes){"new", 3}, 1, error);
    if (code == 0)
        code = read_all(queue, &sum, error);
    if (code == 0)
        code = lt_queue_state(queue, &state, error);
    return code;
}

static int see_name(void *arg, const char *name, const struct lt_queue_state *state) {
    (void)state;
    *(size_t *)arg += strlen(name);
    return 0;
}

static int open_and_use(bool look, uint64_t *sum, struct leat_error *error) {
    struct lt_queue *queue;
    size_t names = 0;
    int code = lt_queue_open(&queue, path, look ? LT_STORE_LOOK : LT_STORE_OPEN, error);
    if (code)
        return code;
    code = read_all(queue, sum, error);
    if (code == 0)
        code = lt_queue_each_name(queue->store, see_name, &names, error);
    if (code == 0 && !look) {
        struct leat_error later = {0};
        int result = use(queue, &later);
        must(result == 0 || (result < 0 && *later.text));
    }
    lt_queue_close(queue);
    return code;
}

static void write_file(const char *bytes, size_t size) {
    FILE *file = fopen(path, "we");
    must(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!bases[0].bytes)
        make_bases();
    struct input input = {data, size};
    unsigned choice = next_byte(&input);
    const struct base *base = &bases[choice % BASES];
    char *bytes = exact_copy(base->bytes, base->size);
    size_t length = base->size;
    bool only_cut = true;
    for (int i = 0; i < MOST_DAMAGES && input.size; i++)
        only_cut &= damage(&input, bytes, &length);
    write_file(bytes, length);
    free(bytes);
    struct leat_error error = {0};
    uint64_t sum;
    int code = open_and_use(choice & ONLY_LOOK, &sum, &error);
    must(code == 0 || (code < 0 && *error.text));
    must(code || !only_cut || sum == base->content);
    remove_files();
    return 0;
}
