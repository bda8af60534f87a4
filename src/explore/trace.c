/* SPDX-License-Identifier: MIT */
/* Telling what a simulated run does: the program's calls, and the moves that are not the default. */
#include "base/os.h"
#include "explore/explore.h"
#include "leat-simulate.h"
#include "sched/runtime.h"
#include "sync/channel.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int trace_fd = -1;
static bool open_call; /* the last line is a call whose result is not known yet */

void lt_trace_to(int fd) {
    if (trace_fd >= 0 && open_call)
        lt_report(trace_fd, "\n", 1);
    open_call = false;
    trace_fd = fd;
}

static __attribute__((format(printf, 1, 2))) void put(const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    lt_report(trace_fd, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

static const char *last_part(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void thread_name(const struct lt_virtual *thread, char *text, size_t size) {
    const struct lt_worker *worker = thread->locals[LT_LOCAL_WORKER];
    if (worker)
        snprintf(text, size, "worker %u", worker->index + 1);
    else
        snprintf(text, size, "thread %u", thread->id);
}

static const struct lt_task *task_of(const struct lt_virtual *thread) {
    const struct lt_worker *worker = thread->locals[LT_LOCAL_WORKER];
    return worker ? worker->current : NULL;
}

static void who(const struct lt_virtual *thread, char *text, size_t size) {
    char name[32];
    thread_name(thread, name, sizeof name);
    const struct lt_task *task = task_of(thread);
    if (task)
        snprintf(text, size, "%-9s task %llu %s", name, (unsigned long long)task->id, task->name ? task->name : "?");
    else
        snprintf(text, size, "%s", name);
}

static void end_line(void) {
    if (open_call)
        put("\n");
    open_call = false;
}

static void call_text(const char *function, const struct leat_chan *chan, char *text, size_t size) {
    if (chan && chan->name)
        snprintf(text, size, "%s \"%s\"", function, chan->name);
    else
        snprintf(text, size, "%s", function);
}

static const void *caller; /* of the call on the last line */

static const void *present_caller(void) {
    const struct lt_task *task = task_of(lt_present());
    return task ? (const void *)task : lt_present();
}

void leat_calls(const char *function, const struct leat_chan *chan, const char *file, int line) {
    if (!lt_simulated())
        return;
    const struct lt_site site = {file, line, function, "the call"};
    lt_before(LT_CALL, chan, &site);
    if (trace_fd < 0)
        return;
    char name[96], call[96], place[96];
    end_line();
    who(lt_present(), name, sizeof name);
    call_text(function, chan, call, sizeof call);
    snprintf(place, sizeof place, "%s:%d", last_part(file), line);
    put("  %-36s %-24s %s", name, place, call);
    open_call = true;
    caller = present_caller();
}

static void result_text(long long result, char *text, size_t size) {
    const char *name = result < 0 ? strerrorname_np((int)-result) : NULL;
    if (name)
        snprintf(text, size, "-%s", name);
    else
        snprintf(text, size, "%lld", result);
}

void leat_called(const char *function, const struct leat_chan *chan, long long result, const char *file, int line) {
    if (!lt_simulated() || trace_fd < 0)
        return;
    char name[96], call[96], place[96], what[32];
    result_text(result, what, sizeof what);
    if (open_call && caller == present_caller()) {
        put(" = %s\n", what);
        open_call = false;
        return;
    }
    end_line();
    who(lt_present(), name, sizeof name);
    /* The channel may be gone: its name is read only before the call. */
    (void)chan;
    call_text(function, NULL, call, sizeof call);
    snprintf(place, sizeof place, "%s:%d", last_part(file), line);
    put("  %-36s %-24s … %s = %s\n", name, place, call, what);
}

void leat_point_at(const char *file, int line) {
    const struct lt_site site = {file, line, "leat_point", "the point"};
    lt_before(LT_CALL, NULL, &site);
}

void lt_trace_move(const struct lt_choice *choice, unsigned move) {
    if (trace_fd < 0)
        return;
    const struct lt_move *made = &choice->moves[move];
    const struct lt_virtual *present = choice->present;
    char from[32], to[32] = "";
    thread_name(present, from, sizeof from);
    if (made->thread)
        thread_name(made->thread, to, sizeof to);
    end_line();
    const struct lt_site *site = present->site;
    if (made->kind == LT_DRAIN)
        put("    ---- the store of %s to %s becomes visible (%s:%d)\n", to, made->thread->stores[0].site->what,
            last_part(made->thread->stores[0].site->file), made->thread->stores[0].site->line);
    else if (made->kind == LT_PASS)
        put("    ---- time passes\n");
    else if (choice->can_go_on)
        put("    ---- %s is held up before %s in %s (%s:%d); %s goes on\n", from, site->what, site->function,
            last_part(site->file), site->line, to);
    else
        put("    ---- %s sleeps; %s goes on\n", from, to);
}

/* ------------------------------------------------------------ a schedule as a word */

static const char kinds[] = {[LT_GO] = '>', [LT_DRAIN] = '!', [LT_PASS] = '+'};

void lt_schedule_print(int fd, const struct lt_step *schedule, size_t count) {
    for (size_t i = 0; i < count; i++)
        dprintf(fd, "%s%u.%u%c%u", i ? "," : "", schedule[i].thread, schedule[i].point, kinds[schedule[i].kind],
                schedule[i].target);
}

ptrdiff_t lt_schedule_parse(const char *text, struct lt_step *schedule, size_t room) {
    size_t count = 0;
    while (*text) {
        unsigned thread, point, target;
        char kind;
        int length = 0;
        if (count == room || sscanf(text, "%u.%u%c%u%n", &thread, &point, &kind, &target, &length) != 4)
            return -1;
        const char *found = memchr(kinds, kind, sizeof kinds);
        if (!found)
            return -1;
        schedule[count++] = (struct lt_step){thread, point, (uint16_t)(found - kinds), (uint16_t)target};
        text += length;
        text += *text == ',';
    }
    return (ptrdiff_t)count;
}
