/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open loop: message i is meant to be sent at start + i / rate, on a grid of
 * 1 ms, whatever the answers do; its latency counts from there (no
 * coordinated omission). A message without a final answer is sent again, as a
 * device with a buffer would, until the run ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "tools/pulse-sim/client.h"
#include "tools/pulse-sim/commands.h"
#include "tools/pulse-sim/journal.h"
#include "tools/pulse-sim/options.h"
#include "tools/pulse-sim/queue.h"
#include "tools/pulse-sim/stop.h"
#include "tools/pulse-sim/tally.h"

enum {
    GRID_US = 1000,
    RETRY_US = 500000, /* after an answer without Retry-After */
    RETRY_MAX_S = 30,  /* a longer Retry-After is cut */
    WAIT_US = 250000,
    STOP_GRACE_MS = 3000, /* when stopped by a signal */
    SALT_GAP = 101,
    SALT_RESEND,
};

static struct {
    const char *url, *key, *prefix, *journal;
    int64_t devices, connections, count, seed, hot, fast;
    double rate, gaps, resends;
    int64_t duration_ms, grace_ms, skew_ms, fast_ms;
    int64_t hot_after_ms, hot_for_ms, hot_every_ms;
    bool json, quiet;
} set;

static const struct option_item items[] = {
    {"url", OPTION_TEXT, &set.url, "http://127.0.0.1:8080", "PULSE_URL",
     "The edge."},
    {"key", OPTION_TEXT, &set.key, NULL, "PULSE_KEY", "API key."},
    {"devices", OPTION_COUNT, &set.devices, "100", NULL, "Devices."},
    {"rate", OPTION_REAL, &set.rate, "100", NULL,
     "Messages per second of all devices together."},
    {"duration", OPTION_DURATION, &set.duration_ms, "0", NULL,
     "How long to send; 0: until stopped."},
    {"count", OPTION_COUNT, &set.count, "0", NULL,
     "Stop after so many messages; 0: no limit."},
    {"grace", OPTION_DURATION, &set.grace_ms, "15s", NULL,
     "How long to wait at the end for what has no answer yet."},
    {"connections", OPTION_COUNT, &set.connections, "64", NULL,
     "Keep-alive connections; one request at a time on each."},
    {"prefix", OPTION_TEXT, &set.prefix, "sim", NULL,
     "Devices are called PREFIX-00001 and so on."},
    {"skew", OPTION_DURATION, &set.skew_ms, "2s", NULL,
     "Each device's clock is off by up to this, either way."},
    {"fast", OPTION_COUNT, &set.fast, "0", NULL,
     "The last so many devices have clocks that are ahead ..."},
    {"fast-by", OPTION_DURATION, &set.fast_ms, "9m", NULL, "... by this."},
    {"hot", OPTION_COUNT, &set.hot, "1", NULL,
     "The first so many devices overheat (95 to 98 degrees) ..."},
    {"hot-after", OPTION_DURATION, &set.hot_after_ms, "15s", NULL,
     "... this long after the start,"},
    {"hot-for", OPTION_DURATION, &set.hot_for_ms, "60s", NULL,
     "... for so long,"},
    {"hot-every", OPTION_DURATION, &set.hot_every_ms, "10m", NULL,
     "... and again so often; 0: once."},
    {"gaps", OPTION_REAL, &set.gaps, "0.001", NULL,
     "Share of messages a device loses before sending (seq jumps)."},
    {"resends", OPTION_REAL, &set.resends, "0.01", NULL,
     "Share of acknowledged messages sent once more."},
    {"seed", OPTION_COUNT, &set.seed, "1", NULL,
     "Same seed: same readings, gaps and resends."},
    {"journal", OPTION_TEXT, &set.journal, NULL, NULL,
     "File for one line per message: device, seq, time, status, latency."},
    {"json", OPTION_FLAG, &set.json, NULL, NULL,
     "Summary as one JSON object on stdout."},
    {"quiet", OPTION_FLAG, &set.quiet, NULL, NULL, "No progress."},
};

