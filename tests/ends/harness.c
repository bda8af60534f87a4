/* SPDX-License-Identifier: MIT */
#include "ends/harness.h"
#include "pipeline/batch.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <unistd.h>

enum { BYTE_LIMIT = 1 << 20 };

static struct leat_bytes copy_bytes(struct leat_bytes bytes) {
    char *copy = malloc(bytes.size + 1);
    if (!copy)
        abort();
    if (bytes.size)
        memcpy(copy, bytes.data, bytes.size);
    copy[bytes.size] = '\0';
    return (struct leat_bytes){copy, bytes.size};
}

static void keep(struct outcome *outcome, struct leat_batch *batch) {
    outcome->batches++;
    for (size_t i = 0; i < batch->count; i++) {
        struct leat_item *item = &batch->items[i];
        if (outcome->count == outcome->room) {
            outcome->room = outcome->room ? outcome->room * 2 : 64;
            outcome->items = realloc(outcome->items, outcome->room * sizeof *outcome->items);
            if (!outcome->items)
                abort();
        }
        struct leat_bytes out = {"", 0};
        leat_item_render(batch, item, &out, NULL);
        outcome->items[outcome->count++] = (struct seen){
            .body = copy_bytes(item->body),
            .text = copy_bytes(item->text),
            .out = copy_bytes(out),
            .reason = item->fate == LEAT_FAILED ? (char *)copy_bytes(item->reason).data : NULL,
            .fate = item->fate,
            .code = item->code,
            .id = item->id,
            .position = item->position,
        };
    }
}

void harness_free(struct outcome *outcome) {
    for (size_t i = 0; i < outcome->count; i++) {
        free((char *)outcome->items[i].body.data);
        free((char *)outcome->items[i].text.data);
        free((char *)outcome->items[i].out.data);
        free(outcome->items[i].reason);
    }
    free(outcome->items);
    *outcome = (struct outcome){0};
}

struct job {
    struct outcome *outcome;
    const struct leat_segment *segment;
    const struct leat_source_type *source;
    const struct leat_stage_type *stage;
    const struct leat_sink_type *sink;
    harness_open *open;
    size_t item_limit;
    const struct leat_bytes *bodies;
    size_t count;
    const char *kind;
};

static void run(leat_fn *fn, struct job *job) {
    *job->outcome = (struct outcome){0};
    int code = leat_run(fn, job);
    if (code)
        fail_msg("leat_run: %s", strerror(-code));
}

static struct leat_batch *new_batch(size_t item_limit) {
    struct leat_batch *batch = lt_batch_new(item_limit, BYTE_LIMIT);
    if (!batch)
        abort();
    return batch;
}

static int read_all(void *arg) {
    struct job *job = arg;
    struct outcome *outcome = job->outcome;
    void *source;
    outcome->code = (job->open ? job->open : job->source->open)(&source, job->segment, &outcome->error);
    if (outcome->code)
        return 0;
    struct leat_batch *batch = new_batch(job->item_limit);
    while ((outcome->code = job->source->read(source, batch, &outcome->error)) == 0) {
        if (batch->count == 0)
            abort();
        keep(outcome, batch);
        lt_batch_reset(batch);
    }
    lt_batch_free(batch);
    job->source->close(source);
    return 0;
}

void harness_read(struct outcome *outcome, const struct leat_source_type *type, harness_open *open,
                  const struct leat_segment *segment, size_t item_limit) {
    run(read_all, &(struct job){outcome, segment, .source = type, .open = open, .item_limit = item_limit});
}

static struct leat_batch *fill(const struct job *job, size_t begin) {
    struct leat_batch *batch = new_batch(job->item_limit);
    for (size_t i = begin; i < job->count && i < begin + job->item_limit; i++) {
        struct leat_item *item = leat_batch_add(batch);
        if (!item)
            break;
        item->position = i + 1;
        leat_item_set(batch, item, job->bodies[i], job->kind);
    }
    return batch;
}

static int write_all(void *arg) {
    struct job *job = arg;
    struct outcome *outcome = job->outcome;
    void *sink;
    outcome->code = job->sink->open(&sink, job->segment, &outcome->error);
    if (outcome->code)
        return 0;
    for (size_t i = 0; i < job->count && outcome->code == 0;) {
        struct leat_batch *batch = fill(job, i);
        i += batch->count;
        outcome->code = job->sink->write(sink, &batch, 1, &outcome->error);
        keep(outcome, batch);
        lt_batch_free(batch);
    }
    if (outcome->code == 0)
        outcome->code = job->sink->flush(sink, &outcome->error);
    job->sink->close(sink);
    return 0;
}

void harness_write(struct outcome *outcome, const struct leat_sink_type *type, const struct leat_segment *segment,
                   const struct leat_bytes *bodies, size_t count, size_t per_batch, const char *kind) {
    run(write_all, &(struct job){outcome, segment, .sink = type, .item_limit = per_batch, .bodies = bodies,
                                 .count = count, .kind = kind});
}

static int process_all(void *arg) {
    struct job *job = arg;
    struct outcome *outcome = job->outcome;
    void *stage, *worker = NULL;
    outcome->code = job->stage->open(&stage, job->segment, &outcome->error);
    if (outcome->code)
        return 0;
    if (job->stage->open_worker)
        outcome->code = job->stage->open_worker(stage, &worker, &outcome->error);
    struct leat_batch *batch = fill(job, 0);
    if (outcome->code == 0)
        outcome->code = job->stage->process(stage, worker, batch, &outcome->error);
    keep(outcome, batch);
    lt_batch_free(batch);
    if (job->stage->close_worker)
        job->stage->close_worker(stage, worker);
    job->stage->close(stage);
    return 0;
}

void harness_process(struct outcome *outcome, const struct leat_stage_type *type, const struct leat_segment *segment,
                     const struct leat_bytes *bodies, size_t count, const char *kind) {
    run(process_all, &(struct job){outcome, segment, .stage = type, .item_limit = count ? count : 1, .bodies = bodies,
                                   .count = count, .kind = kind});
}

/* ------------------------------------------------------------------- files */

static char folder[PATH_MAX / 2];

const char *harness_path(const char *name) {
    static char paths[8][PATH_MAX];
    static unsigned next;
    if (!folder[0]) {
        const char *place = getenv("TMPDIR");
        snprintf(folder, sizeof folder, "%s/leat-ends-XXXXXX", place ? place : "/tmp");
        if (!mkdtemp(folder))
            fail_msg("%s: %s", folder, strerror(errno));
    }
    char *path = paths[next++ % 8];
    snprintf(path, PATH_MAX, "%s/%s", folder, name);
    return path;
}

void harness_put(const char *path, const void *data, size_t size) {
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file))
        fail_msg("%s: %s", path, strerror(errno));
}

char *harness_get(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END))
        fail_msg("%s: %s", path, strerror(errno));
    *size = (size_t)ftell(file);
    rewind(file);
    char *data = malloc(*size + 1);
    if (!data || fread(data, 1, *size, file) != *size)
        fail_msg("%s: cannot read", path);
    data[*size] = '\0';
    fclose(file);
    return data;
}

int harness_clean(void **state) {
    (void)state;
    char command[PATH_MAX];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    int result = folder[0] ? system(command) : 0;
    folder[0] = '\0';
    return result;
}
