/* SPDX-License-Identifier: Apache-2.0 */
/* http_route.h - a request target taken apart and matched; used by http. */
#ifndef COMMON_HTTP_ROUTE_H
#define COMMON_HTTP_ROUTE_H

#include "common/arena.h"

enum { HTTP_ARGS_MAX = 4 };

struct http_target {
    struct str raw;   /* the path as sent: "/" and "%2F" differ */
    struct str path;  /* decoded */
    struct str query; /* as sent, without '?' */
    bool plain;       /* nothing in raw is to be decoded */
    struct str arg_names[HTTP_ARGS_MAX];
    struct str arg_values[HTTP_ARGS_MAX]; /* decoded */
    int arg_count;
};

/* Takes "/path?query", "http://host/path?query" or "*" apart; target and a
 * must live as long as out. False if it is none of these, has a control
 * character or a fragment, if an escape is broken or means NUL, or if what is
 * decoded is not UTF-8. */
bool http_target_parse(struct str target, struct arena *a,
                       struct http_target *out) MUST_USE;
/* True if the path has the form of pattern ("/a/{name}/b", no empty name);
 * then fills args. */
bool http_target_match(struct http_target *t, const char *pattern,
                       struct arena *a);
/* The decoded value of the first query parameter of that name; p == NULL if
 * there is none. */
struct str http_target_query(const struct http_target *t, const char *name,
                             struct arena *a);

#endif
