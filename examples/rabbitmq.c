/* SPDX-License-Identifier: MIT */
/**
 * From one RabbitMQ queue through four workers, which look for e-mail addresses, to another, until the first is empty.
 * Each message is acknowledged after its result was confirmed. What is no JSON object is rejected; the rest goes on.
 */
#include "rabbitmq.h"

#include <jansson.h>
#include <leat.h>
#include <regex.h>
#include <stdlib.h>

static struct leat_chan *work, *results, *done; /* `done` never fills up: no more than WINDOW are under way */
static struct server source, sink;              /* each belongs to one task */
static regex_t email;

static int consume(void *arg) {
    (void)arg;
    int error = leat_block(begin_consuming, &source);
    for (size_t under_way = 0; !error || (error == -EAGAIN && under_way > 0);) {
        struct message message;
        for (; leat_recv_try(done, &message) == 0; under_way--, free(message.text))
            finish_message(&source, &message);
        error = leat_block(take_message, &source);
        if (!error && !(error = leat_send(work, &source.list[0])))
            under_way++;
    }
    leat_chan_close(work);
    return error == -EAGAIN ? 0 : error; /* nothing came, nothing is under way: the queue is empty */
}

static int find(void *arg, const void *in, void *out) { /* runs in all workers at once */
    (void)arg;
    struct message message = *(const struct message *)in;
    json_t *object = json_loads(message.text, 0, NULL), *emails = json_array();
    const char *text = json_string_value(json_object_get(object, "content"));
    for (regmatch_t at; text && regexec(&email, text, 1, &at, 0) == 0; text += at.rm_eo)
        json_array_append_new(emails, json_stringn(text + at.rm_so, (size_t)(at.rm_eo - at.rm_so)));
    free(message.text);
    message.text = text && !json_object_set(object, "emails", emails) ? json_dumps(object, JSON_COMPACT) : NULL;
    json_decref(emails);
    json_decref(object);
    *(struct message *)out = message;
    return 0;
}

static int run_workers(void *arg) {
    (void)arg;
    return leat_pool(work, results, 4, find, NULL);
}

static int run(void *arg) {
    (void)arg;
    int error = leat_block(begin_publishing, &sink);
    if (!error)
        error = leat_go(NULL, consume, NULL);
    if (!error)
        error = leat_go(NULL, run_workers, NULL);
    while (!error && (sink.count = leat_recv_many(results, sink.list, WINDOW)) > 0) {
        error = leat_block(publish_messages, &sink);
        if (!error)
            leat_send_many(done, sink.list, (size_t)sink.count);
    }
    return error;
}

int main(int argc, char **argv) {
    if (argc != 4 || regcomp(&email, "[[:alnum:]_.+-]+@[[:alnum:]_-]+\\.[[:alnum:]_.]+", REG_EXTENDED))
        return fprintf(stderr, "usage: rabbitmq PORT FROM TO\n"), 2;
    work = leat_chan_new(sizeof(struct message), 4), results = leat_chan_new(sizeof(struct message), WINDOW);
    done = leat_chan_new(sizeof(struct message), WINDOW), source.queue = argv[2], sink.queue = argv[3];
    int error = connect_server(&source, atoi(argv[1])) ? -ECONNREFUSED : connect_server(&sink, atoi(argv[1]));
    if (!error)
        error = leat_run(run, NULL);
    if (error)
        fprintf(stderr, "rabbitmq: %s\n", strerror(abs(error)));
    return error != 0;
}
