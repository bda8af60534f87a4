/* SPDX-License-Identifier: MIT */
#include "base/children.h"
#include "base/atomic.h"
#include "base/clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* A child younger than that is not looked at: it counts soon enough when it is collected, and there may be many. Of
 * those that end so young one in SAMPLE is asked how long it waited, for all of them: to ask each takes 3 % of the
 * commands that can be run. */
static const leat_time YOUNG = 100 * LEAT_MILLISECOND;
enum { SAMPLE = 16 };

static struct {
    pthread_mutex_t mutex;
    struct lt_living *first;
    leat_time delayed; /* those that were collected */
    _Atomic unsigned ended_young;
} children = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* The beginning of a file of a process; "" when there is none. */
static void read_of(pid_t pid, const char *name, char *text, size_t room) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, text, room - 1);
    text[size > 0 ? size : 0] = '\0';
    if (fd >= 0)
        close(fd);
}

static leat_time delayed_of(pid_t pid) {
    char text[128];
    long long delayed;
    read_of(pid, "schedstat", text, sizeof text);
    return sscanf(text, "%*d %lld", &delayed) == 1 ? delayed : 0;
}

static leat_time of_ticks(unsigned long long ticks) {
    return (leat_time)ticks * (LEAT_SECOND / sysconf(_SC_CLK_TCK));
}

/* Its own, and that of its children which it has collected. */
static leat_time cpu_of(pid_t pid) {
    char text[1024];
    unsigned long long user, system, of_children[2];
    read_of(pid, "stat", text, sizeof text);
    const char *behind_name = strrchr(text, ')');
    if (!behind_name || sscanf(behind_name, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu", &user,
                               &system, &of_children[0], &of_children[1]) != 4)
        return 0;
    return of_ticks(user + system + of_children[0] + of_children[1]);
}

static leat_time cpu_of_collected(void) {
    struct rusage use;
    getrusage(RUSAGE_CHILDREN, &use);
    return (use.ru_utime.tv_sec + use.ru_stime.tv_sec) * LEAT_SECOND +
           (use.ru_utime.tv_usec + use.ru_stime.tv_usec) * LEAT_MICROSECOND;
}

/* What a line of /proc/stat says that a processor did, without being idle. */
static unsigned long long busy_ticks(const char *line, const cpu_set_t *ours) {
    unsigned processor;
    unsigned long long user, nice, system, interrupts, soft_interrupts, stolen;
    if (sscanf(line, "cpu%u %llu %llu %llu %*u %*u %llu %llu %llu", &processor, &user, &nice, &system, &interrupts,
               &soft_interrupts, &stolen) != 7 ||
        processor >= CPU_SETSIZE || !CPU_ISSET(processor, ours))
        return 0;
    return user + nice + system + interrupts + soft_interrupts + stolen;
}

static leat_time busy_machine(void) {
    cpu_set_t ours;
    char *line = NULL;
    size_t room = 0;
    unsigned long long ticks = 0;
    FILE *file = sched_getaffinity(0, sizeof ours, &ours) == 0 ? fopen("/proc/stat", "re") : NULL;
    while (file && getline(&line, &room, file) > 0 && strncmp(line, "cpu", 3) == 0)
        if (line[3] != ' ')
            ticks += busy_ticks(line, &ours);
    free(line);
    if (file)
        fclose(file);
    return of_ticks(ticks);
}

void lt_living_begin(struct lt_living *living, pid_t pid) {
    *living = (struct lt_living){.pid = pid, .since = lt_now()};
    pthread_mutex_lock(&children.mutex);
    living->next = children.first;
    if (living->next)
        living->next->before = living;
    children.first = living;
    pthread_mutex_unlock(&children.mutex);
}

void lt_living_end(struct lt_living *living) {
    bool young = living->since > lt_now() - YOUNG;
    bool asked = !young || lt_fetch_add(&children.ended_young, 1, relaxed) % SAMPLE == 0;
    leat_time delayed = asked ? delayed_of(living->pid) * (young ? SAMPLE : 1) : 0;
    pthread_mutex_lock(&children.mutex);
    children.delayed += delayed;
    if (living->next)
        living->next->before = living->before;
    if (living->before)
        living->before->next = living->next;
    else
        children.first = living->next;
    pthread_mutex_unlock(&children.mutex);
}

void lt_children_use(struct lt_children_use *use) {
    *use = (struct lt_children_use){.machine = busy_machine()};
    leat_time grown = lt_now() - YOUNG;
    pthread_mutex_lock(&children.mutex);
    use->cpu = cpu_of_collected();
    use->delayed = children.delayed;
    for (const struct lt_living *living = children.first; living; living = living->next) {
        if (living->since > grown)
            continue;
        use->cpu += cpu_of(living->pid);
        use->delayed += delayed_of(living->pid);
    }
    pthread_mutex_unlock(&children.mutex);
}
