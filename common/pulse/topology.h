/* SPDX-License-Identifier: Apache-2.0 */
/* topology.h - the names everything meets under: topics, tables, groups,
 * ports. Defined here and nowhere else. */
#ifndef COMMON_PULSE_TOPOLOGY_H
#define COMMON_PULSE_TOPOLOGY_H

#define TOPIC_METRICS "pulse.metrics"
#define TOPIC_TELEMETRY "pulse.telemetry"
#define TOPIC_EVENTS "pulse.events"
#define TOPIC_DEADLETTER "pulse.deadletter"

/* Index order used wherever topics are an array. */
enum topic { AT_METRICS, AT_TELEMETRY, AT_EVENTS, AT_DEADLETTER, TOPIC_COUNT };
/* The evaluator reads the first of them: rules are on metrics and telemetry. */
enum { EVALUATOR_TOPICS = AT_TELEMETRY + 1 };
extern const char *const topic_names[TOPIC_COUNT];
/* Partitions on one machine and in production. */
struct topic_size {
    int local, production;
};
extern const struct topic_size topic_sizes[TOPIC_COUNT];

#define GROUP_WRITER "pulse-writer"
#define GROUP_EVALUATOR "pulse-evaluator"

#define TABLE_CONSUMER_OFFSET "store.consumer_offset"
#define TABLE_OFFSET_GAPS "store.offset_gaps"

#define PORT_INGEST "8080"
#define PORT_API "8000"
#define PORT_ADMIN_INGEST "9101"
#define PORT_ADMIN_WRITER "9102"
#define PORT_ADMIN_EVALUATOR "9103"
#define PORT_ADMIN_COLLECTOR "9104"
#define PORT_ADMIN_API "9105"

#endif
