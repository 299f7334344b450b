/* SPDX-License-Identifier: Apache-2.0 */
/* load: posts records over HTTP/1.1, one request under way per connection,
 * and looks at the status of every answer.
 *   load key=value…
 * port, path, key (the API key), shape (telemetry|metric), messages (records
 * in a request), connections, seconds, rate (requests/s, open loop: a latency
 * counts from the time the request was meant to be sent; 0: closed loop, the
 * next one after each answer), requests (at most so many; 0: no limit).
 * Prints one line of JSON. Ends at the latest DRAIN_S after seconds. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/str.h"
#include "tests/bench/post.h"
#include "tools/pulse-sim/tally.h"

enum {
    POSTS = 4, /* of a connection, sent in turn */
    ANSWER_MAX = 8192,
    EVENTS = 64,
    STATUSES = 600,
    DRAIN_S = 10,
    LOST_MAX = 1000,
};

struct conn {
    int fd;
    bool writing; /* EPOLLOUT is asked for */
    struct post posts[POSTS];
    unsigned turn;
    size_t sent; /* of the present post */
    int64_t since_us;
    size_t got;
    char answer[ANSWER_MAX];
};

struct load {
    /* settings */
    int64_t port, messages, connections, seconds, rate, requests;
    struct post_options post;
    int epoll_fd;
    struct conn *conns;
    struct conn **idle; /* a ring: open loop only */
    size_t idle_first, idle_count;
    int64_t begin_us, until_us, done_us, last_stamp_us;
    int64_t asked, answered, lost;
    int64_t statuses[STATUSES];
    struct tally latencies;
};

static void check(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* --- connections --------------------------------------------------------- */

static void conn_watch(struct load *l, struct conn *c, int op, bool writing)
{
    struct epoll_event event = {
        .events = EPOLLIN | (writing ? (uint32_t)EPOLLOUT : 0u), .data.ptr = c};

    c->writing = writing;
    check(epoll_ctl(l->epoll_fd, op, c->fd, &event) == 0, "epoll");
}

static void conn_open(struct load *l, struct conn *c)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)l->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(c->fd >= 0 &&
              connect(c->fd, (struct sockaddr *)&to, sizeof to) == 0 &&
              setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) ==
                  0 &&
              fcntl(c->fd, F_SETFL, O_NONBLOCK) == 0,
          "connect");
    conn_watch(l, c, EPOLL_CTL_ADD, false);
}

static void conn_write(struct load *l, struct conn *c)
{
    const struct buf *out = &c->posts[c->turn].bytes;
    ssize_t n = send(c->fd, out->p + c->sent, out->n - c->sent, MSG_NOSIGNAL);

    if (n > 0)
        c->sent += (size_t)n;
    /* An error shows when reading. */
    bool more = c->sent < out->n && (n >= 0 || errno == EAGAIN);
    if (more != c->writing)
        conn_watch(l, c, EPOLL_CTL_MOD, more);
}

static void conn_ask(struct load *l, struct conn *c, int64_t since_us)
{
    c->turn = (c->turn + 1) % POSTS;
    c->sent = c->got = 0;
    c->since_us = since_us;
    l->asked++;
    post_stamp(&c->posts[c->turn], &l->last_stamp_us);
    conn_write(l, c);
}

/* --- when to ask --------------------------------------------------------- */

static bool may_ask(const struct load *l, int64_t now_us)
{
    return now_us < l->until_us && (l->requests == 0 || l->asked < l->requests);
}

static int64_t due_us(const struct load *l)
{
    return l->begin_us + l->asked * 1000000 / l->rate;
}

/* Open loop: what is due, as far as connections are free. */
static void ask_due(struct load *l)
{
    int64_t now_us = clock_mono_us();

    while (l->idle_count > 0 && may_ask(l, now_us) && due_us(l) <= now_us) {
        struct conn *c = l->idle[l->idle_first];
        l->idle_first = (l->idle_first + 1) % (size_t)l->connections;
        l->idle_count--;
        conn_ask(l, c, due_us(l));
    }
}

