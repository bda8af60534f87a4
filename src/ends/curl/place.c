/* SPDX-License-Identifier: MIT */
#include "ends/curl/place.h"
#include "base/error.h"
#include "ends/curl/library.h"
#include "ends/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_local(const char *host) {
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 || strncmp(host, "127.", 4) == 0;
}

/* A part of the address of its own, or NULL. */
static char *part(CURLU *url, CURLUPart which, unsigned flags) {
    char *text = NULL, *copy = NULL;
    if (lt_libcurl->url_get(url, which, &text, flags) == CURLUE_OK)
        copy = strdup(text);
    lt_secret_free(text);
    return copy;
}

static bool is_scheme(const char *given, const char *scheme, bool *tls) {
    size_t length = strlen(scheme);
    *tls = strcmp(given + (strlen(given) > length ? length : 0), "s") == 0;
    return strncmp(given, scheme, length) == 0 && (given[length] == '\0' || *tls);
}

static int take_apart(struct lt_place *place, CURLU *url, const char *scheme, const char *name,
                      struct leat_error *error) {
    char *given = part(url, CURLUPART_SCHEME, 0), *host = part(url, CURLUPART_HOST, 0);
    bool right = given && host && is_scheme(given, scheme, &place->tls);
    place->local = host && is_local(host);
    free(given);
    free(host);
    if (!right)
        return leat_fail(error, -EINVAL, "%s: an address begins with %s:// or %ss:// and a host", name, scheme, scheme);
    place->user = part(url, CURLUPART_USER, CURLU_URLDECODE);
    place->password = part(url, CURLUPART_PASSWORD, CURLU_URLDECODE);
    lt_libcurl->url_set(url, CURLUPART_USER, NULL, 0);
    lt_libcurl->url_set(url, CURLUPART_PASSWORD, NULL, 0);
    lt_libcurl->url_set(url, CURLUPART_QUERY, NULL, 0);
    lt_libcurl->url_set(url, CURLUPART_FRAGMENT, NULL, 0);
    place->url = part(url, CURLUPART_URL, 0);
    if (!place->url)
        return leat_fail(error, -ENOMEM, "out of memory");
    for (size_t length = strlen(place->url); length > 0 && place->url[length - 1] == '/';)
        place->url[--length] = '\0';
    return 0;
}

int lt_place_read(struct lt_place *place, const char *text, const char *scheme, const char *name,
                  struct leat_error *error) {
    *place = (struct lt_place){0};
    int result = lt_libcurl_load(error);
    if (result)
        return result;
    CURLU *url = lt_libcurl->url();
    if (!url)
        return leat_fail(error, -ENOMEM, "out of memory");
    CURLUcode code = lt_libcurl->url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
    result = code ? leat_fail(error, -EINVAL, "%s: it is no address: %s", name, lt_libcurl->url_strerror(code))
                  : take_apart(place, url, scheme, name, error);
    lt_libcurl->url_cleanup(url);
    return result;
}

void lt_place_free(struct lt_place *place) {
    lt_secret_free(place->user);
    lt_secret_free(place->password);
    free(place->url);
    *place = (struct lt_place){0};
}
