/* SPDX-License-Identifier: MIT */
/**
 * Included by leat.h when a program is compiled for simulation: each call says
 * where it stands and what came of it, for the schedule that is shown when a
 * seed fails. Nothing else changes.
 */
#ifndef LEAT_SIMULATE_H
#define LEAT_SIMULATE_H

#include "leat.h"

#ifdef __cplusplus
extern "C" {
#endif

/** The caller is about to call `function` for `chan` (or NULL); it did, with this result. */
LEAT_API void leat_calls(const char *function, const struct leat_chan *chan, const char *file, int line);
LEAT_API void leat_called(const char *function, const struct leat_chan *chan, long long result, const char *file,
                          int line);

#ifdef __cplusplus
}
#elif defined(LEAT_SIMULATION) && !defined(LEAT_BUILDS_ITSELF)

#define LEAT_SHOWN(function, chan, call)                                                                               \
    __extension__({                                                                                                    \
        leat_calls(#function, chan, __FILE__, __LINE__);                                                               \
        __auto_type leat_result_ = call;                                                                               \
        leat_called(#function, chan, (long long)leat_result_, __FILE__, __LINE__);                                     \
        leat_result_;                                                                                                  \
    })

/* The channel is an argument of its own, evaluated once. */
#define LEAT_SHOWN_CHAN(function, chan, ...)                                                                           \
    __extension__({                                                                                                    \
        struct leat_chan *leat_chan_ = (chan);                                                                         \
        LEAT_SHOWN(function, leat_chan_, function(leat_chan_ __VA_OPT__(, ) __VA_ARGS__));                             \
    })

#define leat_send(chan, ...) LEAT_SHOWN_CHAN(leat_send, chan, __VA_ARGS__)
#define leat_send_try(chan, ...) LEAT_SHOWN_CHAN(leat_send_try, chan, __VA_ARGS__)
#define leat_send_until(chan, ...) LEAT_SHOWN_CHAN(leat_send_until, chan, __VA_ARGS__)
#define leat_recv(chan, ...) LEAT_SHOWN_CHAN(leat_recv, chan, __VA_ARGS__)
#define leat_recv_try(chan, ...) LEAT_SHOWN_CHAN(leat_recv_try, chan, __VA_ARGS__)
#define leat_recv_until(chan, ...) LEAT_SHOWN_CHAN(leat_recv_until, chan, __VA_ARGS__)
#define leat_send_many(chan, ...) LEAT_SHOWN_CHAN(leat_send_many, chan, __VA_ARGS__)
#define leat_recv_many(chan, ...) LEAT_SHOWN_CHAN(leat_recv_many, chan, __VA_ARGS__)
#define leat_chan_close(chan) LEAT_SHOWN_CHAN(leat_chan_close, chan)
#define leat_chan_discard(chan, ...) LEAT_SHOWN_CHAN(leat_chan_discard, chan, __VA_ARGS__)

#define leat_select(...) LEAT_SHOWN(leat_select, NULL, leat_select(__VA_ARGS__))
#define leat_select_try(...) LEAT_SHOWN(leat_select_try, NULL, leat_select_try(__VA_ARGS__))
#define leat_select_until(...) LEAT_SHOWN(leat_select_until, NULL, leat_select_until(__VA_ARGS__))

#undef leat_go
#undef leat_go_with
#define leat_go(scope, fn, ...)                                                                                        \
    LEAT_SHOWN(leat_go(fn), NULL, leat_go_at((scope), (fn), (__VA_ARGS__), NULL, #fn, __FILE__, __LINE__))
#define leat_go_with(scope, fn, arg, ...)                                                                              \
    LEAT_SHOWN(leat_go_with(fn), NULL, leat_go_at((scope), (fn), (arg), (__VA_ARGS__), #fn, __FILE__, __LINE__))
#define leat_scope_wait(...) LEAT_SHOWN(leat_scope_wait, NULL, leat_scope_wait(__VA_ARGS__))
#define leat_scope_close(...) LEAT_SHOWN(leat_scope_close, NULL, leat_scope_close(__VA_ARGS__))
#define leat_scope_stop(...) LEAT_SHOWN(leat_scope_stop, NULL, leat_scope_stop(__VA_ARGS__))
#define leat_yield(...) LEAT_SHOWN(leat_yield, NULL, leat_yield(__VA_ARGS__))
#define leat_sleep(...) LEAT_SHOWN(leat_sleep, NULL, leat_sleep(__VA_ARGS__))
#define leat_sleep_until(...) LEAT_SHOWN(leat_sleep_until, NULL, leat_sleep_until(__VA_ARGS__))
#define leat_block(fn, ...) LEAT_SHOWN(leat_block(fn), NULL, leat_block(fn, __VA_ARGS__))
#define leat_wait_fd(...) LEAT_SHOWN(leat_wait_fd, NULL, leat_wait_fd(__VA_ARGS__))

#define leat_wg_add(...) LEAT_SHOWN(leat_wg_add, NULL, leat_wg_add(__VA_ARGS__))
#define leat_wg_done(...) LEAT_SHOWN(leat_wg_done, NULL, leat_wg_done(__VA_ARGS__))
#define leat_wg_wait(...) LEAT_SHOWN(leat_wg_wait, NULL, leat_wg_wait(__VA_ARGS__))
#define leat_lock(...) LEAT_SHOWN(leat_lock, NULL, leat_lock(__VA_ARGS__))
#define leat_unlock(...) LEAT_SHOWN(leat_unlock, NULL, leat_unlock(__VA_ARGS__))
#define leat_cond_wait(...) LEAT_SHOWN(leat_cond_wait, NULL, leat_cond_wait(__VA_ARGS__))

#define leat_pool(...) LEAT_SHOWN(leat_pool, NULL, leat_pool(__VA_ARGS__))

#endif
#endif
