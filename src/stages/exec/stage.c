/* SPDX-License-Identifier: MIT */
/**
 * exec: run a command for each item.
 *
 * The words are the command's, no shell reads them. What it writes becomes the
 * item, or a value of it. It has failed when it exits with anything but 0; then the
 * item is set aside with the exit code and the end of what it wrote to standard
 * error.
 *
 * Invariants
 * - Nothing of an item that failed goes on, whatever its command had written; what
 *   goes on is whole, and never mixed with another item's.
 * - A program that does not exist is found before the first item is read.
 * - What a command that succeeded wrote to standard error is passed on in one piece.
 *
 * Rejected: inheriting standard error (lines of many commands mixed, and none of
 * them in the error file); files for the output (a command would not stop when
 * there is too much of it, and a disk is slower than a pipe).
 */
#include "stages/exec/run.h"
#include "stages/exec/words.h"
#include "stages/field.h"
#include "stages/stages.h"
#include "base/error.h"
#include "base/json.h"
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REASON = 4096, CODES = 256 };

static const leat_time LONGEST_PAUSE = 60 * LEAT_SECOND;

struct settings {
    const char *add, *field, *input, *timeout, *filter;
    bool discard, json, shell, tag;
    uint64_t retries, max_output;
    leat_time backoff, kill_after;
};

#define MEMBER(name) offsetof(struct settings, name)

static const struct leat_option options[] = {
    {"add", 'a', LEAT_OPTION_STRING, MEMBER(add), "NAME", NULL,
     "Add the output to the item, as text of this name; without it the output becomes the item."},
    {"json", 0, LEAT_OPTION_FLAG, MEMBER(json), NULL, NULL, "With --add: the output is JSON, and is added as such."},
    {"discard", 'd', LEAT_OPTION_FLAG, MEMBER(discard), NULL, NULL,
     "Throw the output away and let the item go on as it is."},
    {"stdin", 'i', LEAT_OPTION_STRING, MEMBER(input), "text|item", NULL,
     "Give it on standard input: text is the line, or what `read` read; item is all of it, with what was added."},
    {"field", 'f', LEAT_OPTION_STRING, MEMBER(field), "FIELD", NULL,
     "What {} and the text are; without it, the item as it came."},
    {"shell", 's', LEAT_OPTION_FLAG, MEMBER(shell), NULL, NULL,
     "Take one word and have /bin/sh read it; what is filled in is quoted."},
    {"timeout", 't', LEAT_OPTION_STRING, MEMBER(timeout), "TIME|N%", NULL,
     "Kill a command that runs longer; with N% longer than N% of the median of those that succeeded, from three on."},
    {"kill-after", 0, LEAT_OPTION_DURATION, MEMBER(kill_after), "TIME", "2s",
     "From SIGTERM to SIGKILL for its process group."},
    {"retries", 'r', LEAT_OPTION_COUNT, MEMBER(retries), "N", NULL, "Run it up to N times more when it fails."},
    {"backoff", 0, LEAT_OPTION_DURATION, MEMBER(backoff), "TIME", "1s",
     "Before the first retry; twice as long before each other one, up to a minute."},
    {"filter", 0, LEAT_OPTION_STRING, MEMBER(filter), "CODES", NULL,
     "Exit codes that mean that the item is not wanted: 1 or 1,3."},
    {"max-output", 0, LEAT_OPTION_SIZE, MEMBER(max_output), "SIZE", "64M",
     "A command that writes more is ended, and its item set aside."},
    {"tag", 0, LEAT_OPTION_FLAG, MEMBER(tag), NULL, NULL, "Put {} and a tab before each line of the output."},
    {NULL},
};

struct exec {
    struct settings settings;
    struct lt_words *words;
    char *path; /* of the program; NULL: it differs from item to item */
    bool filtered[CODES];
    bool dry_run;
    struct rlimit limit;
    int nothing;
    struct lt_timeout timeout;
    pthread_mutex_t mutex; /* of standard error */
};

