/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/parcel.h"

#include "tests/unit/judge.h"

static struct record event_of(struct str id, struct str message)
{
    return (struct record){.kind = RECORD_EVENT,
                           .event = {.tenant_id = STR("acme"),
                                     .id = id,
                                     .service = STR("s"),
                                     .message = message,
                                     .attributes = STR("{}"),
                                     .time_us = NOW_US,
                                     .received_at_us = NOW_US}};
}

static bool add(struct parcel *p, struct record_codec *codec, struct str id,
                struct str message, size_t bytes_max)
{
    struct record r = event_of(id, message);

    assert_str(parcel_key(p, &r), "acme:s");
    return parcel_add(p, codec, &r, bytes_max, NULL);
}

static void records_come_out_as_they_went_in(void **state)
{
    AUTO(record_codec) codec = record_codec_new(NULL);
    AUTO(arena) a = arena_new(4096);
    AUTO_RELEASE(parcel) p = {0};
    char id[16];
    int tag;

    (void)state;
    /* Enough to make the buffer move several times. */
    for (int i = 0; i < 1000; i++) {
        snprintf(id, sizeof id, "id%d", i);
        assert_true(add(&p, codec, str_of(id), STR("m"), 1000));
    }
    struct kafka_record *k = parcel_seal(&p, &tag);
    for (int i = 0; i < 1000; i++) {
        struct record r;
        snprintf(id, sizeof id, "id%d", i);
        assert_str(k[i].key, "acme:s");
        assert_ptr_equal(k[i].tag, &tag);
        assert_true(record_decode(codec, k[i].payload, a, &r, NULL));
        assert_str(r.event.id, id);
    }
}

static void what_is_cut_leaves_no_trace(void **state)
{
    AUTO(record_codec) codec = record_codec_new(NULL);
    AUTO(arena) a = arena_new(4096);
    AUTO_RELEASE(parcel) p = {0};
    struct record r;

    (void)state;
    parcel_cut(&p, 0);
    for (int i = 0; i < 3; i++)
        assert_true(add(&p, codec, STR("cut"), STR("m"), 1000));
    size_t bytes = p.bytes.n;
    parcel_cut(&p, 3);
    assert_int_equal(p.bytes.n, bytes);
    parcel_cut(&p, 1);
    assert_int_equal(p.bytes.n, bytes / 3);
    assert_true(add(&p, codec, STR("next"), STR("m"), 1000));
    struct kafka_record *k = parcel_seal(&p, NULL);
    assert_int_equal(p.count, 2);
    assert_true(record_decode(codec, k[0].payload, a, &r, NULL));
    assert_str(r.event.id, "cut");
    assert_true(record_decode(codec, k[1].payload, a, &r, NULL));
    assert_str(r.event.id, "next");
}

static void refused_record_leaves_no_trace(void **state)
{
    AUTO(record_codec) codec = record_codec_new(NULL);
    AUTO(arena) a = arena_new(4096);
    AUTO_RELEASE(parcel) p = {0};
    struct record r;

    (void)state;
    assert_true(add(&p, codec, STR("a"), STR("m"), 1000));
    size_t bytes = p.bytes.n;
    assert_false(add(&p, codec, STR("b"), STR("longer than ten"), 10));
    assert_false(add(&p, codec, STR("c"), STR("\xff"), 1000));
    assert_int_equal(p.count, 1);
    assert_int_equal(p.bytes.n, bytes);
    assert_true(add(&p, codec, STR("d"), STR("m"), 1000));
    struct kafka_record *k = parcel_seal(&p, NULL);
    assert_true(record_decode(codec, k[1].payload, a, &r, NULL));
    assert_str(r.event.id, "d");
    parcel_reset(&p);
    assert_int_equal(p.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_out_as_they_went_in),
        cmocka_unit_test(what_is_cut_leaves_no_trace),
        cmocka_unit_test(refused_record_leaves_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
