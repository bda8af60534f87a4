/* SPDX-License-Identifier: MIT */
#include "ends/curl/transfer.h"
#include "base/error.h"
#include "base/hash.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS = 8, MOST_DOUBLINGS = 5 };

/* Not where it is loaded, in a thread of leat_block(): such threads may end after OpenSSL has been taken down, and what
 * it keeps for each thread would be left over. */
static void begin_library(void) {
    lt_libcurl->global_init(CURL_GLOBAL_DEFAULT);
}

static int watch(CURL *easy, curl_socket_t fd, int what, void *arg, void *known) {
    (void)easy;
    struct lt_curl *curl = arg;
    struct epoll_event event = {.data.fd = fd};
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(curl->epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    event.events = (what & CURL_POLL_IN ? EPOLLIN : 0) | (what & CURL_POLL_OUT ? EPOLLOUT : 0);
    int result = epoll_ctl(curl->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    lt_libcurl->multi_assign(curl->multi, fd, curl);
    return result < 0 ? -1 : 0;
}

static int set_due(CURLM *multi, long milliseconds, void *arg) {
    (void)multi;
    struct lt_curl *curl = arg;
    curl->due = milliseconds < 0 ? LEAT_FOREVER : leat_after(milliseconds * LEAT_MILLISECOND);
    return 0;
}

int lt_curl_open(struct lt_curl *curl, const char *protocols, struct leat_error *error) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, begin_library);
    *curl = (struct lt_curl){.epoll = epoll_create1(EPOLL_CLOEXEC), .due = LEAT_FOREVER};
    if (curl->epoll < 0)
        return leat_fail(error, -errno, "%s", strerror(errno));
    curl->multi = lt_libcurl->multi_init();
    curl->easy = lt_libcurl->easy_init();
    if (!curl->multi || !curl->easy)
        return leat_fail(error, -ENOMEM, "out of memory");
    lt_libcurl->multi_setopt(curl->multi, CURLMOPT_SOCKETFUNCTION, watch);
    lt_libcurl->multi_setopt(curl->multi, CURLMOPT_SOCKETDATA, curl);
    lt_libcurl->multi_setopt(curl->multi, CURLMOPT_TIMERFUNCTION, set_due);
    lt_libcurl->multi_setopt(curl->multi, CURLMOPT_TIMERDATA, curl);
    lt_libcurl->easy_setopt(curl->easy, CURLOPT_NOSIGNAL, 1L);
    /* A cancelled transfer does not wait for the name's address. */
    lt_libcurl->easy_setopt(curl->easy, CURLOPT_QUICK_EXIT, 1L);
    lt_libcurl->easy_setopt(curl->easy, CURLOPT_ERRORBUFFER, curl->why);
    if (lt_libcurl->easy_setopt(curl->easy, CURLOPT_PROTOCOLS_STR, protocols))
        return leat_fail(error, -ENOTSUP, "this machine's libcurl cannot do %s", protocols);
    return 0;
}

void lt_curl_close(struct lt_curl *curl) {
    if (curl->easy)
        lt_libcurl->easy_cleanup(curl->easy);
    if (curl->multi)
        lt_libcurl->multi_cleanup(curl->multi);
    if (curl->multi && curl->epoll >= 0)
        leat_close_fd(curl->epoll);
    *curl = (struct lt_curl){.epoll = -1};
}

/* Wait for what libcurl waits for, and let it go on. */
static int step(struct lt_curl *curl, int *running) {
    struct epoll_event events[EVENTS];
    int code = leat_wait_fd_until(curl->epoll, LEAT_READABLE, curl->due);
    if (code == -ETIMEDOUT && !leat_cancelled()) {
        curl->due = LEAT_FOREVER;
        lt_libcurl->multi_socket_action(curl->multi, CURL_SOCKET_TIMEOUT, 0, running);
        return 0;
    }
    if (code < 0)
        return code;
    int count = epoll_wait(curl->epoll, events, EVENTS, 0);
    for (int i = 0; i < count; i++) {
        uint32_t seen = events[i].events;
        int what = (seen & EPOLLIN ? CURL_CSELECT_IN : 0) | (seen & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (seen & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
        lt_libcurl->multi_socket_action(curl->multi, events[i].data.fd, what, running);
    }
    return 0;
}

int lt_curl_run(struct lt_curl *curl, CURLcode *result) {
    int running = 1, left, code = leat_cancelled();
    *result = CURLE_FAILED_INIT;
    curl->why[0] = '\0';
    if (code || lt_libcurl->multi_add_handle(curl->multi, curl->easy))
        return code;
    while (running && code == 0)
        code = step(curl, &running);
    for (CURLMsg *message; (message = lt_libcurl->multi_info_read(curl->multi, &left));)
        if (message->msg == CURLMSG_DONE)
            *result = message->data.result;
    lt_libcurl->multi_remove_handle(curl->multi, curl->easy);
    return code;
}

leat_time lt_curl_pause(unsigned attempts) {
    leat_time longest = LEAT_SECOND << (attempts < MOST_DOUBLINGS ? attempts : MOST_DOUBLINGS);
    return longest / 2 + (leat_time)(lt_hash_mix((uint64_t)leat_now()) % (uint64_t)(longest / 2));
}

const char *lt_curl_why(const struct lt_curl *curl, CURLcode result) {
    return curl->why[0] ? curl->why : lt_libcurl->easy_strerror(result);
}