struct worker {
    struct lt_filled filled;
    struct lt_execution run;
};

/* ---------------------------------------------------------------- opening */

static int read_codes(struct exec *exec, const char *text, struct leat_error *error) {
    for (const char *at = text; at; at = *at ? at + 1 : NULL) {
        char *end;
        unsigned long code = strtoul(at, &end, 10);
        if (end == at || *at < '0' || *at > '9' || (*end && *end != ',') || code == 0 || code >= CODES)
            return leat_fail(error, -EINVAL, "exec: --filter: \"%s\" is no list of exit codes (write 1 or 1,3)", text);
        exec->filtered[code] = true;
        at = end;
    }
    return 0;
}

static int check_settings(const struct settings *settings, const struct leat_segment *segment,
                          struct leat_error *error) {
    if (segment->word_count == 0)
        return leat_fail(error, -EINVAL, "exec: the command is missing");
    if (settings->shell && segment->word_count > 1)
        return leat_fail(error, -EINVAL, "exec: --shell takes one word: put the command into quotes");
    if (settings->discard && (settings->add || settings->tag))
        return leat_fail(error, -EINVAL, "exec: --discard leaves nothing for --%s", settings->add ? "add" : "tag");
    if (settings->add && settings->tag)
        return leat_fail(error, -EINVAL, "exec: --tag is for output that becomes the item, not for --add");
    if (settings->json && !settings->add)
        return leat_fail(error, -EINVAL, "exec: --json belongs to --add");
    return lt_check_field("exec", settings->field, error);
}

static int open_words(struct exec *exec, const struct leat_segment *segment, struct leat_error *error) {
    static const char *const shell[] = {"/bin/sh", "-c", NULL, NULL};
    const char *words[] = {shell[0], shell[1], segment->words[0]};
    const struct settings *settings = &exec->settings;
    struct lt_words_options how = {settings->field, settings->shell, settings->input == NULL};
    exec->words =
        lt_words_new(settings->shell ? words : segment->words, settings->shell ? 3 : segment->word_count, &how, error);
    if (!exec->words) {
        lt_error_prefix(error, "exec");
        return error->code;
    }
    if (lt_words_first_varies(exec->words))
        return 0;
    int code = lt_find_program(settings->shell ? shell[0] : segment->words[0], &exec->path, error);
    if (code)
        lt_error_prefix(error, "exec");
    return code;
}

static void close_exec(void *stage) {
    struct exec *exec = stage;
    lt_words_free(exec->words);
    lt_timeout_close(&exec->timeout);
    pthread_mutex_destroy(&exec->mutex);
    if (exec->nothing >= 0)
        close(exec->nothing);
    free(exec->path);
    free(exec);
}

static int open_exec(void **stage, const struct leat_segment *segment, struct leat_error *error) {
    const struct settings *settings = segment->settings;
    int code = check_settings(settings, segment, error);
    if (code)
        return code;
    struct exec *exec = calloc(1, sizeof *exec);
    if (!exec)
        return leat_fail(error, -ENOMEM, "exec: out of memory");
    exec->settings = *settings;
    exec->dry_run = segment->dry_run;
    lt_raise_limit(&exec->limit);
    pthread_mutex_init(&exec->mutex, NULL);
    exec->nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (exec->nothing < 0)
        code = leat_fail(error, -errno, "exec: /dev/null: %s", strerror(errno));
    int timeout = lt_timeout_open(&exec->timeout, settings->timeout, code ? NULL : error);
    if (code == 0 && timeout) {
        code = timeout;
        lt_error_prefix(error, "exec");
    }
    if (code == 0 && settings->filter)
        code = read_codes(exec, settings->filter, error);
    if (code == 0)
        code = open_words(exec, segment, error);
    if (code)
        close_exec(exec);
    else
        *stage = exec;
    return code;
}

