/* SPDX-License-Identifier: MIT */
#include "cli/watch.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/os.h"
#include "cli/progress.h"
#include "cli/stats.h"
#include "cli/status/status.h"
#include "cli/tune.h"
#include "cli/words.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
    FRAME_MILLISECONDS = 200,
    LOOK_MILLISECONDS = 1000, /* when nothing is shown: for the verdict */
    LONGEST_LINE = 4096,
    LONGEST_NOTE = 128,
    STACK = 256 * 1024,
};

/* ------------------------------------------------------------- the terminal */

/* One write for each message: whoever else writes to the same terminal never cuts it. */
static void say(const char *text, size_t size) {
    lt_report(STDERR_FILENO, text, size);
}

static size_t terminal_width(void) {
    struct winsize window;
    const char *columns = getenv("COLUMNS");
    long width = columns ? strtol(columns, NULL, 10) : 0;
    if (width <= 0 && ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0)
        width = window.ws_col;
    return width > 10 && width < 1000 ? (size_t)width : 80;
}

void lt_watch_clear(struct lt_watch *watch) {
    if (watch->shown == 0)
        return;
    char text[LONGEST_LINE];
    int length = watch->plain ? snprintf(text, sizeof text, "\r%*s\r", (int)watch->shown, "")
                              : snprintf(text, sizeof text, "\r\033[K");
    say(text, (size_t)length);
    watch->shown = 0;
}

static const char *note_of(const struct lt_watch *watch, char *text, size_t size) {
    *text = '\0';
    if (watch->extra->note)
        watch->extra->note(watch->extra->argument, text, size);
    return text;
}

