/* SPDX-License-Identifier: Apache-2.0 */
/* http_corpus.h - what may be sent to an HTTP server, and what RFC 9110 and
 * 9112 want to happen then: hostile, broken, odd and plain requests. */
#ifndef TESTS_UNIT_HTTP_CORPUS_H
#define TESTS_UNIT_HTTP_CORPUS_H

#include "common/str.h"

struct http_case {
    const char *name; /* or NULL: the bytes speak for themselves */
    struct str bytes;
    /* The statuses of the answers in order, "200 400"; where several will do,
     * "400|501"; ".": then the connection ends. Without a "." it must go on:
     * a request appended to bytes must be served. */
    const char *want;
    /* What the handler must have got, "GET / ;POST /a hello;": neither more
     * nor less, whatever stands behind. */
    const char *seen;
    /* What libmicrohttpd makes us do instead, if so; then seen is "". */
    const char *deviates;
    bool ends;    /* the client says no more after bytes */
    size_t split; /* a pause after so many bytes; 0: none */
    bool drip;    /* byte by byte */
};

typedef void http_case_fn(const struct http_case *c, void *arg);
/* Calls fn for each case. */
void http_corpus_each(http_case_fn *fn, void *arg);

#endif
