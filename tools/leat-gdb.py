# SPDX-License-Identifier: MIT
"""gdb commands for programs that use leat, live or as a core file:

    (gdb) source leat-gdb.py
    (gdb) leat tasks          every task: number, name, where it was spawned, what it does
    (gdb) leat bt ID          the backtrace of one task

A task that waits has its registers on its own stack, where lt_context_switch()
left them. They are shown to gdb by an unwinder that, while `leat bt` runs,
makes them the caller of the selected thread's innermost frame: this works
without writing to registers, which a core file would refuse.
"""
import gdb
from gdb.unwinder import Unwinder, register_unwinder

# Where the switch keeps a register, from the saved stack pointer on; `size` is what it takes off on return.
LAYOUTS = {
    "i386:x86-64": {
        "registers": {"r15": 0, "r14": 8, "r13": 16, "r12": 24, "rbx": 32, "rbp": 40, "rip": 48},
        "pc": "rip", "sp": "rsp", "size": 56,
    },
    "aarch64": {
        "registers": {**{f"x{19 + i}": 8 * i for i in range(12)}, "pc": 88},
        "pc": "pc", "sp": "sp", "size": 160,
    },
}


def static_of_file(function, name):
    """A static variable of the file in which `function` is defined."""
    symbol = gdb.lookup_global_symbol(function)
    if symbol is None:
        raise gdb.GdbError(f"no symbol {function}: is this program built with leat, and with debug information?")
    found = symbol.symtab.static_block()
    for variable in found:
        if variable.name == name:
            return variable.value()
    raise gdb.GdbError(f"no variable {name} next to {function}")


def all_tasks():
    """The records of all tasks in use, by number."""
    slab = static_of_file("lt_task_each", "pool")["slabs"]
    tasks = []
    while slab:
        records = slab.dereference()["tasks"]
        low, high = records.type.range()
        for index in range(low, high + 1):
            if int(records[index]["kind"]) == kind("LT_TASK"):
                tasks.append(records[index])
        slab = slab.dereference()["next"]
    return sorted(tasks, key=lambda task: int(task["id"]))


def kind(name):
    return int(gdb.parse_and_eval(name))


def text(pointer):
    return pointer.string(errors="replace") if pointer else "?"


def waits_for(task):
    """In words, from the names of enum lt_wait."""
    value = int(task["wait"])
    for field in gdb.lookup_type("enum lt_wait").fields():
        if field.enumval == value:
            what = field.name.replace("LT_WAIT_", "").lower()
            break
    else:
        what = str(value)
    if what == "nothing":
        return "is ready" if int(task["context"]) else "has not begun"
    subject = ""
    if task["wait_name"]:
        subject = f' "{text(task["wait_name"])}"'
    elif task["wait_object"]:
        subject = f' {int(task["wait_object"]):#x}'
    return f"waits: {what}{subject}"


def worker_of(task):
    """The worker that runs this task now, or None."""
    runtime = gdb.parse_and_eval("lt_runtime")
    if not runtime:
        return None
    for index in range(int(runtime["worker_count"])):
        worker = runtime["workers"][index]
        current = worker["current"]
        if current and int(current["id"]) == int(task["id"]) and int(task["on_cpu"]):
            return worker
    return None


def describe(task):
    worker = worker_of(task)
    doing = f"runs on worker {int(worker['index'])}" if worker is not None else waits_for(task)
    return f'task {int(task["id"])} "{text(task["name"])}", spawned at {text(task["file"])}:{int(task["line"])}, {doing}'


class FrameId:
    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class SavedContext(Unwinder):
    """While `context` is set: the caller of the innermost frame is what was saved there."""

    def __init__(self):
        super().__init__("leat task")
        self.context = None

    def __call__(self, frame):
        if self.context is None or frame.level() != 0:
            return None
        layout = LAYOUTS.get(frame.architecture().name())
        if layout is None:
            return None
        word = gdb.lookup_type("unsigned long")
        # As if the innermost frame stood on the task's stack: gdb distrusts a caller below its callee.
        sp = gdb.Value(self.context).cast(word)
        info = frame.create_unwind_info(FrameId(sp, frame.read_register(layout["pc"])))
        for register, offset in layout["registers"].items():
            address = gdb.Value(self.context + offset).cast(word.pointer())
            info.add_saved_register(register, address.dereference())
        info.add_saved_register(layout["sp"], gdb.Value(self.context + layout["size"]).cast(word))
        return info


saved_context = SavedContext()
register_unwinder(None, saved_context, replace=True)


def print_frames(frame):
    number = 0
    while frame is not None and frame.is_valid():
        name = frame.name() or "??"
        place = ""
        line = frame.find_sal()
        if line.symtab is not None:
            place = f" at {line.symtab.filename}:{line.line}"
        gdb.write(f"#{number:<2} {frame.pc():#018x} in {name} (){place}\n")
        number += 1
        try:
            frame = frame.older()
        except gdb.error as error:
            gdb.write(f"{error}\n")
            return


def backtrace_of_parked(task):
    saved_context.context = int(task["context"])
    gdb.invalidate_cached_frames()
    try:
        print_frames(gdb.newest_frame().older())
    finally:
        saved_context.context = None
        gdb.invalidate_cached_frames()


def backtrace_of_running(worker):
    wanted = int(worker["thread"]["real"]).to_bytes(8, "little")
    before = gdb.selected_thread()
    for thread in gdb.selected_inferior().threads():
        try:
            if thread.handle() != wanted:
                continue
        except gdb.error:
            continue  # no thread library, as for some core files
        thread.switch()
        print_frames(gdb.newest_frame())
        before.switch()
        return
    gdb.write("it runs, on a thread that gdb cannot tell; try: thread apply all bt\n")


class Leat(gdb.Command):
    """Tasks of a program that uses leat."""

    def __init__(self):
        super().__init__("leat", gdb.COMMAND_STACK, prefix=True)


class LeatTasks(gdb.Command):
    """List every task: number, name, where it was spawned, what it does."""

    def __init__(self):
        super().__init__("leat tasks", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        for task in all_tasks():
            gdb.write(describe(task) + "\n")


class LeatBacktrace(gdb.Command):
    """leat bt ID: the backtrace of one task."""

    def __init__(self):
        super().__init__("leat bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        try:
            number = int(argument)
        except ValueError:
            raise gdb.GdbError("leat bt ID, with a number that `leat tasks` shows")
        for task in all_tasks():
            if int(task["id"]) != number:
                continue
            gdb.write(describe(task) + "\n")
            worker = worker_of(task)
            if worker is not None:
                backtrace_of_running(worker)
            elif int(task["context"]):
                backtrace_of_parked(task)
            else:
                gdb.write(f"it has not begun; it will call {task['function']}\n")
            return
        raise gdb.GdbError(f"there is no task {number}")


Leat()
LeatTasks()
LeatBacktrace()
