/* SPDX-License-Identifier: Apache-2.0 */
#include "common/kafka_admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/kafka_client.h"

/* librdkafka itself ends a request in time; its word may take a moment. */
enum { ANSWER_SLACK_MS = 1000 };

struct kafka_admin {
    rd_kafka_t *rk;
    rd_kafka_queue_t *queue;
    int timeout_ms;
    uintptr_t asked; /* number of the last request; its answer carries it */
};

struct kafka_admin *kafka_admin_new(const char *brokers, const char *client_id,
                                    int64_t timeout_ms, struct err *err)
{
    const struct kafka_setting settings[] = {
        {"allow.auto.create.topics", "false", 0},
    };
    rd_kafka_t *rk = kafka_client_new(RD_KAFKA_PRODUCER, brokers, client_id, 0,
                                      settings, ARRAY_LEN(settings), err);
    if (rk == NULL) {
        return NULL;
    }
    struct kafka_admin *a = xcalloc(1, sizeof *a);
    a->rk = rk;
    a->queue = rd_kafka_queue_new(rk);
    a->timeout_ms = (int)timeout_ms;
    return a;
}

void kafka_admin_free(struct kafka_admin *a)
{
    if (a != NULL) {
        rd_kafka_queue_destroy(a->queue);
        rd_kafka_destroy(a->rk);
        free(a);
    }
}

static rd_kafka_AdminOptions_t *options_of(struct kafka_admin *a,
                                           rd_kafka_admin_op_t op)
{
    char why[128];
    rd_kafka_AdminOptions_t *o = rd_kafka_AdminOptions_new(a->rk, op);
    (void)rd_kafka_AdminOptions_set_request_timeout(o, a->timeout_ms, why,
                                                    sizeof why);
    rd_kafka_AdminOptions_set_opaque(o, (void *)++a->asked);
    return o;
}

/* The answer to the last request; NULL and *err. */
static rd_kafka_event_t *answer(struct kafka_admin *a, const char *what,
                                struct err *err)
{
    int64_t until =
        clock_mono_us() + (a->timeout_ms + ANSWER_SLACK_MS) * INT64_C(1000);
    for (int64_t now = clock_mono_us(); now < until; now = clock_mono_us()) {
        rd_kafka_event_t *event =
            rd_kafka_queue_poll(a->queue, (int)((until - now) / 1000) + 1);
        if (event == NULL) {
            break;
        }
        /* One that was given up may be answered now: not ours. */
        if ((uintptr_t)rd_kafka_event_opaque(event) != a->asked) {
            rd_kafka_event_destroy(event);
            continue;
        }
        if (rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR) {
            return event;
        }
        err_set(err, ERR_RETRY, "%s: %s", what,
                rd_kafka_event_error_string(event));
        rd_kafka_event_destroy(event);
        return NULL;
    }
    err_set(err, ERR_RETRY, "%s: no answer from the brokers in %d ms", what,
            a->timeout_ms);
    return NULL;
}

/* What a broker said about one topic. */
static bool topic_result(rd_kafka_event_t *event, const char *what,
                         const rd_kafka_topic_result_t **results, size_t count,
                         struct err *err)
{
    bool ok = count == 1 && rd_kafka_topic_result_error(results[0]) ==
                                RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!ok) {
        err_set(err, ERR_RETRY, "%s: %s", what,
                count == 1 ? rd_kafka_topic_result_error_string(results[0])
                           : "no result");
    }
    rd_kafka_event_destroy(event);
    return ok;
}

static bool read_description(rd_kafka_event_t *event, const char *topic,
                             struct kafka_topic_info *info, bool *missing,
                             struct err *err)
{
    size_t count = 0;
    const rd_kafka_TopicDescription_t **topics =
        rd_kafka_DescribeTopics_result_topics(
            rd_kafka_event_DescribeTopics_result(event), &count);
    const rd_kafka_error_t *error =
        count == 1 ? rd_kafka_TopicDescription_error(topics[0]) : NULL;
    if (count != 1 || error != NULL) {
        *missing = rd_kafka_error_code(error) ==
                   RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
        err_set(err, ERR_RETRY, "topic %s: %s", topic,
                error != NULL ? rd_kafka_error_string(error) : "no result");
        return false;
    }
    size_t partitions = 0;
    (void)rd_kafka_TopicDescription_partitions(topics[0], &partitions);
    info->partitions = (int)partitions;
    snprintf(
        info->id, sizeof info->id, "%s",
        rd_kafka_Uuid_base64str(rd_kafka_TopicDescription_topic_id(topics[0])));
    return true;
}

