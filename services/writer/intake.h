/* SPDX-License-Identifier: Apache-2.0 */
/* intake.h - from Kafka's events to committed batches: partitions come, are
 * claimed, read and go; the database may be away meanwhile. */
#ifndef WRITER_INTAKE_H
#define WRITER_INTAKE_H

#include "common/service.h"
#include "services/writer/settings.h"

struct intake; /* lives in the service's loop */

/* Borrows both. NULL and *err (ERR_FATAL). */
struct intake *intake_new(const struct writer_settings *settings,
                          struct service *service, struct err *err) MUST_USE;
void intake_free(struct intake *in);
DEFINE_AUTO(intake)
/* For service_on_drain; arg is the intake: writes the open batch, leaves the
 * group, then the service is drained. */
void intake_drain(void *arg);

#endif
