/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse/deadletter_send.h"

#include <poll.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/pulse/topology.h"

enum {
    TOPICS_MAX = 64,
    TOPIC_NAME_MAX = 249, /* Kafka's */
    /* Below the 60 s that PostgreSQL lets a transaction idle. */
    MESSAGE_TIMEOUT_MS = 20000,
    QUEUE_MESSAGES = 200000,
    QUEUE_BYTES = 64 << 20,
    WAIT_MS = 50,
};

struct sender {
    struct kafka_producer *producer;
    char *topics[TOPICS_MAX];
    size_t topic_count;
};

static void topic_add(struct sender *s, struct str name)
{
    for (size_t i = 0; i < s->topic_count; i++)
        if (str_is(name, s->topics[i]))
            return;
    if (s->topic_count < TOPICS_MAX && name.n > 0 && name.n <= TOPIC_NAME_MAX)
        s->topics[s->topic_count++] = str_dup(name);
}

/* Raw topics are a setting of the writer; its letters tell them. */
static bool topics_find(struct sender *s, struct world *w, struct err *err)
{
    struct pg *pg = world_pg(w, err);
    AUTO(pg_result) r = pg ? pg_run(pg,
                                    "SELECT DISTINCT topic FROM dead_letters"
                                    " WHERE topic IS NOT NULL ORDER BY topic",
                                    NULL, err)
                           : NULL;
    if (!r)
        return false;
    for (size_t i = 0; i < TOPIC_COUNT; i++)
        topic_add(s, str_of(topic_names[i]));
    for (int i = 0; i < pg_rows(r); i++)
        topic_add(s, pg_get_str(r, i, 0));
    return true;
}

static void report(void *arg, void *tag, enum kafka_verdict verdict)
{
    struct sending *sending = tag;
    (void)arg;
    sending->unreported--;
    sending->verdict = kafka_verdict_worse(sending->verdict, verdict);
}

/* Better known before the first letter is locked. */
static bool kafka_answers(struct world *w, struct err *err)
{
    struct kafka_topic_info info;
    struct kafka_admin *admin = world_admin(w, err);
    return (admin && kafka_topic_describe(admin, topic_names[0], &info, err)) ||
           kafka_failed(err);
}

struct sender *sender_new(struct world *w, size_t message_bytes_max,
                          struct err *err)
{
    AUTO(sender) s = xcalloc(1, sizeof *s);
    if (!kafka_answers(w, err) || !topics_find(s, w, err))
        return NULL;
    const struct kafka_producer_options options = {
        .brokers = w->settings->kafka_brokers,
        .client_id = "pulse-deadletter",
        .topics = (const char *const *)s->topics,
        .topic_count = s->topic_count,
        .message_timeout_ms = MESSAGE_TIMEOUT_MS,
        .linger_ms = 5,
        .queue_messages = QUEUE_MESSAGES,
        .queue_bytes = QUEUE_BYTES,
        .message_bytes_max = (int64_t)message_bytes_max,
        .report = report,
    };
    s->producer = kafka_producer_new(&options, err);
    return s->producer ? MOVE(s) : NULL;
}

void sender_free(struct sender *s)
{
    if (!s)
        return;
    kafka_producer_free(s->producer);
    for (size_t i = 0; i < s->topic_count; i++)
        free(s->topics[i]);
    free(s);
}

static bool topic_index(const struct sender *s, struct str name, size_t *index)
{
    for (size_t i = 0; i < s->topic_count; i++)
        if (str_is(name, s->topics[i])) {
            *index = i;
            return true;
        }
    return false;
}

static void reports_await(struct sender *s, int ms)
{
    struct pollfd fd = {.fd = kafka_producer_fd(s->producer), .events = POLLIN};
    (void)poll(&fd, 1, ms);
    kafka_producer_serve(s->producer);
}

/* What was not taken moves to the front; returns how many that is. */
static size_t untaken(struct kafka_record *records, size_t count,
                      struct sending *sending)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        if (records[i].queued)
            continue;
        if (records[i].refusal != KAFKA_TOO_LARGE) {
            records[left++] = records[i];
            continue;
        }
        report(NULL, sending, KAFKA_TOO_LARGE);
    }
    return left;
}

bool sender_send(struct sender *s, const struct plan *plan,
                 struct sending *sending, struct err *err)
{
    size_t topic, left = plan->count;
    int64_t until_us = clock_mono_us() + MESSAGE_TIMEOUT_MS * INT64_C(1000);
    if (!topic_index(s, plan->topic, &topic)) {
        err_set(err, ERR_INPUT, "topic \"%.*s\" is unknown",
                STR_ARG(plan->topic));
        return false;
    }
    sending->unreported = plan->count;
    for (size_t i = 0; i < plan->count; i++)
        plan->records[i].tag = sending;
    for (;;) {
        kafka_producer_send(s->producer, topic, plan->records, left);
        left = untaken(plan->records, left, sending);
        if (left == 0)
            return true;
        if (clock_mono_us() >= until_us)
            break;
        reports_await(s, WAIT_MS);
    }
    for (; left > 0; left--)
        report(NULL, sending, KAFKA_REFUSED);
    err_set(err, ERR_RETRY, "the queue for Kafka stays full");
    return false;
}

void sender_wait(struct sender *s)
{
    kafka_producer_hurry(s->producer);
    while (kafka_producer_pending(s->producer) > 0)
        reports_await(s, WAIT_MS);
}
