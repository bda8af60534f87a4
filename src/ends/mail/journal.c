/* SPDX-License-Identifier: MIT */
#include "ends/mail/journal.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/json-walk.h"
#include "base/number.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LEAST = 256 };

struct lt_journal_entry {
    uint64_t hash; /* of recipient and key; 0: free */
    uint64_t sent;
    uint32_t message; /* 1 more than its index in `messages`; 0: none */
};

struct lt_journal_message {
    char *id;
    uint64_t *keys; /* hashes */
    size_t count, room;
};

static uint64_t hash_of(const char *to, struct leat_bytes key) {
    uint64_t hash = lt_hash_mix(lt_hash(to, strlen(to)) + 1) ^ lt_hash(key.data, key.size);
    return hash ? lt_hash_mix(hash) : 1;
}

/* ------------------------------------------------------------------ memory */

static struct lt_journal_entry *find(const struct lt_journal *journal, uint64_t hash) {
    size_t i = hash & (journal->room - 1);
    while (journal->entries[i].hash && journal->entries[i].hash != hash)
        i = (i + 1) & (journal->room - 1);
    return &journal->entries[i];
}

static bool grow(struct lt_journal *journal) {
    struct lt_journal larger = {.room = journal->room ? journal->room * 2 : LEAST};
    larger.entries = calloc(larger.room, sizeof *larger.entries);
    if (!larger.entries)
        return false;
    for (size_t i = 0; i < journal->room; i++)
        if (journal->entries[i].hash)
            *find(&larger, journal->entries[i].hash) = journal->entries[i];
    free(journal->entries);
    journal->entries = larger.entries;
    journal->room = larger.room;
    return true;
}

static bool note_key(struct lt_journal *journal, uint64_t hash, uint32_t number) {
    struct lt_journal_message *message = &journal->messages[number - 1];
    if (journal->count >= journal->room / 2 && !grow(journal))
        return false;
    if (message->count == message->room) {
        size_t room = message->room * 2 + 8;
        uint64_t *keys = realloc(message->keys, room * sizeof *keys);
        if (!keys)
            return false;
        message->keys = keys;
        message->room = room;
    }
    message->keys[message->count++] = hash;
    struct lt_journal_entry *entry = find(journal, hash);
    journal->count += !entry->hash;
    entry->hash = hash;
    entry->message = number;
    return true;
}

/* Its items come next; the number that they are to have. */
static uint32_t note_message(struct lt_journal *journal, struct leat_bytes id) {
    struct lt_journal_message *messages = realloc(journal->messages, (journal->message_count + 1) * sizeof *messages);
    if (!messages)
        return 0;
    journal->messages = messages;
    messages[journal->message_count] = (struct lt_journal_message){.id = strndup(id.data, id.size)};
    return messages[journal->message_count].id ? (uint32_t)++journal->message_count : 0;
}

static void forget_message(struct lt_journal *journal, size_t index) {
    free(journal->messages[index].id);
    free(journal->messages[index].keys);
    journal->messages[index] = (struct lt_journal_message){0};
    while (journal->message_count && !journal->messages[journal->message_count - 1].id)
        journal->message_count--;
}

/* The last attempt is the one that was accepted; what was only in earlier ones may or may not have been. */
static void note_sent(struct lt_journal *journal, struct leat_bytes id, uint64_t when) {
    bool last = true;
    for (size_t i = journal->message_count; i-- > 0;) {
        const struct lt_journal_message *message = &journal->messages[i];
        if (!message->id || strlen(message->id) != id.size || memcmp(message->id, id.data, id.size) != 0)
            continue;
        for (size_t k = 0; k < message->count; k++) {
            struct lt_journal_entry *entry = find(journal, message->keys[k]);
            if (entry->message != i + 1)
                continue;
            entry->message = 0;
            if (last)
                entry->sent = when;
        }
        forget_message(journal, i);
        last = false;
    }
}

struct lt_journal_state lt_journal_look(const struct lt_journal *journal, const char *to, struct leat_bytes key) {
    if (!journal->room)
        return (struct lt_journal_state){0};
    const struct lt_journal_entry *entry = find(journal, hash_of(to, key));
    return (struct lt_journal_state){
        .sent = entry->sent,
        .message = entry->message ? journal->messages[entry->message - 1].id : NULL,
    };
}

/* ----------------------------------------------------------------- reading */

static struct leat_bytes text_of(struct leat_bytes line, const char *path, char *room) {
    struct leat_bytes json, text;
    bool found = lt_json_inside(line, path, &json) == 0 && lt_json_decode(json, room, &text) == 0;
    return found ? text : (struct leat_bytes){NULL, 0};
}

static bool read_keys(struct lt_journal *journal, struct leat_bytes line, struct leat_bytes message, char *room) {
    struct leat_bytes list, to = text_of(line, ".to", room), key;
    struct lt_json_member member;
    char *recipient = to.data ? strndup(to.data, to.size) : NULL;
    uint32_t number = recipient ? note_message(journal, message) : 0;
    bool read = number && lt_json_inside(line, ".keys", &list) == 0 && *list.data == '[';
    struct lt_json_walk walk = lt_json_walk(read ? list : lt_string("[]"));
    while (read && lt_json_next(&walk, &member) == 1) {
        struct leat_bytes json = {member.value, (size_t)(member.value_end - member.value)};
        read = lt_json_decode(json, room, &key) == 0 && note_key(journal, hash_of(recipient, key), number);
    }
    free(recipient);
    return read;
}