static void conn_free(struct load *l, struct conn *c)
{
    if (l->rate > 0) {
        size_t at = (l->idle_first + l->idle_count++) % (size_t)l->connections;
        l->idle[at] = c;
        return;
    }
    int64_t now_us = clock_mono_us();
    if (may_ask(l, now_us))
        conn_ask(l, c, now_us);
}

/* --- answers ------------------------------------------------------------- */

static size_t content_length(struct str head)
{
    struct str line, name, value;
    int64_t n = 0;

    while (str_next(&head, '\n', &line))
        if (str_cut(line, ':', &name, &value) &&
            str_eq_nocase(name, STR("Content-Length")))
            check(str_to_i64(str_trim(value), &n) && n >= 0, "length");
    return (size_t)n;
}

/* The status of a whole answer; 0: there is more to come. */
static int answer_status(const struct conn *c)
{
    const char *end = memmem(c->answer, c->got, "\r\n\r\n", 4);
    struct str head = {c->answer, end ? (size_t)(end - c->answer) : 0};

    if (!end || head.n < 12)
        return 0;
    if (c->got < head.n + 4 + content_length(head))
        return 0;
    int64_t status = 0;
    check(str_to_i64((struct str){c->answer + 9, 3}, &status) &&
              status >= 100 && status < STATUSES,
          "status");
    return (int)status;
}

static void conn_lost(struct load *l, struct conn *c)
{
    bool asked = c->since_us != 0;

    close(c->fd);
    l->lost++;
    l->answered += asked;
    check(l->lost <= LOST_MAX, "too many connections are lost");
    c->since_us = 0;
    conn_open(l, c);
    if (asked)
        conn_free(l, c);
}

static void conn_read(struct load *l, struct conn *c)
{
    ssize_t n = recv(c->fd, c->answer + c->got, ANSWER_MAX - c->got, 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0) {
        conn_lost(l, c);
        return;
    }
    c->got += (size_t)n;
    int status = answer_status(c);
    if (status == 0)
        return;
    l->done_us = clock_mono_us();
    l->statuses[status]++;
    l->answered++;
    tally_latency(&l->latencies, l->done_us - c->since_us);
    c->since_us = 0;
    conn_free(l, c);
}

/* --- the run ------------------------------------------------------------- */

/* How long nothing is due; at most 100 ms. */
static struct timespec pause_of(const struct load *l)
{
    int64_t us = 100000;

    if (l->rate > 0 && l->idle_count > 0) {
        us = due_us(l) - clock_mono_us();
        us = us < 0 ? 0 : us > 100000 ? 100000 : us;
    }
    return (struct timespec){.tv_nsec = us * 1000};
}

static void turn(struct load *l)
{
    struct epoll_event events[EVENTS];
    struct timespec pause = pause_of(l);
    int n = epoll_pwait2(l->epoll_fd, events, EVENTS, &pause, NULL);

    check(n >= 0 || errno == EINTR, "epoll_pwait2");
    for (int i = 0; i < n; i++) {
        if (events[i].events & EPOLLOUT)
            conn_write(l, events[i].data.ptr);
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            conn_read(l, events[i].data.ptr);
    }
    if (l->rate > 0)
        ask_due(l);
}

static void run(struct load *l)
{
    l->begin_us = l->done_us = clock_mono_us();
    l->until_us = l->begin_us + l->seconds * 1000000;
    int64_t end_us = l->until_us + DRAIN_S * INT64_C(1000000);
    for (int64_t i = 0; i < l->connections; i++)
        conn_free(l, &l->conns[i]);
    for (;;) {
        int64_t now_us = clock_mono_us();
        if (now_us >= end_us ||
            (l->answered == l->asked && !may_ask(l, now_us)))
            return;
        turn(l);
    }
}

