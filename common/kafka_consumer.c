/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which partitions are whose, three times:
 *   granted   the group gave them to this member: ASSIGN adds, REVOKE removes
 *   assigned  of these, the caller has said where to start (librdkafka keeps
 *             this set: rd_kafka_assignment)
 *   claimed   the caller's own affair (claim.h)
 * The group waits for an answer to each rebalance: the first incremental
 * assign or unassign after it is that answer, later ones just change the set.
 */
#include "common/kafka_consumer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/kafka_client.h"
#include "common/log.h"

/* The library's name for it does not fit a line twice. */
typedef rd_kafka_topic_partition_list_t list;

enum { SEEK_WAIT_MS = 1000, LEAVE_WAIT_MS = 5000, FETCH_WAIT_MS = 50 };

struct kafka_consumer {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    int fd;
    struct kafka_probe *probe;
    const char *const *topics;
    size_t topic_count;
    list *granted;
    list *revoked;           /* a REVOKE not yet answered */
    rd_kafka_event_t *event; /* what the last poll returned points into it */
    struct kafka_partition *parts; /* of the last event */
    bool left;
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static rd_kafka_t *client_of(const struct kafka_consumer_options *o,
                             struct err *err)
{
    const struct kafka_setting settings[] = {
        {"group.id", o->group, 0},
        {"partition.assignment.strategy", "cooperative-sticky", 0},
        {"session.timeout.ms", NULL, o->session_timeout_ms},
        {"heartbeat.interval.ms", NULL, least(o->session_timeout_ms / 3, 3000)},
        {"max.poll.interval.ms", NULL, o->max_poll_interval_ms},
        /* Positions are the caller's, and none is ever made up. */
        {"enable.auto.commit", "false", 0},
        {"enable.auto.offset.store", "false", 0},
        {"auto.offset.reset", "error", 0},
        {"enable.partition.eof", "false", 0},
        {"allow.auto.create.topics", "false", 0},
        {"check.crcs", "true", 0},
        {"fetch.wait.max.ms", NULL, FETCH_WAIT_MS},
        {"fetch.queue.backoff.ms", NULL, 50}, /* default: stalls of 1 s */
        {"fetch.error.backoff.ms", NULL, 200},
        {"fetch.max.bytes", "8388608", 0},
        {"fetch.message.max.bytes", "1048576", 0},
        {"queued.min.messages", "20000", 0},
        {"queued.max.messages.kbytes", NULL, o->queue_bytes / 1024},
        {"topic.metadata.refresh.interval.ms", "30000", 0},
    };
    return kafka_client_new(RD_KAFKA_CONSUMER, o->brokers, o->client_id,
                            RD_KAFKA_EVENT_REBALANCE | RD_KAFKA_EVENT_ERROR |
                                RD_KAFKA_EVENT_FETCH,
                            settings, ARRAY_LEN(settings), err);
}

static bool subscribe(rd_kafka_t *rk, const struct kafka_consumer_options *o,
                      struct err *err)
{
    list *topics = rd_kafka_topic_partition_list_new((int)o->topic_count);
    for (size_t i = 0; i < o->topic_count; i++) {
        rd_kafka_topic_partition_list_add(topics, o->topics[i],
                                          RD_KAFKA_PARTITION_UA);
    }
    rd_kafka_resp_err_t code = rd_kafka_subscribe(rk, topics);
    rd_kafka_topic_partition_list_destroy(topics);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        err_set(err, ERR_FATAL, "Kafka subscribe: %s", rd_kafka_err2str(code));
    }
    return code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

struct kafka_consumer *kafka_consumer_new(
    const struct kafka_consumer_options *options, struct err *err)
{
    rd_kafka_t *rk = client_of(options, err);
    if (rk == NULL) {
        return NULL;
    }
    rd_kafka_poll_set_consumer(rk); /* one queue for everything */
    if (!subscribe(rk, options, err)) {
        rd_kafka_destroy(rk);
        return NULL;
    }
    struct kafka_consumer *c = xcalloc(1, sizeof *c);
    c->rk = rk;
    c->queue = rd_kafka_queue_get_consumer(rk);
    c->fd = kafka_wake_fd(c->queue);
    c->topics = options->topics;
    c->topic_count = options->topic_count;
    c->granted = rd_kafka_topic_partition_list_new(16);
    c->probe = kafka_probe_new(rk, 0);
    return c;
}

static void drop_event(struct kafka_consumer *c)
{
    free(c->parts);
    c->parts = NULL;
    if (c->event != NULL) {
        rd_kafka_event_destroy(c->event);
        c->event = NULL;
    }
}

void kafka_consumer_free(struct kafka_consumer *c)
{
    if (c == NULL) {
        return;
    }
    kafka_consumer_leave(c);
    kafka_probe_free(c->probe);
    rd_kafka_queue_destroy(c->queue);
    rd_kafka_topic_partition_list_destroy(c->granted);
    rd_kafka_destroy_flags(c->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    close(c->fd);
    free(c);
}

int kafka_consumer_fd(const struct kafka_consumer *c)
{
    return c->fd;
}

static size_t topic_index(const struct kafka_consumer *c, const char *name)
{
    size_t i = 0;
    while (i < c->topic_count && strcmp(c->topics[i], name) != 0) {
        i++;
    }
    assert(i < c->topic_count); /* subscribed to no other */
    return i;
}

static void add(const struct kafka_consumer *c, list *l,
                const struct kafka_partition *part)
{
    rd_kafka_topic_partition_list_add(l, c->topics[part->topic], part->part)
        ->offset = part->offset;
}

static list *list_of(const struct kafka_consumer *c,
                     const struct kafka_partition *parts, size_t count)
{
    list *l = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        add(c, l, &parts[i]);
    }
    return l;
}

/* Removes from l what is (or is not) in other. */
static void keep_only(list *l, const list *other, bool in)
{
    for (int i = l->cnt - 1; i >= 0; i--) {
        if ((rd_kafka_topic_partition_list_find(
                 other, l->elems[i].topic, l->elems[i].partition) != NULL) !=
            in) {
            rd_kafka_topic_partition_list_del_by_idx(l, i);
        }
    }
}

/* Narrows l to what is assigned (or is not). */
static void keep_assigned(const struct kafka_consumer *c, list *l, bool is)
{
    list *assigned = NULL;
    if (rd_kafka_assignment(c->rk, &assigned) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        keep_only(l, assigned, is);
        rd_kafka_topic_partition_list_destroy(assigned);
    }
}

static bool report(rd_kafka_error_t *error, const char *what, struct err *err)
{
    if (error == NULL) {
        return true;
    }
    err_set(err, rd_kafka_error_is_fatal(error) ? ERR_FATAL : ERR_RETRY,
            "%s: %s", what, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return false;
}

static bool unassign_list(struct kafka_consumer *c, list *l, struct err *err)
{
    keep_assigned(c, l, true);
    return report(rd_kafka_incremental_unassign(c->rk, l), "Kafka unassign",
                  err);
}

/* Answers a REVOKE that the caller has not (fully) answered. */
static bool finish_revoke(struct kafka_consumer *c, struct err *err)
{
    bool ok = true;
    if (c->revoked != NULL) {
        ok = unassign_list(c, c->revoked, err);
        rd_kafka_topic_partition_list_destroy(c->revoked);
        c->revoked = NULL;
    }
    return ok;
}

static void parts_set(struct kafka_consumer *c, struct kafka_event *event,
                      const list *l)
{
    c->parts = xcalloc((size_t)l->cnt + 1, sizeof *c->parts);
    for (int i = 0; i < l->cnt; i++) {
        c->parts[i] = (struct kafka_partition){
            .topic = topic_index(c, l->elems[i].topic),
            .part = l->elems[i].partition,
            .offset = l->elems[i].offset,
        };
    }
    event->parts = c->parts;
    event->part_count = (size_t)l->cnt;
}

static void grant(struct kafka_consumer *c, const list *l)
{
    for (int i = 0; i < l->cnt; i++) {
        rd_kafka_topic_partition_list_add(c->granted, l->elems[i].topic,
                                          l->elems[i].partition);
    }
}

/* An empty list is answered here and no event. */
static bool take_rebalance(struct kafka_consumer *c, struct kafka_event *event)
{
    list *l = rd_kafka_event_topic_partition_list(c->event);
    bool assign =
        rd_kafka_event_error(c->event) == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    log_info("kafka_rebalance", LOG_S("what", assign ? "assign" : "revoke"),
             LOG_I("partitions", l->cnt));
    if (l->cnt == 0) {
        struct err err = {0};
        if (!report(assign ? rd_kafka_incremental_assign(c->rk, l)
                           : rd_kafka_incremental_unassign(c->rk, l),
                    "Kafka rebalance", &err)) {
            log_warn("kafka_rebalance_failed", LOG_ERR(&err));
        }
        return false;
    }
    parts_set(c, event, l);
    if (assign) {
        event->kind = KAFKA_ASSIGN;
        grant(c, l);
    } else {
        event->kind = KAFKA_REVOKE;
        event->lost = rd_kafka_assignment_lost(c->rk);
        keep_only(c->granted, l, false);
        c->revoked = rd_kafka_topic_partition_list_copy(l);
    }
    return true;
}

static bool take_error(struct kafka_consumer *c, struct kafka_event *event)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(c->event);
    const char *text = rd_kafka_event_error_string(c->event);
    rd_kafka_topic_partition_t *part = rd_kafka_event_topic_partition(c->event);
    event->kind = KAFKA_FAULT;
    err_set(&event->err,
            rd_kafka_event_error_is_fatal(c->event) ? ERR_FATAL : ERR_RETRY,
            "Kafka: %s: %s", rd_kafka_err2name(code), text);
    if (code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
        kafka_probe_down(c->probe);
    }
    if (code == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET && part != NULL) {
        list *one = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(one, part->topic, part->partition)
            ->offset = part->offset;
        parts_set(c, event, one);
        rd_kafka_topic_partition_list_destroy(one);
        event->kind = KAFKA_GAP;
    }
    if (part != NULL) {
        rd_kafka_topic_partition_destroy(part);
    }
    return true;
}

static bool take_message(struct kafka_consumer *c, struct kafka_event *event)
{
    const rd_kafka_message_t *m = rd_kafka_event_message_next(c->event);
    if (m == NULL) {
        return false;
    }
    event->kind = KAFKA_MESSAGE;
    event->topic = topic_index(c, rd_kafka_topic_name(m->rkt));
    event->part = m->partition;
    event->offset = m->offset;
    int64_t time_ms = rd_kafka_message_timestamp(m, NULL);
    bool none = time_ms < 0 || time_ms > INT64_MAX / 1000;
    event->time_us = none ? -1 : time_ms * 1000;
    event->key = (struct str){m->key, m->key_len};
    event->payload = (struct str){m->payload, m->len};
    return true;
}

static bool take(struct kafka_consumer *c, struct kafka_event *event)
{
    switch (rd_kafka_event_type(c->event)) {
    case RD_KAFKA_EVENT_FETCH:
        return take_message(c, event);
    case RD_KAFKA_EVENT_REBALANCE:
        return take_rebalance(c, event);
    case RD_KAFKA_EVENT_ERROR:
        return take_error(c, event);
    default:
        return false;
    }
}

/* The fd stays readable until the queue was seen empty: one system call for
 * many events, and what comes after the drain is found by the second look. */
static rd_kafka_event_t *next_event(struct kafka_consumer *c)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(c->queue, 0);
    if (event == NULL) {
        kafka_wake_drain(c->fd);
        event = rd_kafka_queue_poll(c->queue, 0);
    }
    return event;
}

