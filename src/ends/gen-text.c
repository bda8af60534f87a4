/* SPDX-License-Identifier: MIT */
#include "ends/gen.h"
#include "base/hash.h"

#include <stdio.h>
#include <string.h>

/* Bytes of one piece of text, at most, and of what surrounds the content. */
enum { LONGEST = 96, HEADER = 48 };

struct random {
    uint64_t state;
};

static uint64_t draw_bits(struct random *random) {
    random->state += 0x9e3779b97f4a7c15u;
    return lt_hash_mix(random->state);
}

static uint32_t draw(struct random *random, uint32_t below) {
    return (uint32_t)((draw_bits(random) >> 32) * below >> 32);
}

/* Words are padded, so that one can be copied without looking at its length. */
enum { WORD = 12 };

static const char words[][WORD] = {
    "the",
    "printer",
    "on",
    "floor",
    "please",
    "open",
    "ticket",
    "again",
    "since",
    "yesterday",
    "server",
    "returns",
    "error",
    "after",
    "update",
    "and",
    "nobody",
    "can",
    "log",
    "in",
    "with",
    "their",
    "account",
    "invoice",
    "number",
    "was",
    "sent",
    "twice",
    "we",
    "need",
    "a",
    "new",
    "key",
    "for",
    "our",
    "office",
    "thanks",
    "in",
    "advance",
    "the",
    "meeting",
    "has",
    "moved",
    "to",
    "room",
    "caf\xc3\xa9",
    "M\xc3\xbcller",
    "na\xc3\xafve",
    "\xe2\x82\xac",
    "\xe6\x9d\xb1\xe4\xba\xac",
    "\xf0\x9f\x9a\x80",
    "said:",
    "\\\"ok\\\"",
    "C:\\\\temp",
    "line\\nbreak",
    "tab\\there",
    "caf\\u00e9",
    "attached",
    "see",
    "below",
};
static const char *const names[] = {"anna", "li.wei", "j.smith", "omar", "k_novak", "support+de", "sales", "maria"};
static const char *const hosts[] = {"example.org", "mail.example.com", "corp.example", "dept.example.net"};
static const char *const paths[] = {"tickets", "wiki/Install", "a/b?id", "search?q=x&page", "docs/v2"};
static const char *const tags[] = {"urgent", "billing", "vpn", "Release_2", "outage", "hr", "todo"};

#define PICK(random, list) (list)[draw(random, sizeof(list) / sizeof(list)[0])]

/* What the patterns of the main job look for; `kind` is less than FINDS. */
enum { FINDS = 35, PIECES = 620 };

static size_t put_find(struct random *random, uint32_t kind, char *room) {
    /* A message of the usual size has some 140 pieces, so that 7 of 620 are 1.6 in a message. */
    int length;
    if (kind < 7)
        length = snprintf(room, LONGEST, "%s%u@%s", PICK(random, names), draw(random, 100), PICK(random, hosts));
    else if (kind < 14)
        length = snprintf(room, LONGEST, "http%s://%s/%s=%u", draw(random, 2) ? "s" : "", PICK(random, hosts),
                          PICK(random, paths), draw(random, 100000));
    else if (kind < 19)
        length = snprintf(room, LONGEST, "+%u-%03u-%03u-%04u", 1 + draw(random, 99), draw(random, 1000),
                          draw(random, 1000), draw(random, 10000));
    else if (kind < 26)
        length =
            snprintf(room, LONGEST, "20%02u-%02u-%02u", draw(random, 40), 1 + draw(random, 12), 1 + draw(random, 28));
    else
        length = snprintf(room, LONGEST, "#%s", PICK(random, tags));
    return (size_t)length;
}

/* One piece of text, at most LONGEST bytes, into `room`. */
static size_t put_piece(struct random *random, char *room) {
    uint64_t bits = draw_bits(random);
    uint32_t kind = (uint32_t)((bits >> 32) * PIECES >> 32);
    if (kind < FINDS)
        return put_find(random, kind, room);
    const char *word = words[(uint32_t)bits * (uint64_t)(sizeof words / sizeof words[0]) >> 32];
    memcpy(room, word, WORD);
    return strnlen(word, WORD);
}

/* Exactly `size` bytes of JSON string content; `room` has LONGEST bytes more. */
static void put_text(struct random *random, char *room, size_t size) {
    size_t used = 0, length;
    while (used < size && (length = put_piece(random, room + used)) < size - used) {
        used += length;
        room[used++] = ' ';
    }
    memset(room + used, 'x', size - used);
}

bool lt_gen_message(struct leat_batch *batch, uint64_t seed, uint64_t number, uint64_t size, struct leat_bytes *body) {
    char *room = size < SIZE_MAX - HEADER - LONGEST ? leat_batch_alloc(batch, size + HEADER + LONGEST) : NULL;
    if (!room)
        return false;
    struct random random = {lt_hash_mix(seed) ^ number << 20};
    size_t used = (size_t)snprintf(room, HEADER, "{\"n\":%llu,\"content\":\"", (unsigned long long)number);
    put_text(&random, room + used, size);
    used += size;
    memcpy(room + used, "\"}", 2);
    *body = (struct leat_bytes){room, used + 2};
    return true;
}

uint64_t lt_gen_id(uint64_t seed, uint64_t number) {
    return lt_hash_mix(seed + lt_hash_mix(number));
}
