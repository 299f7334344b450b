/* SPDX-License-Identifier: Apache-2.0 */
/* world.h - the database and the brokers that commands talk to, connected when
 * first asked for. */
#ifndef TOOLS_PULSE_WORLD_H
#define TOOLS_PULSE_WORLD_H

#include "common/kafka_admin.h"
#include "common/pg.h"
#include "common/pulse/limits.h"
#include "common/pulse/settings.h"
#include "common/pulse/target.h"

struct world {
    const struct settings *settings; /* lives as long as the process */
    const struct limits *limits;     /* the edge's, likewise */
    struct targets targets;          /* PULSE_TARGETS */
    struct pg *pg;
    struct kafka_admin *admin;
};

/* Reads the environment. False and *err (ERR_INPUT). */
bool world_init(struct world *w, struct err *err) MUST_USE;
void world_release(struct world *w);
DEFINE_AUTO_RELEASE(world)
/* NULL and *err when it cannot be reached. The world owns it. */
struct pg *world_pg(struct world *w, struct err *err) MUST_USE;
struct kafka_admin *world_admin(struct world *w, struct err *err) MUST_USE;
/* Puts into err where Kafka was looked for; always false. */
bool kafka_failed(struct err *err);

/* Prints "pulse: …" to stderr and returns the exit status 1 (2 for
 * usage_error, which points at --help). */
int failure(const struct err *err);
struct call;
int usage_error(const struct call *c, const struct err *err);
/* Writes to stdout, all of it. */
void print(const struct buf *b);

#endif
