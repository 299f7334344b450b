/* SPDX-License-Identifier: Apache-2.0 */
/* endpoints.h - what can be asked; docs/api.md describes each. */
#ifndef SERVICES_API_ENDPOINTS_H
#define SERVICES_API_ENDPOINTS_H

#include "services/api/asking.h"

endpoint_fn metrics_answer;   /* GET /api/metrics */
endpoint_fn hosts_answer;     /* GET /api/hosts */
endpoint_fn latest_answer;    /* GET /api/metrics/{name}/latest */
endpoint_fn chart_answer;     /* GET /api/metrics/{name} */
endpoint_fn incidents_answer; /* GET /api/v1/incidents */
endpoint_fn incident_answer;  /* GET /api/v1/incidents/{id} */

/* 404 for a metric, or for a host of it, that the tenant does not have. */
bool metric_unknown(struct asking *a, struct str name, struct str host,
                    struct err *err);

#endif
