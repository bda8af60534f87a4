/* SPDX-License-Identifier: MIT */
/**
 * coproc: children that live long, one for each worker; a line in, a line out.
 *
 * A batch is sent as a whole and answered as a whole, so a line costs what copying it
 * costs and not a switch to another process and back.
 *
 * A child that ends, or does not answer, is started again (later and later, as long as
 * nothing is answered), and the items that have no answer are given to it one by one. So
 * whoever is to blame is known: an item that twice was the only one with a child that was
 * lost is set aside. (Once could be chance: a child may end by itself just then.) When
 * many children in a row answer nothing at all the run ends: that is no item's fault.
 *
 * --json: a request is {"id":N,"item":…}; answers may come in any order within a batch:
 * {"id":N,"item":…}, {"id":N,"error":"…"}, {"id":N,"drop":true}.
 *
 * Rejected: a window over several batches (sent before the answers to the ones before
 * have come): with pipes of 256 KiB and batches of a millisecond the child never waits
 * long enough for that to show; blaming the first item without an answer (a child may
 * have read far ahead of what it answered).
 */
#include "stages/coproc/exchange.h"
#include "stages/exec/words.h"
#include "stages/field.h"
#include "stages/stages.h"
#include "base/error.h"
#include "base/json.h"
#include "base/number.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_LOSSES_EVER = 10, MOST_LOSSES = 100 }; /* in a row, when nothing was ever answered; when something was */

static const leat_time FIRST_PAUSE = 10 * LEAT_MILLISECOND, LONGEST_PAUSE = LEAT_SECOND;

struct settings {
    const char *add, *field;
    bool json;
    leat_time timeout, kill_after;
    uint64_t max_output;
};

#define MEMBER(name) offsetof(struct settings, name)

static const struct leat_option options[] = {
    {"add", 'a', LEAT_OPTION_STRING, MEMBER(add), "NAME", NULL,
     "Add the answer to the item, as text of this name; without it the answer becomes the item."},
    {"field", 'f', LEAT_OPTION_STRING, MEMBER(field), "FIELD", NULL,
     "Send this field; without it, the item with what was added to it."},
    {"json", 0, LEAT_OPTION_FLAG, MEMBER(json), NULL, NULL,
     "Send {\"id\":N,\"item\":…} and expect {\"id\":N,\"item\":…}, or \"error\":\"…\", or \"drop\":true, in any "
     "order."},
    {"timeout", 't', LEAT_OPTION_DURATION, MEMBER(timeout), "TIME", "1m",
     "A child that answers nothing for so long is killed and started again."},
    {"kill-after", 0, LEAT_OPTION_DURATION, MEMBER(kill_after), "TIME", "2s",
     "From SIGTERM to SIGKILL for its process group."},
    {"max-output", 0, LEAT_OPTION_SIZE, MEMBER(max_output), "SIZE", "64M", "A longer answer is an error."},
    {NULL},
};

struct coproc {
    struct settings settings;
    struct lt_launch launch;
    char *path;
    char **arguments; /* with one place before them */
    bool dry_run;
};

/** An item on its way. */
struct job {
    struct leat_item *item;
    struct leat_bytes request; /* without its end */
    bool suspect;              /* it was with a child that was lost */
    unsigned kills;            /* children that were lost when it was alone with them */
    bool answered;
    size_t offset, size; /* of the answer in the partner's input */
};

struct worker {
    struct lt_partner partner;
    struct job *jobs;
    size_t room;
    struct job **window; /* what the exchange is about */
    size_t window_size, answers;
    bool json, confused; /* an answer that no question fits */
    unsigned losses;     /* in a row, without an answer between them */
    bool ever_answered;
};

/* ---------------------------------------------------------------- opening */

static void close_coproc(void *stage) {
    struct coproc *coproc = stage;
    if (coproc->launch.nothing >= 0)
        close(coproc->launch.nothing);
    free(coproc->path);
    free(coproc->arguments);
    free(coproc);
}

