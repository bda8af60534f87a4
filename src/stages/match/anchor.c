/* SPDX-License-Identifier: MIT */
/*
 * The tree is unrolled into a few alternatives, each a sequence of pieces: "so
 * many bytes, all of this set". A piece is what any node can be summed up as;
 * groups with alternatives are unrolled while there are few of them, repeated
 * groups once, the rest of a repetition is summed up.
 *
 * A run is a stretch of bytes at fixed distances: the last bytes of one piece,
 * pieces of fixed length, the first bytes of another. Each alternative gives the
 * run that is least likely to occur by chance; how likely a byte is comes from a
 * rough table, which affects the speed only.
 *
 * All alternatives share one window, the widest: a window too wide costs time
 * and nothing else.
 *
 * The claim of `first_decides`: the pattern is C{n,} followed by a rest, and
 * whether the rest matches at e depends on e alone (no assertion before C, no
 * reference, no atomic group, which would tie the rest to what C took). If a
 * match begins at s, its C reaches from s to e; all bytes from an earlier begin
 * of the stretch up to e are in C too, so that C can reach e from there.
 */
#include "stages/match/anchor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PIECES = 32, COPIES = 8, FOREVER = UINT32_MAX };

struct piece {
    struct lt_set set;
    uint32_t least, most; /* bytes */
    bool exact;           /* any sequence of characters of the set will do, but for assertions */
};

struct sequence {
    struct piece pieces[MOST_PIECES];
    uint32_t count;
    bool guarded; /* an assertion stands before the first piece */
};

struct unrolled {
    struct sequence sequences[LT_MOST_TRIGGERS];
    uint32_t count;
};

struct run {
    struct lt_set sets[LT_MOST_REACH + 1];
    uint32_t count;
    struct lt_set before;
    uint32_t least, most;
    bool first_decides;
    struct lt_trigger trigger;
    double chance;
};

static uint32_t add(uint32_t one, uint32_t other) {
    return one > FOREVER - other ? FOREVER : one + other;
}

static uint32_t times(uint32_t one, uint32_t other) {
    if (one == 0 || other == 0)
        return 0;
    return one > FOREVER / other ? FOREVER : one * other;
}

static uint32_t minus(uint32_t one, uint32_t other) {
    return one == FOREVER ? FOREVER : one - other;
}

/** Any node as one piece. */
static struct piece sum(const struct lt_node *node) {
    struct piece piece = {0};
    switch (node->kind) {
    case LT_NODE_ASSERTION:
        break;
    case LT_NODE_ANY:
        piece = (struct piece){.set = lt_set_all(), .most = FOREVER};
        break;
    case LT_NODE_CHARACTER:
        piece = (struct piece){.set = node->set, .least = 1, .most = node->set.wide ? 4 : 1, .exact = node->exact};
        break;
    case LT_NODE_REPEAT:
        piece = sum(node->first);
        piece.exact &= node->first->kind == LT_NODE_CHARACTER;
        piece.least = times(piece.least, node->least);
        piece.most = times(piece.most, node->most);
        break;
    case LT_NODE_SEQUENCE:
        for (const struct lt_node *child = node->first; child; child = child->next) {
            struct piece part = sum(child);
            lt_set_join(&piece.set, &part.set);
            piece.least = add(piece.least, part.least);
            piece.most = add(piece.most, part.most);
        }
        break;
    case LT_NODE_CHOICE:
        piece.least = FOREVER;
        for (const struct lt_node *child = node->first; child; child = child->next) {
            struct piece part = sum(child);
            lt_set_join(&piece.set, &part.set);
            piece.least = part.least < piece.least ? part.least : piece.least;
            piece.most = part.most > piece.most ? part.most : piece.most;
        }
        break;
    }
    return piece;
}

static void append_piece(struct unrolled *all, const struct piece *piece) {
    if (piece->most == 0)
        return;
    for (uint32_t i = 0; i < all->count; i++) {
        struct sequence *sequence = &all->sequences[i];
        if (sequence->count < MOST_PIECES) {
            sequence->pieces[sequence->count++] = *piece;
            continue;
        }
        struct piece *last = &sequence->pieces[MOST_PIECES - 1];
        lt_set_join(&last->set, &piece->set);
        last->least = add(last->least, piece->least);
        last->most = add(last->most, piece->most);
        last->exact = false;
    }
}

