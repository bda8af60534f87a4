/* SPDX-License-Identifier: MIT */
/*
 * Open hashing in parts with a lock each, so that workers seldom meet. The hash
 * is seeded at random: the keys come from a server that may mean no good.
 */
#include "ends/ldap/seen.h"
#include "base/arena.h"
#include "base/hash.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { PARTS = 16, LEAST = 256 };

struct key {
    uint64_t hash;
    size_t size;
    char bytes[];
};

struct part {
    _Alignas(64) pthread_mutex_t mutex;
    struct lt_arena memory;
    struct key **slots; /* a power of two of them, at most half of them used */
    size_t room, count;
};

struct lt_ldap_seen {
    uint64_t seed;
    struct part parts[PARTS];
};

struct lt_ldap_seen *lt_ldap_seen_new(void) {
    struct lt_ldap_seen *seen = aligned_alloc(_Alignof(struct lt_ldap_seen), sizeof *seen);
    if (!seen)
        return NULL;
    memset(seen, 0, sizeof *seen);
    if (getrandom(&seen->seed, sizeof seen->seed, GRND_NONBLOCK) < 0)
        seen->seed = (uint64_t)(uintptr_t)seen;
    for (size_t i = 0; i < PARTS; i++)
        pthread_mutex_init(&seen->parts[i].mutex, NULL);
    return seen;
}

void lt_ldap_seen_free(struct lt_ldap_seen *seen) {
    for (size_t i = 0; seen && i < PARTS; i++) {
        lt_arena_free(&seen->parts[i].memory);
        free(seen->parts[i].slots);
        pthread_mutex_destroy(&seen->parts[i].mutex);
    }
    free(seen);
}

static uint64_t hash_of(uint64_t seed, struct leat_bytes key) {
    uint64_t hash = seed + key.size;
    for (size_t i = 0; i < key.size; i += sizeof hash) {
        uint64_t word = 0;
        memcpy(&word, key.data + i, key.size - i < sizeof word ? key.size - i : sizeof word);
        hash = lt_hash_mix(hash ^ word);
    }
    return hash;
}

/* The slot of the key, or the free one where it belongs. */
static struct key **find(const struct part *part, uint64_t hash, struct leat_bytes key) {
    for (size_t i = hash / PARTS;; i++) {
        struct key **slot = &part->slots[i & (part->room - 1)];
        const struct key *there = *slot;
        if (!there || (there->hash == hash && there->size == key.size && memcmp(there->bytes, key.data, key.size) == 0))
            return slot;
    }
}

static bool grow(struct part *part) {
    size_t room = part->room ? part->room * 2 : LEAST;
    struct key **slots = calloc(room, sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < part->room; i++) {
        struct key *key = part->slots[i];
        size_t at = key ? key->hash / PARTS & (room - 1) : 0;
        while (key && slots[at])
            at = (at + 1) & (room - 1);
        if (key)
            slots[at] = key;
    }
    free(part->slots);
    part->slots = slots;
    part->room = room;
    return true;
}

static int add(struct part *part, uint64_t hash, struct leat_bytes key) {
    if (part->count >= part->room / 2 && !grow(part))
        return -ENOMEM;
    struct key **slot = find(part, hash, key);
    if (*slot)
        return 0;
    struct key *fresh = lt_arena_alloc(&part->memory, sizeof *fresh + key.size);
    if (!fresh)
        return -ENOMEM;
    fresh->hash = hash;
    fresh->size = key.size;
    memcpy(fresh->bytes, key.data, key.size);
    *slot = fresh;
    part->count++;
    return 1;
}

int lt_ldap_seen_add(struct lt_ldap_seen *seen, struct leat_bytes key) {
    uint64_t hash = hash_of(seen->seed, key);
    struct part *part = &seen->parts[hash % PARTS];
    pthread_mutex_lock(&part->mutex);
    int code = add(part, hash, key);
    pthread_mutex_unlock(&part->mutex);
    return code;
}
