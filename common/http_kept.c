/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <string.h>

#include "common/http_inside.h"

/*
 * Most answers of a busy server are the same few bytes, and making a response
 * of libmicrohttpd costs more than finding that it is the last one again. Its
 * own hold on what it sends is counted, so a new one may replace the old.
 */
enum { ARENA_BLOCK = 4096, BODY_MAX = 4096, ANSWER_MAX = 128 };

struct arena *http_kept_arena(struct http_kept *k)
{
    return k->arena_count > 0 ? k->arenas[--k->arena_count]
                              : arena_new(ARENA_BLOCK);
}

void http_kept_arena_back(struct http_kept *k, struct arena *a)
{
    if (k->arena_count == HTTP_KEPT_MAX) {
        arena_free(a);
        return;
    }
    arena_reset(a);
    k->arenas[k->arena_count++] = a;
}

struct buf http_kept_body(struct http_kept *k)
{
    return k->body_count > 0 ? k->bodies[--k->body_count] : (struct buf){0};
}

void http_kept_body_back(struct http_kept *k, struct buf *body)
{
    if (body->cap == 0 || body->cap > BODY_MAX ||
        k->body_count == HTTP_KEPT_MAX) {
        buf_release(body);
        return;
    }
    buf_reset(body);
    k->bodies[k->body_count++] = *body;
    *body = (struct buf){0};
}

static void response_drop(struct http_kept *k)
{
    if (k->response != NULL)
        MHD_destroy_response(k->response);
    k->response = NULL;
}

struct MHD_Response *http_kept_response(struct http_kept *k, const char *type,
                                        struct str body)
{
    if (body.n > ANSWER_MAX)
        return NULL;
    if (k->response != NULL && str_eq(buf_str(&k->body), body) &&
        strcmp(k->type.p, type) == 0)
        return k->response;
    response_drop(k);
    buf_reset(&k->body);
    buf_add_str(&k->body, body);
    buf_reset(&k->type);
    buf_add_text(&k->type, type);
    k->response = MHD_create_response_from_buffer_copy(body.n, body.p);
    assert(k->response != NULL);
    MHD_add_response_header(k->response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    return k->response;
}

void http_kept_release(struct http_kept *k)
{
    response_drop(k);
    buf_release(&k->body);
    buf_release(&k->type);
    while (k->arena_count > 0)
        arena_free(k->arenas[--k->arena_count]);
    while (k->body_count > 0)
        buf_release(&k->bodies[--k->body_count]);
}
