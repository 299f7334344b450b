/* SPDX-License-Identifier: Apache-2.0 */
/* maintenance.h - the jobs (jobs.h) on their schedules, in a thread and over a
 * connection of their own. Of several collectors one runs them: that
 * connection holds an advisory lock, so who lost it can do nothing more. */
#ifndef SERVICES_COLLECTOR_MAINTENANCE_H
#define SERVICES_COLLECTOR_MAINTENANCE_H

#include "common/metrics.h"
#include "services/collector/settings.h"

struct maintenance;
/* Starts the thread; settings must stay. Never waits for the database. */
struct maintenance *maintenance_new(const struct collector_settings *settings,
                                    struct metrics *metrics) MUST_USE;
/* Cancels the job that runs and ends the thread. */
void maintenance_free(struct maintenance *m);
DEFINE_AUTO(maintenance)

#endif