static int unroll(struct unrolled *all, const struct lt_node *node);

/** Every alternative behind every sequence there is; or, if that is too many, all of them as one piece. */
static int unroll_choice(struct unrolled *all, const struct lt_node *node) {
    struct unrolled *result = calloc(1, sizeof *result);
    struct unrolled *branch = malloc(sizeof *branch);
    int code = result && branch ? 0 : -ENOMEM;
    bool fits = true;
    for (const struct lt_node *child = node->first; child && fits && code == 0; child = child->next) {
        *branch = *all;
        code = unroll(branch, child);
        fits = result->count + branch->count <= LT_MOST_TRIGGERS;
        if (!fits || code)
            break;
        memcpy(result->sequences + result->count, branch->sequences, branch->count * sizeof *branch->sequences);
        result->count += branch->count;
    }
    if (code == 0 && fits) {
        *all = *result;
    } else if (code == 0) {
        struct piece piece = sum(node);
        append_piece(all, &piece);
    }
    free(result);
    free(branch);
    return code;
}

static int unroll_repeat(struct unrolled *all, const struct lt_node *node) {
    const struct lt_node *child = node->first;
    struct piece rest = sum(node);
    if (child->kind != LT_NODE_CHARACTER && node->least > 0) {
        int code = unroll(all, child);
        if (code)
            return code;
        rest = sum(child);
        rest.least = times(rest.least, node->least - 1);
        rest.most = times(rest.most, minus(node->most, 1));
        rest.exact = false;
    }
    append_piece(all, &rest);
    return 0;
}

static int unroll(struct unrolled *all, const struct lt_node *node) {
    struct piece piece;
    switch (node->kind) {
    case LT_NODE_ASSERTION:
        for (uint32_t i = 0; i < all->count; i++)
            all->sequences[i].guarded |= all->sequences[i].count == 0;
        return 0;
    case LT_NODE_CHARACTER:
    case LT_NODE_ANY:
        piece = sum(node);
        append_piece(all, &piece);
        return 0;
    case LT_NODE_REPEAT:
        return unroll_repeat(all, node);
    case LT_NODE_CHOICE:
        return unroll_choice(all, node);
    case LT_NODE_SEQUENCE:
        for (const struct lt_node *child = node->first; child; child = child->next) {
            int code = unroll(all, child);
            if (code)
                return code;
        }
        return 0;
    }
    return 0;
}

/** How many of 1000 bytes of usual text are this one, roughly. */
static double usual(unsigned char byte) {
    static const char frequent[] = "etaoinsrhldcumfpgwybvkxjqz";
    const char *place = byte ? strchr(frequent, byte) : NULL;
    if (place)
        return 80.0 / (1.0 + 0.35 * (double)(place - frequent));
    if (byte >= '0' && byte <= '9')
        return 10;
    if (byte == ' ')
        return 140;
    if (byte == '.' || byte == ',' || byte == '\n' || byte == '-' || byte == '/' || byte == '"')
        return 10;
    if (byte == '\t' || byte == '_' || byte == ':' || byte == '=' || (byte >= 'A' && byte <= 'Z'))
        return 4;
    return byte > ' ' && byte < 127 ? 2 : 0.5;
}

static double chance_of(const struct lt_set *set) {
    double sum_of_all = set->wide ? 40 : 0;
    for (unsigned byte = 0; byte < 128; byte++)
        if (lt_set_has(set, (unsigned char)byte))
            sum_of_all += usual((unsigned char)byte);
    return sum_of_all < 1000 ? sum_of_all / 1000 : 1;
}

/** The chance of the set at a position given the conditions chosen so far: neighbours are alike. */
static double further_chance(const struct run *run, uint32_t position) {
    double chance = chance_of(&run->sets[position]);
    for (uint32_t i = 0; i < run->trigger.count; i++) {
        const struct lt_condition *taken = &run->trigger.conditions[i];
        if (taken->offset == position)
            return 1;
        uint32_t distance = taken->offset > position ? taken->offset - position : position - taken->offset;
        double alike = distance < 3 ? 0.6 : 0.4;
        if (lt_set_equal(&taken->set, &run->sets[position]) && chance < alike)
            chance = alike;
    }
    return chance;
}