static const char usage[] =
    "pulse-sim devices: simulated devices post telemetry to Pulse.\n"
    "\n"
    "  pulse-sim devices --devices 500 --rate 1000 --duration 60s\n"
    "\n"
    "Readings: temperature (18 to 32 degrees; an overheating device 95 to "
    "98),\n"
    "humidity, battery, rssi, uptime. Sending is open-loop: latencies count\n"
    "from the time a message was meant to be sent. What is refused for now\n"
    "(503, no connection) is sent again. Exit 0: every message has its final\n"
    "answer; 1: some have none.\n";

struct run {
    struct fleet fleet;
    struct client *client;
    struct journal *journal;
    struct queue again;
    struct flight *flights; /* by slot; due_us 0: free */
    struct tally tally;
    struct buf body;
    uint64_t next;            /* message of the schedule to be sent next */
    int64_t start_us, end_us; /* monotonic; end: no message is due after */
};

/* --- answers ------------------------------------------------------------- */

static void flight_again(struct run *r, struct flight *f, int wait_s)
{
    if (f->resend)
        return; /* nobody waits for it */
    if (wait_s > RETRY_MAX_S)
        wait_s = RETRY_MAX_S;
    f->before_us =
        clock_mono_us() + (wait_s > 0 ? wait_s * INT64_C(1000000) : RETRY_US);
    queue_put(&r->again, f);
    r->tally.retries++;
}

static void flight_final(struct run *r, struct flight *f, int status)
{
    int64_t now = clock_mono_us(), latency = now - f->due_us;

    if (f->resend)
        return;
    journal_write(r->journal, &r->fleet, &f->message, status, latency);
    if (status >= 300) {
        r->tally.rejected++;
        return;
    }
    r->tally.acked++;
    tally_latency(&r->tally, latency);
    if (set.resends > 0 &&
        message_random(&r->fleet, &f->message, SALT_RESEND) < set.resends) {
        f->resend = true;
        f->before_us = now;
        queue_put(&r->again, f);
        r->tally.resends++;
    }
}

static bool is_final(int status)
{
    return status >= 200 && status < 500 && status != 408 && status != 429;
}

static void answered(void *arg, int slot, int status, int retry_after_s,
                     struct str body)
{
    struct run *r = arg;
    struct flight f = r->flights[slot];

    (void)body;
    r->flights[slot].due_us = 0;
    if (is_final(status))
        flight_final(r, &f, status);
    else
        flight_again(r, &f, retry_after_s);
}

/* --- the schedule -------------------------------------------------------- */

static int64_t due_us(const struct run *r, uint64_t i)
{
    int64_t after = (int64_t)((double)i * 1e6 / set.rate);

    return r->start_us + after / GRID_US * GRID_US;
}

static bool schedule_over(const struct run *r)
{
    return stop_asked() || (set.count > 0 && r->next >= (uint64_t)set.count) ||
           due_us(r, r->next) >= r->end_us;
}

static void flight_send(struct run *r, const struct flight *f)
{
    buf_reset(&r->body);
    message_json(&r->fleet, &f->message, &r->body);
    r->flights[client_post(r->client, buf_str(&r->body))] = *f;
    r->tally.sent++;
}

/* Sends the next message of the schedule, unless it gets lost. */
static void schedule_send(struct run *r, int64_t due)
{
    struct flight f = {.due_us = due};
    uint64_t devices = r->fleet.devices;

    f.message = (struct message){
        .device = (uint32_t)(r->next % devices),
        .seq = (int64_t)(r->next / devices) + 1,
        .wall_us = r->fleet.start_us + (due - r->start_us),
    };
    /* Two messages of one device never share a time. */
    if ((double)devices / set.rate * 1e6 < (double)GRID_US)
        f.message.wall_us +=
            (int64_t)((double)r->next * 1e6 / set.rate) - (due - r->start_us);
    r->next++;
    if (set.gaps > 0 &&
        message_random(&r->fleet, &f.message, SALT_GAP) < set.gaps) {
        r->tally.gaps++;
        return;
    }
    r->tally.due++;
    flight_send(r, &f);
}

