/* SPDX-License-Identifier: MIT */
/**
 * Runs a fuzz target over its corpus, tests/fuzz/corpus/NAME of the program
 * "test-fuzz-NAME", or over the files that are named: one TAP result for each.
 * A target that finds something wrong dies, after the name of the file.
 */
#include "fuzz.h"

#include <dirent.h>
#include <limits.h>

static void run_file(const char *path, int number) {
    FILE *file = fopen(path, "re");
    must(file);
    char *bytes = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&bytes, &size);
    must(memory);
    char part[4096];
    for (size_t got; (got = fread(part, 1, sizeof part, file)) > 0;)
        fwrite(part, 1, got, memory);
    must(!ferror(file));
    fclose(file);
    fclose(memory);
    const char *name = strrchr(path, '/');
    printf("# %s\n", path);
    fflush(stdout);
    char *exact = exact_copy(bytes, size);
    free(bytes);
    must(LLVMFuzzerTestOneInput((const uint8_t *)exact, size) == 0);
    free(exact);
    printf("ok %d - %s\n", number, name ? name + 1 : path);
}

static int is_shown(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int run_corpus(const char *program) {
    const char *root = getenv("LEAT_ROOT"), *target = strstr(program, "test-fuzz-");
    must(target);
    char folder[PATH_MAX], path[PATH_MAX];
    snprintf(folder, sizeof folder, "%s/tests/fuzz/corpus/%s", root ? root : ".", target + strlen("test-fuzz-"));
    struct dirent **entries;
    int count = scandir(folder, &entries, is_shown, alphasort);
    if (count < 0)
        perror(folder);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        run_file(path, i + 1);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return count;
}

int main(int argc, char **argv) {
    int count = argc - 1;
    for (int i = 1; i < argc; i++)
        run_file(argv[i], i);
    if (argc == 1)
        count = run_corpus(argv[0]);
    printf("1..%d\n", count);
    return count > 0 ? 0 : 1;
}
