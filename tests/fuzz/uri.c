/* SPDX-License-Identifier: MIT */
/**
 * Places as users write them; the first byte says of what kind. Each is an error
 * with a text, or is taken apart, and put together again from its parts, with all
 * that could mean something else written otherwise, it has the same parts.
 *
 *     ?  the target of an end with a query      @  the address of a RabbitMQ
 *     :  the whole target of amqp:              /  an LDAP URL
 *     #  the target of queue:                   *  a glob, and on the next line a path
 */
#include "ends/amqp/address.h"
#include "ends/amqp/amqp.h"
#include "ends/dir/glob.h"
#include "ends/ends.h"
#include "ends/ldap/target.h"
#include "ends/query.h"
#include "ends/queue/queue.h"
#include "fuzz.h"

struct settings {
    bool flag;
    const char *text;
    uint64_t count, size;
    leat_time duration;
    double rate;
};

static const struct leat_option options[] = {
    {"flag", 'f', LEAT_OPTION_FLAG, offsetof(struct settings, flag), NULL, NULL, "A flag."},
    {"text", 't', LEAT_OPTION_STRING, offsetof(struct settings, text), "TEXT", NULL, "A text."},
    {"count", 'c', LEAT_OPTION_COUNT, offsetof(struct settings, count), "N", "10", "A number."},
    {"size", 0, LEAT_OPTION_SIZE, offsetof(struct settings, size), "SIZE", "64k", "A size."},
    {"duration", 0, LEAT_OPTION_DURATION, offsetof(struct settings, duration), "TIME", "30s", "A time."},
    {"rate", 0, LEAT_OPTION_RATE, offsetof(struct settings, rate), "RATE", NULL, "A rate."},
    {0},
};

/* All of it as %XX. */
static void put_encoded(FILE *file, const char *text) {
    for (; *text; text++)
        fprintf(file, "%%%02X", (unsigned char)*text);
}

static void put_path(FILE *file, const char *path) {
    for (; *path; path++)
        if (*path == '?' || *path == '%')
            fprintf(file, *path == '?' ? "%%3F" : "%%25");
        else
            fputc(*path, file);
}

static bool same_text(const char *one, const char *other) {
    return one && other ? strcmp(one, other) == 0 : one == other;
}

static void fuzz_query(const char *target) {
    static const struct settings defaults = {.count = 10, .size = 65536, .duration = 30};
    struct leat_segment segment = {.spelling = "x", .target = target, .settings = &defaults};
    struct leat_error error = {0};
    struct settings first, second;
    char *path, *path_again, *text;
    size_t size;
    int code = lt_query_read(&segment, options, &first, sizeof first, &path, &error);
    must(code == 0 || (code < 0 && *error.text && !path));
    if (code)
        return;
    FILE *file = open_memstream(&text, &size);
    put_path(file, path);
    fprintf(file, "?flag=%d&&count=%llu&size=%llu&duration=%lldns", first.flag, (unsigned long long)first.count,
            (unsigned long long)first.size, (long long)first.duration);
    if (first.text) {
        fprintf(file, "&%%74ext=");
        put_encoded(file, first.text);
    }
    fclose(file);
    segment.target = text;
    /* Whole numbers that a double cannot hold are not written like that by anybody. */
    if (first.count < 1ull << 50 && first.size < 1ull << 50 && first.duration < 1ll << 50) {
        must(lt_query_read(&segment, options, &second, sizeof second, &path_again, &error) == 0);
        must(same_text(path, path_again) && same_text(first.text, second.text));
        must(first.flag == second.flag && first.count == second.count && first.size == second.size);
        must(first.duration == second.duration);
        free(path_again);
    }
    free(text);
    free(path);
}

