/* SPDX-License-Identifier: MIT */
/** The queue file: order, counts, acknowledgement, the dead, names, leases, growth, and what is refused. */
#include "queue-files.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static char path[512];

static int set_up(void **state) {
    (void)state;
    file_name(path, sizeof path, "q");
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    remove_queue(path);
    return 0;
}

/* LMDB's, too, comes here. */
static int synchronized;

int fdatasync(int fd) {
    synchronized++;
    return (int)syscall(SYS_fdatasync, fd);
}

static uint64_t ready_of(struct lt_queue *queue) {
    struct lt_queue_state state;
    assert_int_equal(lt_queue_state(queue, &state, NULL), 0);
    return state.ready;
}

/* ------------------------------------------------------ bodies and order */

static size_t odd_size(size_t index) {
    static const size_t sizes[] = {0, 1, 7, 65503, 65504, 65505, 200000, 3, 4096, 2040};
    return index % 50 < sizeof sizes / sizeof *sizes ? sizes[index % 50] : index % 300;
}

static bool check_odd(void *arg, const struct lt_queue_message *message) {
    size_t index = (*(size_t *)arg)++;
    assert_int_equal(message->sequence, index + 1);
    assert_int_equal(message->body.size, odd_size(index));
    assert_int_equal(message->attempts, 0);
    for (size_t i = 0; i < message->body.size; i += 997)
        assert_int_equal((unsigned char)message->body.data[i], (unsigned char)(index + i));
    return true;
}

static void test_bodies_of_all_sizes_come_back_in_order(void **state) {
    (void)state;
    enum { COUNT = 500 };
    struct lt_queue *queue = open_queue(path, LT_STORE_CREATE);
    assert_non_null(queue);
    for (size_t from = 0; from < COUNT; from += 125) {
        struct leat_bytes bodies[125];
        for (size_t i = 0; i < 125; i++) {
            size_t size = odd_size(from + i);
            unsigned char *body = malloc(size + 1);
            for (size_t at = 0; at < size; at++)
                body[at] = (unsigned char)(from + i + at); /* NUL bytes among them */
            bodies[i] = (struct leat_bytes){(char *)body, size};
        }
        assert_int_equal(lt_queue_put(queue, bodies, 125, NULL), 0);
        for (size_t i = 0; i < 125; i++)
            free((char *)bodies[i].data);
    }
    for (int again = 0; again < 2; again++) {
        size_t seen = 0;
        assert_int_equal(lt_queue_read(queue, 0, check_odd, &seen, NULL), 0);
        assert_int_equal(seen, COUNT);
        lt_queue_close(queue);
        queue = open_queue(path, LT_STORE_OPEN);
        assert_int_equal(ready_of(queue), COUNT);
    }
    lt_queue_close(queue);
}

static void test_too_large_a_body_is_refused(void **state) {
    (void)state;
    struct lt_queue *queue = open_queue(path, LT_STORE_CREATE);
    struct leat_error error;
    struct leat_bytes bodies[] = {{"a", 1}, {"b", (size_t)LT_QUEUE_LARGEST + 1}};
    assert_int_equal(lt_queue_put(queue, bodies, 2, &error), -EMSGSIZE);
    assert_non_null(strstr(error.text, "too large"));
    assert_int_equal(ready_of(queue), 0);
    lt_queue_close(queue);
}

static void test_numbers_are_never_used_twice(void **state) {
    (void)state;
    struct gathered got = gathered_new(100);
    uint64_t last = 0;
    for (int round = 0; round < 4; round++) {
        struct lt_queue *queue = open_queue(path, LT_STORE_CREATE);
        assert_int_equal(put_numbered(queue, 0, 10, NULL), 0);
        got.count = 0;
        assert_int_equal(lt_queue_read(queue, 0, gather, &got, NULL), 0);
        assert_int_equal(got.count, 10);
        assert_int_equal(got.sequences[0], last + 1);
        last = got.sequences[9];
        if (round == 2) {
            uint64_t removed;
            assert_int_equal(lt_queue_purge(queue, false, &removed, NULL), 0);
            assert_int_equal(removed, 10);
        } else {
            assert_int_equal(lt_queue_settle(queue, got.ends, got.count, NULL), 0);
        }
        assert_int_equal(ready_of(queue), 0);
        lt_queue_close(queue);
    }
    gathered_free(&got);
}

