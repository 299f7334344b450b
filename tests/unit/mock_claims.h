/* SPDX-License-Identifier: Apache-2.0 */
/* mock_claims.h - what common/member asks of claim.h, pg.h and kafka_admin.h,
 * answered here: a topic "a", one position and one fence per partition. To
 * be included once in a program. */
#ifndef TESTS_UNIT_MOCK_CLAIMS_H
#define TESTS_UNIT_MOCK_CLAIMS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/claim.h"

enum { PARTS = 4 };

static struct {
    bool up, connected;
    bool claimable[PARTS];
    bool held[PARTS];    /* by us, as the database sees it */
    bool on_hold[PARTS]; /* a gap waits to be accepted */
    int64_t committed[PARTS];
    int takes[PARTS];
    const char *topic_id;
    void (*look)(int32_t part, bool taken); /* before it is taken, dropped */
} db;

struct claims *claims_new(const struct claims_options *options)
{
    assert_string_equal(options->table, "offsets");
    assert_string_equal(options->consumer, "g");
    return xmalloc(1);
}

void claims_free(struct claims *c)
{
    free(c);
}

bool claims_take(struct claims *c, struct pg *pg, struct kafka_admin *admin,
                 size_t topic, int32_t part, struct claim *out, struct err *err)
{
    (void)c;
    (void)pg;
    (void)admin;
    assert_true(db.connected);
    assert_false(db.held[part]);
    db.look(part, true);
    if (!db.claimable[part]) {
        err_set(err, ERR_RETRY, "the row is locked");
        return false;
    }
    db.takes[part]++;
    db.held[part] = !db.on_hold[part];
    *out = (struct claim){.topic = topic,
                          .part = part,
                          .next = db.committed[part],
                          .on_hold = db.on_hold[part]};
    snprintf(out->topic_id, sizeof out->topic_id, "%s", db.topic_id);
    return true;
}

void claims_drop(struct claims *c, size_t topic, int32_t part)
{
    (void)c;
    (void)topic;
    db.look(part, false);
    db.held[part] = false;
}

struct pg *pg_new(const struct pg_options *options)
{
    (void)options;
    return xmalloc(1);
}

void pg_free(struct pg *pg)
{
    free(pg);
}

bool pg_connect(struct pg *pg, struct err *err)
{
    (void)pg;
    db.connected = db.up;
    if (!db.up)
        err_set(err, ERR_RETRY, "away");
    return db.up;
}

bool pg_connected(const struct pg *pg)
{
    (void)pg;
    return db.connected;
}

void pg_disconnect(struct pg *pg)
{
    (void)pg;
    db.connected = false;
}

int pg_backend_pid(const struct pg *pg)
{
    (void)pg;
    return 1;
}

struct kafka_admin *kafka_admin_new(const char *brokers, const char *client_id,
                                    int64_t timeout_ms, struct err *err)
{
    (void)brokers;
    (void)client_id;
    (void)timeout_ms;
    (void)err;
    return xmalloc(1);
}

void kafka_admin_free(struct kafka_admin *a)
{
    free(a);
}

bool kafka_topic_describe(struct kafka_admin *a, const char *topic,
                          struct kafka_topic_info *info, struct err *err)
{
    (void)a;
    (void)err;
    if (strcmp(topic, "a") != 0) {
        err_set(err, ERR_RETRY, "no such topic");
        return false;
    }
    snprintf(info->id, sizeof info->id, "%s", db.topic_id);
    return true;
}

bool kafka_log_ranges(struct kafka_admin *a, struct kafka_log_range *ranges,
                      size_t count, struct err *err)
{
    (void)a;
    (void)ranges;
    (void)count;
    (void)err;
    fail_msg("asked without need");
    return false;
}

#endif
