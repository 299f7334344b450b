/* SPDX-License-Identifier: Apache-2.0 */
/* http_tally.h - counts and times of a server's answers; used by http.c. */
#ifndef COMMON_HTTP_TALLY_H
#define COMMON_HTTP_TALLY_H

#include "common/http.h"

struct http_tally; /* any thread */

/* NULL if options->metrics is NULL; the others take NULL then. */
struct http_tally *http_tally_new(const struct http_options *options) MUST_USE;
void http_tally_free(struct http_tally *t);
/* route: index into options->routes, or route_count for none of them. */
void http_tally_answer(struct http_tally *t, size_t route, int status,
                       double seconds);
void http_tally_pending(struct http_tally *t, int delta);

#endif
