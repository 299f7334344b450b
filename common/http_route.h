/* SPDX-License-Identifier: Apache-2.0 */
/* http_route.h - finding the route of a request target; used by http.c. */
#ifndef COMMON_HTTP_ROUTE_H
#define COMMON_HTTP_ROUTE_H

#include "common/arena.h"
#include "common/http.h"

enum { HTTP_ARGS_MAX = 4 };

struct http_target {
    struct str path;  /* as sent, without the query */
    struct str query; /* as sent, without '?' */
    struct str arg_names[HTTP_ARGS_MAX];
    struct str arg_values[HTTP_ARGS_MAX]; /* percent-decoded */
    int arg_count;
};

/* Splits target at '?'. False if an escape in it is broken or means NUL. */
bool http_target_parse(struct str target, struct http_target *out) MUST_USE;
/* True if path has the form of pattern ("/a/{name}/b"); then fills args. */
bool http_target_match(struct http_target *t, const char *pattern,
                       struct arena *a);
/* The decoded value of a query parameter; p == NULL if it is not there. */
struct str http_target_query(const struct http_target *t, const char *name,
                             struct arena *a);

#endif
