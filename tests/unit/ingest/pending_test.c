/* SPDX-License-Identifier: Apache-2.0 */
/* Requests that wait for Kafka: all or nothing to begin with, an honest answer
 * in the end, whatever order the reports come in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "services/ingest/pending.h"
#include "tests/unit/mock_kafka.h"
#define answer heard /* pending.h has one of its own */
#include "tests/unit/http_client.h"
#undef answer

enum { RECORDS_MAX = 100, BYTES_MAX = 10000, QUEUE = 10 };

static const char *const topics[] = {"pending"};

static struct {
    struct metrics *metrics;
    struct http_server *server;
    struct pendings *pendings;
    struct kafka_producer *producer; /* of the mock; its queue is short */
    struct counter *accepted;
    struct pending *last; /* admitted last */
} edge;

/* --- the handlers -------------------------------------------------------- */

static enum kafka_verdict verdict_of(char letter)
{
    static const char letters[] = "AURLNF"; /* as in enum kafka_verdict */
    const char *at = strchr(letters, letter);
    assert_non_null(at);
    return (enum kafka_verdict)(at - letters);
}

static struct pending *admit(struct http_request *r, size_t records)
{
    const struct answer answer = {.status = 202,
                                  .type = "text/plain",
                                  .body = STR("all of them"),
                                  .accepted = records,
                                  .counter = edge.accepted};
    switch (pending_admit(edge.pendings, r, &answer, records, records * 10,
                          &edge.last)) {
    case ADMITTED:
        return edge.last;
    case ADMISSION_FULL:
        answer_unavailable(r, "overloaded", "full");
        return NULL;
    case ADMISSION_CLOSED:
        answer_unavailable(r, "draining", "closed");
        return NULL;
    }
    return NULL;
}

/* The body has a letter for each record, its verdict. What stands before | is
 * reported before everything is sent; the rest is left to the test. */
static void handle_script(struct http_request *r, void *arg)
{
    struct str script = http_body(r);
    size_t early = 0;
    (void)arg;
    while (script.p[early] != '|') {
        early++;
    }
    struct pending *p = admit(r, script.n - 1);
    if (p == NULL) {
        return;
    }
    for (size_t i = 0; i < early; i++) {
        pending_report(NULL, p, verdict_of(script.p[i]));
    }
    assert_true(pendings_count(edge.pendings) > 0);
    pending_sent(p);
}

/* As many records as the body has bytes, into a queue for QUEUE. */
static void handle_kafka(struct http_request *r, void *arg)
{
    struct kafka_record records[QUEUE * 2] = {0};
    static char big[8000]; /* beyond the producer's 2000 and its key's room */
    size_t count = http_body(r).n;
    bool large = arg != NULL;
    assert_true(count <= ARRAY_LEN(records));
    struct pending *p = admit(r, count);
    assert_non_null(p);
    for (size_t i = 0; i < count; i++) {
        records[i].payload = STR("x");
        records[i].tag = p;
    }
    if (large) {
        records[0].payload = (struct str){big, sizeof big};
    }
    pending_send(p, edge.producer, 0, records, count);
    pending_sent(p);
}

/* --- the fixture --------------------------------------------------------- */

static struct mock mock;

static void mock_begin(void)
{
    struct err err = {0};
    mock = mock_new(1);
    rd_kafka_mock_topic_create(mock.cluster, topics[0], 1, 1);
    const struct kafka_producer_options options = {
        .brokers = mock.brokers,
        .client_id = "pending",
        .topics = topics,
        .topic_count = 1,
        .message_timeout_ms = 1500,
        .linger_ms = 0,
        .queue_messages = QUEUE,
        .queue_bytes = 1 << 20,
        .message_bytes_max = 2000,
        .report = pending_report,
    };
    edge.producer = kafka_producer_new(&options, &err);
    assert_non_null(edge.producer);
    WAIT_MS(5000, kafka_producer_outlook(edge.producer) == KAFKA_ACKED,
            kafka_producer_serve(edge.producer));
}

static int begin(void **state)
{
    static const struct http_route routes[] = {
        {"POST", "/script", handle_script, .body_max = 1000},
        {"POST", "/kafka", handle_kafka, .body_max = 1000},
        {"POST", "/large", handle_kafka, .arg = &edge, .body_max = 1000},
    };
    struct err err = {0};
    (void)state;
    edge.metrics = metrics_new();
    edge.accepted =
        metrics_counter(edge.metrics, "accepted_total", "Accepted.", NULL);
    edge.pendings =
        pendings_new(&(struct pendings_options){.records_max = RECORDS_MAX,
                                                .bytes_max = BYTES_MAX,
                                                .metrics = edge.metrics});
    edge.server = http_server_new(
        &(struct http_options){.listen = "127.0.0.1:0",
                               .threads = 2,
                               .connections_max = 16,
                               .idle_timeout_s = 30,
                               .request_timeout_s = 10,
                               .routes = routes,
                               .route_count = ARRAY_LEN(routes)},
        &err);
    assert_non_null(edge.server);
    mock_begin();
    return 0;
}

