/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/service.h"
#include "tests/unit/http_client.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static struct service *start(int64_t drain_timeout_ms)
{
    struct err err = {0};
    struct service *s = service_new(
        &(struct service_options){.name = "test",
                                  .admin_listen = "127.0.0.1:0",
                                  .drain_timeout_ms = drain_timeout_ms},
        &err);
    if (s == NULL)
        fail_msg("%s", err.text);
    return s;
}

/* Runs fn(arg) in the loop's first turn. */
static void soon(struct service *s, void (*fn)(void *arg), void *arg)
{
    loop_timer_set(loop_timer_new(service_loop(s), fn, arg), 0, 0);
}

static void expect(struct service *s, const char *request, int status,
                   const char *part)
{
    AUTO_RELEASE(client) c = dial(service_admin_port(s));
    struct answer a = ask(&c, request);
    if (a.status != status || !has(a.body, part))
        fail_msg("%s: %d %.*s", request, a.status, STR_ARG(a.body));
}

/* --- the admin port ------------------------------------------------------ */

static struct service_need *kafka, *postgres;

static void look_while_running(void *arg)
{
    struct service *s = arg;
    expect(s, GET("/readyz"), 503, "waiting for kafka\nwaiting for postgres\n");
    service_need_set(kafka, true);
    expect(s, GET("/readyz"), 503, "waiting for postgres\n");
    assert_false(service_ready(s));
    service_need_set(postgres, true);
    expect(s, GET("/readyz"), 200, "ready\n");
    assert_true(service_ready(s));
    expect(s, GET("/metrics"), 200, "\npulse_ready 1\n");
    service_need_set(kafka, false);
    expect(s, GET("/readyz"), 503, "waiting for kafka\n");
    loop_stop(service_loop(s), 7);
}

static void the_admin_port_tells(void **state)
{
    (void)state;
    AUTO(service) s = start(1000);
    log_error("tried");
    kafka = service_need(s, "kafka");
    postgres = service_need(s, "postgres");
    expect(s, GET("/readyz"), 503, "waiting for start\n");
    expect(s, GET("/healthz"), 200, "ok\n");
    expect(s, GET("/version"), 200, "{\"service\":\"test\",\"version\":\"");
    expect(s, GET("/metrics"), 200,
           "\npulse_build_info{service=\"test\",version=\"");
    expect(s, GET("/metrics"), 200, "\nprocess_resident_memory_bytes ");
    expect(s, GET("/metrics"), 200,
           "pulse_log_events_total{level=\"error\",event=\"tried\"} 1\n");
    expect(s, GET("/"), 404, "not_found");
    expect(s, "POST /metrics HTTP/1.1\r\nHost: h\r\n\r\n", 405, "");
    soon(s, look_while_running, s);
    assert_int_equal(service_run(s), 7);
}

static void a_taken_admin_port_is_an_error(void **state)
{
    (void)state;
    AUTO(service) s = start(1000);
    AUTO_RELEASE(buf) listen = {0};
    buf_addf(&listen, "127.0.0.1:%d", service_admin_port(s));
    struct err err = {0};
    AUTO(service) second = service_new(
        &(struct service_options){.name = "test", .admin_listen = listen.p},
        &err);
    assert_null(second);
    assert_int_equal(err.kind, ERR_FATAL);
    assert_non_null(strstr(err.text, "admin port: cannot listen on"));
}

/* --- the end ------------------------------------------------------------- */

static void terminate(void *arg)
{
    (void)arg;
    kill(getpid(), SIGTERM);
}

static void interrupt(void *arg)
{
    (void)arg;
    kill(getpid(), SIGINT);
}

static void drain_in_one_go(void *arg)
{
    struct service *s = arg;
    assert_true(service_draining(s));
    expect(s, GET("/readyz"), 503, "draining\n");
    expect(s, GET("/healthz"), 200, "ok\n");
    service_drained(s);
}

static void drain_never(void *arg)
{
    (void)arg;
}

static void drain_and_fail(void *arg)
{
    struct err err = {ERR_FATAL, "broken"};
    service_fail(arg, &err);
    service_drained(arg);
}

static void terminate_twice(void *arg)
{
    terminate(arg);
    terminate(arg);
    /* Pending signals are merged: the second must come in a later turn. */
    soon(arg, terminate, arg);
}

static void fail_now(void *arg)
{
    struct err err = {ERR_FATAL, "cannot go on"};
    service_fail(arg, &err);
}

static void ways_to_end(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        void (*first)(void *arg);
        void (*drain)(void *arg); /* NULL: none */
        int status;
    } cases[] = {
        {"a drain complete", terminate, drain_in_one_go, 0},
        {"interrupted", interrupt, drain_in_one_go, 0},
        {"nothing to drain", terminate, NULL, 0},
        {"a drain too long", terminate, drain_never, 1},
        {"a second signal", terminate_twice, drain_never, 1},
        {"a failure", fail_now, drain_in_one_go, 1},
        {"a failure in the drain", terminate, drain_and_fail, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(service) s = start(200);
        if (cases[i].drain != NULL)
            service_on_drain(s, cases[i].drain, s);
        soon(s, cases[i].first, s);
        int64_t start_us = clock_mono_us();
        int status = service_run(s);
        int64_t took_ms = (clock_mono_us() - start_us) / 1000;
        if (status != cases[i].status)
            fail_msg("%s: %d", cases[i].what, status);
        if (cases[i].first == terminate && cases[i].drain == drain_never)
            assert_in_range(took_ms, 200, 5000);
    }
}

static int done;

static void drain_half(void *arg)
{
    done++;
    service_drained(arg);
}

static void drain_other_half(void *arg)
{
    assert_int_equal(done, 1); /* in the order they were told */
    loop_timer_set(loop_timer_new(service_loop(arg), drain_half, arg), 20, 0);
}

static void all_parts_drain(void **state)
{
    (void)state;
    AUTO(service) s = start(5000);
    done = 0;
    service_on_drain(s, drain_half, s);
    service_on_drain(s, drain_other_half, s);
    soon(s, terminate, s);
    assert_int_equal(service_run(s), 0);
    assert_int_equal(done, 2);
}

int main(void)
{
    log_init("test", LOG_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_admin_port_tells),
        cmocka_unit_test(a_taken_admin_port_is_an_error),
        cmocka_unit_test(ways_to_end),
        cmocka_unit_test(all_parts_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
