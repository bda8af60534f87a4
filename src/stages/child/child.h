/* SPDX-License-Identifier: MIT */
/**
 * Child processes for stages: started like vfork(2), watched through a pidfd,
 * ended with their whole process group.
 *
 * - The parent's thread waits until the child has made its exec or has failed to,
 *   so a program that is not there is an error of lt_child_start(), not an exit
 *   code; and nothing of the parent is copied, however large it is.
 * - A child has a process group of its own, default signals, the descriptors 0, 1
 *   and 2 and no others. It is killed when the thread that started it ends, which
 *   the runtime's threads do only with the run.
 * - A child that has ended stays a zombie until lt_child_end(): until then its
 *   number, and the number of its group, belong to it, and a kill hits nobody else.
 * - A worker has one lt_watch: one descriptor on which its task waits for the
 *   pipes and the end of its child at once. No thread waits.
 *
 * Rejected: posix_spawn (resets 64 signals one by one and maps a stack each time: a
 * fifth more processor time for each child); SIGCHLD (one for the whole process,
 * and it merges). There is no second way for kernels without pidfd_open: Linux
 * 5.4 has it.
 */
#ifndef LEAT_STAGES_CHILD_CHILD_H
#define LEAT_STAGES_CHILD_CHILD_H

#include "base/children.h"
#include "leat-pipeline.h"

#include <stdbool.h>
#include <sys/resource.h>
#include <sys/types.h>

/** What is to be started. */
struct lt_launch {
    const char *path;    /**< the file; see lt_find_program() */
    char **arguments;    /**< NULL-terminated; arguments[-1] must be there: a script without "#!" needs it */
    bool input;          /**< a pipe to its standard input; else it reads nothing */
    bool output;         /**< a pipe from its standard output; else that is thrown away */
    bool errors;         /**< a pipe from its standard error; else it has ours */
    struct rlimit limit; /**< its limit of descriptors; see lt_raise_limit() */
    int nothing;         /**< a descriptor of /dev/null, for reading and writing */
};

/** A child and the parent's ends of its pipes; -1: there is none. */
struct lt_child {
    pid_t pid;
    int exit; /**< the pidfd: readable when it has ended */
    int input, output, errors;
    struct lt_living living;
};

/** How a child ended. */
struct lt_ending {
    int code;   /**< exit code; -1: killed */
    int signal; /**< that killed it, or 0 */
};

/** Let this process have as many descriptors as it may: many workers need many. `*before`: what its children shall
 * have, since some take the limit for what is usual. */
void lt_raise_limit(struct rlimit *before);

/** 0, or why it could not be started: -ENOENT, -EACCES, -E2BIG, -EAGAIN, … `child` stays where it is until it is ended.
 */
int lt_child_start(struct lt_child *child, const struct lt_launch *launch, struct leat_error *error);

/** Send a signal to its group. */
void lt_child_signal(const struct lt_child *child, int signal);

/** Collect one that has ended, or kill its group first and wait for that. Closes all that is open of it. */
struct lt_ending lt_child_end(struct lt_child *child, bool kill);

/** Close one of its pipes. */
void lt_child_close(int *pipe);

/** "exit code 3", "killed by SIGSEGV" */
void lt_ending_text(struct lt_ending ending, char *text, size_t size);

/** What can happen to a child. */
enum lt_event { LT_CHILD_INPUT = 1, LT_CHILD_OUTPUT = 2, LT_CHILD_ERRORS = 4, LT_CHILD_EXIT = 8 };

/**
 * An epoll for the things of one child at a time. What was registered for the child before may stay so for a moment,
 * since a child of somebody else that is just being started has copies of all descriptors; so events carry the number
 * of their child.
 */
struct lt_watch {
    int epoll;
    uint32_t child;
};

/** 0 or a negative errno value. */
int lt_watch_open(struct lt_watch *watch);
void lt_watch_close(struct lt_watch *watch);
/** Watch these things (a set of events) of the child. With `edges` each event of a pipe is told once. */
int lt_watch_child(struct lt_watch *watch, const struct lt_child *child, int events, bool edges);
/** From now on another child is watched. */
void lt_watch_next(struct lt_watch *watch);
/** What has happened until `deadline`: a set of events, 0 when nothing has; -ECANCELED as everywhere. */
int lt_watch_wait(struct lt_watch *watch, leat_time deadline);

/**
 * The file of a program: what has a slash in it is a path, all else is looked for in $PATH. 0, or -ENOENT, -EACCES and
 * a sentence. `*path` is to be freed.
 */
int lt_find_program(const char *name, char **path, struct leat_error *error);

#endif
