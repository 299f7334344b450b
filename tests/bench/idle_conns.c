/* SPDX-License-Identifier: Apache-2.0 */
/* idle_conns: what a connection costs a server that serves nothing on it at
 * the moment. Opens COUNT of them to PORT from several addresses of 127/8,
 * sends one request on each, reads its answer, and compares what the process
 * PID holds before and after. usage: idle_conns PORT PID COUNT [PATH] */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base.h"

enum { PER_ADDRESS = 20000 };

static _Noreturn void give_up(const char *what)
{
    perror(what);
    exit(1);
}

static long number_of(int argc, char **argv, int i)
{
    char *end = NULL;
    long n = argc > i ? strtol(argv[i], &end, 10) : 0;
    if (n <= 0 || *end != '\0') {
        fputs("usage: idle_conns PORT PID COUNT [PATH]\n", stderr);
        exit(2);
    }
    return n;
}

/* Private memory of the process, in KiB: no shared library counts. */
static long memory_kib(long pid)
{
    char path[64], line[256];
    long kib = -1;
    snprintf(path, sizeof path, "/proc/%ld/status", pid);
    FILE *f = fopen(path, "re");
    if (!f)
        give_up(path);
    while (kib < 0 && fgets(line, sizeof line, f))
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtol(line + 8, NULL, 10);
    fclose(f);
    return kib;
}

static void raise_descriptors(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int dial(long port, long i)
{
    struct sockaddr_in from = {
        .sin_family = AF_INET,
        .sin_addr.s_addr =
            htonl(INADDR_LOOPBACK + 1 + (uint32_t)(i / PER_ADDRESS))};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) == 0 &&
        connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool ask_once(int fd, const char *path)
{
    char request[512], answer[4096];
    int n = snprintf(request, sizeof request,
                     "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                     "User-Agent: idle/1\r\nContent-Type: application/json\r\n"
                     "Content-Length: 2\r\n\r\n{}",
                     path);
    return send(fd, request, (size_t)n, MSG_NOSIGNAL) == n &&
           recv(fd, answer, sizeof answer, 0) > 0;
}

int main(int argc, char **argv)
{
    long port = number_of(argc, argv, 1), pid = number_of(argc, argv, 2);
    long count = number_of(argc, argv, 3), open_count = 0;
    const char *path = argc > 4 ? argv[4] : "/now";

    raise_descriptors();
    for (int i = 0; i < 64; i++) { /* what the first ones cost the server */
        int fd = dial(port, 0);
        if (fd < 0 || !ask_once(fd, path))
            give_up("first requests");
        close(fd);
    }
    long before = memory_kib(pid);
    while (open_count < count) {
        int fd = dial(port, open_count);
        if (fd < 0 || !ask_once(fd, path))
            break;
        open_count++;
    }
    long after = memory_kib(pid);
    if (open_count == 0)
        give_up("connections");
    printf("%ld connections, %ld KiB before, %ld KiB after: %.2f KiB each\n",
           open_count, before, after,
           (double)(after - before) / (double)open_count);
    return 0;
}