/* ------------------------------------------- everything, against a model */

enum fate_here { ABSENT, READY, DEAD };

struct model {
    enum { ROOM = 40000 } room;
    unsigned char fate[ROOM]; /* by sequence number */
    uint64_t number[ROOM];    /* in the body */
    uint64_t next, next_number;
};

static void compare(const struct model *model, struct lt_queue *queue, struct gathered *got) {
    uint64_t ready = 0, dead = 0;
    struct lt_queue_state state;
    got->count = 0;
    assert_int_equal(lt_queue_read(queue, 0, gather, got, NULL), 0);
    for (uint64_t sequence = 1; sequence < model->next; sequence++) {
        dead += model->fate[sequence] == DEAD;
        if (model->fate[sequence] != READY)
            continue;
        assert_true(ready < got->count);
        assert_int_equal(got->sequences[ready], sequence);
        assert_int_equal(got->numbers[ready], model->number[sequence]);
        ready++;
    }
    assert_int_equal(got->count, ready);
    assert_int_equal(lt_queue_state(queue, &state, NULL), 0);
    assert_int_equal(state.ready, ready);
    assert_int_equal(state.ready_bytes, ready * NUMBERED_SIZE);
    assert_int_equal(state.dead, dead);
    assert_int_equal(state.dead_bytes, dead * NUMBERED_SIZE);
    assert_int_equal(state.next, model->next);
    got->count = 0;
    assert_int_equal(lt_queue_read_dead(queue, 0, gather, got, NULL), 0);
    assert_int_equal(got->count, dead);
}

static void model_put(struct model *model, struct lt_queue *queue, size_t count) {
    assert_int_equal(put_numbered(queue, model->next_number, count, NULL), 0);
    for (size_t i = 0; i < count; i++) {
        model->fate[model->next] = READY;
        model->number[model->next++] = model->next_number++;
    }
}

/* Settle some of what is ready, in any order, some of it as failed, some of it gone already. */
static void model_settle(struct model *model, struct lt_queue *queue, struct gathered *got, uint64_t *seed) {
    size_t count = 0;
    unsigned keep = (unsigned)(chance(seed) % 4);
    uint64_t from = chance(seed) % model->next, to = from + chance(seed) % 3000;
    for (uint64_t sequence = from > 0 ? from : 1; sequence < model->next && sequence < to; sequence++) {
        if (chance(seed) % 4 < keep || (model->fate[sequence] == ABSENT && chance(seed) % 8))
            continue;
        bool fails = chance(seed) % 50 == 0;
        got->ends[count++] = (struct lt_queue_end){
            .sequence = sequence, .stage = fails ? "match" : NULL, .reason = {"no", 2}, .code = -EINVAL};
        if (model->fate[sequence] == READY)
            model->fate[sequence] = fails ? DEAD : ABSENT;
    }
    for (size_t i = 0; count && i < 5; i++) {
        size_t a = chance(seed) % count, b = chance(seed) % count;
        struct lt_queue_end swapped = got->ends[a];
        got->ends[a] = got->ends[b];
        got->ends[b] = swapped;
    }
    assert_int_equal(lt_queue_settle(queue, got->ends, count, NULL), 0);
}

static void model_requeue(struct model *model, struct lt_queue *queue) {
    uint64_t moved, dead = 0, end = model->next;
    for (uint64_t sequence = 1; sequence < end; sequence++) {
        if (model->fate[sequence] != DEAD)
            continue;
        dead++;
        model->fate[sequence] = ABSENT;
        model->fate[model->next] = READY;
        model->number[model->next++] = model->number[sequence];
    }
    assert_int_equal(lt_queue_requeue(queue, &moved, NULL), 0);
    assert_int_equal(moved, dead);
}

