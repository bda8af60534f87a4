/* SPDX-License-Identifier: MIT */
#include "ends/mail/digest.h"
#include "ends/mail/encode.h"
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

enum { WIDTH = 72 }; /* bytes in a line of the plain text, where words allow it */

/* ---------------------------------------------------------------- identity */

static int by_hash(const void *left, const void *right) {
    const uint64_t *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

void lt_mail_message_id(const struct lt_mail_digest *digest, const struct lt_mail_sender *sender, uint64_t day,
                        char id[320]) {
    const char *const texts[] = {digest->to, digest->cc, digest->bcc, digest->subject};
    uint64_t hash = lt_hash_mix(day), other = ~hash;
    uint64_t *items = calloc(digest->count + 1, sizeof *items);
    size_t count = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        hash = lt_hash_mix(hash ^ lt_hash(texts[i], strlen(texts[i]))) + 1;
    for (size_t i = 0; items && i < digest->count; i++) {
        const struct lt_mail_entry *entry = &digest->entries[i];
        if (!entry->hidden)
            items[count++] = lt_hash_mix(lt_hash(entry->key.data, entry->key.size) ^ lt_hash_mix(entry->before));
    }
    if (count)
        qsort(items, count, sizeof *items, by_hash);
    for (size_t i = 0; i < count; i++) {
        hash = lt_hash_mix(hash ^ items[i]) + 1;
        other = lt_hash_mix(other + items[i]) ^ hash;
    }
    free(items);
    const char *domain = memchr(sender->address.data, '@', sender->address.size);
    int length = (int)(sender->address.size - (size_t)(domain - sender->address.data));
    snprintf(id, 320, "<%016llx%016llx.leat%.*s>", (unsigned long long)hash, (unsigned long long)other, length, domain);
}

/* ------------------------------------------------------------- plain text */

/* Words, broken into lines of WIDTH that begin with `indent` (the first one with `first`). */
static void put_wrapped(struct lt_text *text, struct leat_bytes words, const char *first, const char *indent) {
    size_t used = strlen(first);
    lt_text_put(text, first);
    bool fresh = true;
    for (size_t i = 0; i < words.size;) {
        size_t length = 0;
        while (i + length < words.size && words.data[i + length] != ' ' && words.data[i + length] != '\n')
            length++;
        if (length) {
            bool fits = fresh || used + 1 + length <= WIDTH;
            lt_text_put(text, fresh ? "" : fits ? " " : "\n");
            if (!fits)
                lt_text_put(text, indent);
            used = (fits ? used + !fresh : strlen(indent)) + length;
            lt_text_put_bytes(text, (struct leat_bytes){words.data + i, length});
            fresh = false;
        }
        i += length;
        if (i < words.size && words.data[i] == '\n') {
            lt_text_put(text, "\n");
            lt_text_put(text, indent);
            used = strlen(indent);
            fresh = true;
        }
        i += i < words.size;
    }
    lt_text_put(text, "\n");
}

static bool begins_group(const struct lt_mail_digest *digest, size_t i) {
    const struct leat_bytes here = digest->entries[i].group;
    if (i == 0)
        return here.size > 0;
    const struct leat_bytes before = digest->entries[i - 1].group;
    return here.size != before.size || memcmp(here.data, before.data, here.size) != 0;
}

static void put_underlined(struct lt_text *text, struct leat_bytes title) {
    lt_text_put_bytes(text, title);
    lt_text_put(text, "\n");
    for (size_t i = 0; i < title.size && i < WIDTH; i++)
        if (((unsigned char)title.data[i] & 0xC0) != 0x80)
            lt_text_put(text, "=");
    lt_text_put(text, "\n\n");
}

static struct leat_bytes title_of_group(struct leat_bytes group) {
    return group.size ? group : lt_string("Others");
}

static void write_plain(const struct lt_mail_digest *digest, size_t shown, struct lt_text *text) {
    if (*digest->body) {
        put_wrapped(text, lt_string(digest->body), "", "");
        lt_text_put(text, "\n");
    }
    for (size_t i = 0; i < shown; i++) {
        const struct lt_mail_entry *entry = &digest->entries[i];
        if (begins_group(digest, i)) {
            lt_text_put(text, i ? "\n" : "");
            put_underlined(text, title_of_group(entry->group));
        }
        put_wrapped(text, entry->title, "* ", "  ");
        if (entry->link.size) {
            lt_text_put(text, "  ");
            lt_text_put_bytes(text, entry->link);
            lt_text_put(text, "\n");
        }
        if (entry->text.size)
            put_wrapped(text, entry->text, "  ", "  ");
        lt_text_put(text, "\n");
    }
    lt_text_print(text, "-- \n%zu item%s\n", shown, shown == 1 ? "" : "s");
}

/* --------------------------------------------------------------------- HTML */

static const char *entity(char c) {
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case '\n':
        return "<br>\n";
    default:
        return NULL;
    }
}

static void put_escaped(struct lt_text *html, struct leat_bytes text) {
    for (size_t i = 0, begin = 0; i <= text.size; i++) {
        const char *instead = i < text.size ? entity(text.data[i]) : "";
        if (!instead)
            continue;
        lt_text_put_bytes(html, (struct leat_bytes){text.data + begin, i - begin});
        lt_text_put(html, instead);
        begin = i + 1;
    }
}

