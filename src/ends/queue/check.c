/* SPDX-License-Identifier: MIT */
/**
 * LMDB trusts its file: page numbers, sizes and offsets are followed into the
 * memory map as they stand, so that a file cut short by a full disk or an
 * interrupted copy ends the process with SIGBUS, and a flipped bit with SIGSEGV
 * or an assertion. leat gives LMDB only files whose structure it has walked.
 *
 * What is checked: the heads; every branch page; every leaf page as long as
 * there are at most LEAF_LIMIT of them or the file is shorter than its head
 * says (LMDB leaves pages at the end unwritten when a transaction took and freed
 * them, so that alone is no damage). A leaf of a larger file is read unchecked:
 * opening a queue of 100 GB must not read 100 GB. Bodies have no checksum: a
 * flipped bit inside one is not noticed.
 *
 * Rejected: comparing the file's size with the last page only (refuses good
 * files, see above); catching SIGBUS and jumping out of LMDB (its locks would
 * stay held); the check in a child process (a fork for each open, and it proves
 * nothing about the pages that are read later).
 *
 * The layout is that of LMDB 0.9 on 64-bit little-endian machines, data format 1.
 */
#include "ends/queue/check.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(sizeof(size_t) == 8 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the layout below is that of 64 bits");

enum {
    MAGIC = 0xBEEFC0DE,
    FORMAT = 1,
    PAGE_BRANCH = 1,
    PAGE_LEAF = 2,
    PAGE_OVERFLOW = 4,
    PAGE_META = 8,
    NODE_ELSEWHERE = 1, /* the value lies on pages of its own */
    NODE_TREE = 2,      /* the value is the head of a named database */
    MAX_DEPTH = 32,
    SMALLEST_PAGE = 512,
    LARGEST_PAGE = 0x8000,
    LEAF_LIMIT = 65536,
};

struct page {
    uint64_t number;
    uint16_t pad, flags;
    union {
        struct {
            uint16_t lower, upper;
        };
        uint32_t pages; /* of an overflow page */
    };
};

struct tree {
    uint32_t pad; /* of the first tree of a head: the page size */
    uint16_t flags, depth;
    uint64_t branches, leaves, overflows, entries, root;
};

struct meta {
    uint32_t magic, version;
    uint64_t address, map_size;
    struct tree trees[2]; /* free pages; names */
    uint64_t last_page, transaction;
};

struct node {
    uint16_t low, high, flags, key_size;
    unsigned char key[];
};

struct walk {
    const char *path;
    struct leat_error *error;
    const unsigned char *map;
    size_t map_size;
    uint64_t page_size, last_page;
    bool cut; /* the file is shorter than its head says */
};

struct descent {
    const struct tree *tree;
    uint64_t branches, leaves; /* seen so far: a tree that leads to the same page twice must not be walked for ever */
    bool with_leaves, free_list, names;
};

static int damaged(const struct walk *walk, const char *what, uint64_t page) {
    return leat_fail(walk->error, -EBADMSG, "queue:%s: the file is damaged%s: page %llu %s", walk->path,
                     walk->cut ? " (cut short)" : "", (unsigned long long)page, what);
}

static int bad_head(const char *path, struct leat_error *error, const char *what) {
    return leat_fail(error, -EBADMSG, "queue:%s: the file is damaged: %s", path, what);
}

static int read_at(int fd, void *to, size_t size, uint64_t offset) {
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(fd, (char *)to + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return -ENODATA;
        done += (size_t)got;
    }
    return 0;
}

struct head {
    struct page page;
    struct meta meta;
};

static int check_one_head(const struct head *head, uint64_t page_size, const char *path, struct leat_error *error) {
    const struct meta *meta = &head->meta;
    if (meta->trees[0].pad != page_size)
        return bad_head(path, error, "its two heads contradict each other");
    if (!(head->page.flags & PAGE_META) || meta->last_page < 1 || meta->last_page >= ((uint64_t)1 << 47) / page_size ||
        meta->map_size > (uint64_t)1 << 47)
        return bad_head(path, error, "its head makes no sense");
    return 0;
}