static void test_random_work_matches_a_model(void **state) {
    (void)state;
    for (uint64_t round = 1; round <= 6; round++) {
        uint64_t seed = round * 0x9E3779B97F4A7C15;
        struct model *model = calloc(1, sizeof *model);
        struct gathered got = gathered_new(ROOM);
        struct lt_queue *queue = open_queue(path, LT_STORE_CREATE);
        model->next = 1;
        while (model->next < ROOM - 6000) {
            unsigned what = (unsigned)(chance(&seed) % 20);
            if (what < 9)
                model_put(model, queue, chance(&seed) % 3 ? chance(&seed) % 1500 : 1);
            else if (what < 17)
                model_settle(model, queue, &got, &seed);
            else if (what == 17 && chance(&seed) % 4 == 0)
                model_requeue(model, queue);
            else if (what == 18) {
                lt_queue_close(queue);
                queue = open_queue(path, LT_STORE_OPEN);
            } else
                compare(model, queue, &got);
        }
        compare(model, queue, &got);
        lt_queue_close(queue);
        remove_queue(path);
        gathered_free(&got);
        free(model);
    }
}

static void test_each_change_is_on_the_disk_when_it_is_confirmed(void **state) {
    (void)state;
    struct lt_queue *queue = open_queue(path, LT_STORE_CREATE);
    for (int i = 0; i < 5; i++) {
        struct lt_queue_end end = {.sequence = (uint64_t)i + 1};
        int before = synchronized;
        assert_int_equal(put_numbered(queue, 0, 1, NULL), 0);
        assert_true(synchronized > before);
        before = synchronized;
        assert_int_equal(lt_queue_settle(queue, &end, 1, NULL), 0);
        assert_true(synchronized > before);
    }
    lt_queue_close(queue);
}

/* -------------------------------------------------------------- the dead */

static bool check_dead(void *arg, const struct lt_queue_message *message) {
    ++*(size_t *)arg;
    assert_int_equal(message->sequence, 3);
    assert_int_equal(message->code, -EBADMSG);
    assert_int_equal(message->attempts, 1);
    assert_int_equal(message->stage.size, 5);
    assert_memory_equal(message->stage.data, "match", 5);
    assert_int_equal(message->reason.size, 11);
    assert_memory_equal(message->reason.data, "broken JSON", 11);
    assert_int_equal(message->body.size, NUMBERED_SIZE);
    assert_memory_equal(message->body.data, "00000000000000000102", 20);
    return true;
}

