/* SPDX-License-Identifier: Apache-2.0 */
/* topics apply: makes the brokers' topics what topology.h says. */
#include <stdio.h>

#include "common/pulse/topology.h"
#include "tools/pulse/commands.h"
#include "tools/pulse/world.h"

/* How long Kafka keeps a record: the time a database may be away. Local disks
 * are bounded by the broker's log.retention.bytes as well. */
static const struct {
    const char *local_ms, *production_ms;
} retention[TOPIC_COUNT] = {
    [AT_METRICS] = {"259200000", "604800000"},      /* 3 d, 7 d */
    [AT_TELEMETRY] = {"259200000", "604800000"},    /* 3 d, 7 d */
    [AT_EVENTS] = {"259200000", "604800000"},       /* 3 d, 7 d */
    [AT_DEADLETTER] = {"1209600000", "2592000000"}, /* 14 d, 30 d */
};
/* Above the producers' message.max.bytes, so that the edge refuses first. */
#define MESSAGE_BYTES_MAX "1048576"
enum { PRODUCTION_REPLICAS = 3 };

static const char *change_text(enum kafka_topic_change change)
{
    static const char *const texts[] = {
        [KAFKA_TOPIC_CREATED] = "created",
        [KAFKA_TOPIC_GROWN] = "partitions added",
        [KAFKA_TOPIC_CONFIGURED] = "settings changed",
        [KAFKA_TOPIC_UNCHANGED] = "as it should be",
    };
    return texts[change];
}

static bool topic_apply(struct kafka_admin *admin, size_t topic,
                        bool production, int replicas, struct err *err)
{
    const char *const config[] = {
        "retention.ms",
        production ? retention[topic].production_ms : retention[topic].local_ms,
        "max.message.bytes",
        MESSAGE_BYTES_MAX,
        "min.insync.replicas",
        replicas >= PRODUCTION_REPLICAS ? "2" : "1",
        NULL,
    };
    const struct kafka_topic_spec spec = {
        .name = topic_names[topic],
        .partitions = production ? topic_sizes[topic].production
                                 : topic_sizes[topic].local,
        .replication = replicas,
        .config = config,
    };
    enum kafka_topic_change change;
    if (!kafka_topic_apply(admin, &spec, &change, err)) {
        err_in(err, "%s", spec.name);
        return kafka_failed(err);
    }
    printf("%-18s %2d partitions: %s\n", spec.name, spec.partitions,
           change_text(change));
    return true;
}

static int topics_apply(const struct call *c)
{
    struct err err = {0};
    bool production = call_flag(c, "--production");
    int64_t replicas = production ? PRODUCTION_REPLICAS : 1;
    if (!call_int(c, "--replication", 1, 9, &replicas, &err))
        return usage_error(c, &err);
    struct kafka_admin *admin = world_admin(c->world, &err);
    if (!admin)
        return failure(&err);
    for (size_t i = 0; i < TOPIC_COUNT; i++)
        if (!topic_apply(admin, i, production, (int)replicas, &err))
            return failure(&err);
    return 0;
}

static const struct option options[] = {
    {"--production", NULL, "24/12/6 partitions, three replicas, longer kept",
     false},
    {"--replication", "N", "replicas of each partition (1; production 3)",
     false},
};
const struct command topics_apply_command = {
    .name = "topics apply",
    .summary = "Create and configure Pulse's Kafka topics",
    .details = "Creates what is missing, adds partitions where there are too "
               "few, sets retention and\nmessage size. Never deletes or "
               "shrinks. Safe to run again.\n",
    .examples = "  pulse topics apply\n"
                "  PULSE_KAFKA_BROKERS=kafka-1:9092,kafka-2:9092 pulse topics "
                "apply --production\n",
    .options = options,
    .option_count = ARRAY_LEN(options),
    .run = topics_apply,
};