static int end(void **state)
{
    (void)state;
    kafka_producer_free(edge.producer);
    http_server_free(edge.server);
    metrics_gauge_fn_end(edge.metrics, edge.pendings);
    pendings_free(edge.pendings);
    metrics_free(edge.metrics);
    mock_free(&mock);
    return 0;
}

/* The value of a metric with its labels, as it is written. */
static double metric(const char *line)
{
    AUTO_RELEASE(buf) text = {0};
    metrics_write(edge.metrics, &text);
    buf_add_char(&text, '\0');
    const char *at = text.p;
    while ((at = strstr(at, line)) != NULL) {
        if (at[strlen(line)] == ' ' && at[-1] == '\n') {
            return strtod(at + strlen(line), NULL);
        }
        at++;
    }
    fail_msg("no metric %s", line);
    return 0;
}

static struct client post(const char *path, const char *body)
{
    char text[512];
    struct client c = dial(http_server_port(edge.server));
    snprintf(text, sizeof text,
             "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
             path, strlen(body), body);
    say_text(&c, text);
    return c;
}

static void expect(struct client *c, int status, const char *code)
{
    struct heard h;
    assert_true(hear(c, &h));
    assert_int_equal(h.status, status);
    assert_true(has(h.body, code));
    assert_int_equal(has(h.head, "Retry-After: "), status == 503);
}

static void expect_empty(void)
{
    WAIT_MS(5000, pendings_count(edge.pendings) == 0, (void)0);
    assert_true(metric("pulse_ingest_inflight_records") == 0);
    assert_true(metric("pulse_ingest_inflight_bytes") == 0);
    assert_true(metric("pulse_ingest_inflight_requests") == 0);
}

/* --- one request --------------------------------------------------------- */

static const struct {
    const char *script;
    int status;
    const char *says;
} scripts[] = {
    /* Reports after, before, and on both sides of the end of sending. */
    {"|AAA", 202, "all of them"},
    {"AAA|", 202, "all of them"},
    {"AA|A", 202, "all of them"},
    {"|", 202, "all of them"},
    /* One of many. */
    {"|AAUA", 503, "kafka_unavailable"},
    {"|AARA", 503, "kafka_unavailable"},
    {"|AALA", 413, "message_too_large"},
    {"|AANA", 503, "topic_missing"},
    {"|AAFA", 503, "kafka_not_authorised"},
    {"U|AAA", 503, "kafka_unavailable"},
    {"AAAL|", 413, "message_too_large"},
    /* Several reasons: what may come through yet decides. */
    {"|LR", 503, "kafka_unavailable"},
    {"|RL", 503, "kafka_unavailable"},
    {"L|U", 503, "kafka_unavailable"},
    {"|NLU", 503, "topic_missing"},
    {"F|NLUR", 503, "kafka_not_authorised"},
};

static void script_try(size_t n)
{
    const char *script = scripts[n].script;
    const char *late = script + strcspn(script, "|") + 1;
    struct client c = post("/script", script);
    if (*late != '\0') {
        /* Sent means: the sending thread has let go of it. */
        WAIT_MS(5000, pendings_count(edge.pendings) == 1, (void)0);
        usleep(20000);
    }
    for (; *late != '\0'; late++) {
        assert_int_equal(pendings_count(edge.pendings), 1);
        pending_report(NULL, edge.last, verdict_of(*late));
    }
    expect(&c, scripts[n].status, scripts[n].says);
    client_release(&c);
    expect_empty();
}

static void test_the_answer_is_the_worst_report(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
        script_try(i);
    }
    assert_int_equal(counter_get(edge.accepted), 9);
    assert_true(
        metric("pulse_ingest_records_failed_total{verdict=\"unknown\"}") == 5);
    assert_true(
        metric("pulse_ingest_records_failed_total{verdict=\"too_large\"}") ==
        7);
}

/* What fails says whether something may be stored. */
static void test_a_partial_failure_says_so(void **state)
{
    struct heard h;
    (void)state;
    struct client c = post("/script", "AAU|");
    assert_true(hear(&c, &h));
    assert_true(has(h.body, "some may be stored"));
    assert_true(has(h.body, "again"));
    client_release(&c);
}

