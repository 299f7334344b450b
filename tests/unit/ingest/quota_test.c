/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define S INT64_C(1000000)

static struct quota *set(struct quotas *all, double records, double burst,
                         double bytes, int64_t now_us)
{
    const struct quota_rate rates[QUOTA_COUNT] = {
        [QUOTA_RECORDS] = {records, burst}, [QUOTA_BYTES] = {bytes, 0}};

    return quotas_set(all, STR("acme"), rates, now_us);
}

static void test_without_limits_everything_passes(void **state)
{
    AUTO(quotas) all = quotas_new();
    struct quota *q = set(all, 0, 0, 0, 0);
    struct quota_refusal why;
    (void)state;

    for (int i = 0; i < 1000; i++) {
        assert_true(quota_admit(q, 1 << 30, 0, &why));
        quota_take(q, 1000000, 1 << 30, 0);
    }
}

static void test_a_burst_then_the_rate(void **state)
{
    AUTO(quotas) all = quotas_new();
    struct quota *q = set(all, 10, 100, 0, 0);
    struct quota_refusal why;
    int taken = 0;
    (void)state;

    /* One record a request, as many as come in, for 100 s. */
    for (int64_t now_us = 0; now_us < 100 * S; now_us += 10000)
        if (quota_admit(q, 0, now_us, &why)) {
            quota_take(q, 1, 0, now_us);
            taken++;
        }
    assert_in_range(taken, 100 + 1000 - 1, 100 + 1000 + 1);
}

static void test_a_request_larger_than_the_burst_passes_on_credit(void **state)
{
    AUTO(quotas) all = quotas_new();
    struct quota *q = set(all, 10, 20, 0, 0);
    struct quota_refusal why;
    (void)state;

    assert_true(quota_admit(q, 0, 0, &why));
    quota_take(q, 520, 0, 0); /* 500 on credit: 50 s */
    assert_false(quota_admit(q, 0, 0, &why));
    assert_int_equal(why.kind, QUOTA_RECORDS);
    assert_int_equal(why.retry_s, 50);
    assert_false(quota_admit(q, 0, 49 * S, &why));
    assert_int_equal(why.retry_s, 1);
    /* Who waits as told is let in. */
    assert_true(quota_admit(q, 0, 50 * S, &why));
}

static void test_retry_after_is_right_whatever_the_rate(void **state)
{
    static const double rates[] = {0.3, 1, 3, 7, 1000, 1e6, 1e9};
    struct quota_refusal why;
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(rates); i++)
        for (size_t records = 1; records < 2000000; records *= 7) {
            AUTO(quotas) all = quotas_new();
            struct quota *q = set(all, rates[i], 1, 0, 0);
            quota_take(q, records + 1, 0, 0);
            if (quota_admit(q, 0, 0, &why))
                continue; /* the debt is no more than rounding */
            assert_true(why.retry_s >= 1);
            if (!quota_admit(q, 0, why.retry_s * S, &why))
                fail_msg("%g/s, %zu records", rates[i], records);
        }
}

static void test_bytes_have_a_bucket_of_their_own(void **state)
{
    AUTO(quotas) all = quotas_new();
    struct quota *q = set(all, 1000, 0, 100, 0); /* ten seconds: 1000 bytes */
    struct quota_refusal why;
    (void)state;

    quota_take(q, 1, 3000, 0);
    assert_false(quota_admit(q, 10, 0, &why));
    assert_int_equal(why.kind, QUOTA_BYTES);
    assert_int_equal(why.retry_s, 20);
    assert_int_equal((int)why.allowed, 100);
    /* Both: the longer debt is the one to be told. */
    quota_take(q, 60000, 0, 0);
    assert_false(quota_admit(q, 10, 0, &why));
    assert_int_equal(why.kind, QUOTA_RECORDS);
    assert_int_equal(why.retry_s, 51); /* 50001 records */
}

static void test_what_is_refused_is_seen_too(void **state)
{
    AUTO(quotas) all = quotas_new();
    struct quota *q = set(all, 100, 100, 0, 0);
    struct quota_refusal why = {0};
    (void)state;

    /* 100 requests of 10 records a second: ten times what is allowed. */
    for (int64_t now_us = 0; now_us < 30 * S; now_us += 10000)
        if (quota_admit(q, 500, now_us, &why))
            quota_take(q, 10, 500, now_us);
    assert_false(quota_admit(q, 500, 30 * S - 1, &why));
    assert_in_range((uintmax_t)why.seen, 900, 1100);
    assert_int_equal((int)why.allowed, 100);
}

