/* SPDX-License-Identifier: Apache-2.0 */
/* fake_pg.h - a PostgreSQL that misbehaves: a process that speaks just enough
 * of the protocol (version 3, "Message Formats") to be connected to. */
#ifndef TESTS_UNIT_FAKE_PG_H
#define TESTS_UNIT_FAKE_PG_H

#include "common/base.h"

enum fake_pg_act {
    FAKE_PG_ANSWERS,   /* every statement with CommandComplete */
    FAKE_PG_REFUSES,   /* with an error of sqlstate */
    FAKE_PG_ENDS,      /* the same, FATAL, and closes */
    FAKE_PG_SILENT,    /* takes statements, says nothing */
    FAKE_PG_DEAF,      /* lets a COPY begin and then reads nothing */
    FAKE_PG_ENDS_COPY, /* lets a COPY begin, then as FAKE_PG_ENDS */
};

struct fake_pg {
    int pid;
    char url[80];
};

/* The session's settings are answered in any case. read_only: as a standby
 * says it. */
struct fake_pg fake_pg_start(enum fake_pg_act act, const char *sqlstate,
                             bool read_only);
void fake_pg_stop(struct fake_pg *f);

#endif