static void prepare(struct load *l)
{
    size_t count = (size_t)l->connections;

    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->conns = xcalloc(count, sizeof *l->conns);
    l->idle = xcalloc(count, sizeof(struct conn *));
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < POSTS; k++)
            post_init(&l->conns[i].posts[k], &l->post,
                      (i * POSTS + k) * l->post.messages);
        conn_open(l, &l->conns[i]);
    }
}

static void finish(struct load *l)
{
    for (int64_t i = 0; i < l->connections; i++) {
        for (size_t k = 0; k < POSTS; k++)
            post_release(&l->conns[i].posts[k]);
        close(l->conns[i].fd);
    }
    free(l->idle);
    free(l->conns);
    close(l->epoll_fd);
}

/* --- report -------------------------------------------------------------- */

static double ms_at(const struct load *l, double share)
{
    return (double)tally_quantile_us(&l->latencies, share) / 1e3;
}

static void report(const struct load *l)
{
    double seconds = (double)(l->done_us - l->begin_us) / 1e6;
    long long taken = 0;
    struct rusage use;

    for (size_t i = 200; i < 300; i++)
        taken += l->statuses[i];
    getrusage(RUSAGE_SELF, &use);
    printf("{\"requests\":%lld,\"ok\":%lld,\"messages\":%lld,\"lost\":%lld,"
           "\"unanswered\":%lld,\"seconds\":%.3f,\"requests_per_s\":%.0f,"
           "\"latency_ms\":{\"p50\":%.3f,\"p99\":%.3f,\"p999\":%.3f,"
           "\"max\":%.3f},\"cpu_seconds\":%.2f,\"statuses\":{",
           (long long)l->asked, taken, taken * l->messages, (long long)l->lost,
           (long long)(l->asked - l->answered), seconds,
           seconds > 0 ? (double)taken / seconds : 0, ms_at(l, 0.5),
           ms_at(l, 0.99), ms_at(l, 0.999),
           (double)l->latencies.latency_max_us / 1e3,
           (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
               (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
    const char *comma = "";
    for (int i = 0; i < STATUSES; i++)
        if (l->statuses[i] > 0) {
            printf("%s\"%d\":%lld", comma, i, (long long)l->statuses[i]);
            comma = ",";
        }
    printf("}}\n");
}

static void number(const char *text, int64_t *out)
{
    check(str_to_i64(str_of(text), out) && *out >= 0, text);
}

static void setting(struct load *l, const char *word)
{
    const char *value = strchr(word, '=');
    static const struct {
        const char *name;
        size_t at;
    } numbers[] = {
        {"port", offsetof(struct load, port)},
        {"messages", offsetof(struct load, messages)},
        {"connections", offsetof(struct load, connections)},
        {"seconds", offsetof(struct load, seconds)},
        {"rate", offsetof(struct load, rate)},
        {"requests", offsetof(struct load, requests)},
    };

    check(value != NULL, word);
    struct str name = {word, (size_t)(value++ - word)};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (str_is(name, numbers[i].name)) {
            number(value, (int64_t *)((char *)l + numbers[i].at));
            return;
        }
    if (str_is(name, "path"))
        l->post.path = value;
    else if (str_is(name, "key"))
        l->post.key = value;
    else if (str_is(name, "shape"))
        l->post.shape =
            strcmp(value, "metric") == 0 ? POST_METRIC : POST_TELEMETRY;
    else
        check(false, word);
}

int main(int argc, char **argv)
{
    static struct load load = {
        .messages = 1,
        .connections = 64,
        .seconds = 5,
        .post = {.host = "127.0.0.1", .path = "/api/v1/telemetry"},
    };

    for (int i = 1; i < argc; i++)
        setting(&load, argv[i]);
    check(load.port > 0 && load.port < 65536 && load.messages > 0 &&
              load.connections > 0,
          "port=, messages= or connections= is wrong");
    load.post.messages = (size_t)load.messages;
    prctl(PR_SET_TIMERSLACK, 1);
    prepare(&load);
    run(&load);
    report(&load);
    finish(&load);
    return load.lost > 0 || load.answered < load.asked;
}
