/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One tick is read at a time and kept until it is acknowledged, so an edge
 * that is away for a while misses nothing; the oldest tick goes when the
 * buffer is full.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "tools/pulse-sim/client.h"
#include "tools/pulse-sim/commands.h"
#include "tools/pulse-sim/options.h"
#include "tools/pulse-sim/procfs.h"
#include "tools/pulse-sim/stop.h"

enum {
    TICKS_PER_REQUEST = 200,
    RETRY_US = 1000000,
    FINISH_US = 3000000, /* for the last answer, when stopped */
};

static struct {
    const char *url, *key, *name;
    int64_t every_ms, duration_ms, buffer;
} set;

static const struct option_item items[] = {
    {"url", OPTION_TEXT, &set.url, "http://127.0.0.1:8080", "PULSE_URL",
     "The edge."},
    {"key", OPTION_TEXT, &set.key, NULL, "PULSE_KEY", "API key."},
    {"name", OPTION_TEXT, &set.name, NULL, NULL,
     "Value of label host; this machine's name if not given."},
    {"every", OPTION_DURATION, &set.every_ms, "1s", NULL, "How often."},
    {"duration", OPTION_DURATION, &set.duration_ms, "0", NULL,
     "How long; 0: until stopped."},
    {"buffer", OPTION_COUNT, &set.buffer, "3600", NULL,
     "Readings kept while the edge is away."},
};

static const char usage[] =
    "pulse-sim host: posts what this machine really does.\n"
    "\n"
    "Metrics, each with label host: cpu_usage, memory_usage, disk_usage (in\n"
    "percent), network_receive and network_transmit (bytes per second). What\n"
    "the edge does not take for now is kept and sent again.\n";

struct tick {
    int64_t time_us;
    double cpu, memory, disk, receive, transmit;
};

struct host {
    struct client *client;
    struct procfs last;
    struct tick *ticks; /* a ring */
    size_t head, count, cap;
    size_t sending;    /* so many of the oldest are under way */
    int64_t before_us; /* no request before */
    uint64_t acked, dropped;
    char name[256];
};

static struct tick tick_make(const struct procfs *a, const struct procfs *b)
{
    double seconds = (double)(b->mono_us - a->mono_us) / 1e6;
    double all = (double)(b->cpu_all - a->cpu_all);

    return (struct tick){
        .time_us = clock_wall_us(),
        .cpu = all > 0 ? 100 * (double)(b->cpu_busy - a->cpu_busy) / all : 0,
        .memory = 100 * b->memory_used,
        .disk = 100 * b->disk_used,
        .receive = b->received >= a->received
                       ? (double)(b->received - a->received) / seconds
                       : 0,
        .transmit =
            b->sent >= a->sent ? (double)(b->sent - a->sent) / seconds : 0,
    };
}

static void ticks_drop(struct host *h, size_t n)
{
    h->head = (h->head + n) % h->cap;
    h->count -= n;
}

static void tick_read(struct host *h)
{
    struct procfs now;

    procfs_read(&now);
    if (h->count == h->cap && h->sending == 0) {
        ticks_drop(h, 1);
        h->dropped++;
    }
    if (h->count < h->cap)
        h->ticks[(h->head + h->count++) % h->cap] = tick_make(&h->last, &now);
    else
        h->dropped++;
    h->last = now;
}

static void metric_json(struct buf *out, const struct host *h, const char *name,
                        double value, int64_t time_us)
{
    buf_addf(out, "%s{\"name\":\"%s\",\"value\":%.3f,\"labels\":{\"host\":",
             out->p[out->n - 1] == '[' ? "" : ",", name, value);
    json_add_str(out, str_of(h->name));
    buf_addf(out, "},\"timestamp\":%lld}", (long long)time_us);
}

