/* SPDX-License-Identifier: Apache-2.0 */
#include "common/http_listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/str.h"

enum { BACKLOG = 1024, HOST_MAX = 256, PORT_MAX = 8 };

int64_t http_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 0;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur > INT32_MAX ? INT32_MAX : (int64_t)limit.rlim_cur;
}

/* Copies s, NUL-terminated; false if it is too long. */
static bool copy(struct str s, char *to, size_t size)
{
    if (s.n >= size)
        return false;
    if (s.n > 0)
        memcpy(to, s.p, s.n);
    to[s.n] = '\0';
    return true;
}

static bool split(const char *where, char host[HOST_MAX], char port[PORT_MAX])
{
    const char *colon = strrchr(where, ':');
    if (colon == NULL)
        return false;
    struct str name = {where, (size_t)(colon - where)};
    if (str_starts(name, STR("[")) && str_ends(name, STR("]")))
        name = (struct str){name.p + 1, name.n - 2};
    int64_t number;
    return str_to_i64(str_of(colon + 1), &number) && number >= 0 &&
           number <= 65535 && copy(name, host, HOST_MAX) &&
           copy(str_of(colon + 1), port, PORT_MAX);
}

static int bind_to(const struct addrinfo *a)
{
    int on = 1;
    int fd =
        socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int problem = errno;
    close(fd);
    errno = problem;
    return -1;
}

int http_listen(const char *where, struct err *err)
{
    char host[HOST_MAX], port[PORT_MAX];
    if (!split(where, host, port)) {
        err_set(err, ERR_FATAL, "\"%s\" is not address:port", where);
        return -1;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int wrong = getaddrinfo(*host == '\0' ? NULL : host, port, &hints, &found);
    if (wrong != 0) {
        err_set(err, ERR_FATAL, "cannot listen on %s: %s", where,
                gai_strerror(wrong));
        return -1;
    }
    int fd = -1;
    for (struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next)
        fd = bind_to(a);
    if (fd < 0)
        err_set(err, ERR_FATAL, "cannot listen on %s: %s", where,
                strerror(errno));
    freeaddrinfo(found);
    return fd;
}

int http_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at;
    socklen_t n = sizeof at;
    if (getsockname(fd, &at.any, &n) < 0)
        return 0;
    return ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port
                                              : at.v4.sin_port);
}
