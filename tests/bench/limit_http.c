/* SPDX-License-Identifier: Apache-2.0 */
/* limit_http: what libmicrohttpd alone costs. Reads each POST's body and
 * answers 202 at once, to nobody's good. usage: limit_http [threads]; prints
 * its port, ends when stdin ends. */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

int main(int argc, char **argv)
{
    unsigned threads = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 2;
    static char text[] = "{\"accepted\":1}\n";
    char rest[64];

    accepted = MHD_create_response_from_buffer_static(strlen(text), text);
    MHD_add_response_header(accepted, "Content-Type", "application/json");
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, answer, NULL,
        MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0u,
        MHD_OPTION_CONNECTION_LIMIT, 1024u, MHD_OPTION_END);
    if (!daemon)
        return 1;
    printf("%d\n",
           (int)MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    while (read(STDIN_FILENO, rest, sizeof rest) > 0)
        ;
    MHD_stop_daemon(daemon);
    MHD_destroy_response(accepted);
    return 0;
}
