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
#include <time.h>
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
    NUMBER_KEYS = 8,    /* of the tree of free pages */
    ANY_NAME = 0x4000,  /* kept there: the file was not opened as a folder */
    MAX_DEPTH = 32,
    SMALLEST_PAGE = 512,
    LARGEST_PAGE = 0x8000,
    LEAF_LIMIT = 65536,
    HEAD_TRIES = 3,
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
    unsigned char *claimed; /* a bit for each page that something leads to */
    bool cut;               /* the file is shorter than its head says */
};

struct descent {
    const struct tree *tree;
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
    uint16_t flags = meta->trees[0].flags & ~ANY_NAME;
    if (meta->trees[0].pad != page_size)
        return bad_head(path, error, "its two heads contradict each other");
    if (!(head->page.flags & PAGE_META) || flags != NUMBER_KEYS || meta->last_page < 1 ||
        meta->last_page >= ((uint64_t)1 << 47) / page_size || meta->map_size > (uint64_t)1 << 47)
        return bad_head(path, error, "its head makes no sense");
    return 0;
}

/* Both heads, checked; -ENODATA with no message: the file is empty. */
static int read_heads_once(int fd, const char *path, struct head heads[2], struct leat_error *error) {
    struct stat status;
    if (fstat(fd, &status) < 0)
        return leat_fail(error, -errno, "queue:%s: cannot look at the file: %s", path, strerrordesc_np(errno));
    if (status.st_size == 0)
        return -ENODATA;
    int result = read_at(fd, &heads[0], sizeof heads[0], 0);
    if (result < 0 && result != -ENODATA)
        return leat_fail(error, result, "queue:%s: %s", path, strerrordesc_np(-result));
    if (result == -ENODATA || heads[0].meta.magic != (uint32_t)MAGIC)
        return leat_fail(error, -EMEDIUMTYPE, "queue:%s: this is not a queue file", path);
    if (heads[0].meta.version != FORMAT)
        return leat_fail(error, -EMEDIUMTYPE,
                         "queue:%s: the file has data format %u of LMDB; this program reads format %d", path,
                         heads[0].meta.version, FORMAT);
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

/* Another process may be in the middle of writing them; that takes it no time. */
static int read_heads(int fd, const char *path, struct head heads[2], struct leat_error *error) {
    int result = read_heads_once(fd, path, heads, error);
    for (int i = 0; i < HEAD_TRIES && (result == -EBADMSG || result == -EMEDIUMTYPE); i++) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        result = read_heads_once(fd, path, heads, error);
    }
    return result;
}

int lt_queue_check_head(int fd, const char *path, struct leat_error *error) {
    struct head heads[2];
    int result = read_heads(fd, path, heads, error);
    return result == -ENODATA ? 0 : result;
}

/* Each page has one owner. That also ends the walk of a tree that leads back into itself. */
static bool claim(const struct walk *walk, uint64_t first, uint64_t count) {
    if (first < 2 || first > walk->last_page || count > walk->last_page + 1 - first)
        return false;
    for (uint64_t page = first; page < first + count; page++) {
        if (walk->claimed[page / 8] >> page % 8 & 1)
            return false;
        walk->claimed[page / 8] |= (unsigned char)(1 << page % 8);
    }
    return true;
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
    if (!page || page->flags != PAGE_OVERFLOW)
        return NULL;
    uint64_t needed = (sizeof *page + size + walk->page_size - 1) / walk->page_size;
    /* A value that was overwritten by a smaller one keeps its pages. */
    if (page->pages < needed || (number + page->pages) * walk->page_size > walk->map_size ||
        !claim(walk, number, page->pages))
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
        if (number >= before || !claim(walk, number, 1))
            return false;
        before = number;
    }
    return true;
}

static int walk_tree(const struct walk *walk, const struct tree *tree, bool free_list, bool names);

static int check_leaf_node(const struct walk *walk, struct descent *descent, const struct page *page,
                           const struct node *node) {
    uint64_t size = node->low | (uint64_t)node->high << 16;
    const unsigned char *data = node->key + node->key_size;
    if (node->flags & ~(descent->names ? NODE_TREE : NODE_ELSEWHERE))
        return damaged(walk, "has an entry of an impossible kind", page->number);
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
    if (size != sizeof below)
        return damaged(walk, "has a queue of impossible size", page->number);
    memcpy(&below, data, sizeof below);
    return walk_tree(walk, &below, false, false);
}

static const struct node *node_at(const struct page *page, uint16_t offset) {
    return (const void *)((const char *)page + offset);
}

static uint64_t child_of(const struct node *node) {
    return node->low | (uint64_t)node->high << 16 | (uint64_t)node->flags << 32;
}

static size_t size_of(const struct node *node, bool leaf) {
    size_t size = sizeof *node + node->key_size;
    if (leaf)
        size += node->flags & NODE_ELSEWHERE ? sizeof(uint64_t) : (size_t)node->low | (size_t)node->high << 16;
    return size + size % 2;
}

/* The entries fill the upper part of the page, without a gap and without touching each other. */
static bool entries_fit(const struct walk *walk, const struct page *page, const uint16_t *offsets, size_t count,
                        bool leaf) {
    unsigned char used[LARGEST_PAGE / 2];
    size_t total = 0;
    memset(used, 0, walk->page_size / 2);
    for (size_t i = 0; i < count; i++) {
        if (offsets[i] < page->upper || offsets[i] % 2 || offsets[i] + sizeof(struct node) > walk->page_size)
            return false;
        size_t size = size_of(node_at(page, offsets[i]), leaf);
        if (size > walk->page_size - offsets[i] || memchr(used + offsets[i] / 2, 1, size / 2))
            return false;
        memset(used + offsets[i] / 2, 1, size / 2);
        total += size;
    }
    return total == walk->page_size - page->upper;
}

static bool rises(const struct node *before, const struct node *node, bool numbers) {
    if (numbers) {
        uint64_t a, b;
        memcpy(&a, before->key, sizeof a);
        memcpy(&b, node->key, sizeof b);
        return before->key_size == sizeof a && node->key_size == sizeof b && a < b;
    }
    size_t shorter = node->key_size < before->key_size ? node->key_size : before->key_size;
    int order = memcmp(before->key, node->key, shorter);
    return order < 0 || (order == 0 && before->key_size < node->key_size);
}

static int walk_page(const struct walk *walk, struct descent *descent, uint64_t number, unsigned level) {
    bool leaf = level == descent->tree->depth;
    if (!claim(walk, number, 1))
        return damaged(walk, "does not exist or is used twice", number);
    if (leaf && !descent->with_leaves)
        return 0;
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
    if (!entries_fit(walk, page, offsets, count, leaf))
        return damaged(walk, "has entries that do not fit", number);
    for (size_t i = 0; i < count; i++) {
        const struct node *node = node_at(page, offsets[i]);
        /* The first key of a branch page means nothing. */
        if (i > (leaf ? 0 : 1) && !rises(node_at(page, offsets[i - 1]), node, descent->free_list))
            return damaged(walk, "is out of order", number);
        int result =
            leaf ? check_leaf_node(walk, descent, page, node) : walk_page(walk, descent, child_of(node), level + 1);
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
    walk.claimed = calloc(1, walk.last_page / 8 + 1);
    if (!walk.claimed)
        result = leat_fail(error, -ENOMEM, "queue:%s: memory is short to check the file", path);
    if (result == 0)
        result = walk_tree(&walk, &meta->trees[0], true, false);
    if (result == 0)
        result = walk_tree(&walk, &meta->trees[1], false, true);
    free(walk.claimed);
    munmap(map, walk.map_size);
    return result;
}