static int open_worker(void *stage, void **state, struct leat_error *error) {
    struct exec *exec = stage;
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return leat_fail(error, -ENOMEM, "exec: out of memory for a worker");
    int code = lt_watch_open(&worker->run.watch);
    if (code) {
        free(worker);
        return leat_fail(error, code, "exec: a worker needs a descriptor: %s", strerror(-code));
    }
    worker->run.timeout = &exec->timeout;
    worker->run.kill_after = exec->settings.kill_after;
    worker->run.most_output = exec->settings.max_output;
    *state = worker;
    return 0;
}

static void close_worker(void *stage, void *state) {
    (void)stage;
    struct worker *worker = state;
    lt_watch_close(&worker->run.watch);
    lt_filled_free(&worker->filled);
    free(worker->run.output.data);
    free(worker->run.errors.data);
    free(worker);
}

/* ----------------------------------------------------------------- output */

static size_t count_lines(const char *data, size_t size) {
    size_t count = size && data[size - 1] != '\n';
    for (const char *end = data + size; size && (data = memchr(data, '\n', (size_t)(end - data))); data++)
        count++;
    return count;
}

/* The output in the batch's memory, each line with `tag` and a tab before it. */
static char *copy_tagged(struct leat_batch *batch, const struct lt_bucket *output, struct leat_bytes tag,
                         size_t *size) {
    *size = output->size + count_lines(output->data, output->size) * (tag.size + 1);
    char *copy = leat_batch_alloc(batch, *size + 1), *to = copy;
    const char *at = output->data, *end = at + output->size;
    while (copy && at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = newline ? (size_t)(newline + 1 - at) : (size_t)(end - at);
        to = mempcpy(to, tag.data, tag.size);
        *to++ = '\t';
        to = mempcpy(to, at, length);
        at += length;
    }
    return copy;
}

/* It without its last newline. data NULL: memory is short. */
static struct leat_bytes copy_output(const struct exec *exec, struct leat_batch *batch, const struct worker *worker) {
    const struct lt_bucket *output = &worker->run.output;
    size_t size = output->size;
    char *copy;
    if (exec->settings.tag) {
        copy = copy_tagged(batch, output, worker->filled.tag, &size);
    } else {
        copy = leat_batch_alloc(batch, size + 1);
        if (copy && size)
            memcpy(copy, output->data, size);
    }
    bool newline = copy && size && copy[size - 1] == '\n';
    return (struct leat_bytes){copy, size - newline};
}

/* A single empty line is not the same as nothing. */
static void become(struct leat_item *item, struct leat_bytes bytes, bool is_nothing) {
    leat_item_replace(item, bytes, "output");
    item->lines = bytes.size || is_nothing;
}

static int take_output(const struct exec *exec, struct worker *worker, struct leat_batch *batch,
                       struct leat_item *item) {
    if (exec->settings.discard)
        return 0;
    struct leat_bytes bytes = copy_output(exec, batch, worker);
    struct leat_bytes name = {exec->settings.add, exec->settings.add ? strlen(exec->settings.add) : 0};
    if (!bytes.data)
        return -ENOMEM;
    if (!exec->settings.add)
        become(item, bytes, worker->run.output.size == 0);
    else if (!exec->settings.json)
        return leat_item_add_text(batch, item, name, bytes);
    else if (lt_json_check(bytes, NULL) == 0)
        return leat_item_add(batch, item, name, bytes);
    else
        leat_item_fail(batch, item, -EBADMSG, "the output is not JSON: %.*s", bytes.size < 80 ? (int)bytes.size : 80,
                       bytes.data);
    return 0;
}

/* ----------------------------------------------------------------- ending */

struct telling {
    struct exec *exec;
    const struct lt_execution *run;
    unsigned long long position;
};