/* All but the room for an error's text: this is done for every message. */
static void event_clear(struct kafka_event *event)
{
    memset(event, 0, offsetof(struct kafka_event, err));
    event->err.kind = ERR_NONE;
    event->err.text[0] = '\0';
}

bool kafka_consumer_poll(struct kafka_consumer *c, struct kafka_event *event)
{
    struct err err;
    assert(!c->left);
    if (!finish_revoke(c, &err)) {
        log_warn("kafka_rebalance_failed", LOG_ERR(&err));
    }
    do {
        drop_event(c);
        c->event = next_event(c);
        if (c->event == NULL) {
            return false;
        }
        event_clear(event);
    } while (!take(c, event));
    return true;
}

bool kafka_consumer_assign(struct kafka_consumer *c,
                           const struct kafka_partition *parts, size_t count,
                           struct err *err)
{
    list *l = list_of(c, parts, count);
    keep_only(l, c->granted, true);
    keep_assigned(c, l, false);
    /* A pause outlives the assignment it was made in. */
    (void)rd_kafka_resume_partitions(c->rk, l);
    bool ok =
        report(rd_kafka_incremental_assign(c->rk, l), "Kafka assign", err);
    rd_kafka_topic_partition_list_destroy(l);
    return ok;
}

bool kafka_consumer_unassign(struct kafka_consumer *c,
                             const struct kafka_partition *parts, size_t count,
                             struct err *err)
{
    list *l = list_of(c, parts, count);
    bool ok;
    if (c->revoked != NULL) { /* the answer: all of it at once */
        keep_only(l, c->revoked, false);
        for (int i = 0; i < l->cnt; i++) {
            rd_kafka_topic_partition_list_add(c->revoked, l->elems[i].topic,
                                              l->elems[i].partition);
        }
        ok = finish_revoke(c, err);
    } else {
        ok = unassign_list(c, l, err);
    }
    rd_kafka_topic_partition_list_destroy(l);
    return ok;
}

