/* SPDX-License-Identifier: Apache-2.0 */
/* A member of a mock group with a service that writes in the background. The
 * database is played here: one position and one fence per partition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "common/member.h"
#include "tests/unit/mock_claims.h"
#include "tests/unit/mock_kafka.h"

enum { ROOM = 40, WRITE_AT = 10, FLIGHT_MS = 5 };
/* One of them is not there: it must not keep the other from being read. */
enum { A = 1, TOPICS };
static const char *const topics[] = {"gone", [A] = "a"};

/* What was read of a partition: offsets [from, next). */
struct span {
    int64_t from, next;
};

static struct {
    struct mock kafka;
    struct service *service;
    struct member *member;
    /* the service */
    bool fails; /* the next write does */
    struct span open[PARTS], flight[PARTS];
    bool flying, closed; /* closed: no room */
    struct loop_timer *landing, *pulse;
    int connects, dropped, forgets;
    int64_t sent[PARTS];
} w;

/* The rule of the module: nothing read under an older claim is left. */
static void look(int32_t part, bool taken)
{
    assert_false(w.flying);
    if (taken)
        assert_int_equal(w.open[part].from, w.open[part].next);
}

/* ---- the service ---- */

static int64_t messages(const struct span *spans)
{
    int64_t n = 0;
    for (int i = 0; i < PARTS; i++)
        n += spans[i].next - spans[i].from;
    return n;
}

/* The end of a transaction: the fence lets in what is held. */
static void write_spans(struct span *spans)
{
    struct err err;
    bool lost[PARTS] = {false};
    if (messages(spans) == 0)
        return;
    if (w.fails || !db.up) {
        memset(spans, 0, sizeof(struct span[PARTS]));
        w.fails = false;
        err_set(&err, ERR_RETRY, "COMMIT failed");
        member_lost(w.member, &err);
        return;
    }
    for (int i = 0; i < PARTS; i++) {
        if (spans[i].from == spans[i].next)
            continue;
        lost[i] = !db.held[i];
        if (!lost[i]) {
            assert_int_equal(db.committed[i], spans[i].from);
            db.committed[i] = spans[i].next;
        }
        spans[i] = (struct span){0};
    }
    member_worked(w.member);
    for (int i = 0; i < PARTS; i++)
        if (lost[i])
            member_give_up(w.member, A, i);
}

static void settle(void *arg)
{
    (void)arg;
    if (!w.flying)
        return;
    loop_timer_cancel(w.landing);
    w.flying = false;
    write_spans(w.flight);
}

static void flush(void *arg)
{
    settle(arg);
    if (member_has_database(w.member))
        write_spans(w.open);
    memset(w.open, 0, sizeof w.open);
}

static int64_t waiting(void)
{
    return messages(w.open);
}

static bool room(void *arg)
{
    (void)arg;
    return !w.closed && waiting() < ROOM;
}

static void polled(void *arg)
{
    (void)arg;
    if (w.flying || waiting() < WRITE_AT)
        return;
    memcpy(w.flight, w.open, sizeof w.flight);
    memset(w.open, 0, sizeof w.open);
    w.flying = true;
    loop_timer_set(w.landing, FLIGHT_MS, 0);
}

static void on_landing(void *arg)
{
    settle(arg);
    member_poll(w.member);
}

static bool connected(void *arg, struct pg *pg, struct err *err)
{
    (void)arg;
    (void)pg;
    (void)err;
    w.connects++;
    return true;
}

static bool claimed(void *arg, struct member_part *p, const struct claim *c,
                    struct err *err)
{
    (void)arg;
    (void)err;
    assert_int_equal(p->next, c->next);
    assert_null(p->state);
    p->state = &w;
    return true;
}

static void dropped(void *arg, struct member_part *p)
{
    (void)arg;
    assert_ptr_equal(p->state, &w);
    w.dropped++;
}

