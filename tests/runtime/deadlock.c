/* SPDX-License-Identifier: MIT */
/** When everything waits for ever: reported, with each task, and never while something can still happen. */
#include "runtime/runtime.h"

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum { REPORT = 1 << 16 };

static char report[REPORT];

/* Run `body` on each number of workers; what leat reports lands in `report`, one run after the other. */
static void run_and_read(leat_fn *body, int wanted, void (*look)(void)) {
    unsigned counts[MAX_WORKER_COUNTS];
    size_t count = worker_counts(counts);
    for (size_t i = 0; i < count; i++) {
        limit_time();
        int fd = memfd_create("report", MFD_CLOEXEC);
        struct leat_options options = {.workers = counts[i], .report_fd = fd};
        int result = leat_run_with(&options, body, NULL);
        ssize_t size = pread(fd, report, sizeof report - 1, 0);
        report[size > 0 ? size : 0] = '\0';
        close(fd);
        if (result != wanted)
            print_error("with %u workers:\n%s", counts[i], report);
        assert_int_equal(result, wanted);
        look();
    }
}

/* The line that speaks of the task of this name. */
static const char *line_of(const char *name, char line[512]) {
    const char *found = strstr(report, name);
    if (!found)
        return "";
    while (found > report && found[-1] != '\n')
        found--;
    size_t length = strcspn(found, "\n");
    snprintf(line, 512, "%.*s", (int)length, found);
    return line;
}

static void check_line(const char *name, const char *const parts[]) {
    char line[512] = "";
    line_of(name, line);
    for (size_t i = 0; parts[i]; i++)
        if (!strstr(line, parts[i]))
            fail_msg("\"%s\" is not in the line of %s: \"%s\"\n%s", parts[i], name, line, report);
}

static void no_report(void) {
    assert_string_equal(report, "");
}

/* ---------------------------------------------------------- each is named */

static struct leat_chan *letters, *parcels, *never;
static struct leat_mutex mutex;
static struct leat_cond condition;
static struct leat_wg group;
static int lines[8];

static int wait_to_send(void *arg) {
    (void)arg;
    return leat_send(letters, &(int){1});
}
static int wait_to_receive(void *arg) {
    (void)arg;
    return leat_recv(parcels, NULL);
}
static int wait_in_select(void *arg) {
    (void)arg;
    struct leat_case cases[] = {{LEAT_RECV, parcels}, {LEAT_SEND, letters, &(int){1}}};
    return leat_select(cases, 2);
}
static int wait_for_group(void *arg) {
    (void)arg;
    return leat_wg_wait(&group);
}
static int wait_for_mutex(void *arg) {
    (void)arg;
    int error = leat_lock(&mutex);
    return error ? error : leat_unlock(&mutex);
}
static int wait_for_condition(void *arg) {
    (void)arg;
    static struct leat_mutex own;
    leat_lock(&own);
    int error = leat_cond_wait(&condition, &own);
    leat_unlock(&own);
    return error;
}
static int wait_for_ever(void *arg) {
    (void)arg;
    return leat_sleep_until(LEAT_FOREVER);
}
static int wait_for_nothing(void *arg) {
    (void)arg;
    return leat_select(NULL, 0);
}

static int all_kinds(void *arg) {
    (void)arg;
    letters = leat_chan_new_with(sizeof(int), 0, &(struct leat_chan_options){.name = "letters"});
    parcels = leat_chan_new_with(sizeof(int), 4, &(struct leat_chan_options){.name = "parcels"});
    mutex = (struct leat_mutex){0};
    group = (struct leat_wg){0};
    leat_lock(&mutex);
    leat_wg_add(&group, 1);
    struct leat_scope *scope = leat_scope_open(&(struct leat_scope_options){.name = "everybody"});
    struct leat_task_options options = {.name = "postman"};
    lines[0] = __LINE__ + 1;
    leat_go_with(scope, wait_to_receive, NULL, &options);
    lines[1] = __LINE__ + 1;
    leat_go(scope, wait_for_group, NULL);
    leat_go(scope, wait_for_mutex, NULL);
    leat_go(scope, wait_for_condition, NULL);
    leat_go(scope, wait_for_ever, NULL);
    leat_go(scope, wait_for_nothing, NULL);
    int error = leat_scope_close(scope);
    leat_chan_free(letters);
    leat_chan_free(parcels);
    leat_unlock(&mutex);
    return error;
}