static void ticks_send(struct host *h)
{
    AUTO_RELEASE(buf) body = {0};

    h->sending = h->count < TICKS_PER_REQUEST ? h->count : TICKS_PER_REQUEST;
    buf_add_text(&body, "{\"metrics\":[");
    for (size_t i = 0; i < h->sending; i++) {
        const struct tick *t = &h->ticks[(h->head + i) % h->cap];
        metric_json(&body, h, "cpu_usage", t->cpu, t->time_us);
        metric_json(&body, h, "memory_usage", t->memory, t->time_us);
        metric_json(&body, h, "disk_usage", t->disk, t->time_us);
        metric_json(&body, h, "network_receive", t->receive, t->time_us);
        metric_json(&body, h, "network_transmit", t->transmit, t->time_us);
    }
    buf_add_text(&body, "]}");
    client_post(h->client, buf_str(&body));
}

static void answered(void *arg, int slot, int status, int retry_after_s,
                     struct str body)
{
    static int last_status = 202;
    struct host *h = arg;
    bool again = status == 0 || status == 408 || status == 429 ||
                 status == 401 || status >= 500;

    (void)slot;
    if (status != last_status)
        fprintf(stderr, "pulse-sim host: answer %d, %zu readings kept%s%.*s\n",
                status, again ? h->count : h->count - h->sending,
                body.n > 0 ? ": " : "", STR_ARG(body));
    last_status = status;
    if (again) {
        h->before_us =
            clock_mono_us() +
            (retry_after_s > 0 ? retry_after_s * 1000000L : RETRY_US);
    } else {
        h->acked += status < 300 ? h->sending : 0;
        ticks_drop(h, h->sending);
    }
    h->sending = 0;
}

static void ticks_send_if_due(struct host *h, int64_t now)
{
    if (h->sending == 0 && h->count > 0 && now >= h->before_us &&
        client_ready(h->client))
        ticks_send(h);
}

static void host_run(struct host *h)
{
    int64_t start = clock_mono_us(), next = start, now;
    int64_t every = set.every_ms * 1000;

    for (now = start; !stop_asked() && (set.duration_ms == 0 ||
                                        now < start + set.duration_ms * 1000);
         now = clock_mono_us()) {
        if (now >= next) {
            if (now > start)
                tick_read(h);
            next += (now - next) / every * every + every;
        }
        ticks_send_if_due(h, now);
        client_wait(h->client, next - now);
    }
    for (int64_t until = now + FINISH_US;
         (h->count > 0 || h->sending > 0) && now < until;
         now = clock_mono_us()) {
        ticks_send_if_due(h, now);
        client_wait(h->client, RETRY_US);
    }
}

static void host_release(struct host *h)
{
    client_free(h->client);
    free(h->ticks);
}
DEFINE_AUTO_RELEASE(host)

int host_main(int argc, char **argv)
{
    struct err err = {0};
    int status = options_parse(items, ARRAY_LEN(items), usage, argc, argv);

    if (status >= 0)
        return status;
    if (set.every_ms < 10 || set.buffer < 1) {
        fprintf(stderr, "pulse-sim: --every must be 10ms or more, --buffer 1 "
                        "or more\n");
        return 2;
    }
    AUTO_RELEASE(host) h = {.cap = (size_t)set.buffer};
    h.ticks = xcalloc(h.cap, sizeof *h.ticks);
    if (set.name)
        snprintf(h.name, sizeof h.name, "%s", set.name);
    else if (gethostname(h.name, sizeof h.name) != 0)
        snprintf(h.name, sizeof h.name, "localhost");
    procfs_read(&h.last);
    h.client = client_new(
        &(struct client_options){.url = set.url,
                                 .path = "/api/v1/metrics/ingest/batch",
                                 .key = set.key,
                                 .connections = 1,
                                 .timeout_us = 15000000,
                                 .answered = answered,
                                 .arg = &h},
        &err);
    if (!h.client) {
        fprintf(stderr, "pulse-sim: %s\n", err.text);
        return err.kind == ERR_INPUT ? 2 : 1;
    }
    host_run(&h);
    printf("readings acknowledged %llu, dropped %llu, kept %zu\n",
           (unsigned long long)h.acked, (unsigned long long)h.dropped, h.count);
    return h.count > 0;
}