static int prepare(struct coproc *coproc, const struct leat_segment *segment, struct leat_error *error) {
    coproc->arguments = calloc(segment->word_count + 2, sizeof *coproc->arguments);
    if (!coproc->arguments)
        return leat_fail(error, -ENOMEM, "coproc: out of memory");
    for (size_t i = 0; i < segment->word_count; i++)
        coproc->arguments[i + 1] = (char *)segment->words[i];
    int code = lt_find_program(segment->words[0], &coproc->path, error);
    if (code) {
        lt_error_prefix(error, "coproc");
        return code;
    }
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    coproc->launch = (struct lt_launch){
        .path = coproc->path,
        .arguments = coproc->arguments + 1,
        .input = true,
        .output = true,
        .nothing = nothing,
    };
    lt_raise_limit(&coproc->launch.limit);
    return nothing < 0 ? leat_fail(error, -errno, "coproc: /dev/null: %s", strerror(errno)) : 0;
}

static int open_coproc(void **stage, const struct leat_segment *segment, struct leat_error *error) {
    const struct settings *settings = segment->settings;
    if (segment->word_count == 0)
        return leat_fail(error, -EINVAL, "coproc: the command is missing");
    if (settings->timeout <= 0)
        return leat_fail(error, -EINVAL, "coproc: --timeout must be longer than nothing");
    if (lt_check_field("coproc", settings->field, error))
        return -EINVAL;
    struct coproc *coproc = calloc(1, sizeof *coproc);
    if (!coproc)
        return leat_fail(error, -ENOMEM, "coproc: out of memory");
    coproc->settings = *settings;
    coproc->dry_run = segment->dry_run;
    coproc->launch.nothing = -1;
    int code = prepare(coproc, segment, error);
    if (code)
        close_coproc(coproc);
    else
        *stage = coproc;
    return code;
}

static int open_worker(void *stage, void **state, struct leat_error *error) {
    struct coproc *coproc = stage;
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker)
        return leat_fail(error, -ENOMEM, "coproc: out of memory for a worker");
    worker->json = coproc->settings.json;
    worker->partner.launch = &coproc->launch;
    worker->partner.timeout = coproc->settings.timeout;
    worker->partner.kill_after = coproc->settings.kill_after;
    worker->partner.longest = coproc->settings.max_output;
    int code = lt_watch_open(&worker->partner.watch);
    if (code) {
        free(worker);
        return leat_fail(error, code, "coproc: a worker needs a descriptor: %s", strerror(-code));
    }
    *state = worker;
    return 0;
}

static void close_worker(void *stage, void *state) {
    (void)stage;
    struct worker *worker = state;
    lt_partner_end(&worker->partner);
    lt_watch_close(&worker->partner.watch);
    free(worker->partner.output.data);
    free(worker->partner.input.data);
    free(worker->jobs);
    free(worker->window);
    free(worker);
}

/* --------------------------------------------------------------- requests */

/* JSON may have its newlines between tokens. */
static int in_one_line(struct leat_batch *batch, struct leat_bytes *text, struct leat_error *why) {
    if (!text->size || !memchr(text->data, '\n', text->size))
        return 0;
    if (lt_json_check(*text, NULL))
        return leat_fail(why, -EILSEQ, "has a newline in it and is not JSON: --json can carry it");
    char *copy = leat_batch_alloc(batch, text->size);
    if (!copy)
        return leat_fail(why, -ENOMEM, "out of memory");
    for (size_t i = 0; i < text->size; i++)
        copy[i] = text->data[i] == '\n' ? ' ' : text->data[i];
    text->data = copy;
    return 0;
}

/* A JSON object or value as it is, anything else as a string. */
static int as_json(struct leat_batch *batch, struct leat_bytes *text, struct leat_error *why) {
    if (text->size && text->data[0] == '{' && lt_json_check(*text, NULL) == 0)
        return in_one_line(batch, text, why);
    char *room = leat_batch_alloc(batch, lt_json_encoded_room(text->size));
    if (!room)
        return leat_fail(why, -ENOMEM, "out of memory");
    *text = (struct leat_bytes){room, lt_json_encode(*text, room)};
    return 0;
}

