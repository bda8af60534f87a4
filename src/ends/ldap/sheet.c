/* SPDX-License-Identifier: MIT */
#include "ends/ldap/sheet.h"
#include "base/atomic.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/utf8.h"
#include "ends/ldap/library.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Bytes that may look like text by chance. Their kind must not depend on chance. */
static const char *const binary_attributes[] = {
    "jpegPhoto",  "thumbnailPhoto", "photo",     "audio", "userCertificate", "cACertificate", "userSMIMECertificate",
    "userPKCS12", "objectGUID",     "objectSid", NULL,
};

enum { LEAST_ROOM = 64 * 1024 };

/* ------------------------------------------------------------------ memory */

struct lt_sheet *lt_sheet_new(void) {
    struct lt_sheet *sheet = calloc(1, sizeof *sheet);
    if (sheet)
        lt_store(&sheet->holders, 1, relaxed);
    return sheet;
}

void lt_sheet_hold(struct lt_sheet *sheet) {
    lt_fetch_add(&sheet->holders, 1, relaxed);
}

void lt_sheet_release(void *arg) {
    struct lt_sheet *sheet = arg;
    if (!sheet || lt_fetch_sub(&sheet->holders, 1, acq_rel) > 1)
        return;
    free(sheet->bytes);
    free(sheet->items);
    free(sheet);
}

static bool reserve(struct lt_sheet *sheet, size_t size) {
    if (size <= sheet->room - sheet->size)
        return true;
    size_t room = sheet->room * 2 + size + LEAST_ROOM;
    char *bytes = realloc(sheet->bytes, room);
    if (!bytes)
        return false;
    sheet->bytes = bytes;
    sheet->room = room;
    return true;
}

static struct lt_sheet_item *add_item(struct lt_sheet *sheet) {
    if (sheet->count == sheet->item_room) {
        size_t room = sheet->item_room * 2 + 64;
        struct lt_sheet_item *items = reallocarray(sheet->items, room, sizeof *items);
        if (!items)
            return NULL;
        sheet->items = items;
        sheet->item_room = room;
    }
    struct lt_sheet_item *item = &sheet->items[sheet->count++];
    *item = (struct lt_sheet_item){.begin = sheet->size};
    return item;
}

void lt_sheet_undo(struct lt_sheet *sheet) {
    sheet->size = sheet->items[--sheet->count].begin;
}

/* ----------------------------------------------------------------- writing */

static bool put_bytes(struct lt_sheet *sheet, struct leat_bytes bytes) {
    if (!reserve(sheet, bytes.size))
        return false;
    memcpy(sheet->bytes + sheet->size, bytes.data, bytes.size);
    sheet->size += bytes.size;
    return true;
}

static bool put(struct lt_sheet *sheet, const char *text) {
    return put_bytes(sheet, (struct leat_bytes){text, strlen(text)});
}

static bool put_string(struct lt_sheet *sheet, struct leat_bytes text) {
    if (!reserve(sheet, lt_json_encoded_room(text.size)))
        return false;
    sheet->size += lt_json_encode(text, sheet->bytes + sheet->size);
    return true;
}

static bool put_base64(struct lt_sheet *sheet, struct leat_bytes data) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (!put(sheet, "{\"base64\":\"") || !reserve(sheet, (data.size + 2) / 3 * 4))
        return false;
    char *out = sheet->bytes + sheet->size;
    const unsigned char *in = (const unsigned char *)data.data;
    for (size_t i = 0; i < data.size; i += 3) {
        size_t left = data.size - i;
        unsigned bits = (unsigned)in[i] << 16 | (left > 1 ? in[i + 1] : 0u) << 8 | (left > 2 ? in[i + 2] : 0u);
        *out++ = digits[bits >> 18];
        *out++ = digits[bits >> 12 & 63];
        *out++ = left > 1 ? digits[bits >> 6 & 63] : '=';
        *out++ = left > 2 ? digits[bits & 63] : '=';
    }
    sheet->size = (size_t)(out - sheet->bytes);
    return put(sheet, "\"}");
}

static bool equals(struct leat_bytes text, const char *name) {
    return strlen(name) == text.size && strncasecmp(text.data, name, text.size) == 0;
}

static bool is_binary(struct leat_bytes attribute) {
    const char *options = memchr(attribute.data, ';', attribute.size);
    struct leat_bytes type = {attribute.data, options ? (size_t)(options - attribute.data) : attribute.size};
    for (const char *const *name = binary_attributes; *name; name++)
        if (equals(type, *name))
            return true;
    return options && memmem(options, attribute.size - type.size, ";binary", 7);
}

static bool put_value(struct lt_sheet *sheet, struct leat_bytes value, bool binary) {
    if (binary || lt_utf8_prefix(value.data, value.size) < value.size)
        return put_base64(sheet, value);
    return put_string(sheet, value);
}

static struct leat_bytes bytes_of(const struct berval *value) {
    return (struct leat_bytes){value->bv_len ? value->bv_val : "", value->bv_len};
}