static void test_many_dead_come_back(void **state) {
    (void)state;
    enum { MANY = 2500 };
    struct lt_queue_end ends[MANY];
    struct lt_queue *queue = open_queue(path, LT_STORE_CREATE);
    assert_int_equal(put_numbered(queue, 0, MANY, NULL), 0);
    for (size_t i = 0; i < MANY; i++)
        ends[i] = (struct lt_queue_end){.sequence = i + 1, .stage = "match", .reason = {"no", 2}, .code = -EINVAL};
    assert_int_equal(lt_queue_settle(queue, ends, MANY, NULL), 0);
    uint64_t moved;
    assert_int_equal(lt_queue_requeue(queue, &moved, NULL), 0);
    assert_int_equal(moved, MANY);
    struct gathered got = gathered_new(MANY + 1);
    assert_int_equal(lt_queue_read(queue, 0, gather, &got, NULL), 0);
    assert_int_equal(got.count, MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(got.numbers[i], i);
    gathered_free(&got);
    lt_queue_close(queue);
}

static void test_a_failed_message_keeps_stage_reason_and_attempts(void **state) {
    (void)state;
    struct lt_queue *queue = open_queue(path, LT_STORE_CREATE);
    assert_int_equal(put_numbered(queue, 100, 5, NULL), 0);
    struct lt_queue_end ends[] = {{.sequence = 3, .stage = "match", .reason = {"broken JSON", 11}, .code = -EBADMSG},
                                  {.sequence = 1}};
    assert_int_equal(lt_queue_settle(queue, ends, 2, NULL), 0);
    size_t seen = 0;
    assert_int_equal(lt_queue_read_dead(queue, 0, check_dead, &seen, NULL), 0);
    assert_int_equal(seen, 1);
    uint64_t moved;
    assert_int_equal(lt_queue_requeue(queue, &moved, NULL), 0);
    struct gathered got = gathered_new(10);
    assert_int_equal(lt_queue_read(queue, 0, gather, &got, NULL), 0);
    assert_int_equal(got.count, 4);
    assert_int_equal(got.sequences[3], 6);
    assert_int_equal(got.numbers[3], 102);
    assert_int_equal(got.attempts[3], 1);
    gathered_free(&got);
    lt_queue_close(queue);
}

/* ---------------------------------------------- names, sharing, processes */

static void test_names_are_apart_and_a_file_is_opened_once(void **state) {
    (void)state;
    char in[600], out[600], link_path[600];
    snprintf(in, sizeof in, "%s#in", path);
    snprintf(link_path, sizeof link_path, "%s-link", path);
    snprintf(out, sizeof out, "%s#out", link_path);
    struct lt_queue *first = open_queue(in, LT_STORE_CREATE);
    assert_int_equal(symlink(path, link_path), 0);
    struct lt_queue *second = open_queue(out, LT_STORE_CREATE);
    assert_ptr_equal(first->store, second->store);
    assert_int_equal(put_numbered(first, 0, 10, NULL), 0);
    assert_int_equal(put_numbered(second, 0, 3, NULL), 0);
    assert_int_equal(lt_queue_lease(first, NULL), 0);
    assert_int_equal(lt_queue_lease(second, NULL), 0);
    assert_int_equal(ready_of(first), 10);
    assert_int_equal(ready_of(second), 3);
    lt_queue_close(first);
    assert_int_equal(put_numbered(second, 3, 1, NULL), 0);
    assert_int_equal(ready_of(second), 4);
    lt_queue_close(second);
    unlink(link_path);
}

struct child_job {
    int report, go;
    const char *target;
    uint64_t count;
};

static int hold_lease(void *arg) {
    struct child_job *job = arg;
    struct lt_queue *queue = open_queue(job->target, LT_STORE_OPEN);
    insist(queue && lt_queue_lease(queue, NULL) == 0, "no lease");
    insist(write(job->report, "y", 1) == 1, "no report");
    pause();
    return 0;
}

static void test_a_second_consumer_is_told_who_the_first_is(void **state) {
    (void)state;
    struct lt_queue *queue = open_queue(path, LT_STORE_CREATE);
    lt_queue_close(queue);
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    struct child_job job = {.target = path, .report = ends[1]};
    pid_t child = start_child(hold_lease, &job);
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 1);
    struct leat_error error;
    char expected[600];
    queue = open_queue(path, LT_STORE_OPEN);
    snprintf(expected, sizeof expected, "queue:%s#main is being read by process %d", path, child);
    assert_int_equal(lt_queue_lease(queue, &error), -EBUSY);
    assert_string_equal(error.text, expected);
    uint64_t removed;
    assert_int_equal(lt_queue_purge(queue, false, &removed, &error), -EBUSY);
    assert_int_equal(put_numbered(queue, 0, 1, NULL), 0); /* a producer is welcome */
    kill(child, SIGKILL);
    assert_int_equal(child_result(child), -SIGKILL);
    assert_int_equal(lt_queue_lease(queue, &error), 0);
    struct lt_queue *twice = open_queue(path, LT_STORE_OPEN);
    snprintf(expected, sizeof expected, "queue:%s#main is being read by process %d", path, getpid());
    assert_int_equal(lt_queue_lease(twice, &error), -EBUSY);
    assert_string_equal(error.text, expected);
    lt_queue_close(twice);
    lt_queue_close(queue);
    close(ends[0]);
}

static int produce(void *arg) {
    struct child_job *job = arg;
    struct lt_queue *queue = open_queue(job->target, LT_STORE_OPEN);
    insist(queue != NULL, "no queue");
    uint64_t seed = 7;
    for (uint64_t sent = 0; sent < job->count;) {
        uint64_t some = 1 + chance(&seed) % 2000;
        some = some < job->count - sent ? some : job->count - sent;
        insist(put_numbered(queue, sent, some, NULL) == 0, "put failed");
        sent += some;
    }
    lt_queue_close(queue);
    return 0;
}

