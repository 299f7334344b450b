/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fake_pg.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- what it says ---- */

static void say(int fd, char type, const char *body, size_t n)
{
    char out[512] = {type};
    uint32_t length = htonl((uint32_t)n + 4);
    memcpy(out + 1, &length, 4);
    memcpy(out + 5, body, n);
    if (write(fd, out, n + 5) < 0)
        _exit(1);
}
#define SAY(fd, type, body) say(fd, type, body, sizeof(body) - 1)

static void say_error(int fd, const char *severity, const char *sqlstate)
{
    char body[64] = "";
    size_t n = 0;
    const char *fields[] = {"S", severity, "C", sqlstate, "M", "no"};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        size_t length = strlen(fields[i]) + (i % 2); /* values have their 0 */
        memcpy(body + n, fields[i], length);
        n += length;
    }
    say(fd, 'E', body, n + 1);
}

static void greet(int fd, bool read_only)
{
    SAY(fd, 'R', "\0\0\0\0");
    SAY(fd, 'S',
        "server_version\0"
        "17.0\0");
    SAY(fd, 'S', "default_transaction_read_only\0off\0");
    if (read_only)
        SAY(fd, 'S', "in_hot_standby\0on\0");
    else
        SAY(fd, 'S', "in_hot_standby\0off\0");
    SAY(fd, 'K', "\0\0\0\1\0\0\0\2");
    SAY(fd, 'Z', "I");
}

/* ---- what it hears ---- */

static bool take(int fd, char *to, size_t n)
{
    return recv(fd, to, n, MSG_WAITALL) == (ssize_t)n;
}

/* A message without its length; type is 0 for the first, which has none. */
static bool hear(int fd, bool first, char *type, char *body, size_t max)
{
    uint32_t length;
    *type = 0;
    if ((!first && !take(fd, type, 1)) || !take(fd, (char *)&length, 4))
        return false;
    size_t n = ntohl(length) - 4;
    memset(body, 0, max);
    return n < max && take(fd, body, n);
}

static void act_on(int fd, enum fake_pg_act act, const char *sqlstate)
{
    switch (act) {
    case FAKE_PG_ANSWERS:
        SAY(fd, 'C', "SET\0");
        SAY(fd, 'Z', "I");
        break;
    case FAKE_PG_REFUSES:
        say_error(fd, "ERROR", sqlstate);
        SAY(fd, 'Z', "I");
        break;
    case FAKE_PG_ENDS_COPY:
        SAY(fd, 'G', "\1\0\0");
        usleep(20000); /* so that the COPY has begun */
        say_error(fd, "FATAL", sqlstate);
        close(fd);
        break;
    case FAKE_PG_ENDS:
        say_error(fd, "FATAL", sqlstate);
        close(fd);
        break;
    case FAKE_PG_SILENT:
        break;
    case FAKE_PG_DEAF:
        SAY(fd, 'G', "\1\0\0");
        pause();
        break;
    }
}

static void serve(int fd, enum fake_pg_act act, const char *sqlstate,
                  bool read_only)
{
    char type, body[4096];
    if (!hear(fd, true, &type, body, sizeof body))
        return;
    greet(fd, read_only);
    while (hear(fd, false, &type, body, sizeof body))
        if (type == 'Q')
            act_on(fd,
                   strncmp(body, "SET timezone", 12) == 0 ? FAKE_PG_ANSWERS
                                                          : act,
                   sqlstate);
}

/* ---- life ---- */

struct fake_pg fake_pg_start(enum fake_pg_act act, const char *sqlstate,
                             bool read_only)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0)
        abort();
    assert_int_equal(bind(listener, (struct sockaddr *)&at, n), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &n), 0);
    struct fake_pg f;
    snprintf(f.url, sizeof f.url,
             "host=127.0.0.1 port=%d sslmode=disable gssencmode=disable",
             ntohs(at.sin_port));
    f.pid = fork();
    assert_true(f.pid >= 0);
    if (f.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGCHLD, SIG_IGN);
        for (;;) {
            int fd = accept(listener, NULL, NULL);
            if (fork() == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                serve(fd, act, sqlstate, read_only);
                _exit(0);
            }
            close(fd);
        }
    }
    close(listener);
    return f;
}

void fake_pg_stop(struct fake_pg *f)
{
    kill(f->pid, SIGKILL);
    waitpid(f->pid, NULL, 0);
}