static bool put_attribute(struct lt_sheet *sheet, struct leat_bytes name, const struct berval *values,
                          const struct lt_sheet_style *style) {
    bool binary = is_binary(name);
    if (!put(sheet, ",") || !put_string(sheet, name) || !put(sheet, style->first ? ":" : ":["))
        return false;
    for (size_t i = 0; values[i].bv_val && (i == 0 || !style->first); i++)
        if ((i && !put(sheet, ",")) || !put_value(sheet, bytes_of(&values[i]), binary))
            return false;
    return style->first || put(sheet, "]");
}

static bool is_hidden(struct leat_bytes name, const struct lt_sheet_style *style) {
    for (const char *const *hidden = style->hidden; *hidden; hidden++)
        if (equals(name, *hidden))
            return true;
    return false;
}

static int put_entry(struct lt_sheet *sheet, LDAP *handle, LDAPMessage *entry, BerElement *cursor,
                     const struct lt_sheet_style *style, struct lt_sheet_facts *facts) {
    if (!put(sheet, "{\"dn\":") || !put_string(sheet, facts->dn))
        return -ENOMEM;
    for (;;) {
        struct berval type, *values = NULL;
        if (lt_libldap->ldap_get_attribute_ber(handle, entry, cursor, &type, &values) != LDAP_SUCCESS)
            return -EBADMSG;
        if (!type.bv_val)
            return put(sheet, "}") ? 0 : -ENOMEM;
        struct leat_bytes name = bytes_of(&type);
        bool has_value = values && values[0].bv_val;
        if (has_value && equals(name, "entryUUID"))
            facts->uuid = bytes_of(&values[0]);
        if (has_value && equals(name, "hasSubordinates"))
            facts->leaf = equals(bytes_of(&values[0]), "FALSE");
        bool written = !has_value || is_hidden(name, style) || put_attribute(sheet, name, values, style);
        lt_libldap->ber_memfree(values);
        if (!written)
            return -ENOMEM;
    }
}

/* The same for spellings that differ in case only. */
static uint64_t id_of(const struct lt_sheet_facts *facts) {
    if (facts->uuid.size)
        return lt_hash(facts->uuid.data, facts->uuid.size);
    uint64_t hash = lt_hash("", 0);
    for (size_t i = 0; i < facts->dn.size; i++) {
        char byte = facts->dn.data[i];
        hash = lt_hash_mix(hash ^ (unsigned char)(byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte));
    }
    return hash;
}

int lt_sheet_add(struct lt_sheet *sheet, LDAP *handle, LDAPMessage *entry, const struct lt_sheet_style *style,
                 struct lt_sheet_facts *facts) {
    struct lt_sheet_item *item = add_item(sheet);
    if (!item)
        return -ENOMEM;
    BerElement *cursor = NULL;
    struct berval dn;
    int code = -EBADMSG;
    *facts = (struct lt_sheet_facts){0};
    if (lt_libldap->ldap_get_dn_ber(handle, entry, &cursor, &dn) == LDAP_SUCCESS) {
        facts->dn = bytes_of(&dn);
        code = put_entry(sheet, handle, entry, cursor, style, facts);
    }
    lt_libldap->ber_free(cursor, 0);
    if (code) {
        lt_sheet_undo(sheet);
        return code;
    }
    item->size = sheet->size - item->begin;
    item->id = id_of(facts);
    return 0;
}

/* `written`: the object is. The reason begins with `about`, if that has bytes. */
static int end_failed(struct lt_sheet *sheet, struct lt_sheet_item *item, bool written, int code,
                      struct leat_bytes about, const char *reason) {
    item->size = sheet->size - item->begin;
    item->reason = sheet->size;
    item->code = code;
    item->id = lt_hash(sheet->bytes + item->begin, item->size);
    written = written && (about.size == 0 || (put_bytes(sheet, about) && put(sheet, ": ")));
    if (written && put(sheet, reason) && reserve(sheet, 1)) {
        sheet->bytes[sheet->size++] = '\0';
        return 0;
    }
    lt_sheet_undo(sheet);
    return -ENOMEM;
}

int lt_sheet_fail(struct lt_sheet *sheet, struct leat_bytes dn, int code, const char *reason) {
    struct lt_sheet_item *item = add_item(sheet);
    if (!item)
        return -ENOMEM;
    bool written = put(sheet, "{\"dn\":") && put_string(sheet, dn) && put(sheet, "}");
    return end_failed(sheet, item, written, code, dn, reason);
}

int lt_sheet_fail_below(struct lt_sheet *sheet, const char *members, int code, const char *reason) {
    struct lt_sheet_item *item = add_item(sheet);
    if (!item)
        return -ENOMEM;
    bool written = put(sheet, "{\"below\":[") && put(sheet, members) && put(sheet, "]}");
    return end_failed(sheet, item, written, code, (struct leat_bytes){"", 0}, reason);
}
