/* SPDX-License-Identifier: MIT */
/**
 * Looking into a queue file and repairing it by hand. Looking works beside any
 * producer and consumer; so does moving the dead back. Removing what is ready
 * needs the consumer's lease, since a consumer may hold some of it.
 *
 * Bodies are shown as JSON strings, so that no byte of them reaches a terminal
 * as a command; bytes that are no UTF-8 are shown as U+FFFD.
 */
#include "ends/queue/admin.h"

#include "base/error.h"
#include "base/json.h"
#include "ends/queue/queue.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    DONE = 0,
    WRONG_USAGE = 2,
    NOT_DONE = 3,
    PEEK_COUNT = 10,
    PREVIEW = 120,
};

const char lt_queue_admin_usage[] =
    "leat queue ls FILE [--json]                             the queues in a file and what they hold\n"
    "leat queue peek FILE[#NAME] [-n N] [--dead] [--json]    the first messages, or the failed ones with their "
    "reasons\n"
    "leat queue requeue FILE[#NAME]                          move the failed messages back to the end of the queue\n"
    "leat queue purge FILE[#NAME] [--dead]                   remove all messages, or all failed ones\n";

struct request {
    const char *verb, *target;
    uint64_t limit;
    bool dead, json;
};

static int tell(const struct leat_error *error) {
    fprintf(stderr, "leat: %s\n", error->text);
    return NOT_DONE;
}

static int finish_output(void) {
    if (fflush(stdout) == 0 && !ferror(stdout))
        return DONE;
    fprintf(stderr, "leat: cannot write to standard output: %s\n", strerror(errno));
    return NOT_DONE;
}

static void print_time(uint64_t nanoseconds) {
    time_t seconds = (time_t)(nanoseconds / 1000000000);
    struct tm parts;
    char text[40];
    gmtime_r(&seconds, &parts);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    fputs(text, stdout);
}

/* As a JSON string; false: memory is short. */
static bool print_json(struct leat_bytes text) {
    char *room = malloc(lt_json_encoded_room(text.size));
    if (!room)
        return false;
    fwrite(room, 1, lt_json_encode(text, room), stdout);
    free(room);
    return true;
}

/* -------------------------------------------------------------------- ls */

struct listed {
    char name[LT_QUEUE_NAME_ROOM];
    struct lt_queue_state state;
    uint64_t oldest; /* 0: none */
};

struct listing {
    struct listed *names;
    size_t count;
};

static int keep_name(void *arg, const char *name, const struct lt_queue_state *state) {
    struct listing *listing = arg;
    struct listed *names = realloc(listing->names, (listing->count + 1) * sizeof *names);
    if (!names)
        return ENOMEM;
    listing->names = names;
    names[listing->count] = (struct listed){.state = *state};
    strcpy(names[listing->count++].name, name);
    return 0;
}

static bool keep_first(void *arg, const struct lt_queue_message *message) {
    *(uint64_t *)arg = message->sequence;
    return false;
}

static int find_oldest(const char *path, struct listed *listed, struct leat_error *error) {
    char target[strlen(path) + LT_QUEUE_NAME_ROOM + 2];
    struct lt_queue *queue;
    sprintf(target, "%s#%s", path, listed->name);
    int result = lt_queue_open(&queue, target, LT_STORE_LOOK, error);
    if (result < 0)
        return result;
    result = lt_queue_read(queue, 0, keep_first, &listed->oldest, error);
    lt_queue_close(queue);
    return result;
}

static void print_listed(const struct listed *listed, bool json) {
    const struct lt_queue_state *state = &listed->state;
    unsigned long long ready = state->ready, bytes = state->ready_bytes, dead = state->dead, oldest = listed->oldest;
    if (!json) {
        printf("%-20s %12llu %16llu %10llu %12llu %12llu\n", listed->name, ready, bytes, dead, oldest,
               (unsigned long long)state->next);
        return;
    }
    fputs("{\"name\":", stdout);
    print_json((struct leat_bytes){listed->name, strlen(listed->name)});
    printf(",\"ready\":%llu,\"bytes\":%llu,\"dead\":%llu,\"dead_bytes\":%llu,\"oldest\":%llu,\"next\":%llu}\n", ready,
           bytes, dead, (unsigned long long)state->dead_bytes, oldest, (unsigned long long)state->next);
}

static int list(const struct request *request) {
    struct leat_error error;
    struct lt_store *store;
    struct listing listing = {0};
    if (lt_store_open(&store, request->target, LT_STORE_LOOK, &error) < 0)
        return tell(&error);
    int result = lt_queue_each_name(store, keep_name, &listing, &error);
    for (size_t i = 0; result == 0 && i < listing.count; i++)
        result = find_oldest(request->target, &listing.names[i], &error);
    if (result == 0 && !request->json)
        printf("%-20s %12s %16s %10s %12s %12s\n", "NAME", "READY", "BYTES", "DEAD", "OLDEST", "NEXT");
    for (size_t i = 0; result == 0 && i < listing.count; i++)
        print_listed(&listing.names[i], request->json);
    free(listing.names);
    lt_store_close(store);
    return result < 0 ? tell(&error) : finish_output();
}

/* ------------------------------------------------------------------ peek */

struct peeking {
    const struct request *request;
    uint64_t shown;
    bool short_of_memory;
};

