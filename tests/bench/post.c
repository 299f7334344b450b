/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/bench/post.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

enum { TIME_DIGITS = 16 }; /* µs since 1970, until the year 2286 */

static const char time_mark[] = "\"timestamp\":";

static void add_time(struct buf *body, size_t *at)
{
    buf_add_text(body, time_mark);
    *at = body->n;
    buf_addf(body, "%0*d", TIME_DIGITS, 0);
}

/* About 150 bytes, five readings: reference message of the figures. */
static void add_telemetry(struct buf *body, uint64_t n, size_t *time_at)
{
    buf_addf(body, "{\"device_id\":\"bench-%llu\",", (unsigned long long)n);
    add_time(body, time_at);
    buf_addf(body,
             ",\"seq\":%llu,\"metrics\":{\"temperature\":%llu.%llu,"
             "\"humidity\":%llu,\"battery\":3.%llu,\"rssi\":-%llu,"
             "\"uptime\":%llu}}",
             (unsigned long long)n, 15 + (unsigned long long)n % 20,
             (unsigned long long)n % 10, 30 + (unsigned long long)n % 60,
             10 + (unsigned long long)n % 90, 40 + (unsigned long long)n % 50,
             100000 + (unsigned long long)n * 7);
}

static void add_metric(struct buf *body, uint64_t n, size_t *time_at)
{
    buf_addf(
        body,
        "{\"name\":\"bench_temperature\",\"value\":%llu.%llu,"
        "\"labels\":{\"device_id\":\"bench-%llu\",\"site\":\"hall-%llu\"},",
        15 + (unsigned long long)n % 20, (unsigned long long)n % 10,
        (unsigned long long)n, (unsigned long long)n % 16);
    add_time(body, time_at);
    buf_add_char(body, '}');
}

static void add_body(struct buf *body, const struct post_options *o,
                     uint64_t first, size_t *times)
{
    if (o->messages > 1)
        buf_add_char(body, '[');
    for (size_t i = 0; i < o->messages; i++) {
        if (i > 0)
            buf_add_char(body, ',');
        if (o->shape == POST_TELEMETRY)
            add_telemetry(body, first + i, &times[i]);
        else
            add_metric(body, first + i, &times[i]);
    }
    if (o->messages > 1)
        buf_add_char(body, ']');
}

void post_init(struct post *p, const struct post_options *o, uint64_t first)
{
    AUTO_RELEASE(buf) body = {0};

    assert(o->messages > 0);
    *p = (struct post){.count = o->messages};
    p->times = xcalloc(p->count, sizeof *p->times);
    add_body(&body, o, first, p->times);
    buf_addf(&p->bytes, "POST %s HTTP/1.1\r\nHost: %s\r\n", o->path, o->host);
    if (o->key)
        buf_addf(&p->bytes, "Authorization: Bearer %s\r\n", o->key);
    buf_addf(&p->bytes,
             "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
             body.n);
    for (size_t i = 0; i < p->count; i++)
        p->times[i] += p->bytes.n;
    buf_add_str(&p->bytes, buf_str(&body));
}

void post_release(struct post *p)
{
    buf_release(&p->bytes);
    free(p->times);
    *p = (struct post){0};
}

static void put_time(char *at, int64_t us)
{
    for (int i = TIME_DIGITS - 1; i >= 0; i--, us /= 10)
        at[i] = (char)('0' + us % 10);
}

/* Of all digits only the last few differ from the first record's. */
static void put_times(struct post *p, int64_t us)
{
    enum { LAST = 6 };
    int64_t million = 1000000;
    char *first = p->bytes.p + p->times[0];

    put_time(first, us);
    for (size_t i = 1; i < p->count; i++) {
        char *at = p->bytes.p + p->times[i];
        int64_t rest = us % million + (int64_t)i;
        if (rest >= million) {
            put_time(at, us + (int64_t)i);
            continue;
        }
        memcpy(at, first, TIME_DIGITS - LAST);
        for (int d = TIME_DIGITS - 1; d >= TIME_DIGITS - LAST; d--, rest /= 10)
            at[d] = (char)('0' + rest % 10);
    }
}

void post_stamp(struct post *p, int64_t *last_us)
{
    int64_t now_us = clock_wall_us();
    int64_t us = now_us > *last_us ? now_us : *last_us + 1;

    put_times(p, us);
    *last_us = us + (int64_t)p->count - 1;
}
