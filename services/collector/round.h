/* SPDX-License-Identifier: Apache-2.0 */
/* round.h - what the collector does every interval: lead, measure, write,
 * publish. Only the leader measures, so two collectors do not double. */
#ifndef SERVICES_COLLECTOR_ROUND_H
#define SERVICES_COLLECTOR_ROUND_H

#include "common/service.h"
#include "services/collector/settings.h"

struct rounds; /* runs in the service's loop */
struct rounds *rounds_new(struct service *service,
                          const struct collector_settings *settings,
                          struct err *err) MUST_USE;
void rounds_free(struct rounds *r);
DEFINE_AUTO(rounds)
/* For service_on_drain: no more rounds, then what was published is flushed. */
void rounds_drain(void *rounds);

#endif
