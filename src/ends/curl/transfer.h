/* SPDX-License-Identifier: MIT */
/**
 * libcurl for tasks: transfers, one at a time, of one handle whose connections
 * are used again. The task waits, no thread does, and a cancelled wait ends the
 * transfer at once.
 *
 * libcurl names the descriptors it waits for; they are put into an epoll of the
 * handle's own, since a task waits for one descriptor at a time. Rejected:
 * curl_easy_perform() in leat_block(), which would have to be asked again and
 * again whether it is to end, and takes a thread for as long.
 */
#ifndef LEAT_ENDS_CURL_TRANSFER_H
#define LEAT_ENDS_CURL_TRANSFER_H

#include "base/text.h"
#include "ends/curl/library.h"

struct lt_curl {
    CURL *easy; /**< its options are the owner's, but for those set by lt_curl_open() */
    CURLM *multi;
    int epoll;
    leat_time due; /* when libcurl wants to be called */
    char why[CURL_ERROR_SIZE];
};

/** libcurl was loaded (lt_place_read() does). `protocols` as of CURLOPT_PROTOCOLS_STR. After a failure, too, a close is
 * right, also of a zeroed one. */
int lt_curl_open(struct lt_curl *curl, const char *protocols, struct leat_error *error);
void lt_curl_close(struct lt_curl *curl);

/** Run the handle once. 0 and the result of the transfer, or why the wait was cut short. */
int lt_curl_run(struct lt_curl *curl, CURLcode *result);

/** Before the next attempt, after so many in vain: 1, 2, 4 … 32 seconds, each somewhere between its half and its whole,
 * so that many who were refused together do not come back together. */
leat_time lt_curl_pause(unsigned attempts);

/** What a result other than CURLE_OK means, in words. */
const char *lt_curl_why(const struct lt_curl *curl, CURLcode result);

#endif
