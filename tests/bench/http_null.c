/* SPDX-License-Identifier: Apache-2.0 */
/* http_null: Pulse's HTTP server with nothing behind it. POST /now is answered
 * 202 by the handler, POST /later by another thread, as the edge does.
 * usage: http_null [threads [connections [bytes]]]; prints its port, ends when
 * stdin ends. Used by make bench-idle and for comparing with limit_http. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/http.h"

enum { BODY_MAX = 1 << 20, BATCH_MAX = 4096 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct http_request *waiting[BATCH_MAX];
    size_t count;
    bool end;
} later = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static void accept_it(struct http_request *r)
{
    http_reply(r, 202, "application/json", STR("{\"accepted\":1}\n"));
}

static void answer_now(struct http_request *r, void *arg)
{
    (void)arg;
    accept_it(r);
}

static void answer_later(struct http_request *r, void *arg)
{
    (void)arg;
    pthread_mutex_lock(&later.lock);
    bool room = later.count < BATCH_MAX;
    if (room)
        later.waiting[later.count++] = r;
    pthread_cond_signal(&later.more);
    pthread_mutex_unlock(&later.lock);
    if (!room)
        accept_it(r);
}

static void *answer_batches(void *arg)
{
    struct http_server *server = arg;
    static struct http_request *batch[BATCH_MAX];

    pthread_mutex_lock(&later.lock);
    while (!later.end) {
        size_t count = later.count;
        if (count == 0) {
            pthread_cond_wait(&later.more, &later.lock);
            continue;
        }
        for (size_t i = 0; i < count; i++)
            batch[i] = later.waiting[i];
        later.count = 0;
        pthread_mutex_unlock(&later.lock);
        http_hold();
        for (size_t i = 0; i < count; i++)
            accept_it(batch[i]);
        http_release(server);
        pthread_mutex_lock(&later.lock);
    }
    pthread_mutex_unlock(&later.lock);
    return NULL;
}

static int number(int argc, char **argv, int i, int fallback)
{
    return argc > i ? (int)strtol(argv[i], NULL, 10) : fallback;
}

int main(int argc, char **argv)
{
    static const struct http_route routes[] = {
        {.method = "POST",
         .path = "/now",
         .handle = answer_now,
         .body_max = BODY_MAX},
        {.method = "POST",
         .path = "/later",
         .handle = answer_later,
         .body_max = BODY_MAX},
    };
    const struct http_options options = {
        .listen = "0.0.0.0:0",
        .threads = number(argc, argv, 1, 2),
        .connections_max = number(argc, argv, 2, 1000),
        .connection_bytes = (size_t)number(argc, argv, 3, 0),
        .idle_timeout_s = 600,
        .request_timeout_s = 10,
        .routes = routes,
        .route_count = ARRAY_LEN(routes),
    };
    struct err err = {0};
    pthread_t replier;
    char rest[64];

    struct http_server *server = http_server_new(&options, &err);
    if (!server) {
        fprintf(stderr, "http_null: %s\n", err.text);
        return 1;
    }
    if (pthread_create(&replier, NULL, answer_batches, server) != 0)
        return 1;
    printf("%d\n", http_server_port(server));
    fflush(stdout);
    while (read(STDIN_FILENO, rest, sizeof rest) > 0)
        continue;
    pthread_mutex_lock(&later.lock);
    later.end = true;
    pthread_cond_signal(&later.more);
    pthread_mutex_unlock(&later.lock);
    pthread_join(replier, NULL);
    http_server_free(server);
    return 0;
}
