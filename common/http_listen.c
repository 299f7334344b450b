/* SPDX-License-Identifier: Apache-2.0 */
#include "common/http_listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/str.h"

/* A connection is a descriptor: take as many as we may. */
static void raise_fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool split_address(const char *listen_at, char *host, size_t host_size,
                          const char **port)
{
    const char *colon = strrchr(listen_at, ':');
    if (colon == NULL)
        return false;
    struct str name = {listen_at, (size_t)(colon - listen_at)};
    if (str_starts(name, STR("[")) && str_ends(name, STR("]")))
        name = (struct str){name.p + 1, name.n - 2};
    if (name.n >= host_size)
        return false;
    memcpy(host, name.p, name.n);
    host[name.n] = '\0';
    *port = colon + 1;
    return true;
}

static int bind_to(const struct addrinfo *a)
{
    int on = 1;
    int fd =
        socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, 1024) == 0)
        return fd;
    int problem = errno;
    close(fd);
    errno = problem;
    return -1;
}

int http_listen(const char *listen_at, struct err *err)
{
    char host[256];
    const char *port;
    raise_fd_limit();
    if (!split_address(listen_at, host, sizeof host, &port)) {
        err_set(err, ERR_FATAL, "\"%s\" is not address:port", listen_at);
        return -1;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int wrong = getaddrinfo(*host == '\0' ? NULL : host, port, &hints, &found);
    if (wrong != 0) {
        err_set(err, ERR_FATAL, "cannot listen on %s: %s", listen_at,
                gai_strerror(wrong));
        return -1;
    }
    int fd = bind_to(found);
    if (fd < 0)
        err_set(err, ERR_FATAL, "cannot listen on %s: %s", listen_at,
                strerror(errno));
    freeaddrinfo(found);
    return fd;
}

int http_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t n = sizeof address;
    char port[8] = "0";
    if (getsockname(fd, (struct sockaddr *)&address, &n) == 0)
        getnameinfo((struct sockaddr *)&address, n, NULL, 0, port, sizeof port,
                    NI_NUMERICSERV);
    return (int)strtol(port, NULL, 10);
}
