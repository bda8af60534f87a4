/* SPDX-License-Identifier: MIT */
#include "base/os.h"

#include <errno.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#if defined(LEAT_VALGRIND)
#include <valgrind/valgrind.h>
#endif

/* Linux 6.13; glibc 2.36 does not know the name. */
enum { GUARD_INSTALL = 102 };

/* Of file systems that the kernel's headers do not know. */
enum { ZFS_MAGIC = 0x2fc12fc1, BCACHEFS_MAGIC = (int)0xca451a4e };

void *lt_reserve(size_t size) {
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (memory == MAP_FAILED)
        return NULL;
    /* A huge page would make a whole slab of stacks resident at the first touch. */
    madvise(memory, size, MADV_NOHUGEPAGE);
    return memory;
}

void lt_unreserve(void *memory, size_t size) {
    munmap(memory, size);
}

/* It complains of system calls that it does not know. */
static bool on_valgrind(void) {
#if defined(LEAT_VALGRIND)
    return RUNNING_ON_VALGRIND;
#else
    return false;
#endif
}

/* Markers for many pieces in one system call, which halves their price. False: the kernel does not know how. */
static bool guard_at_once(char *memory, size_t size, size_t stride, unsigned count) {
    struct iovec pieces[LT_GUARDS];
    if (count > LT_GUARDS || on_valgrind())
        return false;
    for (unsigned i = 0; i < count; i++)
        pieces[i] = (struct iovec){memory + i * stride, size};
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (self < 0)
        return false;
    ssize_t done = syscall(SYS_process_madvise, self, pieces, (size_t)count, GUARD_INSTALL, 0);
    close(self);
    return done == (ssize_t)(size * count);
}

int lt_guard(char *memory, size_t size, size_t stride, unsigned count) {
    if (guard_at_once(memory, size, stride, count))
        return 0;
    for (unsigned i = 0; i < count; i++) {
        char *piece = memory + i * stride;
        if (madvise(piece, size, GUARD_INSTALL) < 0 && mprotect(piece, size, PROT_NONE) < 0)
            return -errno;
    }
    return 0;
}

ptrdiff_t lt_write_now(int fd, const void *data, size_t size) {
    struct iovec piece = {(void *)data, size};
    for (;;) {
        ssize_t count = pwritev2(fd, &piece, 1, -1, RWF_NOWAIT);
        if (count >= 0)
            return count;
        if (errno == ENOSYS || errno == EINVAL)
            return -EOPNOTSUPP;
        if (errno != EINTR)
            return -errno;
    }
}

void lt_report(int fd, const char *text, size_t size) {
    while (size > 0) {
        ssize_t written = write(fd, text, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        text += written;
        size -= (size_t)written;
    }
}

int lt_open_cached(int parent, const char *path, int flags, bool within) {
    if (on_valgrind())
        return -ENOSYS;
    struct open_how how = {.flags = (uint64_t)(unsigned)flags,
                           .resolve = RESOLVE_CACHED | (within ? RESOLVE_NO_XDEV : 0)};
    long fd = syscall(SYS_openat2, parent, path, &how, sizeof how);
    return fd < 0 ? -errno : (int)fd;
}

bool lt_is_local(int fd) {
    static const uint32_t local[] = {EXT4_SUPER_MAGIC,     XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC,     F2FS_SUPER_MAGIC,
                                     TMPFS_MAGIC,          RAMFS_MAGIC,     OVERLAYFS_SUPER_MAGIC, SQUASHFS_MAGIC,
                                     EROFS_SUPER_MAGIC_V1, ZFS_MAGIC,       BCACHEFS_MAGIC};
    struct statfs status;
    if (fstatfs(fd, &status) < 0)
        return false;
    for (size_t i = 0; i < sizeof local / sizeof *local; i++)
        if ((uint32_t)status.f_type == local[i])
            return true;
    return false;
}
