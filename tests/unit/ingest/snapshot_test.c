/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/snapshot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <openssl/sha.h>
#include <string.h>

#define DAY_US (86400 * INT64_C(1000000))

static void key_put(struct snapshot_writer *w, const char *id,
                    const char *tenant, const char *device)
{
    struct key key = {.key_id = str_of(id),
                      .tenant_id = str_of(tenant),
                      .device_id = str_of(device),
                      .scopes = SCOPE_WRITE,
                      .expires_at_us = 1000};

    SHA256((const unsigned char *)"secret", 6, key.secret_hash);
    snapshot_key(w, &key);
}

static void sample(struct buf *out, int64_t read_at_us, const char *limits)
{
    struct snapshot_writer w;

    snapshot_begin(&w, out, read_at_us, 3 * DAY_US);
    snapshot_tenant(&w, STR("acme"), str_of(limits));
    snapshot_tenant(&w, STR("beta"), STR("{}"));
    snapshot_keys(&w);
    key_put(&w, "a1", "acme", "");
    key_put(&w, "b2", "beta", "pump-7");
    snapshot_end(&w);
}

static struct snapshot *read_from(struct quotas *quotas, struct str bytes,
                                  int64_t replicas, struct err *err)
{
    const struct limits settings = {.records_max = 10000,
                                    .body_bytes_max = 1000,
                                    .labels_max = 32,
                                    .fields_max = 256,
                                    .time_past_ms = 7 * 86400 * 1000,
                                    .name_bytes = 200,
                                    .label_name_bytes = 128,
                                    .label_value_bytes = 1024};

    return snapshot_new(
        bytes,
        &(struct snapshot_options){.defaults = limits_defaults(&settings),
                                   .quotas = quotas,
                                   .replicas = replicas},
        err);
}

static void test_what_is_written_is_read(void **state)
{
    AUTO_RELEASE(buf) bytes = {0};
    AUTO(quotas) quotas = quotas_new();
    struct err err = {0};
    (void)state;

    sample(&bytes, 12345, "{\"labels\":5,\"time_past_seconds\":60}");
    AUTO(snapshot) s = read_from(quotas, buf_str(&bytes), 1, &err);
    assert_non_null(s);
    assert_int_equal(snapshot_read_at(s), 12345);
    const struct key *a =
        keyring_find(snapshot_ring(s), STR("pulse_a1_secret"), 999);
    const struct key *b =
        keyring_find(snapshot_ring(s), STR("pulse_b2_secret"), 999);
    assert_non_null(a);
    assert_non_null(b);
    assert_true(str_is(a->tenant_id, "acme"));
    assert_null(a->device_id.p);
    assert_true(str_is(b->device_id, "pump-7"));
    assert_int_equal(b->scopes, SCOPE_WRITE);
    assert_null(keyring_find(snapshot_ring(s), STR("pulse_a1_secret"), 1000));
    const struct tenant *acme = snapshot_find(s, STR("acme"));
    const struct tenant *beta = snapshot_find(s, STR("beta"));
    assert_int_equal(acme->rules.labels_max, 5);
    assert_int_equal(acme->rules.past_us, 60000000);
    assert_int_equal(beta->rules.labels_max, 32);
    /* Not more than the store takes. */
    assert_int_equal(beta->rules.past_us, 3 * DAY_US);
    assert_int_equal(beta->body_bytes_max, 1000);
    assert_null(snapshot_find(s, STR("gamma")));
}

static void test_bytes_that_are_not_whole_are_refused(void **state)
{
    AUTO_RELEASE(buf) bytes = {0};
    AUTO(quotas) quotas = quotas_new();
    (void)state;

    sample(&bytes, 12345, "{\"labels\":5}");
    for (size_t n = 0; n < bytes.n; n++) {
        struct err err = {0};
        if (read_from(quotas, (struct str){bytes.p, n}, 1, &err))
            fail_msg("cut off at %zu of %zu bytes", n, bytes.n);
        assert_int_equal(err.kind, ERR_INPUT);
    }
    for (size_t i = 0; i < bytes.n; i++)
        for (int bit = 0; bit < 8; bit++) {
            struct err err = {0};
            bytes.p[i] = (char)(bytes.p[i] ^ 1 << bit);
            if (read_from(quotas, buf_str(&bytes), 1, &err))
                fail_msg("bit %d of byte %zu", bit, i);
            bytes.p[i] = (char)(bytes.p[i] ^ 1 << bit);
        }
    buf_add_char(&bytes, 'x');
    struct err err = {0};
    assert_null(read_from(quotas, buf_str(&bytes), 1, &err));
}

