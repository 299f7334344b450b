/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/failures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define S INT64_C(1000000)

struct desk {
    struct metrics *metrics;
    struct failures *failures;
};

static int set_up(void **state)
{
    struct desk *d = xcalloc(1, sizeof *d);

    d->metrics = metrics_new();
    d->failures = failures_new(&(struct failures_options){
        .most = 3, .addresses_max = 4, .metrics = d->metrics});
    *state = d;
    return 0;
}

static int tear_down(void **state)
{
    struct desk *d = *state;

    failures_free(d->failures);
    metrics_free(d->metrics);
    free(d);
    return 0;
}

/* network in the first 8 bytes, host in the last. */
static bool one_more(struct desk *d, unsigned char network, unsigned char host,
                     int64_t now_us, int64_t *retry_s)
{
    char address[16] = {0};

    address[0] = 0x20;
    address[7] = (char)network;
    address[15] = (char)host;
    return failures_add(d->failures, (struct str){address, sizeof address},
                        now_us, retry_s);
}

static void test_so_many_a_minute_and_no_more(void **state)
{
    struct desk *d = *state;
    int64_t retry_s = 0;

    for (int i = 0; i < 3; i++)
        assert_false(one_more(d, 1, 1, i * S, &retry_s));
    assert_true(one_more(d, 1, 1, 10 * S, &retry_s));
    assert_int_equal(retry_s, 50);
    assert_true(one_more(d, 1, 1, 60 * S - 1, &retry_s));
    assert_int_equal(retry_s, 1);
    assert_false(one_more(d, 1, 1, 60 * S, &retry_s));
}

static void test_a_network_is_one_address_and_others_are_not(void **state)
{
    struct desk *d = *state;
    int64_t retry_s = 0;

    for (unsigned char i = 0; i < 3; i++)
        assert_false(one_more(d, 1, i, 0, &retry_s));
    assert_true(one_more(d, 1, 99, 0, &retry_s));
    assert_false(one_more(d, 2, 99, 0, &retry_s));
}

static void test_ipv4_addresses_are_told_apart(void **state)
{
    struct desk *d = *state;
    char address[16] = {0};
    int64_t retry_s = 0;

    memcpy(address + 10, "\xff\xff\x7f\x00\x00", 5);
    for (int i = 0; i < 4; i++)
        assert_int_equal(failures_add(d->failures,
                                      (struct str){address, sizeof address}, 0,
                                      &retry_s),
                         i == 3);
    address[15] = 1;
    assert_false(failures_add(
        d->failures, (struct str){address, sizeof address}, 0, &retry_s));
}

static void test_memory_is_bounded(void **state)
{
    struct desk *d = *state;
    int64_t retry_s = 0;

    for (int i = 0; i < 4; i++)
        (void)one_more(d, 1, 1, 0, &retry_s);
    for (unsigned char n = 2; n < 100; n++)
        assert_false(one_more(d, n, 1, 0, &retry_s));
    assert_false(one_more(d, 1, 1, 0, &retry_s)); /* forgotten */
}

static void test_both_answers_are_counted(void **state)
{
    struct desk *d = *state;
    AUTO_RELEASE(buf) text = {0};
    int64_t retry_s = 0;

    for (int i = 0; i < 5; i++)
        (void)one_more(d, 1, 1, 0, &retry_s);
    metrics_write(d->metrics, &text);
    assert_non_null(strstr(
        text.p, "pulse_ingest_wrong_keys_total{code=\"unknown_key\"} 3"));
    assert_non_null(strstr(
        text.p, "pulse_ingest_wrong_keys_total{code=\"too_many_failures\"} 2"));
}

static void test_zero_is_no_limit(void **state)
{
    AUTO(metrics) metrics = metrics_new();
    AUTO(failures) f = failures_new(
        &(struct failures_options){.addresses_max = 1, .metrics = metrics});
    int64_t retry_s = 0;
    (void)state;

    for (int i = 0; i < 1000; i++)
        assert_false(failures_add(f, STR("addr"), 0, &retry_s));
}

#define WITH_DESK(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DESK(test_so_many_a_minute_and_no_more),
        WITH_DESK(test_a_network_is_one_address_and_others_are_not),
        WITH_DESK(test_ipv4_addresses_are_told_apart),
        WITH_DESK(test_memory_is_bounded),
        WITH_DESK(test_both_answers_are_counted),
        cmocka_unit_test(test_zero_is_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
