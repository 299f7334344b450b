/* SPDX-License-Identifier: Apache-2.0 */
/* intake.h - from Kafka into the partitions and from there, batch by batch,
 * into the database. */
#ifndef EVALUATOR_INTAKE_H
#define EVALUATOR_INTAKE_H

#include "common/service.h"
#include "services/evaluator/settings.h"

struct intake;

/* on_commit(arg) is called after transitions were committed. NULL and *err on
 * a bad option. */
struct intake *intake_new(const struct evaluator_settings *settings,
                          struct service *service, void (*on_commit)(void *arg),
                          void *arg, struct err *err) MUST_USE;
void intake_free(struct intake *in);
DEFINE_AUTO(intake)
/* Commits what was read, leaves the group and reads no more. */
void intake_stop(struct intake *in);

#endif
