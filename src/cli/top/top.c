/* SPDX-License-Identifier: MIT */
#include "cli/top/top.h"
#include "cli/run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

enum { FRAME_MILLISECONDS = 1000 };

static const struct lt_top_size whole = {SIZE_MAX, SIZE_MAX};

static struct lt_top_size terminal_size(void) {
    struct winsize window;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) != 0 || !window.ws_col || !window.ws_row)
        return whole;
    return (struct lt_top_size){window.ws_col, window.ws_row};
}

static json_t *ask(const char *url, struct leat_error *error) {
    char *text = lt_top_fetch(url, "/status.json", error);
    json_t *status = text ? json_loads(text, 0, NULL) : NULL;
    if (text && !json_is_object(status)) {
        leat_fail(error, -EPROTO, "%s does not answer as a run of leat does", url);
        json_decref(status);
        status = NULL;
    }
    free(text);
    return status;
}

/* In one write, so that the terminal never shows half of it. */
static void show(const json_t *status, bool terminal) {
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    if (!file)
        return;
    if (terminal)
        fputs("\033[H\033[J", file);
    struct lt_top_size room = terminal ? terminal_size() : whole;
    lt_top_draw(file, status, &room, terminal && !getenv("NO_COLOR"));
    if (fclose(file) == 0)
        fwrite(text, 1, size, stdout);
    fflush(stdout);
    free(text);
}

/* False: q was pressed, or a signal came. */
static bool wait_a_frame(int signals) {
    struct pollfd wait[] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
    int ready = poll(wait, 2, FRAME_MILLISECONDS);
    char key;
    if (ready > 0 && wait[1].revents)
        return false;
    return !(ready > 0 && wait[0].revents && (read(STDIN_FILENO, &key, 1) < 1 || key == 'q' || key == 'Q'));
}

static int code_of(const struct leat_error *error) {
    return error->code == -EINVAL ? LT_EXIT_USAGE : LT_EXIT_NOT_STARTED;
}

static int watch(const char *url, int signals, struct leat_error *error) {
    json_t *status = ask(url, error);
    if (!status)
        return code_of(error);
    do {
        show(status, true);
        json_decref(status);
        if (!wait_a_frame(signals))
            return LT_EXIT_DONE;
    } while ((status = ask(url, error)));
    putchar('\n');
    if (error->code != -ECONNREFUSED && error->code != -ECONNRESET)
        return code_of(error);
    puts("the run has ended");
    return LT_EXIT_DONE;
}

/* The terminal is given back as it was, whatever ends us but SIGKILL. */
static int watch_on_terminal(const char *url, struct leat_error *error) {
    struct termios before, raw;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    int signals = signalfd(-1, &set, SFD_CLOEXEC);
    if (signals < 0 || tcgetattr(STDIN_FILENO, &before) < 0) {
        leat_fail(error, -errno, "the terminal cannot be used: %s", strerror(errno));
        return LT_EXIT_NOT_STARTED;
    }
    raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    fputs("\033[?25l", stdout);
    int code = watch(url, signals, error);
    fputs("\033[?25h", stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    close(signals);
    return code;
}

int lt_top_run(const struct lt_command *command) {
    const char *url = command->rest_count ? command->rest[0] : "9090";
    struct leat_error error = {0};
    int code = LT_EXIT_USAGE;
    if (command->rest_count > 1)
        leat_fail(&error, -EINVAL, "top takes one URL: http://HOST:PORT, HOST:PORT or PORT");
    else if (isatty(STDOUT_FILENO) && isatty(STDIN_FILENO))
        code = watch_on_terminal(url, &error);
    else {
        json_t *status = ask(url, &error);
        if (status)
            show(status, false);
        code = status ? LT_EXIT_DONE : code_of(&error);
        json_decref(status);
    }
    if (code)
        fprintf(stderr, "leat: %s\n", error.text);
    return code;
}
