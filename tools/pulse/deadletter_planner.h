/* SPDX-License-Identifier: Apache-2.0 */
/* deadletter_planner.h - a planner by the tenants' limits, this environment's
 * defaults and the store's late limit. */
#ifndef TOOLS_PULSE_DEADLETTER_PLANNER_H
#define TOOLS_PULSE_DEADLETTER_PLANNER_H

#include "tools/pulse/deadletter_plan.h"
#include "tools/pulse/world.h"

/* NULL and *err where the database is away. */
struct planner *planner_new(struct world *w, struct err *err) MUST_USE;
void planner_free(struct planner *p);
DEFINE_AUTO(planner)

#endif