static bool describe(struct kafka_admin *a, const char *topic,
                     struct kafka_topic_info *info, bool *missing,
                     struct err *err)
{
    rd_kafka_AdminOptions_t *options =
        options_of(a, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
    rd_kafka_TopicCollection_t *topics =
        rd_kafka_TopicCollection_of_topic_names(&topic, 1);
    rd_kafka_DescribeTopics(a->rk, topics, options, a->queue);
    rd_kafka_TopicCollection_destroy(topics);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_event_t *event = answer(a, "describe topic", err);
    *missing = false;
    if (event == NULL) {
        return false;
    }
    bool ok = read_description(event, topic, info, missing, err);
    rd_kafka_event_destroy(event);
    return ok;
}

bool kafka_topic_describe(struct kafka_admin *a, const char *topic,
                          struct kafka_topic_info *info, struct err *err)
{
    bool missing;
    return describe(a, topic, info, &missing, err);
}

static bool create(struct kafka_admin *a, const struct kafka_topic_spec *t,
                   struct err *err)
{
    char why[256];
    size_t count = 0;
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(
        t->name, t->partitions, t->replication, why, sizeof why);
    if (topic == NULL) {
        err_set(err, ERR_INPUT, "topic %s: %s", t->name, why);
        return false;
    }
    for (const char *const *c = t->config; c != NULL && *c != NULL; c += 2) {
        (void)rd_kafka_NewTopic_set_config(topic, c[0], c[1]);
    }
    rd_kafka_AdminOptions_t *options =
        options_of(a, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_CreateTopics(a->rk, &topic, 1, options, a->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(topic);
    rd_kafka_event_t *event = answer(a, "create topic", err);
    if (event == NULL) {
        return false;
    }
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(
            rd_kafka_event_CreateTopics_result(event), &count);
    return topic_result(event, t->name, results, count, err);
}

static bool grow(struct kafka_admin *a, const struct kafka_topic_spec *t,
                 struct err *err)
{
    char why[256];
    size_t count = 0;
    rd_kafka_NewPartitions_t *more = rd_kafka_NewPartitions_new(
        t->name, (size_t)t->partitions, why, sizeof why);
    if (more == NULL) {
        err_set(err, ERR_INPUT, "topic %s: %s", t->name, why);
        return false;
    }
    rd_kafka_AdminOptions_t *options =
        options_of(a, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS);
    rd_kafka_CreatePartitions(a->rk, &more, 1, options, a->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewPartitions_destroy(more);
    rd_kafka_event_t *event = answer(a, "add partitions", err);
    if (event == NULL) {
        return false;
    }
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreatePartitions_result_topics(
            rd_kafka_event_CreatePartitions_result(event), &count);
    return topic_result(event, t->name, results, count, err);
}

static bool config_differs(const rd_kafka_ConfigResource_t *now,
                           const char *name, const char *value)
{
    size_t count = 0;
    const rd_kafka_ConfigEntry_t **entries =
        rd_kafka_ConfigResource_configs(now, &count);
    for (size_t i = 0; i < count; i++) {
        const char *is = rd_kafka_ConfigEntry_value(entries[i]);
        if (strcmp(rd_kafka_ConfigEntry_name(entries[i]), name) == 0) {
            return is == NULL || strcmp(is, value) != 0;
        }
    }
    return true; /* the broker knows no such setting, and will say so */
}

/* Puts what has to change into wanted. */
static bool compare_configs(rd_kafka_event_t *event,
                            const struct kafka_topic_spec *t,
                            rd_kafka_ConfigResource_t *wanted, bool *differs,
                            struct err *err)
{
    size_t count = 0;
    const rd_kafka_ConfigResource_t **now =
        rd_kafka_DescribeConfigs_result_resources(
            rd_kafka_event_DescribeConfigs_result(event), &count);
    if (count != 1 ||
        rd_kafka_ConfigResource_error(now[0]) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        err_set(err, ERR_RETRY, "settings of topic %s: %s", t->name,
                count == 1 ? rd_kafka_ConfigResource_error_string(now[0])
                           : "no result");
        return false;
    }
    *differs = false;
    for (const char *const *c = t->config; *c != NULL; c += 2) {
        if (config_differs(now[0], c[0], c[1])) {
            *differs = true;
            rd_kafka_error_destroy(
                rd_kafka_ConfigResource_add_incremental_config(
                    wanted, c[0], RD_KAFKA_ALTER_CONFIG_OP_TYPE_SET, c[1]));
        }
    }
    return true;
}

static bool alter_configs(struct kafka_admin *a, const char *topic,
                          rd_kafka_ConfigResource_t *wanted, struct err *err)
{
    size_t count = 0;
    rd_kafka_AdminOptions_t *options =
        options_of(a, RD_KAFKA_ADMIN_OP_INCREMENTALALTERCONFIGS);
    rd_kafka_IncrementalAlterConfigs(a->rk, &wanted, 1, options, a->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_event_t *event = answer(a, "configure topic", err);
    if (event == NULL) {
        return false;
    }
    const rd_kafka_ConfigResource_t **results =
        rd_kafka_IncrementalAlterConfigs_result_resources(
            rd_kafka_event_IncrementalAlterConfigs_result(event), &count);
    bool ok = count == 1 && rd_kafka_ConfigResource_error(results[0]) ==
                                RD_KAFKA_RESP_ERR_NO_ERROR;
    if (!ok) {
        err_set(err, ERR_RETRY, "settings of topic %s: %s", topic,
                count == 1 ? rd_kafka_ConfigResource_error_string(results[0])
                           : "no result");
    }
    rd_kafka_event_destroy(event);
    return ok;
}

static bool configure(struct kafka_admin *a, const struct kafka_topic_spec *t,
                      bool *changed, struct err *err)
{
    *changed = false;
    if (t->config == NULL || *t->config == NULL) {
        return true;
    }
    rd_kafka_ConfigResource_t *wanted =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, t->name);
    rd_kafka_AdminOptions_t *options =
        options_of(a, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_DescribeConfigs(a->rk, &wanted, 1, options, a->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_event_t *event = answer(a, "ask for settings", err);
    bool ok = event != NULL && compare_configs(event, t, wanted, changed, err);
    if (ok && *changed) {
        ok = alter_configs(a, t->name, wanted, err);
    }
    if (event != NULL) {
        rd_kafka_event_destroy(event);
    }
    rd_kafka_ConfigResource_destroy(wanted);
    return ok;
}

bool kafka_topic_apply(struct kafka_admin *a, const struct kafka_topic_spec *t,
                       enum kafka_topic_change *change, struct err *err)
{
    struct kafka_topic_info info;
    bool missing, configured;
    if (!describe(a, t->name, &info, &missing, err)) {
        err_clear(missing ? err : NULL);
        *change = KAFKA_TOPIC_CREATED;
        return missing && create(a, t, err);
    }
    if (info.partitions > t->partitions) {
        err_set(err, ERR_INPUT,
                "topic %s has %d partitions and cannot shrink to %d", t->name,
                info.partitions, t->partitions);
        return false;
    }
    bool grown = info.partitions < t->partitions;
    if ((grown && !grow(a, t, err)) || !configure(a, t, &configured, err)) {
        return false;
    }
    *change = grown        ? KAFKA_TOPIC_GROWN
              : configured ? KAFKA_TOPIC_CONFIGURED
                           : KAFKA_TOPIC_UNCHANGED;
    return true;
}

static bool read_offsets(rd_kafka_event_t *event,
                         struct kafka_log_range *ranges, size_t count, bool end,
                         struct err *err)
{
    size_t n = 0;
    const rd_kafka_ListOffsetsResultInfo_t **infos =
        rd_kafka_ListOffsets_result_infos(
            rd_kafka_event_ListOffsets_result(event), &n);
    size_t found = 0;
    for (size_t i = 0; i < n; i++) {
        const rd_kafka_topic_partition_t *p =
            rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]);
        /* A request that failed as a whole shows as an offset of -1001
         * without an error (2.8.0: the results' initial value). */
        if (p->err != RD_KAFKA_RESP_ERR_NO_ERROR || p->offset < 0) {
            err_set(err, ERR_RETRY, "offsets of %s[%d]: %s", p->topic,
                    (int)p->partition,
                    p->err != RD_KAFKA_RESP_ERR_NO_ERROR
                        ? rd_kafka_err2str(p->err)
                        : "no answer from the leader");
            return false;
        }
        for (size_t k = 0; k < count; k++) {
            if (ranges[k].part == p->partition &&
                strcmp(ranges[k].topic, p->topic) == 0) {
                *(end ? &ranges[k].end : &ranges[k].first) = p->offset;
                found++;
            }
        }
    }
    if (found < count) {
        err_set(err, ERR_RETRY, "offsets: %zu of %zu partitions answered",
                found, count);
    }
    return found >= count;
}

static bool list_offsets(struct kafka_admin *a, struct kafka_log_range *ranges,
                         size_t count, bool end, struct err *err)
{
    rd_kafka_topic_partition_list_t *parts =
        rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        rd_kafka_topic_partition_list_add(parts, ranges[i].topic,
                                          ranges[i].part)
            ->offset =
            end ? RD_KAFKA_OFFSET_SPEC_LATEST : RD_KAFKA_OFFSET_SPEC_EARLIEST;
    }
    rd_kafka_AdminOptions_t *options =
        options_of(a, RD_KAFKA_ADMIN_OP_LISTOFFSETS);
    rd_kafka_ListOffsets(a->rk, parts, options, a->queue);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_topic_partition_list_destroy(parts);
    rd_kafka_event_t *event = answer(a, "ask for offsets", err);
    if (event == NULL) {
        return false;
    }
    bool ok = read_offsets(event, ranges, count, end, err);
    rd_kafka_event_destroy(event);
    return ok;
}

bool kafka_log_ranges(struct kafka_admin *a, struct kafka_log_range *ranges,
                      size_t count, struct err *err)
{
    return count == 0 || (list_offsets(a, ranges, count, false, err) &&
                          list_offsets(a, ranges, count, true, err));
}