bool kafka_consumer_pause(struct kafka_consumer *c,
                          const struct kafka_partition *parts, size_t count,
                          struct err *err)
{
    list *l = list_of(c, parts, count);
    keep_assigned(c, l, true);
    rd_kafka_resp_err_t code = rd_kafka_pause_partitions(c->rk, l);
    rd_kafka_topic_partition_list_destroy(l);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka_err_set(err, code, "Kafka pause");
    }
    return code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

bool kafka_consumer_resume(struct kafka_consumer *c,
                           const struct kafka_partition *parts, size_t count,
                           struct err *err)
{
    list *l = list_of(c, parts, count);
    keep_assigned(c, l, true);
    rd_kafka_resp_err_t code = rd_kafka_resume_partitions(c->rk, l);
    rd_kafka_topic_partition_list_destroy(l);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka_err_set(err, code, "Kafka resume");
    }
    return code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* A partition that stopped at a gap, or is not yet started, cannot be sought:
 * it is assigned anew. */
static bool assign_anew(struct kafka_consumer *c, const list *sought,
                        struct err *err)
{
    list *l = rd_kafka_topic_partition_list_copy(sought);
    for (int i = l->cnt - 1; i >= 0; i--) {
        if (l->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            rd_kafka_topic_partition_list_del_by_idx(l, i);
        }
    }
    bool ok =
        l->cnt == 0 ||
        (report(rd_kafka_incremental_unassign(c->rk, l), "Kafka seek", err) &&
         report(rd_kafka_incremental_assign(c->rk, l), "Kafka seek", err));
    rd_kafka_topic_partition_list_destroy(l);
    return ok;
}