/* Both heads, checked; -ENODATA with no message: the file is empty. */
static int read_heads(int fd, const char *path, struct head heads[2], struct leat_error *error) {
    struct stat status;
    if (fstat(fd, &status) < 0)
        return leat_fail(error, -errno, "queue:%s: %s", path, strerrordesc_np(errno));
    if (status.st_size == 0)
        return -ENODATA;
    int result = read_at(fd, &heads[0], sizeof heads[0], 0);
    if (result < 0 && result != -ENODATA)
        return leat_fail(error, result, "queue:%s: %s", path, strerrordesc_np(-result));
    if (result == -ENODATA || heads[0].meta.magic != (uint32_t)MAGIC)
        return leat_fail(error, -EINVAL, "queue:%s: this is not a queue file", path);
    if (heads[0].meta.version != FORMAT)
        return leat_fail(error, -EINVAL, "queue:%s: the file has data format %u of LMDB; this program reads format %d",
                         path, heads[0].meta.version, FORMAT);
    uint64_t page_size = heads[0].meta.trees[0].pad;
    if (page_size < SMALLEST_PAGE || page_size > LARGEST_PAGE || (page_size & (page_size - 1)))
        return bad_head(path, error, "its head names an impossible page size");
    if ((uint64_t)status.st_size < 2 * page_size || read_at(fd, &heads[1], sizeof heads[1], page_size) < 0)
        return bad_head(path, error, "it ends within its heads");
    if (heads[1].meta.magic != (uint32_t)MAGIC || heads[1].meta.version != FORMAT)
        return bad_head(path, error, "its second head is not one");
    result = check_one_head(&heads[0], page_size, path, error);
    return result < 0 ? result : check_one_head(&heads[1], page_size, path, error);
}

int lt_queue_check_head(int fd, const char *path, struct leat_error *error) {
    struct head heads[2];
    int result = read_heads(fd, path, heads, error);
    return result == -ENODATA ? 0 : result;
}

/* The page of that number if it lies within the file and says that it is that page. */
static const struct page *page_at(const struct walk *walk, uint64_t number) {
    if (number < 2 || number > walk->last_page || (number + 1) * walk->page_size > walk->map_size)
        return NULL;
    const struct page *page = (const void *)(walk->map + number * walk->page_size);
    return page->number == number ? page : NULL;
}

/* The bytes of a value that lies on pages of its own. NULL: it does not. */
static const unsigned char *overflow_at(const struct walk *walk, uint64_t number, uint64_t size) {
    const struct page *page = page_at(walk, number);
    if (!page || !(page->flags & PAGE_OVERFLOW))
        return NULL;
    uint64_t needed = (sizeof *page + size + walk->page_size - 1) / walk->page_size;
    if (page->pages != needed || number + needed - 1 > walk->last_page ||
        (number + needed) * walk->page_size > walk->map_size)
        return NULL;
    return (const unsigned char *)page + sizeof *page;
}

/* A list of free pages: their number, then themselves, falling. */
static bool free_list_ok(const struct walk *walk, const unsigned char *data, uint64_t size) {
    uint64_t count, before = walk->last_page + 1;
    if (size < sizeof count)
        return false;
    memcpy(&count, data, sizeof count);
    if (count > size / sizeof count - 1)
        return false;
    for (uint64_t i = 1; i <= count; i++) {
        uint64_t number;
        memcpy(&number, data + i * sizeof number, sizeof number);
        if (number < 2 || number >= before)
            return false;
        before = number;
    }
    return true;
}

static int walk_tree(const struct walk *walk, const struct tree *tree, bool free_list, bool names);

static int check_leaf_node(const struct walk *walk, struct descent *descent, const struct page *page,
                           const struct node *node, size_t room) {
    uint64_t size = node->low | (uint64_t)node->high << 16;
    const unsigned char *data = node->key + node->key_size;
    uint64_t held = node->flags & NODE_ELSEWHERE ? sizeof(uint64_t) : size;
    if (sizeof *node + node->key_size + held > room)
        return damaged(walk, "has an entry that reaches beyond it", page->number);
    if (node->flags & NODE_ELSEWHERE) {
        uint64_t number;
        memcpy(&number, data, sizeof number);
        data = overflow_at(walk, number, size);
        if (!data)
            return damaged(walk, "leads to a value that is not where it should be", page->number);
    }
    if (descent->free_list)
        return node->key_size == sizeof(uint64_t) && free_list_ok(walk, data, size)
                   ? 0
                   : damaged(walk, "has a broken list of free pages", page->number);
    if (!(node->flags & NODE_TREE))
        return 0;
    struct tree below;
    if (!descent->names || size != sizeof below)
        return damaged(walk, "has a queue where none can be", page->number);
    memcpy(&below, data, sizeof below);
    return walk_tree(walk, &below, false, false);
}

