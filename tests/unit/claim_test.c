/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "common/claim.h"

/* What claim.c asks of Kafka and PostgreSQL is answered here: one log, one
 * row. Statements are told apart by how they begin. */
static struct {
    const char *topic_id;
    int64_t first, end; /* the log */
    bool row;           /* the row exists, and what is in it: */
    char row_id[KAFKA_TOPIC_ID_MAX];
    int64_t first_off, next_off, replay_from, epoch;
    bool locked; /* by somebody who does not let go */
    bool zombie; /* that is the backend the row names */
    int terminated, commits, rollbacks;
    int gaps;     /* rows noted; of the last one: */
    char gap[16]; /* its kind */
    int64_t from, to;
    int64_t waiting; /* gaps not accepted */
    const char *sqlstate;
} world;

bool kafka_topic_describe(struct kafka_admin *a, const char *topic,
                          struct kafka_topic_info *info, struct err *err)
{
    (void)a;
    (void)err;
    assert_string_equal(topic, "metrics");
    snprintf(info->id, sizeof info->id, "%s", world.topic_id);
    return true;
}

bool kafka_log_ranges(struct kafka_admin *a, struct kafka_log_range *ranges,
                      size_t count, struct err *err)
{
    (void)a;
    (void)err;
    for (size_t i = 0; i < count; i++) {
        ranges[i].first = world.first;
        ranges[i].end = world.end;
    }
    return true;
}

/* A result is so many rows of whatever the row holds. */
struct pg_result {
    int rows;
};

static int64_t number(const struct pg_params *p, int at)
{
    uint64_t v;
    memcpy(&v, p->values[at], sizeof v);
    return (int64_t)__builtin_bswap64(v);
}

static bool begins(const char *sql, const char *with)
{
    return strncmp(sql, with, strlen(with)) == 0;
}

struct pg_result *pg_run(struct pg *pg, const char *sql, struct pg_params *p,
                         struct err *err)
{
    (void)pg;
    (void)p; /* small ones own nothing */
    struct pg_result *r = xcalloc(1, sizeof *r);
    if (begins(sql, "SELECT pg_terminate_backend")) {
        r->rows = world.zombie;
        world.terminated += world.zombie;
        world.locked = world.locked && !world.zombie;
    } else if (begins(sql, "SELECT topic_id") && world.locked) {
        free(r);
        world.sqlstate = "55P03";
        err_set(err, ERR_RETRY, "canceling statement due to lock timeout");
        return NULL;
    } else if (begins(sql, "SELECT count(*) FROM gaps")) {
        r->rows = 1;
    } else {
        assert_true(begins(sql, "SELECT topic_id"));
        r->rows = world.row;
    }
    return r;
}

bool pg_do(struct pg *pg, const char *sql, struct pg_params *p,
           int64_t *affected, struct err *err)
{
    (void)pg;
    (void)affected;
    (void)err;
    if (begins(sql, "INSERT INTO offsets") && !world.row) {
        world.row = true;
        snprintf(world.row_id, sizeof world.row_id, "%.*s", p->lengths[3],
                 p->values[3]);
        world.first_off = world.next_off = world.replay_from = number(p, 4);
    } else if (begins(sql, "UPDATE offsets SET topic_id")) {
        snprintf(world.row_id, sizeof world.row_id, "%.*s", p->lengths[3],
                 p->values[3]);
        world.first_off = number(p, 4);
        world.next_off = number(p, 5);
        world.replay_from = number(p, 6);
        world.epoch = number(p, 7);
    } else if (begins(sql, "INSERT INTO gaps")) {
        bool expired = strstr(sql, "'expired'") != NULL;
        snprintf(world.gap, sizeof world.gap, "%s",
                 expired ? "expired" : p->values[4]);
        world.from = number(p, expired ? 4 : 5);
        world.to = number(p, expired ? 5 : 6);
        world.gaps++;
    }
    return true;
}

bool pg_script(struct pg *pg, const char *sql, struct err *err)
{
    (void)pg;
    (void)err;
    assert_string_equal(sql, "SET LOCAL lock_timeout = '2s'");
    return true;
}

bool pg_begin(struct pg *pg, struct err *err)
{
    (void)pg;
    (void)err;
    world.sqlstate = "";
    return true;
}

bool pg_commit(struct pg *pg, struct err *err)
{
    (void)pg;
    (void)err;
    world.commits++;
    return true;
}

void pg_rollback(struct pg *pg)
{
    (void)pg;
    world.rollbacks++;
}

const char *pg_sqlstate(const struct pg *pg)
{
    (void)pg;
    return world.sqlstate;
}

void pg_result_free(struct pg_result *r)
{
    free(r);
}

int pg_rows(const struct pg_result *r)
{
    return r->rows;
}

struct str pg_get_str(const struct pg_result *r, int row, int column)
{
    (void)r;
    assert_int_equal(row + column, 0);
    return str_of(world.row_id);
}

int64_t pg_get_i64(const struct pg_result *r, int row, int column)
{
    (void)r;
    const int64_t values[] = {world.waiting, world.first_off, world.next_off,
                              world.replay_from, world.epoch};
    assert_int_equal(row, 0);
    return values[column];
}

static const char *const topics[] = {"metrics"};

static int set_up(void **state)
{
    memset(&world, 0, sizeof world);
    world.topic_id = "A";
    world.first = 5;
    world.end = 100;
    world.sqlstate = "";
    *state = claims_new(&(struct claims_options){.table = "offsets",
                                                 .gaps = "gaps",
                                                 .consumer = "c",
                                                 .owner = "me",
                                                 .topics = topics});
    return 0;
}

