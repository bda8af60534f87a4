/* SPDX-License-Identifier: MIT */
/** The program. */
#include "base/error.h"
#include "cli/bench/bench.h"
#include "cli/help.h"
#include "cli/load/load.h"
#include "cli/run.h"
#include "cli/yaml.h"
#include "cli/top/top.h"
#include "ends/queue/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int help(const struct lt_command *command) {
    if (command->topic && strcmp(command->topic, "complete") == 0) {
        size_t skip = command->rest_count > 1 && strcmp(command->rest[1], "--") == 0 ? 2 : 1;
        if (command->rest_count > skip)
            lt_complete(stdout, command->rest + skip, command->rest_count - skip);
        return LT_EXIT_DONE;
    }
    struct leat_error error;
    if (lt_help(stdout, command->topic, &error) == 0)
        return LT_EXIT_DONE;
    fprintf(stderr, "leat: %s\n", error.text);
    return LT_EXIT_USAGE;
}

static int show(struct lt_command *command) {
    struct leat_error error;
    if (lt_yaml_show(command, stdout, &error) == 0)
        return LT_EXIT_DONE;
    fprintf(stderr, "leat: %s\n", error.text);
    return LT_EXIT_USAGE;
}

static int dispatch(struct lt_command *command) {
    switch (command->verb) {
    case LT_VERB_RUN:
        return lt_run(command);
    case LT_VERB_CHECK:
        return lt_check(command);
    case LT_VERB_SHOW:
        return show(command);
    case LT_VERB_QUEUE:
        return lt_queue_admin(command->rest_count, command->rest);
    case LT_VERB_LOAD:
        return lt_load_run(command);
    case LT_VERB_BENCH:
        return lt_bench_run(command);
    case LT_VERB_TOP:
        return lt_top_run(command);
    case LT_VERB_VERSION:
        printf("leat %s\n", leat_version());
        return LT_EXIT_DONE;
    case LT_VERB_HELP:
        break;
    }
    return help(command);
}

/* Nobody's mistake: another time the same words may do. */
static bool is_shortage(int code) {
    return code == -ENOMEM || code == -EMFILE || code == -ENFILE || code == -EIO;
}

static int refuse(const struct lt_command *command, const struct leat_error *error) {
    fprintf(stderr, "leat: %s\n", error->text);
    if (is_shortage(error->code))
        return LT_EXIT_NOT_STARTED;
    if (!command->file && !strstr(error->text, "did you mean"))
        fputs("leat: see leat --help\n", stderr);
    return LT_EXIT_USAGE;
}

/**
 * A number below 3 that is free would be given to the next file that is opened, and messages would be written into a
 * queue. Standard input and output that are closed stay unusable: nobody shall take them for empty.
 */
static void occupy_standard_streams(void) {
    static const int modes[] = {O_WRONLY, O_RDONLY, O_WRONLY};
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) < 0)
            _exit(LT_EXIT_NOT_STARTED);
}

int main(int argc, char **argv) {
    occupy_standard_streams();
    struct lt_command command;
    struct leat_error error;
    int code = lt_parse(argc, argv, &command, &error) ? refuse(&command, &error) : dispatch(&command);
    /* What a command printed must have arrived, or it has not succeeded. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "leat: standard output: %s\n", strerror(errno));
        code = code ? code : LT_EXIT_FAILED;
    }
    lt_command_free(&command);
    return code;
}