static int request_of(const struct coproc *coproc, struct leat_batch *batch, struct leat_item *item,
                      struct leat_bytes *text, struct leat_error *why) {
    const struct settings *settings = &coproc->settings;
    int code = settings->field ? leat_item_text(batch, item, settings->field, text, why)
                               : leat_item_render(batch, item, text, why);
    if (code == -EINVAL && settings->field)
        code = leat_item_field(batch, item, settings->field, text, why);
    if (code)
        return code;
    return settings->json ? as_json(batch, text, why) : in_one_line(batch, text, why);
}

static int put_request(struct worker *worker, const struct job *job, size_t id) {
    struct lt_stream *output = &worker->partner.output;
    if (lt_stream_reserve(output, job->request.size + 48))
        return -ENOMEM;
    char *at = output->data + output->size;
    if (worker->json)
        at += sprintf(at, "{\"id\":%zu,\"item\":", id);
    if (job->request.size)
        at = mempcpy(at, job->request.data, job->request.size);
    if (worker->json)
        *at++ = '}';
    *at++ = '\n';
    output->size = (size_t)(at - output->data);
    return 0;
}

/* ---------------------------------------------------------------- answers */

/* The job that an answer of --json belongs to; NULL: none. */
static struct job *job_of(struct worker *worker, struct leat_bytes line) {
    struct leat_bytes text;
    char number[24];
    uint64_t id;
    if (lt_json_member(line, (struct leat_bytes){"id", 2}, &text, NULL) || text.size >= sizeof number)
        return NULL;
    memcpy(number, text.data, text.size);
    number[text.size] = '\0';
    if (!lt_number_whole(number, 1000, &id) || id >= worker->window_size || worker->window[id]->answered)
        return NULL;
    return worker->window[id];
}

static void on_answer(void *argument, size_t offset, size_t size) {
    struct worker *worker = argument;
    struct leat_bytes line = {worker->partner.input.data + offset, size};
    struct job *job = worker->json ? job_of(worker, line) : worker->window[worker->answers];
    if (!job) {
        worker->confused = true;
        return;
    }
    worker->answers++;
    job->answered = true;
    job->offset = offset;
    job->size = size;
}

static int become(const struct coproc *coproc, struct leat_batch *batch, struct leat_item *item, struct leat_bytes text,
                  bool is_json) {
    struct leat_bytes name = {coproc->settings.add, coproc->settings.add ? strlen(coproc->settings.add) : 0};
    if (!name.size)
        leat_item_replace(item, text, "line");
    else if (is_json)
        return leat_item_add(batch, item, name, text);
    else
        return leat_item_add_text(batch, item, name, text);
    return 0;
}

static bool has(struct leat_bytes line, const char *name, struct leat_bytes *value) {
    return lt_json_member(line, (struct leat_bytes){name, strlen(name)}, value, NULL) == 0;
}

static int take_json(const struct coproc *coproc, struct leat_batch *batch, struct leat_item *item,
                     struct leat_bytes line) {
    struct leat_bytes value, text;
    char *room = leat_batch_alloc(batch, line.size + 1);
    if (!room)
        return -ENOMEM;
    if (has(line, "error", &value)) {
        if (lt_json_decode(value, room, &text))
            text = value;
        leat_item_fail(batch, item, -EREMOTEIO, "%.*s", (int)text.size, text.data);
    } else if (has(line, "drop", &value) && value.size == 4 && memcmp(value.data, "true", 4) == 0) {
        leat_item_drop(item);
    } else if (!has(line, "item", &value)) {
        leat_item_fail(batch, item, -EBADMSG, "its answer has neither item nor error: %.*s",
                       line.size < 80 ? (int)line.size : 80, line.data);
    } else if (!coproc->settings.add && lt_json_decode(value, room, &text) == 0) {
        return become(coproc, batch, item, text, false);
    } else {
        return become(coproc, batch, item, value, true);
    }
    return 0;
}

