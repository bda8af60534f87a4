/* SPDX-License-Identifier: MIT */
/**
 * What was sent to whom: a file of JSON lines that is only ever appended to, so
 * that no mail is sent twice when a process is killed and started again.
 *
 * Two lines for each mail, each on the disk before anything else happens:
 *
 *     {"message":"<…>","sending":TIME,"to":"…","keys":["…", …]}      before the mail is handed over
 *     {"message":"<…>","sent":TIME}                                  once the server has accepted it
 *
 * After a crash between the two nobody knows whether the server accepted it. Its
 * items are sent again under the same Message-ID, and in a mail of their own, so
 * that a receiver who knows that Message-ID can drop it and loses nothing. (What
 * was in the first of two such mails and is not in the second one is new again.)
 *
 * One run uses a journal at a time. A last line that is torn was never acted
 * upon: it is as if it had not been written. Only hashes are kept in memory.
 */
#ifndef LEAT_ENDS_MAIL_JOURNAL_H
#define LEAT_ENDS_MAIL_JOURNAL_H

#include "base/text.h"

struct lt_journal {
    const char *path; /* NULL: there is none, and nothing was ever sent */
    int fd;
    struct lt_journal_entry *entries; /* open hashing; a power of two of them */
    size_t room, count;
    struct lt_journal_message *messages; /* handed over; what became of them is not known (without an id: it is) */
    size_t message_count;
};

struct lt_journal_state {
    uint64_t sent; /**< seconds since 1970; 0: never */
    const char
        *message; /**< the Message-ID under which it may have been sent; NULL: none. Lives as long as the journal */
};

/** May block. `path` NULL: none. After a failure, too, close. */
int lt_journal_open(struct lt_journal *journal, const char *path, struct leat_error *error);
void lt_journal_close(struct lt_journal *journal);

/** What is known of an item, by its key, for this recipient. */
struct lt_journal_state lt_journal_look(const struct lt_journal *journal, const char *to, struct leat_bytes key);

/** May block; returns when it is on the disk. `keys` as JSON, with commas between them. */
int lt_journal_sending(struct lt_journal *journal, const char *message, const char *to, const struct lt_text *keys,
                       struct leat_error *error);
int lt_journal_sent(struct lt_journal *journal, const char *message, struct leat_error *error);

#endif