static void reseal(struct buf *bytes)
{
    size_t n = bytes->n - SHA256_DIGEST_LENGTH;

    SHA256((const unsigned char *)bytes->p, n, (unsigned char *)bytes->p + n);
}

/* A file that somebody made, checksum and all: refused or read, never more. */
static void test_a_right_checksum_is_not_believed_either(void **state)
{
    AUTO_RELEASE(buf) bytes = {0};
    (void)state;

    sample(&bytes, 12345, "{\"labels\":5}");
    size_t n = bytes.n;
    for (size_t i = 0; i < n - SHA256_DIGEST_LENGTH; i++) {
        static const unsigned char values[] = {0, 1, 0x7f, 0xff};
        char was = bytes.p[i];
        for (size_t v = 0; v < sizeof values; v++) {
            AUTO(quotas) quotas = quotas_new();
            struct err err = {0};
            bytes.p[i] = (char)values[v];
            reseal(&bytes);
            snapshot_free(read_from(quotas, buf_str(&bytes), 1, &err));
        }
        bytes.p[i] = was;
    }
    for (; bytes.n > SHA256_DIGEST_LENGTH; bytes.n--) {
        AUTO(quotas) quotas = quotas_new();
        struct err err = {0};
        reseal(&bytes);
        struct snapshot *s = read_from(quotas, buf_str(&bytes), 1, &err);
        if ((s != NULL) != (bytes.n == n))
            fail_msg("%zu of %zu bytes", bytes.n, n);
        snapshot_free(s);
    }
}

static void test_another_version_says_so(void **state)
{
    AUTO_RELEASE(buf) bytes = {0};
    AUTO(quotas) quotas = quotas_new();
    struct err err = {0};
    (void)state;

    sample(&bytes, 12345, "{}");
    bytes.p[strlen("pulse keys\n")] = 2;
    reseal(&bytes);
    assert_null(read_from(quotas, buf_str(&bytes), 1, &err));
    assert_non_null(strstr(err.text, "version 2"));
}

static void test_the_same_is_the_same_at_any_time(void **state)
{
    AUTO_RELEASE(buf) a = {0};
    AUTO_RELEASE(buf) later = {0};
    AUTO_RELEASE(buf) other = {0};
    (void)state;

    sample(&a, 1, "{}");
    sample(&later, 2, "{}");
    sample(&other, 1, "{\"labels\":5}");
    assert_true(snapshot_same(buf_str(&a), buf_str(&later)));
    assert_false(snapshot_same(buf_str(&a), buf_str(&other)));
}

static void test_replicas_share_a_rate(void **state)
{
    AUTO_RELEASE(buf) bytes = {0};
    AUTO(quotas) quotas = quotas_new();
    struct err err = {0};
    struct quota_refusal why;
    (void)state;

    sample(&bytes, 1, "{\"records_per_second\":100,\"records_burst\":10}");
    AUTO(snapshot) s = read_from(quotas, buf_str(&bytes), 4, &err);
    assert_non_null(s);
    struct quota *q = snapshot_find(s, STR("acme"))->quota;
    quota_take(q, 100, 0, 0);
    assert_false(quota_admit(q, 0, 0, &why));
    assert_int_equal((int)why.allowed, 25);
    assert_int_equal(why.retry_s, 4); /* 100 - 2.5 at 25/s */
    assert_true(quota_admit(snapshot_find(s, STR("beta"))->quota, 0, 0, &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_bytes_that_are_not_whole_are_refused),
        cmocka_unit_test(test_a_right_checksum_is_not_believed_either),
        cmocka_unit_test(test_another_version_says_so),
        cmocka_unit_test(test_the_same_is_the_same_at_any_time),
        cmocka_unit_test(test_replicas_share_a_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