static void choose_conditions(struct run *run) {
    static const double worthwhile = 0.85, quick = 1.0 / 400;
    struct lt_trigger *trigger = &run->trigger;
    run->chance = 1;
    while (trigger->count < LT_MOST_CONDITIONS) {
        uint32_t best = 0;
        double chance = 2;
        for (uint32_t position = 0; position < run->count; position++) {
            double here = further_chance(run, position);
            if (here < chance) {
                chance = here;
                best = position;
            }
        }
        if (chance > worthwhile && trigger->count > 0)
            return;
        trigger->conditions[trigger->count++] = (struct lt_condition){run->sets[best], best};
        if (run->chance > quick)
            trigger->quick = trigger->count;
        run->chance *= chance;
    }
}

/** What an attempt at each occurrence costs, relative to the others. */
static double cost(const struct run *run) {
    static const double negligible = 1e-4;
    double chance = run->chance > negligible ? run->chance : negligible;
    if (run->most == 0)
        return chance;
    if (run->first_decides)
        return chance * 1.2;
    return chance * (run->most <= 8 ? 1.5 : 4);
}

/** The run that begins `copies` bytes before the end of piece `index`, or, with `head`, at its first byte. */
static struct run run_at(const struct sequence *sequence, uint32_t index, bool head) {
    const struct piece *piece = &sequence->pieces[index];
    struct run run = {0};
    for (uint32_t i = 0; i < index; i++) {
        lt_set_join(&run.before, &sequence->pieces[i].set);
        run.least = add(run.least, sequence->pieces[i].least);
        run.most = add(run.most, sequence->pieces[i].most);
    }
    uint32_t copies = piece->least < COPIES ? piece->least : COPIES;
    bool open = !head || piece->most == copies; /* whether the next piece follows at a fixed distance */
    if (!head && piece->most > copies) {
        lt_set_join(&run.before, &piece->set);
        run.least = add(run.least, piece->least - copies);
        run.most = add(run.most, minus(piece->most, copies));
        run.first_decides = index == 0 && piece->most == FOREVER && piece->exact && !sequence->guarded;
    }
    while (copies-- > 0)
        run.sets[run.count++] = piece->set;
    for (uint32_t next = index + 1; open && next < sequence->count; next++) {
        const struct piece *follower = &sequence->pieces[next];
        uint32_t added = 0;
        for (; added < follower->least && run.count <= LT_MOST_REACH; added++)
            run.sets[run.count++] = follower->set;
        open = added == follower->least && follower->least == follower->most;
    }
    return run;
}

static void best_run(const struct sequence *sequence, struct run *best) {
    for (uint32_t index = 0; index < sequence->count; index++) {
        if (sequence->pieces[index].least == 0)
            continue;
        for (int head = 0; head < 2; head++) {
            struct run run = run_at(sequence, index, head);
            choose_conditions(&run);
            if (best->chance > 1 || cost(&run) < cost(best))
                *best = run;
        }
    }
}

int lt_anchor_find(const struct lt_syntax *syntax, struct lt_anchor *anchor) {
    static const double too_common = 1.0 / 16;
    *anchor = (struct lt_anchor){.least = FOREVER};
    if (!syntax->root)
        return 0;
    struct unrolled *all = calloc(1, sizeof *all);
    if (!all)
        return -ENOMEM;
    all->count = 1;
    int code = unroll(all, syntax->root);
    double chance = code ? 1 : 0;
    for (uint32_t i = 0; i < all->count && chance < too_common; i++) {
        struct run run = {.chance = 2};
        best_run(&all->sequences[i], &run);
        chance += run.chance;
        if (chance >= too_common)
            break;
        anchor->triggers[anchor->count++] = run.trigger;
        anchor->least = run.least < anchor->least ? run.least : anchor->least;
        anchor->most = run.most > anchor->most ? run.most : anchor->most;
        lt_set_join(&anchor->before, &run.before);
        anchor->first_decides = run.first_decides && all->count == 1 && !syntax->refers && !syntax->atomic;
    }
    if (chance >= too_common)
        anchor->count = 0;
    free(all);
    return code;
}