static int tell(void *argument) {
    const struct telling *telling = argument;
    const struct lt_execution *run = telling->run;
    char head[128];
    pthread_mutex_lock(&telling->exec->mutex);
    if (run->errors_lost) {
        int length = snprintf(head, sizeof head, "leat: exec: item %llu: %llu bytes of standard error before this:\n",
                              telling->position, (unsigned long long)run->errors_lost);
        lt_report(STDERR_FILENO, head, (size_t)length);
    }
    lt_report(STDERR_FILENO, run->errors.data, run->errors.size);
    pthread_mutex_unlock(&telling->exec->mutex);
    return 0;
}

/* What a command that succeeded had to say. */
static void pass_on_errors(struct exec *exec, const struct lt_execution *run, const struct leat_item *item) {
    struct telling telling = {exec, run, item->position};
    if (run->errors.size)
        leat_block(tell, &telling);
}

/* The end of what it wrote to standard error, whole lines if possible, without the last newline. */
static struct leat_bytes last_words(const struct lt_bucket *errors) {
    struct leat_bytes text = {errors->data, errors->size};
    while (text.size && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r'))
        text.size--;
    if (text.size <= REASON)
        return text;
    text.data += text.size - REASON;
    text.size = REASON;
    const char *newline = memchr(text.data, '\n', text.size / 2);
    size_t skip = newline ? (size_t)(newline + 1 - text.data) : 0;
    return (struct leat_bytes){text.data + skip, text.size - skip};
}

static int describe(const struct exec *exec, const struct lt_execution *run, char *text, size_t size) {
    switch (run->cut) {
    case LT_CUT_NOT:
        lt_ending_text(run->ending, text, size);
        return -EIO;
    case LT_CUT_TIME:
        snprintf(text, size, "timed out after %.3g s", (double)run->limit / LEAT_SECOND);
        return -ETIMEDOUT;
    case LT_CUT_OUTPUT:
        snprintf(text, size, "wrote more than --max-output %llu bytes", (unsigned long long)exec->settings.max_output);
        return -EMSGSIZE;
    case LT_CUT_PIPE:
        snprintf(text, size, "its input or output was lost");
        return -EIO;
    case LT_CUT_MEMORY:
        snprintf(text, size, "out of memory for what it wrote");
        return -ENOMEM;
    case LT_CUT_STOP:
        break;
    }
    snprintf(text, size, "ended by the stop of the run");
    return -ECANCELED;
}

static void fail(const struct exec *exec, const struct worker *worker, struct leat_batch *batch, struct leat_item *item,
                 unsigned attempts) {
    char text[96], again[48] = "";
    int code = describe(exec, &worker->run, text, sizeof text);
    struct leat_bytes words = last_words(&worker->run.errors);
    if (attempts > 1)
        snprintf(again, sizeof again, " (%u attempts)", attempts);
    leat_item_fail(batch, item, code, "%s%s%s%.*s", text, again, words.size ? ": " : "", (int)words.size, words.data);
}

/* -------------------------------------------------------------- an item */

static bool succeeded(const struct lt_execution *run) {
    return run->cut == LT_CUT_NOT && run->ending.code == 0;
}

static bool is_filtered(const struct exec *exec, const struct lt_execution *run) {
    return run->cut == LT_CUT_NOT && run->ending.code >= 0 && exec->filtered[run->ending.code];
}

static leat_time pause_before(const struct exec *exec, unsigned attempt) {
    leat_time pause = exec->settings.backoff;
    while (attempt-- > 1 && pause < LONGEST_PAUSE)
        pause *= 2;
    return pause < LONGEST_PAUSE ? pause : LONGEST_PAUSE;
}

/* Run it as often as it may. The number of attempts, or a negative value: it could not be started. */
static int attempt(struct exec *exec, struct worker *worker, const struct lt_launch *launch, struct leat_bytes input,
                   struct leat_error *why) {
    struct lt_execution *run = &worker->run;
    run->launch = launch;
    for (unsigned attempts = 1;; attempts++) {
        run->input = input;
        int code = lt_execute(run, why);
        if (code)
            return code;
        if (succeeded(run))
            lt_timeout_learn(&exec->timeout, run->took);
        if (succeeded(run) || is_filtered(exec, run) || run->cut == LT_CUT_STOP || attempts > exec->settings.retries)
            return (int)attempts;
        if (leat_sleep(pause_before(exec, attempts)) < 0) {
            run->cut = LT_CUT_STOP;
            return (int)attempts;
        }
    }
}

static int input_of(const struct exec *exec, struct leat_batch *batch, struct leat_item *item, struct leat_bytes *input,
                    struct leat_error *why) {
    *input = (struct leat_bytes){NULL, 0};
    if (!exec->settings.input)
        return 0;
    if (strcmp(exec->settings.input, "item") == 0)
        return leat_item_render(batch, item, input, why);
    int code = leat_item_text(batch, item, exec->settings.field, input, why);
    return code == -EINVAL ? leat_item_field(batch, item, exec->settings.field, input, why) : code;
}

static int show(struct worker *worker, struct leat_batch *batch, struct leat_item *item) {
    struct leat_bytes text;
    if (lt_words_typed(worker->filled.arguments, batch, &text))
        return -ENOMEM;
    leat_item_replace(item, text, "command");
    return 0;
}

/* -ENOMEM, -ECANCELED; everything else is the item's. */
static int process_item(struct exec *exec, struct worker *worker, struct leat_batch *batch, struct leat_item *item) {
    struct leat_error why = {.text = "out of memory"};
    struct leat_bytes input;
    int code = lt_words_fill(exec->words, batch, item, &worker->filled, &why);
    if (code == 0)
        code = input_of(exec, batch, item, &input, &why);
    if (code == 0 && exec->dry_run)
        return show(worker, batch, item);
    char *found = NULL;
    if (code == 0 && !exec->path)
        code = lt_find_program(worker->filled.arguments[0], &found, &why);
    struct lt_launch launch = {
        .path = exec->path ? exec->path : found,
        .arguments = worker->filled.arguments,
        .input = exec->settings.input != NULL,
        .output = !exec->settings.discard,
        .errors = true,
        .limit = exec->limit,
        .nothing = exec->nothing,
    };
    if (code == 0)
        code = attempt(exec, worker, &launch, input, &why);
    free(found);
    if (code < 0) {
        leat_item_fail(batch, item, code, "%s", why.text);
        return 0;
    }
    const struct lt_execution *run = &worker->run;
    if (!succeeded(run) && !is_filtered(exec, run)) {
        fail(exec, worker, batch, item, (unsigned)code);
        return 0;
    }
    pass_on_errors(exec, run, item);
    if (succeeded(run))
        return take_output(exec, worker, batch, item);
    leat_item_drop(item);
    return 0;
}

static int process(void *stage, void *state, struct leat_batch *batch, struct leat_error *error) {
    enum leat_state before = leat_batch_state(batch, LEAT_WAITS_OUTSIDE);
    int code = 0;
    for (size_t i = 0; i < batch->count && code == 0; i++)
        if (batch->items[i].fate == LEAT_LIVE)
            code = process_item(stage, state, batch, &batch->items[i]);
    leat_batch_state(batch, before);
    return code ? leat_fail(error, code, "exec: out of memory for the output of a command") : 0;
}

const struct leat_stage_type lt_exec_stage = {
    .name = "exec",
    .syntax = "exec [-t TIME] [-r N] [-a NAME | -d] [-i text] COMMAND [WORD…]",
    .summary = "Run a command for each item; its output becomes the item. {} in its words is the item, {name} a value; "
               "without any the item is the last word.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .command = true,
    .single = true,
    .acts = true,
    .open = open_exec,
    .open_worker = open_worker,
    .process = process,
    .close_worker = close_worker,
    .close = close_exec,
};