/* All answers move into the batch's memory in one piece. */
static int take_answers(const struct coproc *coproc, struct worker *worker, struct leat_batch *batch) {
    const struct lt_stream *input = &worker->partner.input;
    char *copy = leat_batch_alloc(batch, input->size + 1);
    if (!copy)
        return -ENOMEM;
    if (input->size)
        memcpy(copy, input->data, input->size);
    for (size_t i = 0; i < worker->window_size; i++) {
        const struct job *job = worker->window[i];
        struct leat_bytes line = {copy + job->offset, job->size};
        int code = 0;
        if (job->answered)
            code = worker->json ? take_json(coproc, batch, job->item, line)
                                : become(coproc, batch, job->item, line, false);
        if (code)
            return code;
    }
    return 0;
}

/* ------------------------------------------------------------------ losses */

static void describe_loss(const struct lt_partner *partner, bool confused, char *text, size_t size) {
    char ending[64];
    lt_ending_text(partner->ending, ending, sizeof ending);
    if (confused)
        snprintf(text, size, "it gave an answer that fits no question");
    else if (partner->loss == LT_LOST_TIME)
        snprintf(text, size, "no answer within %.3g s (does it flush its output after each line?)",
                 (double)partner->timeout / LEAT_SECOND);
    else if (partner->loss == LT_LOST_SPEECH)
        snprintf(text, size, "it wrote more lines than it was given");
    else if (partner->loss == LT_LOST_LENGTH)
        snprintf(text, size, "its answer is longer than --max-output");
    else
        snprintf(text, size, "it ended: %s", ending);
}

/* The child is gone, and these items have no answer. */
static void blame(struct worker *worker, struct leat_batch *batch) {
    char text[160];
    describe_loss(&worker->partner, worker->confused, text, sizeof text);
    for (size_t i = 0; i < worker->window_size; i++) {
        struct job *job = worker->window[i];
        if (job->answered)
            continue;
        job->suspect = true;
        job->kills += worker->window_size == 1;
        if (job->kills >= 2)
            leat_item_fail(batch, job->item, -EREMOTEIO, "it cost two children their lives: %s", text);
    }
}

static int start_partner(struct worker *worker, struct leat_error *error) {
    if (worker->partner.alive)
        return 0;
    leat_time pause = worker->losses ? FIRST_PAUSE : 0;
    for (unsigned i = 1; i < worker->losses && pause < LONGEST_PAUSE; i++)
        pause *= 2;
    int code = pause ? leat_sleep(pause < LONGEST_PAUSE ? pause : LONGEST_PAUSE) : 0;
    if (code)
        return leat_fail(error, code, "coproc: waiting to start %s again", worker->partner.launch->path);
    code = lt_partner_start(&worker->partner, error);
    if (code)
        lt_error_prefix(error, "coproc");
    return code;
}

/* One exchange about the window. */
static int talk(const struct coproc *coproc, struct worker *worker, struct leat_batch *batch,
                struct leat_error *error) {
    struct lt_partner *partner = &worker->partner;
    int code = start_partner(worker, error);
    partner->output.size = worker->answers = 0;
    worker->confused = false;
    for (size_t i = 0; code == 0 && i < worker->window_size; i++)
        if (put_request(worker, worker->window[i], i))
            code = leat_fail(error, -ENOMEM, "coproc: out of memory for a batch");
    if (code)
        return code;
    ptrdiff_t came = lt_partner_exchange(partner, worker->window_size, on_answer, worker);
    if (came < 0)
        return leat_fail(error, (int)came, "coproc: %s: %s", partner->launch->path, strerror((int)-came));
    if (take_answers(coproc, worker, batch))
        return leat_fail(error, -ENOMEM, "coproc: out of memory for a batch");
    if (worker->confused)
        lt_partner_end(partner);
    worker->losses = worker->answers ? 0 : worker->losses;
    worker->ever_answered |= worker->answers > 0;
    if (worker->answers < worker->window_size) {
        worker->losses++;
        blame(worker, batch);
    }
    /* More lines than asked for: which answer belongs to which item is not known any more. */
    if (partner->loss == LT_LOST_SPEECH && !partner->alive)
        return leat_fail(error, -EPROTO, "coproc: %s wrote more lines than it was given", partner->launch->path);
    if (worker->losses < (worker->ever_answered ? MOST_LOSSES : MOST_LOSSES_EVER))
        return 0;
    char text[160];
    describe_loss(partner, worker->confused, text, sizeof text);
    return leat_fail(error, -EREMOTEIO, "coproc: %s: nothing was answered %u times in a row; %s", partner->launch->path,
                     worker->losses, text);
}