static void look_for_all_kinds(void) {
    char place[2][64];
    for (int i = 0; i < 2; i++)
        snprintf(place[i], sizeof place[i], "deadlock.c:%d", lines[i]);
    assert_non_null(strstr(report, "deadlock"));
    check_line("postman", (const char *[]){place[0], "receive", "parcels", NULL});
    check_line("wait_for_group", (const char *[]){place[1], "wait group", NULL});
    check_line("wait_for_mutex", (const char *[]){"deadlock.c:", "mutex", NULL});
    check_line("wait_for_condition", (const char *[]){"deadlock.c:", "condition", NULL});
    check_line("wait_for_ever", (const char *[]){"deadlock.c:", "sleep", NULL});
    check_line("wait_for_nothing", (const char *[]){"deadlock.c:", NULL});
    check_line("everybody", (const char *[]){"scope", NULL}); /* the first task */
}

static void each_is_named(void) {
    run_and_read(all_kinds, -EDEADLK, look_for_all_kinds);
}

static int senders(void *arg) {
    (void)arg;
    letters = leat_chan_new_with(sizeof(int), 0, &(struct leat_chan_options){.name = "letters"});
    parcels = NULL;
    leat_go(NULL, wait_to_send, NULL);
    leat_yield();
    /* Without a receiver there is no way on. */
    struct leat_case cases[] = {{LEAT_SEND, letters, &(int){2}}};
    int error = leat_select(cases, 1);
    return error;
}

static void look_for_senders(void) {
    check_line("wait_to_send", (const char *[]){"send", "letters", NULL});
    leat_chan_free(letters);
}

static void sending_without_receiver(void) {
    run_and_read(senders, -EDEADLK, look_for_senders);
}

static int selecting(void *arg) {
    (void)arg;
    letters = leat_chan_new_with(sizeof(int), 0, &(struct leat_chan_options){.name = "letters"});
    parcels = leat_chan_new(sizeof(int), 0);
    leat_go(NULL, wait_in_select, NULL);
    return leat_recv(never = leat_chan_new(1, 0), NULL);
}

static void look_for_select(void) {
    check_line("wait_in_select", (const char *[]){"select", NULL});
    leat_chan_free(letters);
    leat_chan_free(parcels);
    leat_chan_free(never);
}

static void a_select(void) {
    run_and_read(selecting, -EDEADLK, look_for_select);
}

/* What cannot be cancelled away: the run ends all the same. */
static int in_shield(void *arg) {
    return leat_shield(wait_for_ever, arg);
}

static void look_for_shield(void) {
    assert_non_null(strstr(report, "deadlock"));
}

static void shielded(void) {
    if (ADDRESS_SANITIZER)
        return; /* such a task is abandoned with what it owns, which counts as a leak */
    run_and_read(in_shield, -EDEADLK, look_for_shield);
}

static int cleaned;

static int write_it_down(void *arg) {
    (void)arg;
    cleaned = leat_sleep(LEAT_MILLISECOND) == 0;
    return 0;
}

static int clean_up(void *arg) {
    int error = leat_sleep_until(LEAT_FOREVER);
    equal(error, -ECANCELED);
    leat_shield(write_it_down, arg);
    return error;
}

static int spawn_clean_up(void *arg) {
    (void)arg;
    cleaned = 0;
    leat_go(NULL, clean_up, NULL);
    return 0;
}

static void look_for_clean_up(void) {
    assert_int_equal(cleaned, 1);
    assert_int_equal(leat_workers(), 0);
}

/* Tasks are told, so that they can clean up, and another run works. */
static void tasks_are_told(void) {
    run_and_read(spawn_clean_up, -EDEADLK, look_for_clean_up);
}

/* ------------------------------------------------------- no false alarm */

static int sleeping(void *arg) {
    (void)arg;
    return leat_sleep(300 * LEAT_MILLISECOND);
}

static int under_deadline(void *arg) {
    (void)arg;
    never = leat_chan_new(1, 0);
    struct leat_scope *scope =
        leat_scope_open(&(struct leat_scope_options){.deadline = leat_after(300 * LEAT_MILLISECOND)});
    leat_recv(never, NULL);
    int error = leat_scope_close(scope);
    leat_chan_free(never);
    return error;
}

static int sleep_outside(void *arg) {
    (void)arg;
    usleep(300000);
    return 0;
}

static int blocking(void *arg) {
    return leat_block(sleep_outside, arg);
}

static void *send_late(void *arg) {
    usleep(300000);
    equal(leat_send(arg, NULL), 0);
    return NULL;
}

