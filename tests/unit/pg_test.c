/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/pg.h"
#include "common/pgcopy.h"
#include "tests/unit/fake_pg.h"

static struct pg *nowhere(void)
{
    return pg_new(
        &(struct pg_options){.url = "postgresql://nobody@127.0.0.1:1/none",
                             .application = "test",
                             .connect_timeout_ms = 2000});
}

static void test_an_absent_server_is_a_case_for_retry(void **state)
{
    (void)state;
    AUTO(pg) pg = nowhere();
    struct err err;
    assert_false(pg_connect(pg, &err));
    assert_int_equal(err.kind, ERR_RETRY);
    assert_false(pg_connected(pg));
    assert_int_equal(pg_socket(pg), -1);
    assert_int_equal(pg_generation(pg), 0);
}

/* LeakSanitizer sees whether the arrays are freed. */
static void test_without_a_connection_parameters_are_freed(void **state)
{
    (void)state;
    AUTO(pg) pg = nowhere();
    const struct str texts[] = {STR("a"), {NULL, 0}};
    struct pg_params p = {.count = 0};
    struct err err;
    pg_text_array(&p, texts, ARRAY_LEN(texts));
    pg_jsonb(&p, STR("{}"));
    assert_false(pg_do(pg, "SELECT $1, $2", &p, NULL, &err));
    assert_int_equal(err.kind, ERR_RETRY);
    assert_int_equal(p.count, 0);
    assert_false(pg_begin(pg, &err));
    assert_false(pg_notified(pg, NULL));
    pg_rollback(pg);
    pg_cancel(pg);
}

/* A statement that is never run still ends. */
static void finish(struct pg_params *p)
{
    AUTO(pg) pg = nowhere();
    assert_false(pg_do(pg, "", p, NULL, NULL));
}

static void expect(const struct pg_params *p, int at, const char *bytes,
                   size_t n)
{
    assert_int_equal(p->lengths[at], n);
    assert_memory_equal(p->values[at], bytes, n);
}
#define EXPECT(p, at, bytes) expect(&(p), (at), (bytes), sizeof(bytes) - 1)

static void test_scalars(void **state)
{
    (void)state;
    struct pg_params p = {.count = 0};
    pg_i32(&p, -1);
    pg_i64(&p, 1);
    pg_f64(&p, -2);
    pg_bool(&p, true);
    pg_time(&p, INT64_C(946684800000000));
    pg_text(&p, (struct str){NULL, 0});
    pg_text_opt(&p, (struct str){NULL, 0});
    pg_jsonb(&p, STR("[]"));
    EXPECT(p, 0, "\377\377\377\377");
    EXPECT(p, 1, "\0\0\0\0\0\0\0\1");
    EXPECT(p, 2, "\300\0\0\0\0\0\0\0");
    EXPECT(p, 3, "\1");
    EXPECT(p, 4, "\0\0\0\0\0\0\0\0");
    assert_non_null(p.values[5]); /* an empty text is no NULL */
    assert_null(p.values[6]);
    EXPECT(p, 7, "\1[]");
    finish(&p);
}

static void test_arrays(void **state)
{
    (void)state;
    const struct str texts[] = {STR("x"), {NULL, 0}};
    const int32_t parts[] = {3};
    struct pg_params p = {.count = 0};
    pg_text_array(&p, texts, 2);
    pg_i32_array(&p, parts, 1);
    pg_i64_array(&p, NULL, 0);
    EXPECT(p, 0,
           "\0\0\0\1\0\0\0\1\0\0\0\31\0\0\0\2\0\0\0\1" /* 1 dim, nulls, text */
           "\0\0\0\1x\377\377\377\377");
    EXPECT(p, 1,
           "\0\0\0\1\0\0\0\0\0\0\0\27\0\0\0\1\0\0\0\1"
           "\0\0\0\4\0\0\0\3");
    EXPECT(p, 2, "\0\0\0\0\0\0\0\0\0\0\0\24"); /* no dimension */
    finish(&p);
}

