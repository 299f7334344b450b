/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>

#include "common/kafka_consumer.h"
#include "common/kafka_producer.h"
#include "tests/unit/mock_kafka.h"

enum { PARTS = 4, SEEN_MAX = 4096 };
static const char *const topics[] = {"a"};

/* One member of the group and what happened to it. */
struct member {
    struct kafka_consumer *c;
    bool defer;                         /* do not answer ASSIGN */
    struct kafka_partition open[PARTS]; /* ASSIGN not answered */
    size_t open_count;
    bool mine[PARTS];
    int assigns, revokes, gaps;
    bool lost;
    int64_t gap_at;
    int64_t start[PARTS]; /* offset to assign with */
    int64_t next[PARTS];  /* behind the last message seen */
    size_t seen;
    bool disorder; /* an offset that was not next, or a foreign partition */
};

static struct kafka_consumer *join(const struct mock *m)
{
    struct err err = {0};
    const struct kafka_consumer_options o = {
        .brokers = m->brokers,
        .client_id = "test",
        .group = "g",
        .topics = topics,
        .topic_count = 1,
        .session_timeout_ms = 3000,
        .max_poll_interval_ms = 5000,
        .queue_bytes = 8 << 20,
    };
    struct kafka_consumer *c = kafka_consumer_new(&o, &err);
    if (c == NULL) {
        fail_msg("%s", err.text);
    }
    return c;
}

static void answer(struct member *m)
{
    struct err err = {0};
    if (!kafka_consumer_assign(m->c, m->open, m->open_count, &err)) {
        fail_msg("%s", err.text);
    }
    for (size_t i = 0; i < m->open_count; i++) {
        m->mine[m->open[i].part] = true;
    }
    m->open_count = 0;
}

static void on_assign(struct member *m, const struct kafka_event *e)
{
    m->assigns++;
    for (size_t i = 0; i < e->part_count; i++) {
        int32_t part = e->parts[i].part;
        m->open[m->open_count] = e->parts[i];
        m->open[m->open_count++].offset = m->start[part];
        m->next[part] = m->start[part];
    }
    if (!m->defer) {
        answer(m);
    }
}

static void on_revoke(struct member *m, const struct kafka_event *e)
{
    struct err err = {0};
    m->revokes++;
    m->lost = e->lost;
    m->open_count = 0;
    for (size_t i = 0; i < e->part_count; i++) {
        m->mine[e->parts[i].part] = false;
    }
    if (!kafka_consumer_unassign(m->c, e->parts, e->part_count, &err)) {
        fail_msg("%s", err.text);
    }
}

static void on_message(struct member *m, const struct kafka_event *e)
{
    if (!m->mine[e->part] || e->offset != m->next[e->part]) {
        m->disorder = true;
        print_message("part %d offset %lld, not %lld\n", (int)e->part,
                      (long long)e->offset, (long long)m->next[e->part]);
    }
    m->next[e->part] = e->offset + 1;
    m->seen++;
}

static void turn(struct member *m)
{
    struct kafka_event e;
    while (kafka_consumer_poll(m->c, &e)) {
        switch (e.kind) {
        case KAFKA_MESSAGE:
            on_message(m, &e);
            break;
        case KAFKA_ASSIGN:
            on_assign(m, &e);
            break;
        case KAFKA_REVOKE:
            on_revoke(m, &e);
            break;
        case KAFKA_GAP:
            m->gaps++;
            m->gap_at = e.parts[0].offset;
            break;
        case KAFKA_FAULT:
            assert_int_equal(e.err.kind, ERR_RETRY);
            break;
        }
    }
}

static int mine(const struct member *m)
{
    int n = 0;
    for (int i = 0; i < PARTS; i++) {
        n += m->mine[i];
    }
    return n;
}

static struct mock cluster(void)
{
    struct mock m = mock_new(1);
    rd_kafka_mock_topic_create(m.cluster, "a", PARTS, 1);
    rd_kafka_mock_group_initial_rebalance_delay_ms(m.cluster, 100);
    return m;
}

