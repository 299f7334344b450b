/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void client_release(struct client *c)
{
    close(c->fd);
    buf_release(&c->in);
}

struct client dial_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    return (struct client){.fd = fd};
}

void dial_to(struct client *c, int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(c->fd, (struct sockaddr *)&at, sizeof at), 0);
}

struct client dial(int port)
{
    struct client c = dial_socket();
    dial_to(&c, port);
    return c;
}

void say(struct client *c, struct str bytes)
{
    while (bytes.n > 0) {
        ssize_t n = send(c->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (n < 0)
            return; /* refused early: the answer tells */
        bytes.p += n;
        bytes.n -= (size_t)n;
    }
}

void say_text(struct client *c, const char *text)
{
    say(c, str_of(text));
}

/* Reads what comes; false at the end of the stream. */
bool hear_more(struct client *c)
{
    struct pollfd ready = {.fd = c->fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, ANSWER_MS), 1);
    ssize_t n = recv(c->fd, buf_reserve(&c->in, 65536), 65536, 0);
    if (n <= 0)
        return false;
    c->in.n += (size_t)n;
    c->in.p[c->in.n] = '\0';
    return true;
}

static bool field(struct str head, const char *name, struct str *value)
{
    struct str line, key;
    while (str_next(&head, '\n', &line))
        if (str_cut(line, ':', &key, value) &&
            str_eq_nocase(key, str_of(name))) {
            *value = str_trim(*value);
            return true;
        }
    return false;
}

/* One answer off the front of what was heard; false: the stream ended. */
bool hear(struct client *c, struct answer *a)
{
    const char *end;
    while (c->in.n == 0 || (end = strstr(c->in.p, "\r\n\r\n")) == NULL)
        if (!hear_more(c))
            return false;
    size_t head_n = (size_t)(end - c->in.p) + 4;
    int64_t body_n = 0;
    struct str length;
    if (field((struct str){c->in.p, head_n}, "Content-Length", &length))
        assert_true(str_to_i64(length, &body_n));
    while (c->in.n < head_n + (size_t)body_n)
        if (!hear_more(c))
            return false;
    assert_int_equal(sscanf(c->in.p, "HTTP/1.1 %d", &a->status), 1);
    a->head = (struct str){c->in.p, head_n};
    a->body = (struct str){c->in.p + head_n, (size_t)body_n};
    return true;
}

void forget(struct client *c, const struct answer *a)
{
    size_t n = a->head.n + a->body.n;
    memmove(c->in.p, c->in.p + n, c->in.n - n + 1);
    c->in.n -= n;
}

bool has(struct str s, const char *text)
{
    return memmem(s.p, s.n, text, strlen(text)) != NULL;
}

struct answer ask(struct client *c, const char *text)
{
    struct answer a = {0};
    say_text(c, text);
    if (!hear(c, &a))
        fail_msg("no answer to %.60s", text);
    return a;
}

int64_t metric_value(struct metrics *m, const char *series)
{
    AUTO_RELEASE(buf) text = {0}, line = {0};
    metrics_write(m, &text);
    buf_addf(&line, "\n%s ", series);
    const char *at = strstr(text.p, line.p);
    int64_t value = -1;
    if (at != NULL) {
        struct str rest = str_of(at + line.n), number;
        assert_true(str_next(&rest, '\n', &number));
        assert_true(str_to_i64(number, &value));
    }
    return value;
}
