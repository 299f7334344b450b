/* SPDX-License-Identifier: Apache-2.0 */
/* sender.h - posts bodies to URLs, many at once, inside the event loop
 * (libcurl). No redirects, no proxy, no address the guard refuses. */
#ifndef EVALUATOR_SENDER_H
#define EVALUATOR_SENDER_H

#include "common/loop.h"
#include "services/evaluator/guard.h"

struct sender;

/* What came of a post. */
struct sent {
    int status;             /* HTTP; 0: no answer */
    int64_t retry_after_ms; /* 0: not told */
    int64_t duration_ms;
    const char *error;   /* a sentence where status is 0, else NULL */
    struct str response; /* first bytes of the answer, clean UTF-8 */
};
typedef void sender_done_fn(void *arg, void *tag, const struct sent *sent);

struct sender_options {
    const struct guard *guard; /* must outlive the sender */
    int64_t connect_timeout_ms, timeout_ms;
    const char *ca_file;  /* "": the system's */
    sender_done_fn *done; /* called in the loop, once for each post */
    void *arg;
};

struct sender *sender_new(struct loop *loop,
                          const struct sender_options *options) MUST_USE;
void sender_free(struct sender *s); /* drops what is under way, unreported */
DEFINE_AUTO(sender)

struct post {
    const char *url;
    struct str body;            /* copied; application/json */
    const char *const *headers; /* "name: value" …, NULL; copied */
    void *tag;
};
void sender_post(struct sender *s, const struct post *post);
size_t sender_busy(const struct sender *s);

#endif