static int walk_page(const struct walk *walk, struct descent *descent, uint64_t number, unsigned level) {
    bool leaf = level == descent->tree->depth;
    if (leaf ? ++descent->leaves > descent->tree->leaves : ++descent->branches > descent->tree->branches)
        return damaged(walk, "is one more than its tree has", number);
    if (leaf && !descent->with_leaves)
        return number >= 2 && number <= walk->last_page ? 0 : damaged(walk, "does not exist", number);
    const struct page *page = page_at(walk, number);
    if (!page)
        return damaged(walk, "is missing", number);
    if (page->flags != (leaf ? PAGE_LEAF : PAGE_BRANCH))
        return damaged(walk, "is of the wrong kind", number);
    const uint16_t *offsets = (const void *)(page + 1);
    size_t count = ((size_t)page->lower - sizeof *page) / sizeof *offsets;
    if (page->lower < sizeof *page || page->lower > page->upper || page->upper > walk->page_size ||
        count < (leaf ? 1 : 2))
        return damaged(walk, "has an impossible size", number);
    const struct node *before = NULL;
    for (size_t i = 0; i < count; i++) {
        if (offsets[i] < page->upper || offsets[i] % 2 || offsets[i] + sizeof(struct node) > walk->page_size)
            return damaged(walk, "has an entry outside of it", number);
        const struct node *node = (const void *)((const char *)page + offsets[i]);
        size_t room = walk->page_size - offsets[i];
        if (sizeof *node + node->key_size > room)
            return damaged(walk, "has a key that reaches beyond it", number);
        if (leaf && before && !descent->free_list) {
            size_t shorter = node->key_size < before->key_size ? node->key_size : before->key_size;
            int order = memcmp(before->key, node->key, shorter);
            if (order > 0 || (order == 0 && before->key_size >= node->key_size))
                return damaged(walk, "is out of order", number);
        }
        before = node;
        uint64_t child = node->low | (uint64_t)node->high << 16 | (uint64_t)node->flags << 32;
        int result =
            leaf ? check_leaf_node(walk, descent, page, node, room) : walk_page(walk, descent, child, level + 1);
        if (result < 0)
            return result;
    }
    return 0;
}

static int walk_tree(const struct walk *walk, const struct tree *tree, bool free_list, bool names) {
    if (tree->root == UINT64_MAX)
        return tree->entries == 0 && tree->depth == 0
                   ? 0
                   : damaged(walk, "is the root of a tree that is not empty", UINT64_MAX);
    if (tree->depth < 1 || tree->depth > MAX_DEPTH || (!free_list && tree->flags))
        return damaged(walk, "is the root of an impossible tree", tree->root);
    struct descent descent = {.tree = tree, .free_list = free_list, .names = names};
    descent.with_leaves = free_list || names || walk->cut || tree->leaves <= LEAF_LIMIT;
    return walk_page(walk, &descent, tree->root, 1);
}

int lt_queue_check_tree(int fd, const char *path, uint64_t transaction, struct leat_error *error) {
    struct head heads[2];
    int result = read_heads(fd, path, heads, error);
    if (result < 0)
        return result == -ENODATA ? 0 : result;
    const struct meta *meta = &heads[transaction & 1].meta;
    if (meta->transaction != transaction)
        return -EAGAIN;
    struct stat status;
    if (fstat(fd, &status) < 0)
        return leat_fail(error, -errno, "queue:%s: %s", path, strerrordesc_np(errno));
    struct walk walk = {.path = path,
                        .error = error,
                        .map_size = (size_t)status.st_size,
                        .page_size = meta->trees[0].pad,
                        .last_page = meta->last_page};
    walk.cut = (meta->last_page + 1) * walk.page_size > walk.map_size;
    void *map = mmap(NULL, walk.map_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return leat_fail(error, -errno, "queue:%s: cannot map the file: %s", path, strerrordesc_np(errno));
    walk.map = map;
    result = walk_tree(&walk, &meta->trees[0], true, false);
    if (result == 0)
        result = walk_tree(&walk, &meta->trees[1], false, true);
    munmap(map, walk.map_size);
    return result;
}
