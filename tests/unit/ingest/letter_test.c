/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/letter.h"

#include "tests/unit/judge.h"

static const struct caller caller = {.tenant_id = {"acme", 4},
                                     .key_id = {"k1", 2}};
static const struct letter_origin origin = {
    .caller = &caller,
    .endpoint = {"/api/v1/events", 14},
    .content_type = {"application/json", 16},
    .received_us = NOW_US,
};

struct desk {
    struct metrics *metrics;
    struct letters *letters;
    struct record_codec *codec;
    struct arena *arena;
    struct parcel parcel;
    struct rejects rejects;
};

static void desk_init(struct desk *d, int64_t burst)
{
    *d = (struct desk){.metrics = metrics_new(),
                       .codec = record_codec_new(NULL),
                       .arena = arena_new(4096)};
    d->letters = letters_new(&(struct letters_options){
        .rate_bytes = 0, .burst_bytes = burst, .metrics = d->metrics});
}

static void desk_release(struct desk *d)
{
    letters_free(d->letters);
    metrics_free(d->metrics);
    record_codec_free(d->codec);
    arena_free(d->arena);
    parcel_release(&d->parcel);
    rejects_release(&d->rejects);
}
DEFINE_AUTO_RELEASE(desk)

static void desk_reject(struct desk *d, struct str payload)
{
    struct reject r = {.index = d->rejects.count, .payload = payload};

    fault_set(&r.fault, d->arena, FAULT_WRONG_TYPE, STR("value"),
              "must be a number");
    rejects_add(&d->rejects, &r);
}

/* The i-th letter that was written. */
static struct dead_letter_record letter_at(struct desk *d, size_t i)
{
    struct record r;
    struct err err = {0};

    assert_true(i < d->parcel.count);
    struct kafka_record *k = &parcel_seal(&d->parcel, NULL)[i];
    assert_str(k->key, "acme");
    if (!record_decode(d->codec, k->payload, d->arena, &r, &err))
        fail_msg("%s", err.text);
    assert_int_equal(r.kind, RECORD_DEAD_LETTER);
    return r.dead_letter;
}

static void kept_whole(void **state)
{
    AUTO_RELEASE(desk) d;

    (void)state;
    desk_init(&d, 1 << 20);
    desk_reject(&d, STR("{\"value\":\"\xff\"}"));
    letters_write(d.letters, &origin, &d.rejects, d.codec, &d.parcel);
    assert_int_equal(d.parcel.count, 1);
    struct dead_letter_record l = letter_at(&d, 0);
    assert_str(l.tenant_id, "acme");
    assert_str(l.stage, "ingest");
    assert_str(l.endpoint, "/api/v1/events");
    assert_str(l.key_id, "k1");
    assert_null(l.device_id.p);
    assert_str(l.reason, "wrong_type");
    assert_str(l.detail, "value: must be a number");
    assert_str(l.content_type, "application/json");
    assert_str(l.payload, "{\"value\":\"\xff\"}");
    assert_null(l.topic.p);
    assert_int_equal(l.received_at_us, NOW_US);
}

static void beyond_the_budget_one_summary(void **state)
{
    AUTO_RELEASE(desk) d;

    (void)state;
    desk_init(&d, 256 + 10); /* one letter with 10 bytes */
    desk_reject(&d, STR("0123456789"));
    desk_reject(&d, STR("abc"));
    desk_reject(&d, STR("def"));
    letters_write(d.letters, &origin, &d.rejects, d.codec, &d.parcel);
    assert_int_equal(d.parcel.count, 2);
    assert_str(letter_at(&d, 0).payload, "0123456789");
    struct dead_letter_record l = letter_at(&d, 1);
    assert_str(l.payload, "abc");
    /* printf abcdef | sha256sum */
    assert_str(
        l.detail,
        "value: must be a number (the first of 2 records of 6 bytes "
        "that are not kept whole; SHA-256 of their bytes "
        "bef57ec7f53a6d40beb640a780a639c83bc29ac8a9816f1fc6c5c6dcd93c4721"
        ")");
    /* At once again: the summary's second is not over, only counted. */
    parcel_reset(&d.parcel);
    letters_write(d.letters, &origin, &d.rejects, d.codec, &d.parcel);
    assert_int_equal(d.parcel.count, 0);
}

static void another_tenant_has_its_own_budget(void **state)
{
    static const struct caller other = {.tenant_id = {"beta", 4}};
    struct letter_origin from_other = origin;
    AUTO_RELEASE(desk) d;

    (void)state;
    from_other.caller = &other;
    desk_init(&d, 256 + 3);
    desk_reject(&d, STR("abc"));
    letters_write(d.letters, &origin, &d.rejects, d.codec, &d.parcel);
    letters_write(d.letters, &from_other, &d.rejects, d.codec, &d.parcel);
    assert_int_equal(d.parcel.count, 2);
    assert_str(parcel_seal(&d.parcel, NULL)[1].key, "beta");
}

static void long_payload_is_cut(void **state)
{
    AUTO_RELEASE(desk) d;

    (void)state;
    desk_init(&d, 1 << 30);
    char *text = arena_alloc(d.arena, LETTER_PAYLOAD_MAX + 1);
    memset(text, 'x', LETTER_PAYLOAD_MAX + 1);
    desk_reject(&d, (struct str){text, LETTER_PAYLOAD_MAX});
    desk_reject(&d, (struct str){text, LETTER_PAYLOAD_MAX + 1});
    letters_write(d.letters, &origin, &d.rejects, d.codec, &d.parcel);
    assert_int_equal(d.parcel.count, 2);
    assert_int_equal(letter_at(&d, 0).payload.n, LETTER_PAYLOAD_MAX);
    assert_int_equal(letter_at(&d, 1).payload.n, LETTER_EXCERPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_whole),
        cmocka_unit_test(beyond_the_budget_one_summary),
        cmocka_unit_test(another_tenant_has_its_own_budget),
        cmocka_unit_test(long_payload_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
