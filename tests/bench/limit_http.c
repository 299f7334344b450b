/* SPDX-License-Identifier: Apache-2.0 */
/* limit_http: what libmicrohttpd alone costs. Reads each POST's body and
 * answers 202 at once, to nobody's good. usage: limit_http [threads]; prints
 * its port, ends when stdin ends. Its loop is ours (common/http_thread.c),
 * since the library's own stands still with 128 clients or more. */
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/http_listen.h"

/* CONNECTION_BYTES: as the edge has. */
enum { THREADS_MAX = 64, LOOK_MS = 100, CONNECTION_BYTES = 8 * 1024 };

struct server {
    struct MHD_Daemon *daemon;
    pthread_t thread;
};

static struct server servers[THREADS_MAX];
static atomic_bool over;
static struct MHD_Response *accepted;

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection,
                              const char *url, const char *method,
                              const char *version, const char *body,
                              size_t *body_bytes, void **state)
{
    (void)arg, (void)url, (void)method, (void)version, (void)body;
    if (!*state) {
        *state = accepted; /* headers only: the body is to come */
        return MHD_YES;
    }
    if (*body_bytes > 0) {
        *body_bytes = 0;
        return MHD_YES;
    }
    return MHD_queue_response(connection, MHD_HTTP_ACCEPTED, accepted);
}

static void *turn(void *arg)
{
    struct server *s = arg;
    struct epoll_event event = {.events = EPOLLIN};
    int outer = epoll_create1(EPOLL_CLOEXEC);
    int fd = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;

    epoll_ctl(outer, EPOLL_CTL_ADD, fd, &event);
    while (!atomic_load(&over)) {
        int pause_ms = MHD_get_timeout_i(s->daemon);
        bool long_pause = pause_ms < 0 || pause_ms > LOOK_MS;
        epoll_wait(outer, &event, 1, long_pause ? LOOK_MS : pause_ms);
        MHD_run(s->daemon);
    }
    close(outer);
    return NULL;
}

static bool server_start(struct server *s, int listen_fd)
{
    s->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, answer, NULL,
                                 MHD_OPTION_LISTEN_SOCKET, listen_fd,
                                 MHD_OPTION_CONNECTION_LIMIT, 4096u,
                                 MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                 (size_t)CONNECTION_BYTES, MHD_OPTION_END);
    return s->daemon && pthread_create(&s->thread, NULL, turn, s) == 0;
}

int main(int argc, char **argv)
{
    unsigned threads = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 2;
    static char text[] = "{\"accepted\":1}\n";
    struct err err = {0};
    char rest[64];
    int fd = http_listen("127.0.0.1:0", &err);

    accepted = MHD_create_response_from_buffer_static(strlen(text), text);
    MHD_add_response_header(accepted, "Content-Type", "application/json");
    for (unsigned i = 0; i < threads && i < THREADS_MAX; i++)
        if (fd < 0 || !server_start(&servers[i], fd))
            return 1;
    printf("%d\n", http_port(fd));
    fflush(stdout);
    while (read(STDIN_FILENO, rest, sizeof rest) > 0)
        ;
    atomic_store(&over, true);
    for (unsigned i = 0; i < threads && i < THREADS_MAX; i++) {
        pthread_join(servers[i].thread, NULL);
        MHD_quiesce_daemon(servers[i].daemon);
        MHD_stop_daemon(servers[i].daemon);
    }
    MHD_destroy_response(accepted);
    return 0;
}