/* False: it is no line of a journal, or memory is short. */
static bool read_line(struct lt_journal *journal, struct leat_bytes line) {
    struct lt_json_names names;
    struct leat_error ignored;
    uint64_t when;
    if (lt_json_object(line, &names, &ignored) != 0)
        return false;
    char *room = malloc(2 * (line.size + 1));
    struct leat_bytes message = room ? text_of(line, ".message", room + line.size + 1) : (struct leat_bytes){0};
    bool read = message.data != NULL;
    if (read && lt_number_json(lt_json_part(line, ".sent"), &when))
        note_sent(journal, message, when);
    else if (read)
        read = lt_number_json(lt_json_part(line, ".sending"), &when) && read_keys(journal, line, message, room);
    free(room);
    return read;
}

/* All lines; where the last whole one ends. */
static int read_lines(struct lt_journal *journal, FILE *file, off_t *end, struct leat_error *error) {
    char *line = NULL;
    size_t room = 0;
    ssize_t length;
    int code = 0;
    for (size_t number = 1; code == 0 && (length = getline(&line, &room, file)) > 0; number++) {
        if (line[length - 1] != '\n')
            break;
        if (!read_line(journal, (struct leat_bytes){line, (size_t)length - 1}))
            code = leat_fail(error, -EINVAL, "--sent %s: line %zu is not one of such a file", journal->path, number);
        *end += length;
    }
    if (code == 0 && ferror(file))
        code = leat_fail(error, -EIO, "--sent %s: it cannot be read", journal->path);
    free(line);
    return code;
}

static int read_all(struct lt_journal *journal, struct leat_error *error) {
    off_t end = 0;
    FILE *file = fopen(journal->path, "re");
    int code = file ? read_lines(journal, file, &end, error)
                    : leat_fail(error, -errno, "--sent %s: %s", journal->path, strerror(errno));
    if (file)
        fclose(file);
    if (code == 0 && ftruncate(journal->fd, end) < 0)
        code = leat_fail(error, -errno, "--sent %s: %s", journal->path, strerror(errno));
    return code;
}

/* A new file's name must be as durable as what is in it. */
static int sync_folder(const char *path) {
    char *copy = strdup(path);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int code = fd < 0 || fsync(fd) < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    free(copy);
    return code;
}

int lt_journal_open(struct lt_journal *journal, const char *path, struct leat_error *error) {
    struct stat status;
    *journal = (struct lt_journal){.path = path, .fd = -1};
    if (!path)
        return 0;
    journal->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    if (journal->fd < 0 || fstat(journal->fd, &status) < 0)
        return leat_fail(error, -errno, "--sent %s: %s", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return leat_fail(error, -EINVAL, "--sent %s: it is no regular file", path);
    if (flock(journal->fd, LOCK_EX | LOCK_NB) < 0)
        return leat_fail(error, -EBUSY, "--sent %s: another run uses it", path);
    int code = sync_folder(path);
    if (code)
        return leat_fail(error, code, "--sent %s: its folder: %s", path, strerror(-code));
    return read_all(journal, error);
}

void lt_journal_close(struct lt_journal *journal) {
    if (journal->path && journal->fd >= 0)
        close(journal->fd);
    while (journal->message_count)
        forget_message(journal, journal->message_count - 1);
    free(journal->messages);
    free(journal->entries);
    *journal = (struct lt_journal){.fd = -1};
}

/* ----------------------------------------------------------------- writing */

/* A line that cannot be written whole is taken back, so that the next one does not stand behind its remains. */
static int append(struct lt_journal *journal, const struct lt_text *line, struct leat_error *error) {
    struct stat before;
    size_t written = 0;
    int code = line->failed ? -ENOMEM : fstat(journal->fd, &before) < 0 ? -errno : 0;
    while (code == 0 && written < line->size) {
        ssize_t count = write(journal->fd, line->data + written, line->size - written);
        if (count >= 0)
            written += (size_t)count;
        else if (errno != EINTR)
            code = -errno;
    }
    if (code == 0 && fsync(journal->fd) < 0)
        code = -errno;
    if (code == 0)
        return 0;
    leat_fail(error, code, "--sent %s: %s", journal->path, strerror(-code));
    if (written && ftruncate(journal->fd, before.st_size) < 0)
        leat_fail(error, code, "--sent %s: %s; its last line is incomplete", journal->path, strerror(-code));
    return code;
}

int lt_journal_sending(struct lt_journal *journal, const char *message, const char *to, const struct lt_text *keys,
                       struct leat_error *error) {
    struct lt_text line = {0};
    lt_text_put(&line, "{\"message\":");
    lt_text_put_json(&line, lt_string(message));
    lt_text_print(&line, ",\"sending\":%llu,\"to\":", (unsigned long long)time(NULL));
    lt_text_put_json(&line, lt_string(to));
    lt_text_put(&line, ",\"keys\":[");
    lt_text_put_bytes(&line, lt_text_bytes(keys));
    lt_text_put(&line, "]}\n");
    line.failed |= keys->failed;
    int code = append(journal, &line, error);
    if (code == 0 && !read_line(journal, (struct leat_bytes){line.data, line.size - 1}))
        code = leat_fail(error, -ENOMEM, "out of memory");
    free(line.data);
    return code;
}

int lt_journal_sent(struct lt_journal *journal, const char *message, struct leat_error *error) {
    struct lt_text line = {0};
    uint64_t now = (uint64_t)time(NULL);
    lt_text_put(&line, "{\"message\":");
    lt_text_put_json(&line, lt_string(message));
    lt_text_print(&line, ",\"sent\":%llu}\n", (unsigned long long)now);
    int code = append(journal, &line, error);
    free(line.data);
    note_sent(journal, lt_string(message), now);
    return code;
}