static bool print_as_json(const struct lt_queue_message *message, bool dead) {
    printf("{\"sequence\":%llu,\"time\":\"", (unsigned long long)message->sequence);
    print_time(message->time);
    printf("\",\"attempts\":%u", message->attempts);
    if (dead) {
        printf(",\"code\":%d,\"stage\":", message->code);
        if (!print_json(message->stage))
            return false;
        fputs(",\"reason\":", stdout);
        if (!print_json(message->reason))
            return false;
    }
    fputs(",\"body\":", stdout);
    bool printed = print_json(message->body);
    fputs("}\n", stdout);
    return printed;
}

static bool print_as_text(const struct lt_queue_message *message, bool dead) {
    printf("%llu ", (unsigned long long)message->sequence);
    print_time(message->time);
    printf(" %zu bytes, failed %u times", message->body.size, message->attempts);
    if (dead) {
        printf(", %.*s: ", (int)message->stage.size, message->stage.data);
        if (!print_json(message->reason))
            return false;
    }
    fputs("\n    ", stdout);
    bool cut = message->body.size > PREVIEW;
    bool printed = print_json((struct leat_bytes){message->body.data, cut ? PREVIEW : message->body.size});
    puts(cut ? " …" : "");
    return printed;
}

static bool show(void *arg, const struct lt_queue_message *message) {
    struct peeking *peeking = arg;
    const struct request *request = peeking->request;
    if (peeking->shown == request->limit)
        return false;
    bool printed = request->json ? print_as_json(message, request->dead) : print_as_text(message, request->dead);
    peeking->short_of_memory = !printed;
    peeking->shown++;
    return printed;
}

static int peek(const struct request *request) {
    struct leat_error error;
    struct lt_queue *queue;
    struct peeking peeking = {.request = request};
    if (lt_queue_open(&queue, request->target, LT_STORE_LOOK, &error) < 0)
        return tell(&error);
    int result = (request->dead ? lt_queue_read_dead : lt_queue_read)(queue, 0, show, &peeking, &error);
    if (result == 0 && peeking.short_of_memory)
        result = leat_fail(&error, -ENOMEM, "queue:%s: memory is short to show a message", queue->label);
    lt_queue_close(queue);
    return result < 0 ? tell(&error) : finish_output();
}

/* ---------------------------------------------------------- requeue, purge */

static int requeue(const struct request *request) {
    struct leat_error error;
    struct lt_queue *queue;
    uint64_t moved;
    if (lt_queue_open(&queue, request->target, LT_STORE_OPEN, &error) < 0)
        return tell(&error);
    int result = lt_queue_requeue(queue, &moved, &error);
    printf("queue:%s: %llu moved back\n", queue->label, (unsigned long long)moved);
    lt_queue_close(queue);
    return result < 0 ? tell(&error) : finish_output();
}

static int purge(const struct request *request) {
    struct leat_error error;
    struct lt_queue *queue;
    uint64_t removed;
    if (lt_queue_open(&queue, request->target, LT_STORE_OPEN, &error) < 0)
        return tell(&error);
    int result = lt_queue_purge(queue, request->dead, &removed, &error);
    if (result == 0)
        printf("queue:%s: %llu removed\n", queue->label, (unsigned long long)removed);
    lt_queue_close(queue);
    return result < 0 ? tell(&error) : finish_output();
}

/* ----------------------------------------------------------------- words */

static const struct command {
    const char *verb;
    int (*run)(const struct request *request);
    bool takes_limit, takes_dead, takes_json;
} commands[] = {
    {.verb = "ls", .run = list, .takes_json = true},
    {.verb = "peek", .run = peek, .takes_limit = true, .takes_dead = true, .takes_json = true},
    {.verb = "requeue", .run = requeue},
    {.verb = "purge", .run = purge, .takes_dead = true},
};

static int misuse(const char *what, const char *word) {
    fprintf(stderr, "leat queue: %s%s%s%s\n%s", what, *word ? " \"" : "", word, *word ? "\"" : "",
            lt_queue_admin_usage);
    return WRONG_USAGE;
}

static bool read_limit(const char *word, uint64_t *limit) {
    char *end;
    errno = 0;
    *limit = strtoull(word, &end, 10);
    return *word >= '0' && *word <= '9' && !*end && errno == 0;
}

static int read_words(const struct command *command, size_t count, char **words, struct request *request) {
    for (size_t i = 0; i < count; i++) {
        const char *word = words[i];
        if (command->takes_dead && strcmp(word, "--dead") == 0) {
            request->dead = true;
        } else if (command->takes_json && strcmp(word, "--json") == 0) {
            request->json = true;
        } else if (command->takes_limit && strncmp(word, "-n", 2) == 0) {
            const char *number = word[2] ? word + 2 : i + 1 < count ? words[++i] : "";
            if (!read_limit(number, &request->limit))
                return misuse("-n takes a number, not", number);
        } else if (word[0] == '-' && word[1]) {
            return misuse("there is no option", word);
        } else if (request->target) {
            return misuse("one file at a time, and not also", word);
        } else {
            request->target = strncmp(word, "queue:", 6) == 0 ? word + 6 : word;
        }
    }
    return request->target ? DONE : misuse("a file is missing", "");
}

int lt_queue_admin(size_t count, char **words) {
    if (count == 0)
        return misuse("what to do is missing", "");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        if (strcmp(commands[i].verb, words[0]) != 0)
            continue;
        struct request request = {.verb = words[0], .limit = PEEK_COUNT};
        int result = read_words(&commands[i], count - 1, words + 1, &request);
        return result != DONE ? result : commands[i].run(&request);
    }
    return misuse("there is no command", words[0]);
}
