/* SPDX-License-Identifier: MIT */
/**
 * The queue file by itself: durable messages in, messages out with a durable
 * acknowledgement, by batch size, one batch in each transaction. Each figure is
 * the median of several rounds after one to warm up; each round fills a new file
 * and empties it. Next to it, in the same round: fdatasync of the same bytes
 * appended to a plain file, the most that this disk gives.
 *
 *     bench-queue [-d DIRECTORY] [-s BYTES] [-n MESSAGES] [-r ROUNDS] [BATCH…]
 */
#include "base/clock.h"
#include "base/error.h"
#include "ends/queue/queue.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_ROUNDS = 99 };

struct setting {
    const char *directory;
    size_t size, messages, batch;
};

struct figures {
    double in, out, plain; /* messages a second */
};

static void must(int result, const struct leat_error *error) {
    if (result >= 0)
        return;
    fprintf(stderr, "bench-queue: %s\n", error->text);
    exit(1);
}

static double rate(size_t count, leat_time begin) {
    return (double)count * 1e9 / (double)(lt_now() - begin);
}

struct taking {
    char *room;
    size_t size, count, limit;
    uint64_t next;
    struct lt_queue_end *ends;
};

/* Copies, as the source does. */
static bool take(void *arg, const struct lt_queue_message *message) {
    struct taking *taking = arg;
    if (taking->count == taking->limit)
        return false;
    memcpy(taking->room + taking->count * taking->size, message->body.data, message->body.size);
    taking->ends[taking->count++] = (struct lt_queue_end){.sequence = message->sequence};
    taking->next = message->sequence + 1;
    return true;
}

static double fill(struct lt_queue *queue, const struct setting *setting, struct leat_bytes *bodies) {
    struct leat_error error;
    leat_time begin = lt_now();
    for (size_t sent = 0; sent < setting->messages; sent += setting->batch)
        must(lt_queue_put(queue, bodies, setting->batch, &error), &error);
    return rate(setting->messages, begin);
}

static double drain(struct lt_queue *queue, const struct setting *setting, char *room, struct lt_queue_end *ends) {
    struct leat_error error;
    struct taking taking = {.room = room, .size = setting->size, .limit = setting->batch, .next = 1, .ends = ends};
    size_t got = 0;
    must(lt_queue_lease(queue, &error), &error);
    leat_time begin = lt_now();
    do {
        taking.count = 0;
        must(lt_queue_read(queue, taking.next, take, &taking, &error), &error);
        must(lt_queue_settle(queue, ends, taking.count, &error), &error);
        got += taking.count;
    } while (taking.count > 0);
    double result = rate(got, begin);
    if (got != setting->messages)
        must(-1, &(struct leat_error){.text = "messages were lost"});
    return result;
}

static double append_plain(const struct setting *setting, const char *path, const char *bytes) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct leat_error failed = {.text = "cannot write the plain file"};
    must(fd, &failed);
    leat_time begin = lt_now();
    for (size_t sent = 0; sent < setting->messages; sent += setting->batch) {
        size_t size = setting->batch * setting->size;
        if (write(fd, bytes, size) != (ssize_t)size || fdatasync(fd) < 0)
            must(-1, &failed);
    }
    double result = rate(setting->messages, begin);
    close(fd);
    unlink(path);
    return result;
}

static struct figures run_round(const struct setting *setting) {
    char path[4096], lock[sizeof path + 8];
    snprintf(path, sizeof path, "%s/bench-queue-%d.q", setting->directory, getpid());
    snprintf(lock, sizeof lock, "%s-lock", path);
    char *room = malloc(setting->batch * setting->size);
    struct leat_bytes *bodies = calloc(setting->batch, sizeof *bodies);
    struct lt_queue_end *ends = calloc(setting->batch, sizeof *ends);
    if (!room || !bodies || !ends)
        must(-1, &(struct leat_error){.text = "memory is short"});
    for (size_t i = 0; i < setting->batch; i++) {
        memset(room + i * setting->size, (int)('a' + i % 26), setting->size);
        bodies[i] = (struct leat_bytes){room + i * setting->size, setting->size};
    }
    struct leat_error error;
    struct lt_queue *queue = NULL;
    struct figures figures = {.plain = append_plain(setting, path, room)};
    must(lt_queue_open(&queue, path, LT_STORE_CREATE, &error), &error);
    figures.in = fill(queue, setting, bodies);
    figures.out = drain(queue, setting, room, ends);
    lt_queue_close(queue);
    unlink(path);
    unlink(lock);
    free(room);
    free(bodies);
    free(ends);
    return figures;
}

static int rising(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, rising);
    return values[count / 2];
}

static void measure(struct setting setting, size_t rounds) {
    double in[MAX_ROUNDS], out[MAX_ROUNDS], plain[MAX_ROUNDS];
    setting.messages -= setting.messages % setting.batch;
    run_round(&setting);
    for (size_t i = 0; i < rounds; i++) {
        struct figures figures = run_round(&setting);
        in[i] = figures.in;
        out[i] = figures.out;
        plain[i] = figures.plain;
    }
    double in_median = median(in, rounds), out_median = median(out, rounds);
    printf("queue-in-%zu %.0f messages/s (%.0f to %.0f)\n", setting.batch, in_median, in[0], in[rounds - 1]);
    printf("queue-out-%zu %.0f messages/s (%.0f to %.0f)\n", setting.batch, out_median, out[0], out[rounds - 1]);
    printf("plain-file-%zu %.0f messages/s\n", setting.batch, median(plain, rounds));
    fflush(stdout);
}

int main(int argc, char **argv) {
    struct setting setting = {.directory = ".", .size = 1024, .messages = 400000};
    size_t rounds = 5;
    for (int letter; (letter = getopt(argc, argv, "d:s:n:r:")) != -1;) {
        if (letter == 'd')
            setting.directory = optarg;
        else if (letter == 's')
            setting.size = strtoul(optarg, NULL, 10);
        else if (letter == 'n')
            setting.messages = strtoul(optarg, NULL, 10);
        else if (letter == 'r')
            rounds = strtoul(optarg, NULL, 10);
        else
            return 2;
    }
    if (rounds < 1 || rounds > MAX_ROUNDS || setting.size == 0)
        return 2;
    if (optind == argc) {
        setting.batch = 1000;
        measure(setting, rounds);
        setting.messages /= 10;
        setting.batch = 100;
        measure(setting, rounds);
        return 0;
    }
    for (int i = optind; i < argc; i++) {
        setting.batch = strtoul(argv[i], NULL, 10);
        if (setting.batch == 0 || setting.batch > setting.messages)
            return 2;
        measure(setting, rounds);
    }
    return 0;
}
