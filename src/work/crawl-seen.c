/* SPDX-License-Identifier: MIT */
/**
 * The keys that a crawl has seen: a tree in which the bits of a key's hash, two
 * at a time, choose the way. Keys are only added, so a compare-and-swap on an
 * empty place is all the synchronisation there is. The bytes themselves are
 * compared: a hash that two keys share costs a step, never a branch.
 *
 * Rejected: a hash table, which has to grow, while all workers wait for it.
 */
#include "base/hash.h"
#include "work/crawl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct lt_key {
    struct lt_key *_Atomic below[4];
    struct lt_key *next; /* of those the same worker added */
    uint64_t hash;
    size_t size;
    char bytes[];
};

static struct lt_key *key_new(struct leat_bytes bytes, uint64_t hash) {
    struct lt_key *key = malloc(sizeof *key + bytes.size);
    if (!key)
        return NULL;
    *key = (struct lt_key){.hash = hash, .size = bytes.size};
    if (bytes.size)
        memcpy(key->bytes, bytes.data, bytes.size);
    return key;
}

/* As lt_hash(), but nobody outside can know which keys share a hash in this run. */
static uint64_t hash_of(struct leat_bytes bytes, uint64_t seed) {
    const unsigned char *data = (const unsigned char *)bytes.data;
    for (size_t i = 0; i < bytes.size; i++)
        seed = (seed ^ data[i]) * 0x100000001b3u;
    return lt_hash_mix(seed);
}

static bool same(const struct lt_key *key, struct leat_bytes bytes, uint64_t hash) {
    return key->hash == hash && key->size == bytes.size && memcmp(key->bytes, bytes.data, bytes.size) == 0;
}

bool lt_seen_first(struct lt_crawl_worker *worker, struct lt_branch *branch, int *error) {
    struct lt_crawl *crawl = worker->crawl;
    struct leat_bytes bytes = {branch->what.data, branch->what.size};
    if (crawl->options.key)
        bytes = crawl->options.key(crawl->options.arg, &branch->what);
    uint64_t hash = hash_of(bytes, crawl->seed), way = hash;
    struct lt_key *_Atomic *place = &crawl->seen;
    struct lt_key *mine = NULL;
    for (;; way <<= 2) {
        struct lt_key *there = lt_load(place, acquire);
        if (!there) {
            if (!mine && !(mine = key_new(bytes, hash))) {
                *error = -ENOMEM;
                return false;
            }
            if (lt_cas(place, &there, mine, acq_rel)) {
                mine->next = worker->keys;
                worker->keys = mine;
                return true;
            }
        }
        if (same(there, bytes, hash)) {
            free(mine);
            return false;
        }
        place = &there->below[way >> 62];
    }
}

void lt_seen_free(struct lt_crawl *crawl) {
    for (unsigned i = 0; i < crawl->options.workers; i++)
        for (struct lt_key *key = crawl->workers[i].keys, *next; key; key = next) {
            next = key->next;
            free(key);
        }
}