/* count messages into each partition. */
static void fill(const struct mock *m, int count)
{
    char why[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", m->brokers, why, sizeof why);
    rd_kafka_conf_set(conf, "linger.ms", "20", why, sizeof why);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    for (int i = 0; i < count * PARTS; i++) {
        char text[16];
        int n = snprintf(text, sizeof text, "%d", i / PARTS);
        assert_int_equal(rd_kafka_producev(
                             rk, RD_KAFKA_V_TOPIC("a"),
                             RD_KAFKA_V_PARTITION(i % PARTS),
                             RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                             RD_KAFKA_V_VALUE(text, (size_t)n), RD_KAFKA_V_END),
                         0);
    }
    assert_int_equal(rd_kafka_flush(rk, 10000), 0);
    rd_kafka_destroy(rk);
}

static struct kafka_partition at(int32_t part, int64_t offset)
{
    return (struct kafka_partition){0, part, offset};
}

/* Nothing before the answer, and the offsets of the answer are where it
 * starts, even when it comes after the session's timeout. */
static void test_deferred_assign_starts_where_told(void **state)
{
    struct mock k = cluster();
    struct member m = {.c = join(&k), .defer = true, .start = {3, 0, 10, 7}};
    (void)state;
    fill(&k, 10);
    WAIT_MS(15000, m.assigns == 1, turn(&m));
    int64_t until = clock_mono_us() + 4000000;
    while (clock_mono_us() < until) {
        turn(&m);
        usleep(5000);
    }
    assert_int_equal(m.seen, 0);
    assert_int_equal(m.revokes, 0);
    answer(&m);
    WAIT_MS(5000, m.seen == 7 + 10 + 0 + 3, turn(&m));
    fill(&k, 1);
    WAIT_MS(5000, m.seen == 24, turn(&m));
    assert_false(m.disorder);
    assert_true(kafka_consumer_up(m.c));
    kafka_consumer_free(m.c);
    mock_free(&k);
}

static void test_claims_may_come_one_by_one(void **state)
{
    struct mock k = cluster();
    struct err err = {0};
    struct member m = {.c = join(&k), .defer = true};
    (void)state;
    fill(&k, 2);
    WAIT_MS(15000, m.assigns == 1, turn(&m));
    for (int32_t part = 0; part < PARTS; part++) {
        struct kafka_partition one = at(part, 1);
        m.mine[part] = true;
        m.next[part] = 1;
        assert_true(kafka_consumer_assign(m.c, &one, 1, &err));
        assert_true(kafka_consumer_assign(m.c, &one, 1, &err)); /* again */
        WAIT_MS(5000, m.seen == (size_t)part + 1, turn(&m));
    }
    assert_false(m.disorder);
    kafka_consumer_free(m.c);
    mock_free(&k);
}

static void test_second_member_takes_over_half(void **state)
{
    struct mock k = cluster();
    struct member a = {.c = join(&k)}, b = {0};
    (void)state;
    fill(&k, 5);
    WAIT_MS(15000, a.seen == 20, turn(&a));
    b.c = join(&k);
    WAIT_MS(25000, mine(&a) == 2 && mine(&b) == 2, {
        turn(&a);
        turn(&b);
    });
    assert_true(a.revokes >= 1);
    assert_false(a.lost);
    for (int i = 0; i < PARTS; i++) {
        assert_true(a.mine[i] != b.mine[i]);
    }
    WAIT_MS(5000, b.seen == 10, turn(&b));
    fill(&k, 1);
    WAIT_MS(5000, a.seen == 22 && b.seen == 12, {
        turn(&a);
        turn(&b);
    });
    /* The second goes: the first has all again, from where it is told. */
    kafka_consumer_free(b.c);
    for (int i = 0; i < PARTS; i++) {
        a.start[i] = 6;
    }
    WAIT_MS(15000, mine(&a) == 4, turn(&a));
    fill(&k, 1);
    WAIT_MS(5000, a.seen == 26, turn(&a));
    assert_false(a.disorder);
    assert_false(b.disorder);
    kafka_consumer_free(a.c);
    mock_free(&k);
}

/* Claims made for partitions that were revoked meanwhile. */
static void test_answer_after_revoke_takes_nothing(void **state)
{
    struct mock k = cluster();
    struct err err = {0};
    struct member a = {.c = join(&k), .defer = true};
    struct kafka_partition all[PARTS];
    (void)state;
    fill(&k, 1);
    WAIT_MS(15000, a.assigns == 1, turn(&a));
    assert_int_equal(a.open_count, PARTS);
    memcpy(all, a.open, sizeof all);
    answer(&a);
    WAIT_MS(5000, a.seen == PARTS, turn(&a));
    struct member b = {.c = join(&k)};
    WAIT_MS(25000, mine(&a) == 2 && mine(&b) == 2, {
        turn(&a);
        turn(&b);
    });
    size_t seen = a.seen;
    assert_true(kafka_consumer_assign(a.c, all, PARTS, &err));
    WAIT_MS(5000, b.seen == 2, turn(&b));
    for (int i = 0; i < 100; i++) {
        turn(&a);
        turn(&b);
        usleep(5000);
    }
    assert_int_equal(a.seen, seen);
    assert_false(a.disorder);
    kafka_consumer_free(a.c);
    kafka_consumer_free(b.c);
    mock_free(&k);
}

static void test_pause_and_resume_lose_nothing(void **state)
{
    struct mock k = cluster();
    struct err err = {0};
    struct member m = {.c = join(&k)};
    struct kafka_partition all[PARTS] = {at(0, 0), at(1, 0), at(2, 0),
                                         at(3, 0)};
    (void)state;
    fill(&k, 50);
    WAIT_MS(15000, m.seen > 0, {
        struct kafka_event e;
        if (kafka_consumer_poll(m.c, &e)) {
            if (e.kind == KAFKA_ASSIGN) {
                on_assign(&m, &e);
            } else {
                on_message(&m, &e);
            }
        }
    });
    assert_true(kafka_consumer_pause(m.c, all, PARTS, &err));
    size_t seen = m.seen;
    for (int i = 0; i < 60; i++) {
        turn(&m);
        usleep(5000);
    }
    assert_int_equal(m.seen, seen);
    assert_true(kafka_consumer_resume(m.c, all, PARTS, &err));
    WAIT_MS(5000, m.seen == 200, turn(&m));
    assert_false(m.disorder);
    kafka_consumer_free(m.c);
    mock_free(&k);
}

static void test_seek_goes_back_and_forth(void **state)
{
    struct mock k = cluster();
    struct err err = {0};
    struct member m = {.c = join(&k)};
    (void)state;
    fill(&k, 10);
    WAIT_MS(15000, m.seen == 40, turn(&m));
    struct kafka_partition two[] = {at(1, 4), at(2, 0)};
    m.next[1] = 4;
    m.next[2] = 0;
    assert_true(kafka_consumer_seek(m.c, two, 2, &err));
    WAIT_MS(5000, m.seen == 40 + 6 + 10, turn(&m));
    assert_false(m.disorder);
    kafka_consumer_free(m.c);
    mock_free(&k);
}

/* A database away: paused; then the partition goes to another member and comes
 * back. It is not paused any more. */
static void test_pause_ends_with_the_assignment(void **state)
{
    struct mock k = cluster();
    struct err err = {0};
    struct member a = {.c = join(&k)};
    struct kafka_partition all[PARTS] = {at(0, 0), at(1, 0), at(2, 0),
                                         at(3, 0)};
    (void)state;
    fill(&k, 1);
    WAIT_MS(15000, a.seen == 4, turn(&a));
    assert_true(kafka_consumer_pause(a.c, all, PARTS, &err));
    struct member b = {.c = join(&k)};
    WAIT_MS(25000, mine(&a) == 2 && mine(&b) == 2, {
        turn(&a);
        turn(&b);
    });
    kafka_consumer_free(b.c);
    for (int i = 0; i < PARTS; i++) {
        a.start[i] = 1;
    }
    WAIT_MS(15000, mine(&a) == 4, turn(&a));
    fill(&k, 1);
    WAIT_MS(5000, a.seen == 6, turn(&a)); /* the two that were kept: paused */
    assert_true(kafka_consumer_resume(a.c, all, PARTS, &err));
    WAIT_MS(5000, a.seen == 8, turn(&a));
    assert_false(a.disorder);
    kafka_consumer_free(a.c);
    mock_free(&k);
}

/* Seek while paused, as after a failed batch: the position is the sought one
 * when it goes on. */
static void test_seek_while_paused(void **state)
{
    struct mock k = cluster();
    struct err err = {0};
    struct member m = {.c = join(&k)};
    struct kafka_partition one = at(2, 3);
    (void)state;
    fill(&k, 10);
    WAIT_MS(15000, m.seen == 40, turn(&m));
    assert_true(kafka_consumer_pause(m.c, &one, 1, &err));
    assert_true(kafka_consumer_seek(m.c, &one, 1, &err));
    m.next[2] = 3;
    for (int i = 0; i < 60; i++) {
        turn(&m);
        usleep(5000);
    }
    assert_int_equal(m.seen, 40);
    assert_true(kafka_consumer_resume(m.c, &one, 1, &err));
    WAIT_MS(5000, m.seen == 47, turn(&m));
    assert_false(m.disorder);
    kafka_consumer_free(m.c);
    mock_free(&k);
}

/* An offset beyond the log: told as a gap, and a seek heals it. */
static void test_gap_is_told_and_sought(void **state)
{
    struct mock k = cluster();
    struct err err = {0};
    struct member m = {.c = join(&k), .start = {0, 500, 0, 0}};
    (void)state;
    fill(&k, 10);
    WAIT_MS(15000, m.gaps == 1 && m.seen == 30, turn(&m));
    assert_int_equal(m.gap_at, 500);
    struct kafka_partition one = at(1, 2);
    m.next[1] = 2;
    assert_true(kafka_consumer_seek(m.c, &one, 1, &err));
    WAIT_MS(5000, m.seen == 38, turn(&m));
    fill(&k, 1);
    WAIT_MS(5000, m.seen == 42, turn(&m));
    assert_int_equal(m.gaps, 1);
    assert_false(m.disorder);
    kafka_consumer_free(m.c);
    mock_free(&k);
}

static void test_outage_shows_and_heals(void **state)
{
    struct mock k = cluster();
    struct member m = {.c = join(&k)};
    (void)state;
    fill(&k, 1);
    WAIT_MS(15000, m.seen == 4 && kafka_consumer_up(m.c), turn(&m));
    rd_kafka_mock_broker_set_down(k.cluster, 1);
    WAIT_MS(6000, !kafka_consumer_up(m.c), turn(&m));
    rd_kafka_mock_broker_set_up(k.cluster, 1);
    WAIT_MS(10000, kafka_consumer_up(m.c), turn(&m));
    for (int i = 0; i < PARTS; i++) {
        m.start[i] = 1; /* if the group made it join anew */
    }
    fill(&k, 1);
    WAIT_MS(15000, m.seen == 8, turn(&m));
    assert_false(m.disorder);
    kafka_consumer_free(m.c);
    mock_free(&k);
}

static void test_wakes_a_sleeping_loop(void **state)
{
    struct mock k = cluster();
    struct member m = {.c = join(&k)};
    struct pollfd fd = {.fd = kafka_consumer_fd(m.c), .events = POLLIN};
    (void)state;
    while (m.assigns == 0) {
        assert_int_equal(poll(&fd, 1, 15000), 1);
        turn(&m);
    }
    for (size_t i = 1; i <= 3; i++) {
        fill(&k, 1);
        while (m.seen < 4 * i) {
            assert_int_equal(poll(&fd, 1, 5000), 1);
            turn(&m);
        }
    }
    kafka_consumer_free(m.c);
    mock_free(&k);
}

static void test_max_poll_exceeded_is_a_lost_revoke(void **state)
{
    struct mock k = cluster();
    struct member m = {.c = join(&k)};
    (void)state;
    fill(&k, 1);
    WAIT_MS(15000, m.seen == 4, turn(&m));
    sleep(7); /* max_poll_interval_ms is 5 s */
    WAIT_MS(5000, m.revokes == 1, turn(&m));
    assert_true(m.lost);
    for (int i = 0; i < PARTS; i++) {
        m.start[i] = 1;
    }
    WAIT_MS(20000, m.assigns == 2, turn(&m));
    fill(&k, 1);
    WAIT_MS(5000, m.seen == 8, turn(&m));
    assert_false(m.disorder);
    kafka_consumer_free(m.c);
    mock_free(&k);
}

/* What the producer sent is what the consumer gets: key, payload, and one
 * partition for one key. */
static void nothing(void *arg, void *tag, enum kafka_verdict verdict)
{
    (void)arg;
    (void)tag;
    assert_int_equal(verdict, KAFKA_ACKED);
}

static void test_producer_to_consumer(void **state)
{
    struct mock k = cluster();
    struct err err = {0};
    struct member m = {.c = join(&k)};
    const struct kafka_producer_options o = {
        .brokers = k.brokers,
        .client_id = "test",
        .topics = topics,
        .topic_count = 1,
        .message_timeout_ms = 5000,
        .queue_messages = 100,
        .queue_bytes = 1 << 20,
        .message_bytes_max = 100000,
        .report = nothing,
    };
    AUTO(kafka_producer) p = kafka_producer_new(&o, &err);
    struct kafka_record r[] = {
        {.key = STR("acme:d-1"), .payload = {"\0x", 2}},
        {.key = STR("acme:d-1"), .payload = {"", 0}},
    };
    struct kafka_event e;
    int got = 0, parts[2] = {-1, -1};
    (void)state;
    WAIT_MS(15000, m.assigns == 1, turn(&m));
    assert_int_equal(kafka_producer_send(p, 0, r, 2), 2);
    WAIT_MS(5000, got == 2, {
        kafka_producer_serve(p);
        if (kafka_consumer_poll(m.c, &e) && e.kind == KAFKA_MESSAGE) {
            assert_true(str_is(e.key, "acme:d-1"));
            assert_true(str_eq(e.payload, r[got].payload));
            assert_non_null(e.key.p);
            parts[got++] = e.part;
        }
    });
    /* murmur2 of the key as the Java clients compute it, mod 4 */
    assert_int_equal(parts[0], 2);
    assert_int_equal(parts[1], parts[0]);
    kafka_producer_free(MOVE(p));
    kafka_consumer_free(m.c);
    mock_free(&k);
}

static void test_leave_is_quick_without_a_broker(void **state)
{
    struct mock k = cluster();
    struct member m = {.c = join(&k)};
    (void)state;
    fill(&k, 1);
    WAIT_MS(15000, m.seen == 4, turn(&m));
    rd_kafka_mock_broker_set_down(k.cluster, 1);
    int64_t start = clock_mono_us();
    kafka_consumer_leave(m.c);
    kafka_consumer_free(m.c);
    assert_in_range(clock_mono_us() - start, 0, 9000000);
    mock_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deferred_assign_starts_where_told),
        cmocka_unit_test(test_claims_may_come_one_by_one),
        cmocka_unit_test(test_second_member_takes_over_half),
        cmocka_unit_test(test_answer_after_revoke_takes_nothing),
        cmocka_unit_test(test_pause_and_resume_lose_nothing),
        cmocka_unit_test(test_pause_ends_with_the_assignment),
        cmocka_unit_test(test_seek_goes_back_and_forth),
        cmocka_unit_test(test_seek_while_paused),
        cmocka_unit_test(test_gap_is_told_and_sought),
        cmocka_unit_test(test_outage_shows_and_heals),
        cmocka_unit_test(test_wakes_a_sleeping_loop),
        cmocka_unit_test(test_max_poll_exceeded_is_a_lost_revoke),
        cmocka_unit_test(test_producer_to_consumer),
        cmocka_unit_test(test_leave_is_quick_without_a_broker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