/* Whoever is refused is told of a rate above the one allowed. */
static void test_what_is_seen_is_more_than_what_is_allowed(void **state)
{
    static const struct {
        double rate, burst;
        size_t records;
        int64_t every_us;
    } cases[] = {
        {500, 500, 50, 10000},  {500, 10, 50, 10000}, {500, 0, 50, 10000},
        {10, 10, 600, 5000000}, {1, 1, 2, 1500000},   {1000, 1, 1, 900},
        {10, 100, 11, 1000000}, {0.5, 1, 1, 1000000},
    };
    (void)state;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO(quotas) all = quotas_new();
        struct quota *q = set(all, cases[i].rate, cases[i].burst, 0, 0);
        struct quota_refusal why;
        int refused = 0;
        for (int n = 0; n < 20000 && refused < 1000; n++) {
            /* A pause in between: not the first one, but a full bucket. */
            int64_t now_us = n * cases[i].every_us + (n > 100) * 1000 * S;
            if (quota_admit(q, 0, now_us, &why)) {
                quota_take(q, cases[i].records, 0, now_us);
                continue;
            }
            refused++;
            if (why.seen < why.allowed)
                fail_msg("case %zu: %g/s seen, %g/s allowed", i, why.seen,
                         why.allowed);
        }
        assert_true(refused > 0);
    }
}

static void test_a_refusal_is_news_now_and_then(void **state)
{
    AUTO(quotas) all = quotas_new();
    struct quota *q = set(all, 1, 1, 0, 0);
    struct quota_refusal why;
    int news = 0;
    (void)state;

    quota_take(q, 1000, 0, 0);
    for (int64_t now_us = 0; now_us < 60 * S; now_us += S / 10) {
        assert_false(quota_admit(q, 0, now_us, &why));
        news += why.news;
    }
    assert_int_equal(news, 6);
}

static void test_a_reload_changes_rates_and_keeps_debts(void **state)
{
    AUTO(quotas) all = quotas_new();
    struct quota *q = set(all, 10, 10, 0, 0);
    struct quota_refusal why;
    (void)state;

    quota_take(q, 110, 0, 0); /* 100 in debt: 10 s */
    assert_ptr_equal(set(all, 10, 10, 0, S), q);
    assert_false(quota_admit(q, 0, S, &why));
    assert_int_equal(why.retry_s, 9);
    set(all, 90, 10, 0, S); /* a higher rate pays it sooner */
    assert_false(quota_admit(q, 0, S, &why));
    assert_int_equal(why.retry_s, 1);
    set(all, 0, 0, 0, S);
    assert_true(quota_admit(q, 0, S, &why));
    quota_take(q, 1000000, 0, S);
    set(all, 10, 10, 0, S); /* what was sent without a limit is forgiven */
    assert_true(quota_admit(q, 0, S, &why));
}

static void test_a_smaller_burst_takes_effect(void **state)
{
    AUTO(quotas) all = quotas_new();
    struct quota *q = set(all, 10, 1000, 0, 0);
    struct quota_refusal why;
    (void)state;

    set(all, 10, 20, 0, 0);
    quota_take(q, 30, 0, 0);
    assert_false(quota_admit(q, 0, 0, &why));
    assert_int_equal(why.retry_s, 1);
}

static void test_tenants_do_not_pay_for_each_other(void **state)
{
    AUTO(quotas) all = quotas_new();
    const struct quota_rate rates[QUOTA_COUNT] = {[QUOTA_RECORDS] = {1, 1}};
    struct quota *a = quotas_set(all, STR("a"), rates, 0);
    struct quota *b = quotas_set(all, STR("b"), rates, 0);
    struct quota_refusal why;
    (void)state;

    quota_take(a, 100, 0, 0);
    assert_false(quota_admit(a, 0, 0, &why));
    assert_true(quota_admit(b, 0, 0, &why));
}

static void test_a_clock_read_earlier_is_no_harm(void **state)
{
    AUTO(quotas) all = quotas_new();
    struct quota *q = set(all, 10, 10, 0, 100 * S);
    struct quota_refusal why;
    (void)state;

    quota_take(q, 20, 0, 100 * S);
    assert_false(quota_admit(q, 0, 99 * S, &why)); /* another thread's */
    assert_false(quota_admit(q, 0, 100 * S, &why));
    assert_int_equal(why.retry_s, 1);
    assert_true(quota_admit(q, 0, 101 * S, &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_limits_everything_passes),
        cmocka_unit_test(test_a_burst_then_the_rate),
        cmocka_unit_test(test_a_request_larger_than_the_burst_passes_on_credit),
        cmocka_unit_test(test_retry_after_is_right_whatever_the_rate),
        cmocka_unit_test(test_bytes_have_a_bucket_of_their_own),
        cmocka_unit_test(test_what_is_refused_is_seen_too),
        cmocka_unit_test(test_what_is_seen_is_more_than_what_is_allowed),
        cmocka_unit_test(test_a_refusal_is_news_now_and_then),
        cmocka_unit_test(test_a_reload_changes_rates_and_keeps_debts),
        cmocka_unit_test(test_a_smaller_burst_takes_effect),
        cmocka_unit_test(test_tenants_do_not_pay_for_each_other),
        cmocka_unit_test(test_a_clock_read_earlier_is_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
