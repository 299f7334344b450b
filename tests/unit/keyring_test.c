/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "common/pulse/keyring.h"

static struct key key_of(const char *id, const char *secret)
{
    struct key k = {.key_id = str_of(id),
                    .tenant_id = STR("acme"),
                    .scopes = SCOPE_WRITE,
                    .expires_at_us = INT64_MAX};
    SHA256((const unsigned char *)secret, strlen(secret), k.secret_hash);
    return k;
}

static void test_find_judges_what_is_presented(void **state)
{
    static const struct {
        const char *presented;
        const char *id; /* NULL: nobody */
    } cases[] = {
        {"pulse_a1_s3cret", "a1"},
        {"pulse_b2_other_with_line", "b2"},
        {"pulse_a1_s3cre", NULL},
        {"pulse_a1_s3cret2", NULL},
        {"pulse_a1_", NULL},
        {"pulse_a1", NULL},
        {"pulse__s3cret", NULL},
        {"pulse_c3_s3cret", NULL},
        {"Pulse_a1_s3cret", NULL},
        {"xpulse_a1_s3cret", NULL},
        {"a1_s3cret", NULL},
        {"", NULL},
        {"_", NULL},
        {"pulse_old_s3cret", NULL}, /* expired at 100 */
    };
    AUTO(keyring) ring = keyring_new();
    struct key a = key_of("a1", "s3cret");
    struct key b = key_of("b2", "other_with_line");
    struct key old = key_of("old", "s3cret");
    (void)state;
    old.expires_at_us = 100;
    keyring_add(ring, &a);
    keyring_add(ring, &b);
    keyring_add(ring, &old);
    assert_int_equal(keyring_count(ring), 3);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct key *k =
            keyring_find(ring, str_of(cases[i].presented), 100);
        if ((k != NULL) != (cases[i].id != NULL) ||
            (k != NULL && !str_is(k->key_id, cases[i].id))) {
            fail_msg("%s", cases[i].presented);
        }
    }
    assert_non_null(keyring_find(ring, STR("pulse_old_s3cret"), 99));
    assert_null(keyring_find(ring, (struct str){0}, 0));
}

/* A thread remembers what was right; that must not outlive what made it so. */
static void test_what_was_right_once_is_judged_again(void **state)
{
    AUTO(keyring) ring = keyring_new();
    struct key k = key_of("a1", "s3cret");
    (void)state;
    k.expires_at_us = 100;
    keyring_add(ring, &k);
    for (int i = 0; i < 3; i++) {
        assert_non_null(keyring_find(ring, STR("pulse_a1_s3cret"), 99));
        assert_null(keyring_find(ring, STR("pulse_a1_s3cres"), 99));
        assert_null(keyring_find(ring, STR("pulse_a1_s3cre"), 99));
        assert_null(keyring_find(ring, STR("pulse_a1_s3crett"), 99));
        assert_null(keyring_find(ring, STR("pulse_a1_s3cret"), 100));
    }
    /* Rings that come and go may lie at the same place, keys too. */
    for (int i = 0; i < 100; i++) {
        AUTO(keyring) next = keyring_new();
        struct key other = key_of("a1", i % 2 == 0 ? "s3creu" : "s3cret");
        keyring_add(next, &other);
        assert_int_equal(keyring_find(next, STR("pulse_a1_s3cret"), 0) != NULL,
                         i % 2 == 1);
        assert_int_equal(keyring_find(next, STR("pulse_a1_s3creu"), 0) != NULL,
                         i % 2 == 0);
    }
}

static void test_key_of_endless_length_is_malformed(void **state)
{
    char text[400];
    AUTO(keyring) ring = keyring_new();
    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text, "pulse_a1_", 9);
    struct key k = key_of("a1", "");
    SHA256((const unsigned char *)text + 9, sizeof text - 9, k.secret_hash);
    keyring_add(ring, &k);
    assert_null(keyring_find(ring, (struct str){text, sizeof text}, 0));
}

static void test_ring_keeps_its_own_copies(void **state)
{
    char tenant[] = "acme", device[] = "d1", id[] = "a1";
    AUTO(keyring) ring = keyring_new();
    struct key k = key_of(id, "s");
    (void)state;
    k.tenant_id = str_of(tenant);
    keyring_add(ring, &k);
    k.device_id = str_of(device);
    k.key_id = STR("b2");
    keyring_add(ring, &k);
    memset(tenant, 'x', 4);
    memset(device, 'x', 2);
    memset(id, 'x', 2);
    const struct key *a = keyring_find(ring, STR("pulse_a1_s"), 0);
    const struct key *b = keyring_find(ring, STR("pulse_b2_s"), 0);
    assert_non_null(a);
    assert_non_null(b);
    assert_true(str_is(a->tenant_id, "acme"));
    assert_null(a->device_id.p);
    assert_true(str_is(b->device_id, "d1"));
    assert_true(str_is(a->key_id, "a1"));
}

