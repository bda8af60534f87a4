/* SPDX-License-Identifier: MIT */
/**
 * Run a slow function on each line of standard input, with 50 workers.
 *
 * Who closes what, and when? The reader closes `lines` after the last one. The
 * pool closes `results` when `lines` is at its end and all workers are done.
 * So the printer ends exactly at the end: nothing is lost, nothing leaks,
 * nobody counts.
 */
#include <leat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct leat_chan *lines, *results; /* of char *, owned by whoever received it */

static int read_line(void *arg) { /* getline blocks a thread, so it gets one of its own */
    char **line = arg;
    size_t room = 0;
    ssize_t length = getline(line, &room, stdin);
    if (length > 0 && (*line)[length - 1] == '\n')
        (*line)[length - 1] = '\0';
    return length < 0 ? -EPIPE : 0;
}

static int read_lines(void *arg) {
    (void)arg;
    for (;;) {
        char *line = NULL;
        int error = leat_block(read_line, &line);
        if (!error)
            error = leat_send(lines, &line);
        if (error) { /* the end, or cancelled */
            free(line);
            leat_chan_close(lines);
            return error == -EPIPE ? 0 : error;
        }
    }
}

static int reverse(void *arg, const void *in, void *out) {
    (void)arg;
    char *text = *(char *const *)in;
    for (size_t i = 0, k = strlen(text); i + 1 < k; i++) {
        char byte = text[i];
        text[i] = text[--k];
        text[k] = byte;
    }
    *(char **)out = text;
    return leat_sleep(5 * LEAT_MILLISECOND); /* slow work; no thread waits meanwhile */
}

static int work(void *arg) {
    (void)arg;
    return leat_pool(lines, results, 50, reverse, NULL);
}

static int run(void *arg) {
    (void)arg;
    int error = leat_go(NULL, read_lines, NULL);
    if (!error)
        error = leat_go(NULL, work, NULL);
    for (char *text; !error && leat_recv(results, &text) == 0; free(text))
        puts(text);
    return error;
}

int main(void) {
    lines = leat_chan_new(sizeof(char *), 0);
    results = leat_chan_new(sizeof(char *), 0);
    int error = leat_run(run, NULL);
    if (error)
        fprintf(stderr, "lines: %s\n", strerror(-error));
    leat_chan_free(lines);
    leat_chan_free(results);
    return error != 0;
}