static void message(void *arg, const struct member_part *p,
                    const struct kafka_event *e)
{
    struct span *s = &w.open[p->part];
    (void)arg;
    assert_true(p->claimed);
    assert_int_equal(e->offset, p->next);
    if (s->from == s->next)
        s->from = s->next = p->next;
    assert_int_equal(s->next, p->next);
    s->next++;
}

static void forget(void *arg)
{
    (void)arg;
    assert_false(w.flying);
    memset(w.open, 0, sizeof w.open);
    w.forgets++;
}

static const struct member_ops ops = {
    .connected = connected,
    .claimed = claimed,
    .dropped = dropped,
    .room = room,
    .message = message,
    .polled = polled,
    .flush = flush,
    .settle = settle,
    .forget = forget,
};

/* ---- the stage ---- */

static void on_pulse(void *arg)
{
    loop_stop(arg, 0);
}

/* The loop, for 2 ms or so. */
static void turn(void)
{
    loop_run(service_loop(w.service));
}

#define UNTIL(ms, condition) WAIT_MS(ms, condition, turn())

static void run_for(int ms)
{
    int64_t until_us = clock_mono_us() + ms * INT64_C(1000);
    while (clock_mono_us() < until_us)
        turn();
}

static int set_up(void **state)
{
    struct err err;
    (void)state;
    log_init("test", LOG_ERROR);
    memset(&w, 0, sizeof w);
    memset(&db, 0, sizeof db);
    db.look = look;
    w.kafka = mock_new(1);
    rd_kafka_mock_topic_create(w.kafka.cluster, "a", PARTS, 1);
    rd_kafka_mock_topic_set_error(w.kafka.cluster, "gone",
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    rd_kafka_mock_group_initial_rebalance_delay_ms(w.kafka.cluster, 100);
    db.topic_id = "A";
    db.up = true;
    for (int i = 0; i < PARTS; i++)
        db.claimable[i] = true;
    w.service =
        service_new(&(struct service_options){.name = "test",
                                              .admin_listen = "127.0.0.1:0",
                                              .drain_timeout_ms = 1000},
                    &err);
    assert_non_null(w.service);
    w.landing = loop_timer_new(service_loop(w.service), on_landing, NULL);
    w.pulse = loop_timer_new(service_loop(w.service), on_pulse,
                             service_loop(w.service));
    loop_timer_set(w.pulse, 2, 2);
    w.member = member_new(&(struct member_options){.brokers = w.kafka.brokers,
                                                   .postgres_url = "",
                                                   .client_id = "test",
                                                   .group = "g",
                                                   .offsets = "offsets",
                                                   .owner = "",
                                                   .topics = topics,
                                                   .topic_count = TOPICS,
                                                   .session_timeout_ms = 2000,
                                                   .max_poll_interval_ms = 5000,
                                                   .queue_bytes = 8 << 20},
                          w.service, &ops, NULL, &err);
    assert_non_null(w.member);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    member_stop(w.member);
    for (int i = 0; i < PARTS; i++)
        assert_false(db.held[i]);
    member_free(w.member);
    service_free(w.service);
    mock_free(&w.kafka);
    return 0;
}

static void fill(int part, int count)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", w.kafka.brokers, why,
                      sizeof why);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    for (int i = 0; i < count; i++)
        assert_int_equal(
            rd_kafka_producev(rk, RD_KAFKA_V_TOPIC("a"),
                              RD_KAFKA_V_PARTITION(part),
                              RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                              RD_KAFKA_V_VALUE("x", 1), RD_KAFKA_V_END),
            0);
    assert_int_equal(rd_kafka_flush(rk, 10000), 0);
    rd_kafka_destroy(rk);
    w.sent[part] += count;
}

static void fill_all(int count)
{
    for (int i = 0; i < PARTS; i++)
        fill(i, count);
}

static int64_t behind(void)
{
    int64_t n = 0;
    for (int i = 0; i < PARTS; i++)
        n += w.sent[i] - db.committed[i];
    return n;
}

/* Whole batches only are written by the service: less may be left. */
static bool all_written(void)
{
    if (behind() < WRITE_AT)
        flush(NULL);
    return behind() == 0;
}