static void test_made_keys_work_and_differ(void **state)
{
    struct key_made a, b;
    AUTO(keyring) ring = keyring_new();
    (void)state;
    key_make(&a);
    key_make(&b);
    assert_string_not_equal(a.key_id, b.key_id);
    assert_string_not_equal(a.text, b.text);
    assert_int_equal(strlen(a.text), 6 + 12 + 1 + 43);
    struct key k = {.key_id = str_of(a.key_id),
                    .tenant_id = STR("acme"),
                    .expires_at_us = INT64_MAX};
    memcpy(k.secret_hash, a.secret_hash, sizeof k.secret_hash);
    keyring_add(ring, &k);
    assert_non_null(keyring_find(ring, str_of(a.text), 0));
    assert_null(keyring_find(ring, str_of(b.text), 0));
}

static void test_basic_of_endless_length_is_none(void **state)
{
    AUTO(arena) a = arena_new(4096);
    char text[6 + 4096];
    (void)state;
    memset(text, 'O', sizeof text);
    memcpy(text, "Basic ", 6);
    assert_int_equal(
        key_from_headers((struct str){text, sizeof text}, str_of(NULL), a).n,
        0);
}

struct uses {
    int count;
    int64_t last_us;
};

static void use_count(struct str key_id, int64_t used_us, void *arg)
{
    struct uses *u = arg;
    assert_true(str_is(key_id, "a1"));
    u->count++;
    u->last_us = used_us;
}

static void test_uses_are_noted_until_asked_for(void **state)
{
    AUTO(keyring) ring = keyring_new();
    struct key a = key_of("a1", "s"), b = key_of("b2", "s");
    struct uses u = {0};
    (void)state;
    keyring_add(ring, &a);
    keyring_add(ring, &b);
    keyring_used(ring, use_count, &u);
    assert_int_equal(u.count, 0);
    const struct key *found = keyring_find(ring, STR("pulse_a1_s"), 0);
    key_use(found, 5000000);
    key_use(found, 5900000); /* within a second: not worth a write */
    key_use(found, 7000000);
    keyring_used(ring, use_count, &u);
    assert_int_equal(u.count, 1);
    assert_int_equal(u.last_us, 7000000);
    keyring_used(ring, use_count, &u);
    assert_int_equal(u.count, 1);
}

static void test_scopes(void **state)
{
    unsigned scope = 0;
    (void)state;
    assert_true(scope_parse(STR("write"), &scope));
    assert_int_equal(scope, SCOPE_WRITE);
    assert_true(scope_parse(STR("read"), &scope));
    assert_int_equal(scope, SCOPE_READ);
    assert_true(scope_parse(STR("admin"), &scope));
    assert_int_equal(scope, SCOPE_ADMIN);
    assert_false(scope_parse(STR("Write"), &scope));
    assert_false(scope_parse(STR(""), &scope));
}

static void test_headers(void **state)
{
    static const struct {
        const char *authorization, *x_api_key, *key;
    } cases[] = {
        /* "any:k1", ":k1", "any:k:1", "any", "any:", "a:\xff" */
        {"Basic YW55Omsx", NULL, "k1"},
        {"basic  OmsxIA== ", NULL, "k1 "},
        {"Basic OmsxMg==", NULL, "k12"},
        {"Basic OmsxMjM=", NULL, "k123"},
        {"Basic YW55Oms6MQ==", NULL, "k:1"},
        {"Basic YW55", NULL, ""},
        {"Basic YW55Og==", NULL, ""},
        {"Basic ", NULL, ""},
        {"Basic", NULL, ""},
        {"Basic ====", NULL, ""},
        {"Basic YW55Omsx=", NULL, ""},
        {"Basic YW55Om", NULL, ""},
        {"Basic YW5!Omsx", NULL, ""},
        {"Digest YW55Omsx", NULL, ""},
        {"Bearer k1", NULL, "k1"},
        {"bearer  k1 ", NULL, "k1"},
        {"Token k1", "k2", "k1"},
        {NULL, " k2", "k2"},
        {"Basic dTpw", NULL, "p"},
        {"Basic dTpw", "k2", "k2"},
        {"Bearer", NULL, ""},
        {"Bearer ", "", ""},
        {NULL, NULL, ""},
    };
    AUTO(arena) a = arena_new(4096);
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str key = key_from_headers(str_of(cases[i].authorization),
                                          str_of(cases[i].x_api_key), a);
        if (!str_is(key, cases[i].key)) {
            fail_msg("case %zu: \"%.*s\"", i, STR_ARG(key));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_judges_what_is_presented),
        cmocka_unit_test(test_what_was_right_once_is_judged_again),
        cmocka_unit_test(test_key_of_endless_length_is_malformed),
        cmocka_unit_test(test_ring_keeps_its_own_copies),
        cmocka_unit_test(test_made_keys_work_and_differ),
        cmocka_unit_test(test_basic_of_endless_length_is_none),
        cmocka_unit_test(test_uses_are_noted_until_asked_for),
        cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
