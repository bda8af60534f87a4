/* SPDX-License-Identifier: MIT */
#include "ends/amqp/tags.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_ROOM = 1024 };
enum state { OPEN, FINISHED, TOLD };

static uint8_t *state_of(struct lt_amqp_tags *tags, uint64_t tag) {
    return &tags->states[tag & (tags->room - 1)];
}

void lt_amqp_tags_init(struct lt_amqp_tags *tags) {
    *tags = (struct lt_amqp_tags){.first = 1, .next = 1};
}

void lt_amqp_tags_free(struct lt_amqp_tags *tags) {
    free(tags->states);
    tags->states = NULL;
}

void lt_amqp_tags_reset(struct lt_amqp_tags *tags) {
    tags->first = tags->next = 1;
    tags->held = tags->open = 0;
}

static bool grow(struct lt_amqp_tags *tags) {
    struct lt_amqp_tags larger = *tags;
    larger.room = tags->room ? tags->room * 2 : FIRST_ROOM;
    larger.states = malloc(larger.room);
    if (!larger.states)
        return false;
    for (uint64_t tag = tags->first; tag < tags->next; tag++)
        *state_of(&larger, tag) = *state_of(tags, tag);
    free(tags->states);
    *tags = larger;
    return true;
}

int lt_amqp_tags_add(struct lt_amqp_tags *tags, uint64_t tag) {
    if (tag != tags->next)
        return -EPROTO;
    if (tags->next - tags->first == tags->room && !grow(tags))
        return -ENOMEM;
    *state_of(tags, tag) = OPEN;
    tags->next++;
    tags->open++;
    return 0;
}

static bool is_open(struct lt_amqp_tags *tags, uint64_t tag) {
    return tag >= tags->first && tag < tags->next && *state_of(tags, tag) == OPEN;
}

void lt_amqp_tags_finish(struct lt_amqp_tags *tags, uint64_t tag) {
    if (!is_open(tags, tag))
        return;
    *state_of(tags, tag) = FINISHED;
    tags->held++;
}

void lt_amqp_tags_forget(struct lt_amqp_tags *tags, uint64_t tag) {
    if (!is_open(tags, tag))
        return;
    *state_of(tags, tag) = TOLD;
    tags->open--;
}

static void tell(struct lt_amqp_tags *tags) {
    tags->held--;
    tags->open--;
}

uint64_t lt_amqp_tags_prefix(struct lt_amqp_tags *tags) {
    uint64_t last = 0;
    for (; tags->first < tags->next && *state_of(tags, tags->first) != OPEN; tags->first++) {
        if (*state_of(tags, tags->first) != FINISHED)
            continue;
        last = tags->first;
        tell(tags);
    }
    return last;
}

uint64_t lt_amqp_tags_single(struct lt_amqp_tags *tags, uint64_t *from) {
    uint64_t tag = *from > tags->first ? *from : tags->first;
    while (tag < tags->next && *state_of(tags, tag) != FINISHED)
        tag++;
    *from = tag + 1;
    if (tag >= tags->next)
        return 0;
    *state_of(tags, tag) = TOLD;
    tell(tags);
    return tag;
}