/* ---- tests ---- */

static void test_reads_what_is_claimed(void **state)
{
    (void)state;
    fill_all(100);
    UNTIL(20000, all_written());
    assert_int_equal(member_count(w.member), PARTS);
    assert_int_equal(member_held(w.member), PARTS);
    assert_int_equal(w.connects, 1);
    fill_all(5);
    UNTIL(5000, all_written());
}

/* Its partition waits; neither its neighbours nor the group do. */
static void test_a_claim_that_cannot_be_had_holds_up_no_other(void **state)
{
    (void)state;
    db.claimable[1] = false;
    fill_all(50);
    UNTIL(20000, behind() < 50 + WRITE_AT);
    run_for(1000);
    assert_int_equal(db.takes[1], 0);
    assert_int_equal(db.committed[1], 0);
    assert_int_equal(member_held(w.member), PARTS - 1);
    fill(2, 20);
    UNTIL(5000, behind() < 50 + WRITE_AT);
    db.claimable[1] = true;
    UNTIL(10000, all_written());
    assert_int_equal(db.takes[0] + db.takes[2] + db.takes[3], 3);
}

/* What came behind the gap waits as well, and no restart is needed. */
static void test_on_hold_nothing_is_read(void **state)
{
    (void)state;
    fill_all(20);
    UNTIL(20000, all_written());
    db.topic_id = "B"; /* claimed anew, which finds the gap */
    db.on_hold[2] = true;
    UNTIL(15000, member_on_hold(w.member) == 1);
    fill_all(20);
    UNTIL(5000, behind() < 20 + WRITE_AT);
    run_for(3000);
    flush(NULL);
    assert_int_equal(behind(), 20);
    db.on_hold[2] = false;
    UNTIL(10000, all_written());
    assert_int_equal(member_on_hold(w.member), 0);
}

static void test_without_a_database_nothing_is_read(void **state)
{
    (void)state;
    fill_all(20);
    UNTIL(20000, all_written());
    db.up = false;
    fill_all(20);
    UNTIL(5000, !member_has_database(w.member));
    int64_t left = behind();
    run_for(500);
    assert_int_equal(waiting(), 0);
    assert_int_equal(member_held(w.member), 0);
    assert_int_equal(behind(), left);
    db.up = true;
    UNTIL(15000, all_written());
    assert_int_equal(w.connects, 2);
}

/* An unknown COMMIT: the row said it did not happen. */
static void test_a_failed_write_is_read_again(void **state)
{
    (void)state;
    w.fails = true;
    fill_all(60);
    UNTIL(20000, all_written());
    assert_false(w.fails);
    assert_int_equal(w.dropped, PARTS);
}

static void test_a_lost_claim_is_given_up_and_taken_back(void **state)
{
    (void)state;
    fill_all(20);
    UNTIL(20000, all_written());
    db.held[3] = false; /* another one's epoch */
    fill_all(20);
    UNTIL(5000, (flush(NULL), member_held(w.member) == PARTS - 1));
    run_for(2000);
    assert_int_equal(db.takes[3], 1);
    UNTIL(10000, all_written()); /* after two session timeouts */
    assert_int_equal(db.takes[3], 2);
}

static void test_a_topic_made_anew_is_claimed_anew(void **state)
{
    (void)state;
    fill_all(20);
    UNTIL(20000, all_written());
    fill(0, 3);
    UNTIL(5000, waiting() == 3);
    db.topic_id = "B";
    UNTIL(15000, db.takes[0] == 2);
    assert_int_equal(db.committed[0], 23); /* written before */
    fill_all(20);
    UNTIL(5000, all_written());
    run_for(6000); /* looked at again */
    assert_int_equal(db.takes[0], 2);
}

static void test_it_leaves_the_group_and_joins_again(void **state)
{
    (void)state;
    fill_all(20);
    UNTIL(20000, all_written());
    db.up = false;
    w.fails = true;
    fill_all(20);
    UNTIL(10000, member_count(w.member) == 0); /* half of 5 s */
    db.up = true;
    UNTIL(20000, all_written());
    assert_int_equal(member_held(w.member), PARTS);
}