static void test_producer_and_consumer_in_two_processes(void **state) {
    (void)state;
    enum { COUNT = 200000 };
    lt_queue_close(open_queue(path, LT_STORE_CREATE));
    struct child_job job = {.target = path, .count = COUNT};
    pid_t child = start_child(produce, &job);
    struct lt_queue *queue = open_queue(path, LT_STORE_OPEN);
    struct gathered got = gathered_new(1500);
    assert_int_equal(lt_queue_lease(queue, NULL), 0);
    uint64_t next = 1, expected = 0;
    while (expected < COUNT) {
        got.count = 0;
        assert_int_equal(lt_queue_read(queue, next, gather, &got, NULL), 0);
        for (size_t i = 0; i < got.count; i++)
            assert_int_equal(got.numbers[i], expected++);
        if (got.count)
            next = got.sequences[got.count - 1] + 1;
        else
            usleep(1000);
        assert_int_equal(lt_queue_settle(queue, got.ends, got.count, NULL), 0);
    }
    assert_int_equal(child_result(child), 0);
    assert_int_equal(ready_of(queue), 0);
    gathered_free(&got);
    lt_queue_close(queue);
}

static int open_and_put(void *arg) {
    (void)arg;
    struct leat_error error = {0};
    struct lt_queue *queue = open_queue(path, LT_STORE_CREATE);
    insist(queue != NULL, "no queue");
    insist(put_numbered(queue, 0, 10, &error) == 0, error.text);
    lt_queue_close(queue);
    return 0;
}

static void test_many_processes_make_the_file_at_once(void **state) {
    (void)state;
    for (int round = 0; round < 10; round++) {
        pid_t children[8];
        for (int i = 0; i < 8; i++)
            children[i] = start_child(open_and_put, NULL);
        for (int i = 0; i < 8; i++)
            assert_int_equal(child_result(children[i]), 0);
        struct lt_queue *queue = open_queue(path, LT_STORE_OPEN);
        assert_int_equal(ready_of(queue), 80);
        lt_queue_close(queue);
        remove_queue(path);
    }
}

static int put_large(void *arg) {
    struct child_job *job = arg;
    char byte;
    struct lt_queue *queue = open_queue(job->target, LT_STORE_OPEN);
    char *body = calloc(1, 50 << 20);
    insist(queue && body, "no queue");
    memset(body, 'x', 50 << 20);
    for (int i = 0; i < 4; i++)
        insist(lt_queue_put(queue, &(struct leat_bytes){body, 50 << 20}, 1, NULL) == 0, "put failed");
    insist(write(job->report, "y", 1) == 1, "no report");
    insist(read(job->go, &byte, 1) == 1, "no answer");
    /* What the other one wrote is beyond the map of this one. */
    insist(lt_queue_put(queue, &(struct leat_bytes){body, 50 << 20}, 1, NULL) == 0, "put after growth failed");
    lt_queue_close(queue);
    free(body);
    return 0;
}

static bool weigh(void *arg, const struct lt_queue_message *message) {
    assert_int_equal(message->body.data[message->body.size - 1], 'x');
    *(size_t *)arg += message->body.size;
    return true;
}

static void test_the_map_grows_for_both_processes(void **state) {
    (void)state;
    lt_queue_close(open_queue(path, LT_STORE_CREATE));
    int report[2], go[2];
    char byte;
    assert_int_equal(pipe(report), 0);
    assert_int_equal(pipe(go), 0);
    struct child_job job = {.target = path, .report = report[1], .go = go[0]};
    pid_t child = start_child(put_large, &job);
    struct lt_queue *queue = open_queue(path, LT_STORE_OPEN);
    size_t weight = 0;
    assert_int_equal(read(report[0], &byte, 1), 1);
    assert_int_equal(lt_queue_read(queue, 0, weigh, &weight, NULL), 0);
    assert_int_equal(weight, (size_t)200 << 20);
    char *body = malloc(200 << 20);
    memset(body, 'x', 200 << 20);
    assert_int_equal(lt_queue_put(queue, &(struct leat_bytes){body, 200 << 20}, 1, NULL), 0);
    free(body);
    assert_int_equal(write(go[1], "y", 1), 1);
    assert_int_equal(child_result(child), 0);
    weight = 0;
    assert_int_equal(lt_queue_read(queue, 0, weigh, &weight, NULL), 0);
    assert_int_equal(weight, (size_t)450 << 20);
    lt_queue_close(queue);
    for (int i = 0; i < 2; i++) {
        close(report[i]);
        close(go[i]);
    }
}