/* Sends what may be sent now; returns µs until there may be more. */
static int64_t pump(struct run *r, int64_t now)
{
    int64_t wait = WAIT_US;

    while (client_ready(r->client)) {
        const struct flight *again = queue_first(&r->again);
        int64_t due = due_us(r, r->next);
        if (again && again->before_us <= now) {
            struct flight f = *again;
            queue_drop(&r->again);
            flight_send(r, &f);
        } else if (due <= now && !schedule_over(r)) {
            schedule_send(r, due);
        } else {
            if (again && again->before_us - now < wait)
                wait = again->before_us - now;
            return due > now && due - now < wait ? due - now : wait;
        }
    }
    return wait;
}

/* --- reports ------------------------------------------------------------- */

static void progress(struct run *r, int64_t now, bool terminal)
{
    static int64_t last_us;
    static uint64_t last_acked;
    int64_t every = terminal ? 1000000 : 10000000;

    if (last_us == 0)
        last_us = r->start_us;
    if (set.quiet || now - last_us < every)
        return;
    const struct tally *t = &r->tally;
    fprintf(stderr,
            "%s%7.1f s  %8.0f/s acknowledged  %llu sent  %llu acked  %llu "
            "rejected  %llu waiting  p99 %.1f ms%s",
            terminal ? "\r" : "", (double)(now - r->start_us) / 1e6,
            (double)(t->acked - last_acked) / ((double)(now - last_us) / 1e6),
            (unsigned long long)t->sent, (unsigned long long)t->acked,
            (unsigned long long)t->rejected,
            (unsigned long long)(t->due - t->acked - t->rejected),
            (double)tally_quantile_us(t, 0.99) / 1e3,
            terminal ? "\033[K" : "\n");
    last_us = now;
    last_acked = t->acked;
    journal_flush(r->journal);
}