static void test_without_room_nothing_is_polled(void **state)
{
    (void)state;
    fill_all(20);
    UNTIL(20000, all_written());
    w.closed = true;
    fill_all(20);
    run_for(1000);
    assert_int_equal(behind(), 80);
    assert_int_equal(waiting(), 0);
    w.closed = false;
    member_poll(w.member);
    UNTIL(5000, all_written());
}

static void test_stopping_writes_what_was_read(void **state)
{
    (void)state;
    fill(0, WRITE_AT - 1);
    UNTIL(20000, waiting() == WRITE_AT - 1);
    member_stop(w.member);
    assert_int_equal(db.committed[0], WRITE_AT - 1);
}

/* ---- anything, in any order ---- */

static struct kafka_consumer *other; /* a second member, which reads nothing */

static void other_joins_or_leaves(void)
{
    struct err err;
    if (other != NULL) {
        kafka_consumer_free(MOVE(other));
        return;
    }
    const struct kafka_consumer_options o = {
        .brokers = w.kafka.brokers,
        .client_id = "other",
        .group = "g",
        .topics = topics,
        .topic_count = TOPICS,
        .session_timeout_ms = 2000,
        .max_poll_interval_ms = 5000,
        .queue_bytes = 1 << 20,
    };
    other = kafka_consumer_new(&o, &err);
    assert_non_null(other);
}

/* An empty answer will do: it is here to take partitions from us. */
static void other_turn(void)
{
    struct kafka_event e;
    struct err err;
    while (other != NULL && kafka_consumer_poll(other, &e))
        if (e.kind == KAFKA_ASSIGN)
            assert_true(kafka_consumer_assign(other, NULL, 0, &err));
}

static unsigned seed;

/* In [0, n): a generator whose seed is printed. */
static int pick(int n)
{
    seed = seed * 1103515245U + 12345U;
    return (int)(seed >> 8) % n;
}

static void something_happens(void)
{
    int part = pick(PARTS);
    switch (pick(8)) {
    case 0:
        db.claimable[part] = !db.claimable[part];
        break;
    case 1:
        db.up = pick(3) != 0;
        break;
    case 2:
        w.fails = true;
        break;
    case 3:
        if (!w.flying)
            db.held[part] = false;
        break;
    case 4:
        if (pick(4) == 0)
            other_joins_or_leaves();
        break;
    default:
        fill(part, pick(30));
        break;
    }
}

static void test_whatever_happens_all_is_written_once(void **state)
{
    const char *given = getenv("PROP_SEED");
    seed = given != NULL ? (unsigned)strtoul(given, NULL, 10)
                         : (unsigned)time(NULL);
    (void)state;
    print_message("PROP_SEED=%u\n", seed);
    int64_t until_us = clock_mono_us() + INT64_C(12000000);
    while (clock_mono_us() < until_us) {
        something_happens();
        int64_t next_us = clock_mono_us() + pick(150000);
        while (clock_mono_us() < next_us) {
            turn();
            other_turn();
        }
    }
    if (other != NULL)
        kafka_consumer_free(MOVE(other));
    db.up = true;
    for (int i = 0; i < PARTS; i++)
        db.claimable[i] = true;
    UNTIL(40000, all_written());
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_reads_what_is_claimed),
        TEST(test_a_claim_that_cannot_be_had_holds_up_no_other),
        TEST(test_on_hold_nothing_is_read),
        TEST(test_without_a_database_nothing_is_read),
        TEST(test_a_failed_write_is_read_again),
        TEST(test_a_lost_claim_is_given_up_and_taken_back),
        TEST(test_a_topic_made_anew_is_claimed_anew),
        TEST(test_it_leaves_the_group_and_joins_again),
        TEST(test_without_room_nothing_is_polled),
        TEST(test_stopping_writes_what_was_read),
        TEST(test_whatever_happens_all_is_written_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