/* The thread has not touched leat when everything waits. */
static int thread_acts(void *arg) {
    (void)arg;
    struct leat_chan *chan = leat_chan_new(0, 0);
    pthread_t thread;
    if (pthread_create(&thread, NULL, send_late, chan) != 0)
        return -EAGAIN;
    int error = leat_recv(chan, NULL);
    pthread_join(thread, NULL);
    leat_chan_free(chan);
    return error;
}

static int pipe_ends[2];

static void *write_late(void *arg) {
    (void)arg;
    usleep(300000);
    (void)!write(pipe_ends[1], "x", 1);
    return NULL;
}

static int descriptor(void *arg) {
    (void)arg;
    int ready = leat_wait_fd(pipe_ends[0], LEAT_READABLE);
    char byte;
    return ready > 0 && read(pipe_ends[0], &byte, 1) == 1 ? 0 : -EIO;
}

/* The other end is held by another process: nobody in this one can act. */
static void descriptors_of_others(void) {
    unsigned counts[MAX_WORKER_COUNTS];
    size_t count = worker_counts(counts);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pipe(pipe_ends), 0);
        pid_t child = fork();
        if (child == 0) {
            write_late(NULL);
            _exit(0);
        }
        int result = leat_run_with(&(struct leat_options){.workers = counts[i]}, descriptor, NULL);
        close(pipe_ends[0]);
        close(pipe_ends[1]);
        waitpid(child, NULL, 0);
        assert_int_equal(result, 0);
    }
}

static void no_false_alarm(void) {
    run_and_read(sleeping, 0, no_report);
    run_and_read(under_deadline, -ETIMEDOUT, no_report);
    run_and_read(blocking, 0, no_report);
    run_and_read(thread_acts, 0, no_report);
    descriptors_of_others();
}

static int do_nothing(void *arg) {
    (void)arg;
    return 0;
}

/* Everybody asleep for moments, again and again: no moment looks like a deadlock. */
static int hand_over(void *arg) {
    struct leat_chan **chans = arg;
    for (size_t i = 0; i < scaled(2000); i++) {
        equal(leat_recv(chans[0], NULL), 0);
        if (i % 3 == 0)
            leat_sleep(LEAT_MICROSECOND);
        if (i % 7 == 0)
            leat_block(do_nothing, NULL);
        equal(leat_send(chans[1], NULL), 0);
    }
    return 0;
}

static int ring(void *arg) {
    (void)arg;
    struct leat_chan *chans[2] = {leat_chan_new(0, 1), leat_chan_new(0, 1)};
    struct leat_chan *back[2] = {chans[1], chans[0]};
    struct leat_scope *scope = leat_scope_open(NULL);
    leat_go(scope, hand_over, chans);
    leat_go(scope, hand_over, back);
    equal(leat_send(chans[0], NULL), 0);
    equal(leat_scope_close(scope), 0);
    leat_chan_free(chans[0]);
    leat_chan_free(chans[1]);
    return 0;
}

static void close_calls(void) {
    run_and_read(ring, 0, no_report);
}

/* ------------------------------------------------------------------ dump */

static int dump_self(void *arg) {
    (void)arg;
    int fd = memfd_create("dump", MFD_CLOEXEC);
    struct leat_scope *scope = leat_scope_open(NULL);
    struct leat_task_options options = {.name = "a sleeper"};
    leat_go_with(scope, wait_for_ever, NULL, &options);
    settle();
    leat_dump(fd);
    equal(leat_scope_stop(scope), 0);
    equal(leat_scope_close(scope), 0);
    ssize_t size = pread(fd, report, sizeof report - 1, 0);
    report[size > 0 ? size : 0] = '\0';
    close(fd);
    check(strstr(report, "dump_self") != NULL || strstr(report, "main") != NULL);
    check(strstr(report, "a sleeper") != NULL);
    check(strstr(report, "deadlock.c:") != NULL);
    return 0;
}

static const struct test tests[] = {
    {"a deadlock is reported with each task and what it waits for", .plain = each_is_named},
    {"a sender without receiver is a deadlock", .plain = sending_without_receiver},
    {"a select that nobody serves is a deadlock", .plain = a_select},
    {"a shielded wait does not keep the run from ending", .plain = shielded},
    {"tasks are told of a deadlock and clean up", .plain = tasks_are_told},
    {"no alarm while a timer, call, thread or descriptor can act", .plain = no_false_alarm},
    {"no alarm in the moments when everybody sleeps", .plain = close_calls},
    {"a dump names each task", dump_self},
};

int main(int argc, char **argv) {
    return run_group("deadlock", tests, sizeof tests / sizeof *tests, argc, argv);
}
