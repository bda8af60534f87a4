/* SPDX-License-Identifier: MIT */
/**
 * What C can do: run a command for each line of standard input, so many at a time,
 * and nothing else: no output is kept, no exit code looked at.
 *
 *     bench-exec vfork|posix_spawn AT-ONCE COMMAND
 */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int start(int by_vfork, char **words) {
    pid_t pid = -1;
    if (!by_vfork)
        return posix_spawn(&pid, words[0], NULL, NULL, words, environ);
    pid = vfork();
    if (pid == 0) {
        execv(words[0], words);
        _exit(127);
    }
    return pid < 0;
}

int main(int argc, char **argv) {
    if (argc != 4)
        return 2;
    int by_vfork = strcmp(argv[1], "vfork") == 0, most = atoi(argv[2]), running = 0;
    char *line = NULL;
    size_t room = 0;
    while (getline(&line, &room, stdin) > 0) {
        line[strcspn(line, "\n")] = '\0';
        char *words[] = {argv[3], line, NULL};
        if (running == most && wait(NULL) > 0)
            running--;
        if (start(by_vfork, words))
            return 1;
        running++;
    }
    while (wait(NULL) > 0)
        continue;
    free(line);
    return 0;
}
