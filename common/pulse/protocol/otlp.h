/* SPDX-License-Identifier: Apache-2.0 */
/* otlp.h - OpenTelemetry's metrics over HTTP, in protobuf and in JSON; a unit
 * is a data point, whose records share their labels: each is gone when the next
 * is asked for. docs/otlp.md has the rules. */
#ifndef COMMON_PULSE_PROTOCOL_OTLP_H
#define COMMON_PULSE_PROTOCOL_OTLP_H

#include "common/pulse/protocol/protocol.h"

#define OTLP_PROTOBUF_TYPE "application/x-protobuf"
#define OTLP_JSON_TYPE "application/json"

/* Resource attributes that are labels unless the operator says otherwise: who
 * speaks, not how it was built. */
#define OTLP_RESOURCE_ATTRIBUTES                          \
    "service.namespace,service.name,service.instance.id," \
    "host.name,deployment.environment.name,"              \
    "deployment.environment,k8s.cluster.name,"            \
    "k8s.namespace.name,k8s.node.name,k8s.pod.name,"      \
    "k8s.container.name"

extern const struct protocol otlp_protocol;

#endif
