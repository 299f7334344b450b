/* SPDX-License-Identifier: Apache-2.0 */
/* tenant.h - names the tenant whose rows a transaction touches. */
#ifndef TOOLS_PULSE_TENANT_H
#define TOOLS_PULSE_TENANT_H

#include "common/pg.h"

/* ERR_INPUT where the tenant does not exist. */
bool tenant_check(struct pg *pg, struct str tenant, struct err *err) MUST_USE;
/* Creates it unless it is there. */
bool tenant_create(struct pg *pg, struct str tenant, struct err *err) MUST_USE;

#endif
