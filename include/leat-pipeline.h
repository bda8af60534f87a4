/* SPDX-License-Identifier: MIT */
/**
 * leat's pipelines: items, batches, and how to write a source, a stage or a sink.
 *
 * An item's way: a source puts it into a batch; the engine hands the batch to a
 * worker, which runs the stages over it in place; the sink writes what is live
 * and confirms the batch when it is safe; the source is told the fate of every
 * item (it acknowledges, puts aside or takes back); the batch is used again.
 *
 * Memory: whatever an item points to belongs to its batch and lives until the
 * batch has been finished. Only the task that holds a batch touches it.
 */
#ifndef LEAT_PIPELINE_H
#define LEAT_PIPELINE_H

#include "leat.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---------------------------------------------------------------- errors */

/** What went wrong, in one sentence that names the thing and the place; no final newline. */
struct leat_error {
    int code; /**< a negative errno value */
    char text[512];
};

/** Any thread. Fill `error` (may be NULL) and return `code`. */
LEAT_API int leat_fail(struct leat_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ----------------------------------------------------------------- items */

enum leat_fate {
    LEAT_LIVE,      /**< on its way */
    LEAT_DELIVERED, /**< in the sink, safely */
    LEAT_FILTERED,  /**< a stage did not want it */
    LEAT_FAILED,    /**< set aside, with stage, code and reason */
    LEAT_RETURNED,  /**< not processed; its source keeps it */
};

/** What a stage found or made: a name and a JSON value. */
struct leat_value {
    struct leat_bytes name; /**< plain text, not escaped */
    struct leat_bytes json; /**< JSON text, valid */
};

/** What came around a body and is no part of it: an end that knows its form may send it on. */
struct leat_envelope {
    const char *form; /**< says how to read the bytes; compared by address */
    struct leat_bytes bytes;
};

struct leat_item {
    struct leat_bytes body; /**< as it came, without its delimiter */
    struct leat_bytes text; /**< what a stage reads when no field is named; as it came: the body */
    const char *kind;       /**< what the body is called when it is not a JSON object: "line", "path" … */
    uint64_t id;            /**< the same for the same input in every run */
    uint64_t position;      /**< line number from 1, sequence number, …: for people */
    uint64_t token;         /**< the source's own */
    uint64_t whole; /**< bytes of an item of which the body is only the beginning, and which has failed; else 0 */
    const struct leat_envelope *envelope; /**< NULL: none; lives as long as the batch */
    struct leat_value *values;            /**< additions, in order; a name once */
    uint32_t value_count;
    uint32_t value_room;
    uint64_t names[2];          /**< the engine's: names that the body's members may have */
    struct leat_bytes outgoing; /**< the engine's: what it leaves as, once that has been made */
    struct leat_bytes origin;   /**< the engine's: the body as it came, once it has been replaced */
    bool lines;                 /**< the body is what a command wrote: any number of lines, none if it is empty */
    bool before;                /**< the engine's: it was done in an earlier run */
    uint8_t shape;              /**< the engine's: what is known of the body's JSON */
    uint8_t fate;               /**< enum leat_fate */
    int code;                   /**< of a failed item: a negative errno value */
    const char *stage;          /**< of a failed item: where */
    struct leat_bytes reason;   /**< of a failed item: one sentence */
};

/** What a worker does with its time; the verdict on the bottleneck comes from it. */
enum leat_state {
    LEAT_BUSY,
    LEAT_WAITS_INPUT,
    LEAT_WAITS_OUTPUT,
    LEAT_WAITS_OUTSIDE, /**< a child, a server, a disk */
    LEAT_THROTTLED,     /**< a limit that the user set */
    LEAT_STATES,
};

struct leat_batch {
    struct leat_item *items;
    size_t count;
    size_t item_limit; /**< a source stops adding here … */
    size_t byte_limit; /**< … or when the bodies exceed this */
    size_t bytes;      /**< of all bodies */
    uint64_t sequence; /**< order of reading, from 0, without gaps */
    void *source_data; /**< the source's own */
    void *engine;      /**< the engine's */
};

/** A new item at the end (body, text and kind are the caller's to set by leat_item_set), or NULL when the batch is
 * full. */
LEAT_API struct leat_item *leat_batch_add(struct leat_batch *batch);

/** Give an item its bytes, which must live as long as the batch (see leat_batch_alloc, leat_batch_hold). */
LEAT_API void leat_item_set(struct leat_batch *batch, struct leat_item *item, struct leat_bytes body, const char *kind);

/**
 * Give an item other bytes than it came with: a stage made something else of it. Its text, kind and fields are theirs
 * from now on, values that were added go; what it came as is kept for those who record failures.
 */
LEAT_API void leat_item_replace(struct leat_item *item, struct leat_bytes body, const char *kind);

/** Memory that lives as long as the batch; aligned for anything; NULL when memory is short. */
LEAT_API void *leat_batch_alloc(struct leat_batch *batch, size_t size);

/** Call `release(arg)` when the batch's memory goes: for blocks that its items point into. 0 or -ENOMEM (then it was
 * called). */
LEAT_API int leat_batch_hold(struct leat_batch *batch, void (*release)(void *arg), void *arg);

/** Account the time from now on to `state`; returns the state before. Stages call it around waits. */
LEAT_API enum leat_state leat_batch_state(struct leat_batch *batch, enum leat_state state);

/** Set an item aside. The text is kept; the engine writes it to the error file with the item and the stage's name. */
LEAT_API void leat_item_fail(struct leat_batch *batch, struct leat_item *item, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/** Filter an item out. */
LEAT_API void leat_item_drop(struct leat_item *item);

/**
 * The JSON text of a field. `path` is ".name", ".a.b", ".a[0]" or "name"; an
 * addition with that name hides the body's member. 0; -ENOENT when there is no
 * such field (body not an object: also -ENOENT when it can be told from the
 * first byte); -EBADMSG when the body is broken JSON. `error` says which.
 */
LEAT_API int leat_item_field(struct leat_batch *batch, struct leat_item *item, const char *path,
                             struct leat_bytes *json, struct leat_error *error);

/** The decoded text of a field that is a string: -EINVAL when it is something else. `path` NULL: item->text. */
LEAT_API int leat_item_text(struct leat_batch *batch, struct leat_item *item, const char *path, struct leat_bytes *text,
                            struct leat_error *error);

/** Add a value, or replace the one of that name (also a member of the body). The bytes must live as long as the batch.
 */
LEAT_API int leat_item_add(struct leat_batch *batch, struct leat_item *item, struct leat_bytes name,
                           struct leat_bytes json);

/** The same for text, which is made a JSON string; bytes that are not UTF-8 become U+FFFD. */
LEAT_API int leat_item_add_text(struct leat_batch *batch, struct leat_item *item, struct leat_bytes name,
                                struct leat_bytes text);

/**
 * The bytes of an item as it leaves: the body when nothing was added; its
 * object with the additions at the end (or in the place of a member of the same
 * name), everything else byte for byte; or, when the body is no object,
 * {"<kind>": body, additions}. `*out` points to the body or to batch memory.
 * 0, -ENOMEM, or -EBADMSG for a body that begins as an object but is broken.
 */
LEAT_API int leat_item_render(struct leat_batch *batch, struct leat_item *item, struct leat_bytes *out,
                              struct leat_error *error);

/* --------------------------------------------------------------- options */

enum leat_option_type {
    LEAT_OPTION_FLAG,     /**< bool */
    LEAT_OPTION_STRING,   /**< const char * */
    LEAT_OPTION_COUNT,    /**< uint64_t; suffixes k, M, G by 1000; "1e6" */
    LEAT_OPTION_SIZE,     /**< uint64_t bytes; suffixes k/K, M, G by 1024 */
    LEAT_OPTION_DURATION, /**< leat_time; suffixes ns us ms s m h; plain: seconds */
    LEAT_OPTION_RATE,     /**< double a second; "100", "100/s", "6k/m", "10/h" */
    LEAT_OPTION_WORKERS,  /**< uint64_t; "8", "50%" of the processors, "auto": LEAT_WORKERS_AUTO */
    LEAT_OPTION_LIST,     /**< struct leat_list; may be given again and again */
};

/** The run finds out how many workers are best. */
#define LEAT_WORKERS_AUTO UINT32_MAX

struct leat_list {
    const char **items;
    size_t count;
};

/** One row of an option table. From it come the parser, --help, the man pages, completion, the YAML form and its
 * checks. */
struct leat_option {
    const char *name; /**< long name without dashes; NULL ends the table */
    char letter;      /**< short name or 0 */
    enum leat_option_type type;
    size_t offset;        /**< of the member in the settings */
    const char *argument; /**< how help names the argument: "FILE", "N"; NULL for a flag */
    const char *initial;  /**< default, as one would write it; NULL: zero */
    const char *help;     /**< one sentence */
};

/** One segment of a pipeline as its author wrote it, options parsed. Lives as long as the run. */
struct leat_segment {
    const char *spelling;     /**< "queue:in.q#mail", "match": for messages */
    const char *target;       /**< of an end: what follows the scheme; of a stage: NULL */
    const char *const *words; /**< what is not an option, after the first word; NULL-terminated */
    size_t word_count;
    const void *settings; /**< the struct that the option table describes */
    const char *name;     /**< of a stage: -n NAME or its type's name (with a number when there are several) */
    unsigned workers;     /**< of a stage: its own -j; of a source: that of the run; 0: none */
    bool forever;         /**< of a source: wait for more at the end; of a sink: the source does */
    size_t most_held;     /**< of a sink that gathers: bytes of bodies that it may keep unconfirmed after a write */
    bool dry_run;         /**< of a stage: make the item what would be done with it, and do nothing */
    bool quiet;           /**< of an end: nothing but errors on standard error */
    bool until_empty;     /**< of a sink: its `emptied` will be called */
};

/* -------------------------------------------------------------- counters */

/** Something that a source or a sink counts besides items: "reconnects", "unconfirmed". */
struct leat_counter {
    const char *name; /**< one word; lives as long as the program */
    uint64_t value;
    bool level;            /**< what there is now, which may fall; otherwise a count from the start, which only rises */
    const char *hindrance; /**< of a count of milliseconds in which the end's server let nothing through: why, for the
                              verdict: "it blocks publishers"; NULL: another count */
};

/** What leat_segment.most_held is without a limit of the run's. */
#define LEAT_HELD_BYTES ((size_t)64 << 20)

/** Counters of one end, at most. */
#define LEAT_COUNTERS 16

/* ------------------------------------------- sources, stages, sinks */
/* All functions run in tasks and may block in leat's ways only: other blocking
 * calls go through leat_block(). They return 0 or a negative errno value with
 * `error` filled; such an error ends the run (what is in flight is finished or
 * returned); for a single item's error use leat_item_fail. */

struct leat_source_type {
    const char *scheme;  /**< "queue": matches "queue:…"; "" matches paths and "-" */
    const char *syntax;  /**< "queue:FILE[#NAME]" */
    const char *summary; /**< one sentence */
    const char *server; /**< who else does the work, for the verdict: "the broker"; NULL: nobody of interest. While read
                           waits for it, the state is LEAT_WAITS_OUTSIDE; while it has nothing, LEAT_WAITS_INPUT */
    const struct leat_option *options;
    size_t settings_size;
    bool forgets;   /**< what is done is gone from it, so that equal items are new ones: nothing to --resume */
    bool last_read; /**< also read after a stop between two reads, until it returns -ECANCELED (see read) */
    /** Is the segment right, as far as can be told without opening anything? 0 or a negative errno value. NULL: cannot
     * tell. */
    int (*check)(const struct leat_segment *segment, struct leat_error *error);
    int (*open)(void **source, const struct leat_segment *segment, struct leat_error *error);
    /** Fill the batch. 0: it has items. -ENODATA: the end (no items). Should hand over what it has rather than wait for
     * more. -ECANCELED after a stop: items in the batch count all the same, such as failed ones that say what is
     * missing.
     */
    int (*read)(void *source, struct leat_batch *batch, struct leat_error *error);
    /**
     * All items of these batches have their fate (none is LIVE). Called from
     * one task, while read may run in another; NULL: nothing to do.
     */
    int (*finish)(void *source, struct leat_batch **batches, size_t count, struct leat_error *error);
    /** What is known of the total: items, or 0. For progress; any thread. NULL: unknown. */
    uint64_t (*total)(void *source);
    /** Its counters, always the same ones in the same order; returns how many. Any thread; must not block. NULL: none.
     */
    size_t (*counters)(void *source, struct leat_counter counters[LEAT_COUNTERS]);
    void (*close)(void *source);
};

struct leat_stage_type {
    const char *name;
    const char *syntax; /**< "match [-f FIELD] NAME=REGEX…" */
    const char *summary;
    const struct leat_option *options;
    size_t settings_size;
    bool command; /**< its words are a command: behind the first one nothing is an option of the stage; what the
                     children of this process take of the processors counts as its own */
    bool single;  /**< an item takes it long: batches of one, so that each goes its way when it is done */
    bool acts;    /**< it changes the world outside: a dry run goes as far as here */
    int (*open)(void **stage, const struct leat_segment *segment, struct leat_error *error);
    /**
     * What each worker needs for itself; NULL: nothing. Workers are started when they are of use: the first one before
     * the run, others in the middle of it, several at once. One that cannot be opened ends the run; what was read is
     * finished by the others. All are closed after the run.
     */
    int (*open_worker)(void *stage, void **worker, struct leat_error *error);
    /** Go through the LIVE items of the batch. Several workers call it at once with batches of their own. */
    int (*process)(void *stage, void *worker, struct leat_batch *batch, struct leat_error *error);
    void (*close_worker)(void *stage, void *worker);
    void (*close)(void *stage);
};

struct leat_sink_type {
    const char *scheme;
    const char *syntax;
    const char *summary;
    const struct leat_option *options;
    size_t settings_size;
    const char *server; /**< as of a source: whose confirmation a batch waits for */
    bool renders;       /**< write() takes all bytes from leat_item_render(): the workers make them, in parallel */
    /**
     * Not 0: the sink gathers. After a write() it may keep up to so many batches unconfirmed for as long as it likes,
     * with bodies of less than the segment's `most_held` together: there are as many more of them. It cannot be a dead
     * end.
     */
    size_t holds;
    int (*check)(const struct leat_segment *segment, struct leat_error *error); /**< as of a source */
    int (*open)(void **sink, const struct leat_segment *segment, struct leat_error *error);
    /**
     * Write the LIVE items of these batches, in order; each becomes DELIVERED
     * or FAILED. leat_batch_confirm() each batch as soon as all of it is as
     * safe as the sink promises: here, or later from any task or thread.
     * An error means that the batches not yet confirmed are not delivered.
     */
    int (*write)(void *sink, struct leat_batch **batches, size_t count, struct leat_error *error);
    /** No more will come: everything is confirmed before this returns 0. */
    int (*flush)(void *sink, struct leat_error *error);
    /** Called after flush, if at all: wait until others have taken away what is there. NULL: it cannot tell. */
    int (*emptied)(void *sink, struct leat_error *error);
    /** As of a source. */
    size_t (*counters)(void *sink, struct leat_counter counters[LEAT_COUNTERS]);
    void (*close)(void *sink);
};

/** Any thread. See leat_sink_type.write. */
LEAT_API void leat_batch_confirm(struct leat_batch *batch);

/**
 * Any thread. The sink cannot go on and will never confirm this batch, which it holds: the run ends as if write() had
 * returned this error, also when nothing more comes to be written. The sink's next calls return the error, too.
 */
LEAT_API void leat_batch_abandon(struct leat_batch *batch, const struct leat_error *error);

#ifdef __cplusplus
}
#endif

#endif