/* ---------------------------------------------------------- what is refused */

static void refuse(const char *target, enum lt_store_mode mode, int code, const char *part) {
    struct lt_queue *queue = NULL;
    struct leat_error error = {0};
    assert_int_equal(lt_queue_open(&queue, target, mode, &error), code);
    if (!strstr(error.text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, error.text);
}

static void test_targets_that_make_no_sense(void **state) {
    (void)state;
    char target[700];
    refuse("", LT_STORE_CREATE, -EINVAL, "a file is missing");
    refuse("#name", LT_STORE_CREATE, -EINVAL, "a file is missing");
    snprintf(target, sizeof target, "%s#", path);
    refuse(target, LT_STORE_CREATE, -EINVAL, "a name has");
    snprintf(target, sizeof target, "%s#a!dead", path);
    refuse(target, LT_STORE_CREATE, -EINVAL, "a name has");
    snprintf(target, sizeof target, "%s#%0200d", path, 1);
    refuse(target, LT_STORE_CREATE, -EINVAL, "a name has");
    refuse(path, LT_STORE_OPEN, -ENOENT, "No such file");
    snprintf(target, sizeof target, "%s/x/y", path);
    refuse(target, LT_STORE_CREATE, -ENOENT, "No such file");
    lt_queue_close(open_queue(path, LT_STORE_CREATE));
    snprintf(target, sizeof target, "%s#other", path);
    refuse(target, LT_STORE_OPEN, -ENOENT, "there is no queue \"other\"");
}

static void write_file(const char *name, const char *bytes, size_t size) {
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

static void test_files_that_are_no_queue(void **state) {
    (void)state;
    refuse("/", LT_STORE_CREATE, -EISDIR, "directory");
    refuse("/dev/null", LT_STORE_CREATE, -EMEDIUMTYPE, "device or pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    refuse(path, LT_STORE_OPEN, -EMEDIUMTYPE, "device or pipe");
    unlink(path);
    char noise[20000];
    uint64_t seed = 99;
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (char)chance(&seed);
    write_file(path, noise, sizeof noise);
    refuse(path, LT_STORE_CREATE, -EMEDIUMTYPE, "not a queue file");
    write_file(path, "{}\n", 3);
    refuse(path, LT_STORE_CREATE, -EMEDIUMTYPE, "not a queue file");
    write_file(path, "", 0);
    refuse(path, LT_STORE_OPEN, -EMEDIUMTYPE, "empty");
    struct lt_queue *queue = open_queue(path, LT_STORE_CREATE);
    assert_non_null(queue); /* an empty file is a fine beginning */
    lt_queue_close(queue);
}

static void test_a_file_of_another_lmdb_program(void **state) {
    (void)state;
    MDB_env *environment;
    MDB_txn *transaction;
    MDB_dbi table;
    MDB_val key = {.mv_size = 1, .mv_data = "k"}, value = {.mv_size = 1, .mv_data = "v"};
    assert_int_equal(mdb_env_create(&environment), 0);
    assert_int_equal(mdb_env_open(environment, path, MDB_NOSUBDIR, 0600), 0);
    assert_int_equal(mdb_txn_begin(environment, NULL, 0, &transaction), 0);
    assert_int_equal(mdb_dbi_open(transaction, NULL, 0, &table), 0);
    assert_int_equal(mdb_put(transaction, table, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(transaction), 0);
    mdb_env_close(environment);
    refuse(path, LT_STORE_CREATE, -EMEDIUMTYPE, "not a queue of leat");
}

static int open_as_nobody(void *arg) {
    (void)arg;
    insist(geteuid() != 0 || seteuid(65534) == 0, "cannot become nobody");
    struct lt_queue *queue = NULL;
    struct leat_error error = {0};
    int result = lt_queue_open(&queue, path, LT_STORE_OPEN, &error);
    return result == -EACCES && strstr(error.text, "Permission denied") ? 0 : 1;
}

static void test_a_file_without_permission(void **state) {
    (void)state;
    lt_queue_close(open_queue(path, LT_STORE_CREATE));
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(child_result(start_child(open_as_nobody, NULL)), 0);
}

static void test_reading_only(void **state) {
    (void)state;
    struct lt_queue *queue = open_queue(path, LT_STORE_CREATE);
    assert_int_equal(put_numbered(queue, 0, 10, NULL), 0);
    lt_queue_close(queue);
    queue = open_queue(path, LT_STORE_LOOK);
    assert_non_null(queue);
    assert_int_equal(ready_of(queue), 10);
    refuse(path, LT_STORE_OPEN, -EROFS, "for reading only");
    assert_int_equal(put_numbered(queue, 0, 1, NULL), -EACCES);
    lt_queue_close(queue);
}

/* ------------------------------------------------------------ a full disk */

static int fill_until_full(void *arg) {
    struct child_job *job = arg;
    struct rlimit limit = {.rlim_cur = 3 << 20, .rlim_max = RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    insist(setrlimit(RLIMIT_FSIZE, &limit) == 0, "no limit");
    struct lt_queue *queue = open_queue(path, LT_STORE_CREATE);
    struct leat_error error = {0};
    uint64_t confirmed = 0;
    int result;
    while ((result = put_numbered(queue, confirmed, 700, &error)) == 0)
        confirmed += 700;
    insist(result == -EFBIG || result == -EIO || result == -ENOSPC, "another error");
    insist(strstr(error.text, path) && strstr(error.text, "cannot write 700 messages"), error.text);
    /* The same process goes on when there is room again. */
    insist(put_numbered(queue, confirmed, 700, &error) < 0, "there was no room");
    limit.rlim_cur = RLIM_INFINITY;
    insist(setrlimit(RLIMIT_FSIZE, &limit) == 0, "no limit");
    insist(put_numbered(queue, confirmed, 700, &error) == 0, error.text);
    confirmed += 700;
    insist(write(job->report, &confirmed, sizeof confirmed) == sizeof confirmed, "no report");
    lt_queue_close(queue);
    return 0;
}

static void test_a_full_disk_loses_nothing(void **state) {
    (void)state;
    int ends[2];
    uint64_t confirmed = 0;
    assert_int_equal(pipe(ends), 0);
    struct child_job job = {.report = ends[1]};
    assert_int_equal(child_result(start_child(fill_until_full, &job)), 0);
    assert_int_equal(read(ends[0], &confirmed, sizeof confirmed), sizeof confirmed);
    assert_true(confirmed > 10000);
    struct lt_queue *queue = open_queue(path, LT_STORE_OPEN);
    struct gathered got = gathered_new(confirmed + 1);
    assert_int_equal(lt_queue_read(queue, 0, gather, &got, NULL), 0);
    assert_int_equal(got.count, confirmed);
    for (size_t i = 0; i < got.count; i++)
        assert_int_equal(got.numbers[i], i);
    gathered_free(&got);
    lt_queue_close(queue);
    close(ends[0]);
    close(ends[1]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_bodies_of_all_sizes_come_back_in_order),
        TEST(test_too_large_a_body_is_refused),
        TEST(test_numbers_are_never_used_twice),
        TEST(test_random_work_matches_a_model),
        TEST(test_each_change_is_on_the_disk_when_it_is_confirmed),
        TEST(test_many_dead_come_back),
        TEST(test_a_failed_message_keeps_stage_reason_and_attempts),
        TEST(test_names_are_apart_and_a_file_is_opened_once),
        TEST(test_a_second_consumer_is_told_who_the_first_is),
        TEST(test_producer_and_consumer_in_two_processes),
        TEST(test_many_processes_make_the_file_at_once),
        TEST(test_the_map_grows_for_both_processes),
        TEST(test_targets_that_make_no_sense),
        TEST(test_files_that_are_no_queue),
        TEST(test_a_file_of_another_lmdb_program),
        TEST(test_a_file_without_permission),
        TEST(test_reading_only),
        TEST(test_a_full_disk_loses_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