static void fuzz_address(const char *url) {
    struct lt_amqp_address first, second;
    struct leat_error error = {0};
    int code = lt_amqp_address_read(&first, url, false, NULL, &error);
    must(code == 0 || (code < 0 && *error.text));
    if (code)
        return;
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    fputs(first.tls ? "amqps://" : "amqp://", file);
    put_encoded(file, first.user);
    fputc(':', file);
    put_encoded(file, first.password);
    fputc('@', file);
    put_encoded(file, first.host);
    fprintf(file, ":%s/", first.port);
    put_encoded(file, first.vhost);
    fclose(file);
    code = lt_amqp_address_read(&second, text, false, NULL, &error);
    must(code == 0);
    must(first.tls == second.tls && same_text(first.user, second.user) && same_text(first.password, second.password));
    must(same_text(first.host, second.host) && same_text(first.port, second.port));
    must(same_text(first.vhost, second.vhost) && same_text(first.place, second.place));
    lt_amqp_address_free(&first);
    lt_amqp_address_free(&second);
    free(text);
}

static void fuzz_amqp(const char *text) {
    void *settings = calloc(1, lt_amqp_sink.settings_size), *own = calloc(1, lt_amqp_sink.settings_size);
    struct leat_segment segment = {.spelling = "amqp:x", .target = text, .settings = settings};
    struct lt_amqp_target target;
    struct leat_error error = {0};
    int code = lt_amqp_target_read(&target, &segment, lt_amqp_sink.options, own, lt_amqp_sink.settings_size, &error);
    must(code == 0 || (code < 0 && *error.text));
    must(code || (target.path && target.queue && strlen(target.queue) <= 255));
    if (code == 0)
        lt_amqp_target_free(&target);
    free(settings);
    free(own);
}

static void fuzz_ldap(const char *url) {
    struct lt_ldap_target target;
    struct leat_error error = {0};
    int code = lt_ldap_target_read(&target, url, &error);
    must(code == 0 || (code < 0 && *error.text));
    must(code || (strstr(target.server, "ldap") && target.base && *target.filter));
    lt_ldap_target_free(&target);
}

static void fuzz_queue(const char *target) {
    struct leat_error error = {0};
    char *path = malloc(strlen(target) + 1), name[LT_QUEUE_NAME_ROOM];
    int code = lt_queue_target(target, path, name, &error);
    must(code == 0 || (code < 0 && *error.text));
    if (code == 0) {
        char *again = malloc(strlen(target) + sizeof name + 2), *path_again = malloc(strlen(target) + sizeof name + 2);
        char name_again[LT_QUEUE_NAME_ROOM];
        sprintf(again, "%s#%s", path, name);
        must(lt_queue_target(again, path_again, name_again, &error) == 0);
        must(strcmp(path, path_again) == 0 && strcmp(name, name_again) == 0);
        free(again);
        free(path_again);
    }
    free(path);
}

static bool matches(const char *pattern, const char *path) {
    struct leat_error error = {0};
    struct lt_glob *glob = lt_glob_new(pattern, &error);
    must(glob || *error.text);
    char *exact = exact_copy(path, strlen(path));
    bool result = glob && lt_glob_match(glob, exact, strlen(path));
    free(exact);
    lt_glob_free(glob);
    return result;
}

static void fuzz_glob(const char *pattern, const char *path) {
    matches(pattern, path);
    char *literally;
    size_t size;
    FILE *file = open_memstream(&literally, &size);
    for (const char *at = path; *at; at++)
        fprintf(file, strchr("*?[]{},!\\", *at) ? "\\%c" : "%c", *at);
    fclose(file);
    must(matches(literally, path));
    free(literally);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0)
        return 0;
    struct input input = {data + 1, size - 1};
    char *line = next_line(&input), *more = next_line(&input);
    switch (*data) {
    case '?':
        fuzz_query(line);
        break;
    case '@':
        fuzz_address(line);
        break;
    case ':':
        fuzz_amqp(line);
        break;
    case '/':
        fuzz_ldap(line);
        break;
    case '#':
        fuzz_queue(line);
        break;
    case '*':
        fuzz_glob(line, more);
        break;
    default:
        break;
    }
    free(line);
    free(more);
    return 0;
}