bool kafka_consumer_seek(struct kafka_consumer *c,
                         const struct kafka_partition *parts, size_t count,
                         struct err *err)
{
    list *l = list_of(c, parts, count);
    keep_assigned(c, l, true);
    bool ok =
        l->cnt == 0 || (report(rd_kafka_seek_partitions(c->rk, l, SEEK_WAIT_MS),
                               "Kafka seek", err) &&
                        assign_anew(c, l, err));
    rd_kafka_topic_partition_list_destroy(l);
    return ok;
}

int64_t kafka_consumer_end(const struct kafka_consumer *c, size_t topic,
                           int32_t part)
{
    int64_t low, high;
    rd_kafka_resp_err_t code = rd_kafka_get_watermark_offsets(
        c->rk, c->topics[topic], part, &low, &high);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0 ? high : -1;
}

bool kafka_consumer_up(const struct kafka_consumer *c)
{
    return kafka_probe_up(c->probe);
}

void kafka_consumer_leave(struct kafka_consumer *c)
{
    struct err err = {0};
    int64_t until = clock_mono_us() + LEAVE_WAIT_MS * INT64_C(1000);
    if (c->left) {
        return;
    }
    (void)finish_revoke(c, &err);
    drop_event(c);
    c->left = true;
    if (!report(rd_kafka_consumer_close_queue(c->rk, c->queue), "Kafka leave",
                &err)) {
        log_warn("kafka_leave_failed", LOG_ERR(&err));
        return;
    }
    while (!rd_kafka_consumer_closed(c->rk) && clock_mono_us() < until) {
        rd_kafka_event_t *event = rd_kafka_queue_poll(c->queue, 50);
        if (event == NULL) {
            continue;
        }
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_REBALANCE) {
            c->revoked = rd_kafka_topic_partition_list_copy(
                rd_kafka_event_topic_partition_list(event));
            (void)finish_revoke(c, &err);
        }
        rd_kafka_event_destroy(event);
    }
}