static int tear_down(void **state)
{
    claims_free(*state);
    return 0;
}

static void row_is(int64_t first, int64_t next, int64_t replay)
{
    world.row = true;
    snprintf(world.row_id, sizeof world.row_id, "A");
    world.first_off = first;
    world.next_off = next;
    world.replay_from = replay;
    world.epoch = 7;
}

static struct claim take(struct claims *c)
{
    struct claim claim;
    struct err err;
    if (!claims_take(c, NULL, NULL, 0, 3, &claim, &err))
        fail_msg("%s", err.text);
    return claim;
}

static void noted(const char *kind, int64_t from, int64_t to)
{
    assert_int_equal(world.gaps, 1);
    assert_string_equal(world.gap, kind);
    assert_int_equal(world.from, from);
    assert_int_equal(world.to, to);
}

static void test_a_new_row_starts_at_the_earliest(void **state)
{
    struct claim c = take(*state);
    assert_int_equal(c.first, 5);
    assert_int_equal(c.next, 5);
    assert_int_equal(c.replay_from, 5);
    assert_int_equal(c.gap, 0);
    assert_false(c.recreated);
    assert_int_equal(world.epoch, 1);
    assert_int_equal(world.commits, 1);
    assert_int_equal(claims_get(*state, 0, 3)->next, 5);
    assert_null(claims_get(*state, 0, 4));
    claims_drop(*state, 0, 3);
    assert_null(claims_get(*state, 0, 3));
}

static void test_the_row_says_where_to_go_on(void **state)
{
    row_is(5, 60, 40);
    struct claim c = take(*state);
    assert_int_equal(c.next, 60);
    assert_int_equal(c.replay_from, 40);
    assert_int_equal(c.epoch, 8);
    assert_int_equal(c.gap + c.truncated, 0);
    assert_int_equal(world.gaps, 0);
    c = take(*state); /* again: still one claim */
    assert_int_equal(c.epoch, 9);
    assert_int_equal(claims_get(*state, 0, 3)->epoch, 9);
}

static void test_a_gap_is_left_to_the_holder(void **state)
{
    row_is(0, 3, 3);
    struct claim c = take(*state);
    assert_int_equal(c.gap, 2);
    assert_int_equal(c.next, 3);
    assert_int_equal(world.next_off, 3);
    noted("expired", 3, 5);
}

static void test_a_shorter_log_moves_both_ends_back(void **state)
{
    row_is(20, 130, 125);
    struct claim c = take(*state);
    assert_int_equal(c.truncated, 30);
    assert_int_equal(c.next, 100);
    assert_int_equal(c.first, -10);
    assert_int_equal(c.replay_from, 100);
    assert_int_equal(world.next_off - world.first_off, 110);
    noted("truncated", 100, 130);
}

static void test_another_topic_of_the_name_starts_anew(void **state)
{
    row_is(20, 60, 50);
    world.topic_id = "B";
    struct claim c = take(*state);
    assert_true(c.recreated);
    assert_int_equal(c.first, 5);
    assert_int_equal(c.next, 5);
    assert_string_equal(c.topic_id, "B");
    assert_string_equal(world.row_id, "B");
    noted("recreated", 60, 5);
}

/* A gap of its own: the claim's is noted by the claim. */
static void test_a_holder_notes_what_it_came_upon(void **state)
{
    struct err err;
    row_is(5, 60, 60);
    (void)take(*state);
    assert_int_equal(world.gaps, 0);
    assert_true(claims_note_gap(*state, NULL, 0, 3, 70, 80, &err));
    noted("expired", 70, 80);
}

static void test_on_hold_nothing_is_held(void **state)
{
    struct claims *c = claims_new(&(struct claims_options){.table = "offsets",
                                                           .gaps = "gaps",
                                                           .hold = true,
                                                           .consumer = "c",
                                                           .owner = "me",
                                                           .topics = topics});
    (void)state;
    row_is(5, 60, 60);
    world.waiting = 1;
    assert_true(take(c).on_hold);
    assert_null(claims_get(c, 0, 3));
    world.waiting = 0;
    assert_false(take(c).on_hold);
    assert_non_null(claims_get(c, 0, 3));
    claims_free(c);
}

static void test_a_zombie_is_ended_then_the_claim_succeeds(void **state)
{
    row_is(5, 60, 60);
    world.locked = world.zombie = true;
    struct claim c;
    struct err err;
    assert_false(claims_take(*state, NULL, NULL, 0, 3, &c, &err));
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(world.terminated, 1);
    assert_int_equal(world.rollbacks, 1);
    assert_null(claims_get(*state, 0, 3));
    assert_int_equal(take(*state).next, 60);
}

static void test_another_lock_ends_nobody(void **state)
{
    row_is(5, 60, 60);
    world.locked = true;
    struct claim c;
    struct err err;
    assert_false(claims_take(*state, NULL, NULL, 0, 3, &c, &err));
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(world.terminated, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_new_row_starts_at_the_earliest),
        TEST(test_the_row_says_where_to_go_on),
        TEST(test_a_gap_is_left_to_the_holder),
        TEST(test_a_shorter_log_moves_both_ends_back),
        TEST(test_another_topic_of_the_name_starts_anew),
        TEST(test_a_holder_notes_what_it_came_upon),
        TEST(test_on_hold_nothing_is_held),
        TEST(test_a_zombie_is_ended_then_the_claim_succeeds),
        TEST(test_another_lock_ends_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