static double cpu_seconds(void)
{
    struct rusage use;

    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static double ms(const struct tally *t, double share)
{
    return (double)tally_quantile_us(t, share) / 1e3;
}

#define LLU(n) (unsigned long long)(n)

static void summary_json(const struct tally *t, double seconds)
{
    printf("{\"due\":%llu,\"sent\":%llu,\"acked\":%llu,\"rejected\":%llu,"
           "\"failed\":%llu,\"retries\":%llu,\"resends\":%llu,",
           LLU(t->due), LLU(t->sent), LLU(t->acked), LLU(t->rejected),
           LLU(t->failed), LLU(t->retries), LLU(t->resends));
    printf("\"gaps\":%llu,\"seconds\":%.3f,\"acked_per_s\":%.1f,"
           "\"latency_ms\":{\"p50\":%.3f,\"p99\":%.3f,\"max\":%.3f},"
           "\"cpu_seconds\":%.3f}\n",
           LLU(t->gaps), seconds, (double)t->acked / seconds, ms(t, 0.5),
           ms(t, 0.99), (double)t->latency_max_us / 1e3, cpu_seconds());
}

static void summary_text(const struct tally *t, double seconds)
{
    printf("messages %llu: acknowledged %llu, rejected %llu, without an answer "
           "%llu\n",
           LLU(t->due), LLU(t->acked), LLU(t->rejected), LLU(t->failed));
    printf("requests %llu, of them retries %llu and resends %llu; gaps %llu\n",
           LLU(t->sent), LLU(t->retries), LLU(t->resends), LLU(t->gaps));
    printf("%.1f s, %.0f acknowledged/s, latency p50 %.2f ms, p99 %.2f ms, max "
           "%.2f ms, CPU %.2f s\n",
           seconds, (double)t->acked / seconds, ms(t, 0.5), ms(t, 0.99),
           (double)t->latency_max_us / 1e3, cpu_seconds());
}

/* --- the run ------------------------------------------------------------- */

/* Sends until the schedule is over, at most grace longer than it is; returns
 * how long it took in s. */
static double run_schedule(struct run *r)
{
    bool terminal = isatty(STDERR_FILENO);
    int64_t until =
        r->end_us == INT64_MAX ? INT64_MAX : r->end_us + set.grace_ms * 1000;

    while (!schedule_over(r) && clock_mono_us() < until) {
        client_wait(r->client, pump(r, clock_mono_us()));
        progress(r, clock_mono_us(), terminal);
    }
    if (terminal && !set.quiet)
        fputc('\n', stderr);
    return (double)(clock_mono_us() - r->start_us) / 1e6;
}

static void flight_give_up(struct run *r, const struct flight *f)
{
    if (f->due_us == 0 || f->resend)
        return;
    journal_write(r->journal, &r->fleet, &f->message, 0,
                  clock_mono_us() - f->due_us);
}

/* Waits for the answers that are missing, then gives up the rest. */
static void run_finish(struct run *r)
{
    int64_t now = clock_mono_us(), over_us = stop_asked() ? now : r->end_us;
    int64_t grace_ms = stop_asked() && set.grace_ms > STOP_GRACE_MS
                           ? STOP_GRACE_MS
                           : set.grace_ms;
    int64_t until = now + grace_ms * 1000;
    uint64_t next = r->next;

    /* Due, but never sent. */
    for (; due_us(r, next) < over_us &&
           (set.count == 0 || next < (uint64_t)set.count);
         next++)
        r->tally.due++;
    r->end_us = r->start_us; /* the schedule is over */
    while ((client_busy(r->client) > 0 || queue_first(&r->again)) &&
           now < until) {
        client_wait(r->client, pump(r, now));
        now = clock_mono_us();
    }
    for (int64_t i = 0; i < set.connections; i++)
        flight_give_up(r, &r->flights[i]);
    for (; queue_first(&r->again); queue_drop(&r->again))
        flight_give_up(r, queue_first(&r->again));
    r->tally.failed = r->tally.due - r->tally.acked - r->tally.rejected;
}

static bool settings_agree(void)
{
    const char *wrong = NULL;

    if (set.devices < 1 || set.devices > 10000000)
        wrong = "--devices must be 1 to 10000000";
    else if (set.connections < 1 || set.connections > 10000)
        wrong = "--connections must be 1 to 10000";
    else if (set.rate <= 0 || set.rate > 1e6)
        wrong = "--rate must be more than 0, at most 1000000";
    else if (set.hot > set.devices || set.fast > set.devices)
        wrong = "--hot and --fast must not be more than --devices";
    if (wrong)
        fprintf(stderr, "pulse-sim: %s\n", wrong);
    return !wrong;
}

static void run_init(struct run *r)
{
    *r = (struct run){
        .fleet = {.prefix = set.prefix,
                  .devices = (uint32_t)set.devices,
                  .seed = (uint64_t)set.seed,
                  .skew_us = set.skew_ms * 1000,
                  .fast = (uint32_t)set.fast,
                  .fast_us = set.fast_ms * 1000,
                  .hot = (uint32_t)set.hot,
                  .hot_after_us = set.hot_after_ms * 1000,
                  .hot_for_us = set.hot_for_ms * 1000,
                  .hot_every_us = set.hot_every_ms * 1000,
                  .start_us = clock_wall_us()},
        .start_us = clock_mono_us(),
        .flights = xcalloc((size_t)set.connections, sizeof *r->flights),
    };
    r->end_us =
        set.duration_ms > 0 ? r->start_us + set.duration_ms * 1000 : INT64_MAX;
}

static void run_release(struct run *r)
{
    queue_release(&r->again);
    buf_release(&r->body);
    free(r->flights);
    journal_free(r->journal);
    client_free(r->client);
}
DEFINE_AUTO_RELEASE(run)

static int fail(const struct err *err)
{
    fprintf(stderr, "pulse-sim: %s\n", err->text);
    return err->kind == ERR_INPUT ? 2 : 1;
}

int devices_main(int argc, char **argv)
{
    struct err err = {0};
    int status = options_parse(items, ARRAY_LEN(items), usage, argc, argv);

    if (status >= 0)
        return status;
    if (!settings_agree())
        return 2;
    AUTO_RELEASE(run) r;
    run_init(&r);
    r.journal = journal_new(set.journal, &err);
    if (err.kind != ERR_NONE)
        return fail(&err);
    r.client =
        client_new(&(struct client_options){.url = set.url,
                                            .path = "/api/v1/telemetry",
                                            .key = set.key,
                                            .connections = (int)set.connections,
                                            .timeout_us = 15000000,
                                            .answered = answered,
                                            .arg = &r},
                   &err);
    if (!r.client)
        return fail(&err);
    double seconds = run_schedule(&r);
    run_finish(&r);
    (set.json ? summary_json : summary_text)(&r.tally, seconds);
    return r.tally.failed > 0;
}