/* --- admission ----------------------------------------------------------- */

static void test_admission_is_all_or_nothing(void **state)
{
    char body[RECORDS_MAX + 3];
    (void)state;
    struct client first = post("/script", "|AA");
    WAIT_MS(5000, pendings_count(edge.pendings) == 1, (void)0);
    struct pending *waiting = edge.last;

    memset(body, 'A', sizeof body);
    body[0] = '|';
    body[RECORDS_MAX] = '\0'; /* one more than there is room for */
    struct client second = post("/script", body);
    expect(&second, 503, "overloaded");
    assert_true(metric("pulse_ingest_inflight_records") == 2);
    assert_true(metric("pulse_ingest_inflight_bytes") == 20);
    assert_true(metric("pulse_ingest_budget_refused_total") == 1);

    body[RECORDS_MAX - 1] = '\0'; /* fits */
    struct client third = post("/script", body);
    WAIT_MS(5000, pendings_count(edge.pendings) == 2, (void)0);
    assert_int_equal(metric("pulse_ingest_inflight_records"), RECORDS_MAX);
    for (int i = 0; i < RECORDS_MAX - 2; i++) {
        pending_report(NULL, edge.last, KAFKA_ACKED);
    }
    expect(&third, 202, "all of them");
    pending_report(NULL, waiting, KAFKA_ACKED);
    pending_report(NULL, waiting, KAFKA_ACKED);
    expect(&first, 202, "all of them");
    expect_empty();
    client_release(&first);
    client_release(&second);
    client_release(&third);
}

/* --- with a producer ----------------------------------------------------- */

static void serve_out(void)
{
    WAIT_MS(8000, pendings_count(edge.pendings) == 0,
            kafka_producer_serve(edge.producer));
}

/* The producer takes 10 of 12: the request waits for those, then 503. */
static void test_some_are_not_taken(void **state)
{
    (void)state;
    struct client c = post("/kafka", "123456789012");
    WAIT_MS(5000, pendings_count(edge.pendings) == 1, (void)0);
    usleep(100000); /* two have failed, and it still waits */
    assert_int_equal(pendings_count(edge.pendings), 1);
    assert_int_equal(kafka_producer_pending(edge.producer), QUEUE);
    serve_out();
    expect(&c, 503, "kafka_unavailable");
    assert_true(
        metric("pulse_ingest_records_failed_total{verdict=\"refused\"}") == 2);
    client_release(&c);
    expect_empty();
}

static void test_one_is_too_large_for_the_producer(void **state)
{
    (void)state;
    struct client c = post("/large", "123");
    WAIT_MS(5000, pendings_count(edge.pendings) == 1, (void)0);
    serve_out();
    expect(&c, 413, "message_too_large");
    client_release(&c);
    expect_empty();
}

static void test_one_is_too_large_for_the_broker(void **state)
{
    (void)state;
    rd_kafka_mock_push_request_errors(mock.cluster, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    struct client c = post("/kafka", "1");
    WAIT_MS(5000, pendings_count(edge.pendings) == 1, (void)0);
    serve_out();
    expect(&c, 413, "message_too_large");
    client_release(&c);
    expect_empty();
}

/* The broker has them, its answer comes after the deadline. */
static void test_no_answer_in_time(void **state)
{
    (void)state;
    rd_kafka_mock_broker_set_rtt(mock.cluster, 1, 20000);
    int64_t start_us = clock_mono_us();
    struct client c = post("/kafka", "12");
    WAIT_MS(5000, pendings_count(edge.pendings) == 1, (void)0);
    serve_out();
    expect(&c, 503, "kafka_unavailable");
    assert_in_range(clock_mono_us() - start_us, 1000000, 3600000);
    client_release(&c);
    expect_empty();
    rd_kafka_mock_broker_set_rtt(mock.cluster, 1, 0);
}

/* The last: nothing is admitted any more. */
static void test_closed(void **state)
{
    (void)state;
    pendings_close(edge.pendings);
    struct client c = post("/script", "|A");
    expect(&c, 503, "draining");
    client_release(&c);
    expect_empty();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_answer_is_the_worst_report,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_a_partial_failure_says_so, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_admission_is_all_or_nothing, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_some_are_not_taken, begin, end),
        cmocka_unit_test_setup_teardown(test_one_is_too_large_for_the_producer,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_one_is_too_large_for_the_broker,
                                        begin, end),
        cmocka_unit_test_setup_teardown(test_no_answer_in_time, begin, end),
        cmocka_unit_test_setup_teardown(test_closed, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