/* Values of items must not become scripts. */
static bool is_link(struct leat_bytes link) {
    static const char *const schemes[] = {"https://", "http://", "mailto:"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (link.size > strlen(schemes[i]) && strncasecmp(link.data, schemes[i], strlen(schemes[i])) == 0)
            return true;
    return false;
}

static void write_entry(const struct lt_mail_entry *entry, struct lt_text *html) {
    bool link = is_link(entry->link);
    lt_text_put(html, "<div style=\"margin:0 0 16px\">\n<div style=\"font-weight:600\">");
    if (link) {
        lt_text_put(html, "<a style=\"color:#0b5cad;text-decoration:none\" href=\"");
        put_escaped(html, entry->link);
        lt_text_put(html, "\">");
    }
    put_escaped(html, entry->title);
    lt_text_put(html, link ? "</a></div>\n" : "</div>\n");
    if (!link && entry->link.size) {
        lt_text_put(html, "<div>");
        put_escaped(html, entry->link);
        lt_text_put(html, "</div>\n");
    }
    if (entry->text.size) {
        lt_text_put(html,
                    "<div style=\"margin:4px 0 0;padding:0 0 0 12px;border-left:3px solid #c8cfd8;color:#4a5361\">");
        put_escaped(html, entry->text);
        lt_text_put(html, "</div>\n");
    }
    lt_text_put(html, "</div>\n");
}

static void write_html(const struct lt_mail_digest *digest, size_t shown, struct lt_text *html) {
    lt_text_put(html, "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\">\n"
                      "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
    put_escaped(html, lt_string(digest->subject));
    lt_text_put(html, "</title></head>\n<body style=\"margin:0;padding:20px;background:#ffffff;color:#1d232b;"
                      "font-family:Helvetica,Arial,sans-serif;font-size:15px;line-height:1.5\">\n"
                      "<div style=\"max-width:640px;margin:0 auto;overflow-wrap:anywhere\">\n");
    if (*digest->body) {
        lt_text_put(html, "<p style=\"margin:0 0 20px\">");
        put_escaped(html, lt_string(digest->body));
        lt_text_put(html, "</p>\n");
    }
    for (size_t i = 0; i < shown; i++) {
        if (begins_group(digest, i)) {
            lt_text_put(html, "<h2 style=\"margin:24px 0 12px;padding:0 0 4px;border-bottom:1px solid #c8cfd8;"
                              "font-size:17px\">");
            put_escaped(html, title_of_group(digest->entries[i].group));
            lt_text_put(html, "</h2>\n");
        }
        write_entry(&digest->entries[i], html);
    }
    lt_text_print(html, "<p style=\"margin:24px 0 0;color:#6b7482;font-size:13px\">%zu item%s</p>\n", shown,
                  shown == 1 ? "" : "s");
    lt_text_put(html, "</div>\n</body></html>\n");
}

/* -------------------------------------------------------------------- mail */

/* By group, those without one last; within a group as they came. The hidden ones behind all others. */
static int in_order(const void *left, const void *right) {
    const struct lt_mail_entry *a = left, *b = right;
    size_t size = a->group.size < b->group.size ? a->group.size : b->group.size;
    if (a->hidden != b->hidden)
        return a->hidden ? 1 : -1;
    if (!a->group.size != !b->group.size)
        return a->group.size ? -1 : 1;
    int order = size ? memcmp(a->group.data, b->group.data, size) : 0;
    if (order == 0 && a->group.size != b->group.size)
        order = a->group.size < b->group.size ? -1 : 1;
    return order ? order : a->number < b->number ? -1 : a->number > b->number;
}

static void put_part(struct lt_text *mail, const char *boundary, const char *type, const struct lt_text *text) {
    lt_text_print(mail,
                  "--%s\r\nContent-Type: text/%s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
                  boundary, type);
    lt_mail_quoted(mail, lt_text_bytes(text));
    lt_text_put(mail, "\r\n"); /* it belongs to the boundary */
    mail->failed |= text->failed;
}

static void put_headers(const struct lt_mail_digest *digest, const struct lt_mail_sender *sender, const char *message,
                        struct lt_text *mail) {
    char date[64];
    time_t now = time(NULL);
    struct tm local;
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S %z", localtime_r(&now, &local));
    lt_mail_header_address(mail, "From", sender->name, sender->address);
    lt_mail_header_list(mail, "To", lt_string(digest->to));
    if (*digest->cc)
        lt_mail_header_list(mail, "Cc", lt_string(digest->cc));
    lt_mail_header(mail, "Subject", lt_string(digest->subject));
    lt_text_print(mail, "Date: %s\r\nMessage-ID: %s\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n", date,
                  message);
}

void lt_mail_compose(struct lt_mail_digest *digest, const struct lt_mail_sender *sender, const char *message,
                     struct lt_text *mail) {
    struct lt_text plain = {0}, html = {0};
    char boundary[64]; /* "=_" never stands in a quoted-printable text */
    snprintf(boundary, sizeof boundary, "=_%016llx", (unsigned long long)lt_hash(message, strlen(message)));
    qsort(digest->entries, digest->count, sizeof *digest->entries, in_order);
    size_t shown = digest->count;
    while (shown && digest->entries[shown - 1].hidden)
        shown--;
    write_plain(digest, shown, &plain);
    write_html(digest, shown, &html);
    put_headers(digest, sender, message, mail);
    lt_text_print(mail, "Content-Type: multipart/alternative;\r\n boundary=\"%s\"\r\n\r\n", boundary);
    put_part(mail, boundary, "plain", &plain);
    put_part(mail, boundary, "html", &html);
    lt_text_print(mail, "--%s--\r\n", boundary);
    free(plain.data);
    free(html.data);
}