/* ----------------------------------------------------------------- batches */

static int make_room(struct worker *worker, size_t count) {
    if (worker->room >= count)
        return 0;
    struct job *jobs = realloc(worker->jobs, count * sizeof *jobs);
    worker->jobs = jobs ? jobs : worker->jobs;
    struct job **window = realloc(worker->window, count * sizeof *window);
    worker->window = window ? window : worker->window;
    worker->room = jobs && window ? count : 0;
    return jobs && window ? 0 : -ENOMEM;
}

static int show(const struct coproc *coproc, struct leat_batch *batch, struct job *job) {
    struct leat_bytes command, line;
    char *copy = leat_batch_alloc(batch, job->request.size + 1), *words[] = {copy, NULL};
    if (!copy)
        return -ENOMEM;
    *(char *)mempcpy(copy, job->request.data, job->request.size) = '\0';
    if (lt_words_typed(coproc->launch.arguments, batch, &command) || lt_words_typed(words, batch, &line))
        return -ENOMEM;
    char *text = leat_batch_alloc(batch, command.size + line.size + 5);
    if (!text)
        return -ENOMEM;
    int size = sprintf(text, "%.*s <<<%.*s", (int)command.size, command.data, (int)line.size, line.data);
    leat_item_replace(job->item, (struct leat_bytes){text, (size_t)size}, "command");
    return 0;
}

/* A job for each live item that can be sent. */
static size_t make_jobs(const struct coproc *coproc, struct worker *worker, struct leat_batch *batch) {
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct leat_item *item = &batch->items[i];
        struct leat_error why = {.text = "out of memory"};
        struct job *job = &worker->jobs[count];
        *job = (struct job){.item = item};
        if (item->fate != LEAT_LIVE)
            continue;
        int code = request_of(coproc, batch, item, &job->request, &why);
        if (code == 0 && coproc->dry_run)
            code = show(coproc, batch, job);
        if (code)
            leat_item_fail(batch, item, code, "%s", why.text);
        else if (!coproc->dry_run)
            count++;
    }
    return count;
}

/* All that have no answer; after a loss one at a time. */
static void choose(struct worker *worker, size_t count) {
    bool careful = false;
    worker->window_size = 0;
    for (size_t i = 0; i < count && !(careful && worker->window_size); i++) {
        struct job *job = &worker->jobs[i];
        if (job->answered || job->item->fate != LEAT_LIVE)
            continue;
        careful = job->suspect;
        worker->window[worker->window_size++] = job;
    }
}

static int process(void *stage, void *state, struct leat_batch *batch, struct leat_error *error) {
    struct coproc *coproc = stage;
    struct worker *worker = state;
    if (make_room(worker, batch->count))
        return leat_fail(error, -ENOMEM, "coproc: out of memory for a batch");
    size_t count = make_jobs(coproc, worker, batch);
    enum leat_state before = leat_batch_state(batch, LEAT_WAITS_OUTSIDE);
    int code = 0;
    for (choose(worker, count); code == 0 && worker->window_size > 0; choose(worker, count))
        code = talk(coproc, worker, batch, error);
    leat_batch_state(batch, before);
    return code;
}

const struct leat_stage_type lt_coproc_stage = {
    .name = "coproc",
    .syntax = "coproc [-t TIME] [-a NAME] [-f FIELD] [--json] COMMAND [WORD…]",
    .summary = "Send each item as a line to a command that runs all the time, one for each worker; its answer, a line, "
               "becomes the item.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .command = true,
    .acts = true,
    .open = open_coproc,
    .open_worker = open_worker,
    .process = process,
    .close_worker = close_worker,
    .close = close_coproc,
};