/* ---- servers that misbehave ---- */

static struct pg *pg_to(const struct fake_pg *f)
{
    return pg_new(&(struct pg_options){.url = f->url,
                                       .application = "test",
                                       .connect_timeout_ms = 2000,
                                       .statement_timeout_ms = 100,
                                       .margin_ms = 200});
}

static void connect_to(struct pg *pg)
{
    struct err err = {0};
    if (!pg_connect(pg, &err))
        fail_msg("%s", err.text);
}

static void test_what_a_refusal_means(void **state)
{
    static const struct {
        const char *sqlstate;
        enum err_kind kind;
        bool stays; /* the connection */
    } cases[] = {
        {"22021", ERR_INPUT, true}, /* the data */
        {"23505", ERR_INPUT, true},
        {"42501", ERR_INPUT, true},
        {"54000", ERR_INPUT, true},
        {"40001", ERR_RETRY, true}, /* serialization */
        {"40P01", ERR_RETRY, true}, /* deadlock */
        {"53100", ERR_RETRY, true}, /* disk full */
        {"53200", ERR_RETRY, true}, /* out of memory */
        {"53300", ERR_RETRY, true}, /* too many connections */
        {"53400", ERR_RETRY, true}, /* a limit of the configuration */
        {"55P03", ERR_RETRY, true}, /* lock timeout */
        {"57014", ERR_RETRY, true}, /* statement timeout */
        {"57P03", ERR_RETRY, true}, /* starting up */
        {"58030", ERR_RETRY, true}, /* I/O */
        {"XX000", ERR_RETRY, true},
        {"25006", ERR_RETRY, false}, /* read-only: another may be primary */
        {"0A000", ERR_RETRY, false}, /* a plan that no longer fits */
        {"28000", ERR_FATAL, true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct fake_pg f =
            fake_pg_start(FAKE_PG_REFUSES, cases[i].sqlstate, false);
        AUTO(pg) pg = pg_to(&f);
        struct err err;
        connect_to(pg);
        assert_false(pg_script(pg, "x", &err));
        assert_string_equal(pg_sqlstate(pg), cases[i].sqlstate);
        assert_int_equal(err.kind, cases[i].kind);
        assert_int_equal(pg_connected(pg), cases[i].stays);
        fake_pg_stop(&f);
    }
}

static void test_a_session_that_is_ended_says_why(void **state)
{
    (void)state;
    struct fake_pg f = fake_pg_start(FAKE_PG_ENDS, "57P01", false);
    AUTO(pg) pg = pg_to(&f);
    struct err err;
    connect_to(pg);
    assert_false(pg_begin(pg, &err));
    assert_int_equal(err.kind, ERR_RETRY);
    assert_string_equal(pg_sqlstate(pg), "57P01");
    assert_false(pg_connected(pg));
    connect_to(pg); /* and a new one may begin */
    fake_pg_stop(&f);
}

/* Given up after 300 ms: not at once, and not never. */
static void assert_given_up(struct pg *pg, const struct err *err,
                            int64_t since_us)
{
    int64_t ms = (clock_mono_us() - since_us) / 1000;
    assert_int_equal(err->kind, ERR_RETRY);
    assert_false(pg_connected(pg));
    assert_in_range(ms, 290, 5000);
}

static void test_a_server_that_falls_silent_is_given_up(void **state)
{
    (void)state;
    struct fake_pg f = fake_pg_start(FAKE_PG_SILENT, "", false);
    AUTO(pg) pg = pg_to(&f);
    struct err err;
    connect_to(pg);
    int64_t start_us = clock_mono_us();
    assert_false(pg_begin(pg, &err));
    assert_given_up(pg, &err, start_us);
    connect_to(pg);
    start_us = clock_mono_us();
    assert_false(pg_do(pg, "SELECT 1", NULL, NULL, &err));
    assert_given_up(pg, &err, start_us);
    connect_to(pg);
    struct pgcopy copy = {0};
    start_us = clock_mono_us();
    assert_false(pgcopy_begin(&copy, pg, "COPY t FROM STDIN", &err));
    assert_given_up(pg, &err, start_us);
    pgcopy_release(&copy);
    fake_pg_stop(&f);
}

/* More than all buffers on the way hold. */
static void copy_much(struct pgcopy *copy)
{
    static const char bytes[65536];
    for (int i = 0; i < 1000; i++) {
        pgcopy_row(copy, 1);
        pgcopy_text(copy, (struct str){bytes, sizeof bytes});
    }
}

static void test_a_server_that_reads_no_more_is_given_up(void **state)
{
    (void)state;
    struct fake_pg f = fake_pg_start(FAKE_PG_DEAF, "", false);
    AUTO(pg) pg = pg_to(&f);
    AUTO_RELEASE(pgcopy) copy = {0};
    struct err err;
    connect_to(pg);
    int64_t start_us = clock_mono_us();
    assert_true(pgcopy_begin(&copy, pg, "COPY t FROM STDIN", &err));
    copy_much(&copy);
    assert_false(pgcopy_end(&copy, NULL, &err));
    assert_given_up(pg, &err, start_us);
    pg_rollback(pg);
    /* Everything fits, but the answer never comes. */
    connect_to(pg);
    start_us = clock_mono_us();
    assert_true(pgcopy_begin(&copy, pg, "COPY t FROM STDIN", &err));
    assert_false(pgcopy_end(&copy, NULL, &err));
    assert_given_up(pg, &err, start_us);
    /* Nor does that of a rollback inside a COPY. */
    connect_to(pg);
    assert_true(pgcopy_begin(&copy, pg, "COPY t FROM STDIN", &err));
    start_us = clock_mono_us();
    pg_rollback(pg);
    assert_given_up(pg, &err, start_us);
    fake_pg_stop(&f);
}

static void test_a_session_ended_in_mid_copy_is_for_retry(void **state)
{
    (void)state;
    struct fake_pg f = fake_pg_start(FAKE_PG_ENDS_COPY, "57P01", false);
    AUTO(pg) pg = pg_to(&f);
    AUTO_RELEASE(pgcopy) copy = {0};
    struct err err;
    connect_to(pg);
    assert_true(pgcopy_begin(&copy, pg, "COPY t FROM STDIN", &err));
    copy_much(&copy);
    assert_false(pgcopy_end(&copy, NULL, &err));
    assert_int_equal(err.kind, ERR_RETRY);
    assert_false(pg_connected(pg));
    fake_pg_stop(&f);
}

static void test_who_writes_connects_to_no_standby(void **state)
{
    (void)state;
    struct fake_pg f = fake_pg_start(FAKE_PG_ANSWERS, "", true);
    struct pg_options options = {
        .url = f.url, .application = "test", .connect_timeout_ms = 2000};
    struct err err;
    AUTO(pg) reader = pg_new(&options);
    assert_true(pg_connect(reader, &err));
    options.writes = true;
    AUTO(pg) writer = pg_new(&options);
    pg_disconnect(reader);
    assert_false(pg_connect(writer, &err));
    assert_int_equal(err.kind, ERR_RETRY);
    fake_pg_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_absent_server_is_a_case_for_retry),
        cmocka_unit_test(test_without_a_connection_parameters_are_freed),
        cmocka_unit_test(test_scalars),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_what_a_refusal_means),
        cmocka_unit_test(test_a_session_that_is_ended_says_why),
        cmocka_unit_test(test_a_server_that_falls_silent_is_given_up),
        cmocka_unit_test(test_a_server_that_reads_no_more_is_given_up),
        cmocka_unit_test(test_a_session_ended_in_mid_copy_is_for_retry),
        cmocka_unit_test(test_who_writes_connects_to_no_standby),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