static void show_line(struct lt_watch *watch) {
    char note[LONGEST_NOTE], line[LONGEST_LINE / 2], text[LONGEST_LINE];
    lt_progress_line(&watch->before[0], &watch->now, note_of(watch, note, sizeof note), terminal_width() - 1, line,
                     sizeof line);
    size_t columns = lt_columns(line, strlen(line));
    size_t padding = watch->plain && watch->shown > columns ? watch->shown - columns : 0;
    int length = snprintf(text, sizeof text, "\r%s%*s%s", line, (int)padding, "", watch->plain ? "" : "\033[K");
    watch->shown = columns;
    if (length > 0)
        say(text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

static void print_stats(struct lt_watch *watch) {
    char note[LONGEST_NOTE], line[LONGEST_LINE - 8], text[LONGEST_LINE];
    lt_progress_stats(&watch->before[0], &watch->now, note_of(watch, note, sizeof note), line, sizeof line);
    int length = snprintf(text, sizeof text, "leat: %s\n", line);
    lt_watch_clear(watch);
    if (length > 0)
        say(text, (size_t)length);
}

static void print_json(struct lt_watch *watch, const struct lt_verdict *verdict) {
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    if (!file)
        return;
    lt_stats_json(file, &watch->before[0], &watch->now, verdict);
    lt_watch_clear(watch);
    if (fclose(file) == 0)
        say(text, size);
    free(text);
}

static void agree(struct lt_watch *watch) {
    struct lt_verdict verdict;
    lt_verdict(&watch->before[1], &watch->now, lt_processors(), &verdict);
    watch->agreement.seconds++;
    watch->agreement.said[verdict.stage][verdict.kind]++;
}

/* On the time since `from`, and in how many seconds of the run so far it was the same. */
static void judge(const struct lt_watch *watch, const struct lt_snapshot *from, struct lt_verdict *verdict) {
    lt_verdict(from, &watch->now, lt_processors(), verdict);
    verdict->seconds = watch->agreement.seconds;
    verdict->agreeing = watch->agreement.said[verdict->stage][verdict->kind];
}

/* Rates are taken over one to two seconds: long enough to be steady, short enough to be news. */
static void look(struct lt_watch *watch) {
    lt_pipeline_snapshot(watch->pipeline, &watch->now);
    if (watch->tune)
        lt_tune_look(watch->tune, watch->pipeline, &watch->now);
    if (watch->progress)
        show_line(watch);
    if (watch->now.elapsed - watch->before[1].elapsed < LEAT_SECOND)
        return;
    struct lt_verdict verdict;
    agree(watch);
    judge(watch, &watch->before[0], &verdict);
    if (watch->front->stats && !watch->front->quiet)
        print_stats(watch);
    if (watch->front->stats_json)
        print_json(watch, &verdict);
    if (watch->status)
        lt_status_show(watch->status, &watch->before[0], &watch->now, &verdict);
    watch->before[0] = watch->before[1];
    watch->before[1] = watch->now;
}

/* ---------------------------------------------------------------- signals */

static void __attribute__((format(printf, 2, 3))) announce(struct lt_watch *watch, const char *format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    lt_watch_clear(watch);
    if (length > 0)
        say(text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

/* The first signal stops as --stop says, the next one drops, the one after that ends the process. */
static void stop(struct lt_watch *watch, int signal) {
    lt_pipeline_snapshot(watch->pipeline, &watch->now);
    unsigned long long in_flight = lt_progress_in_flight(&watch->now.counts);
    bool drop = strcmp(watch->front->run.stop, "drop") == 0;
    unsigned step = watch->stops++ + drop;
    if (watch->signal == 0)
        watch->signal = signal;
    if (step == 0) {
        announce(watch, "leat: stopping: finishing %llu items in flight (again: drop)\n", in_flight);
        lt_pipeline_stop(watch->pipeline, LT_STOP_DRAIN);
    } else if (step == 1) {
        announce(watch, "leat: stopping: giving back %llu items in flight (again: exit at once)\n", in_flight);
        lt_pipeline_stop(watch->pipeline, LT_STOP_DROP);
    } else {
        announce(watch, "leat: exit at once; %llu items in flight stay with their source\n", in_flight);
        _exit(128 + watch->signal);
    }
}

static void take_signal(struct lt_watch *watch) {
    struct signalfd_siginfo info;
    if (read(watch->signals, &info, sizeof info) == (ssize_t)sizeof info)
        stop(watch, (int)info.ssi_signo);
}

void lt_watch_block(sigset_t *set) {
    static const int ending[] = {SIGINT, SIGTERM};
    sigemptyset(set);
    for (size_t i = 0; i < sizeof ending / sizeof ending[0]; i++) {
        struct sigaction before;
        /* Whoever started us with the signal ignored (a shell, in the background) means it. */
        if (sigaction(ending[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            sigaddset(set, ending[i]);
    }
    pthread_sigmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* -------------------------------------------------------------- the thread */

static void *work(void *argument) {
    struct lt_watch *watch = argument;
    bool shows = watch->progress || watch->front->stats || watch->front->stats_json || watch->status || watch->tune;
    int pause = shows ? FRAME_MILLISECONDS : LOOK_MILLISECONDS;
    for (;;) {
        struct pollfd wait[] = {{.fd = watch->end, .events = POLLIN}, {.fd = watch->signals, .events = POLLIN}};
        int ready = poll(wait, 2, pause);
        if (ready < 0 && errno != EINTR)
            return NULL;
        if (ready > 0 && wait[0].revents)
            return NULL;
        if (ready > 0 && wait[1].revents)
            take_signal(watch);
        look(watch);
    }
}

static bool wants_progress(const struct lt_front *front) {
    if (front->quiet || strcmp(front->progress, "never") == 0)
        return false;
    if (strcmp(front->progress, "always") == 0)
        return true;
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

/* A small stack: the thread formats lines and nothing else. */
static int start_thread(struct lt_watch *watch) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    int failed = pthread_create(&watch->thread, &attributes, work, watch);
    pthread_attr_destroy(&attributes);
    return failed;
}

static int start_status(struct lt_watch *watch, struct leat_error *error) {
    const struct lt_front *front = watch->front;
    if (front->control && !front->http)
        return leat_fail(error, -EINVAL, "--control: there is no page without --http");
    if (!front->http)
        return 0;
    struct lt_status_settings settings = {front->http, front->control, getenv("LEAT_CONTROL_TOKEN")};
    return lt_status_start(&watch->status, &settings, watch->pipeline, error);
}

int lt_watch_start(struct lt_watch *watch, const sigset_t *set, const struct lt_front *front,
                   const struct lt_run_extra *extra, struct lt_pipeline *pipeline, struct leat_error *error) {
    const char *term = getenv("TERM");
    *watch = (struct lt_watch){
        .front = front,
        .extra = extra,
        .pipeline = pipeline,
        .tune = watch->tune,
        .progress = wants_progress(front),
        .plain = !isatty(STDERR_FILENO) || !term || strcmp(term, "dumb") == 0,
    };
    watch->signals = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
    watch->end = watch->signals < 0 ? -1 : eventfd(0, EFD_CLOEXEC);
    int failed = watch->end < 0 ? errno : 0, code = failed ? 0 : start_status(watch, error);
    if (!failed && code == 0)
        failed = start_thread(watch);
    if (!failed && code == 0)
        return 0;
    lt_status_end(watch->status, &watch->now, &watch->now, &(struct lt_verdict){.gain = 1});
    if (watch->signals >= 0)
        close(watch->signals);
    if (watch->end >= 0)
        close(watch->end);
    return code < 0 ? code : leat_fail(error, -failed, "cannot watch for signals: %s", strerror(failed));
}

void lt_watch_end(struct lt_watch *watch) {
    static const struct lt_snapshot start;
    uint64_t one = 1;
    while (write(watch->end, &one, sizeof one) < 0 && errno == EINTR)
        continue;
    pthread_join(watch->thread, NULL);
    lt_watch_clear(watch);
    if (watch->front->stats_json || watch->status)
        lt_pipeline_snapshot(watch->pipeline, &watch->now);
    struct lt_verdict verdict;
    judge(watch, &watch->before[0], &verdict);
    if (watch->front->stats_json)
        print_json(watch, &verdict);
    judge(watch, &start, &verdict);
    lt_status_end(watch->status, &start, &watch->now, &verdict);
    close(watch->signals);
    close(watch->end);
}
