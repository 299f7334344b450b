/* SPDX-License-Identifier: Apache-2.0 */
/* Random series, written as a sender does and packed, come back the same:
 * names, labels in order, values to the bit, times; what is left out is
 * counted, and bad series do not touch their neighbours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "common/pulse/endpoint.h"
#include "common/pulse/protocol/prometheus.h"
#include "tests/prop/random.h"
#include "tests/unit/pack.h"
#include "tests/unit/remote_write.h"

#define NOW_US INT64_C(1767225600000000)

enum { REQUESTS = 400, SERIES_MAX = 30, LABELS_MAX = 12, SAMPLES_MAX = 6 };

struct one {
    struct str name; /* p == NULL: the series has none, and is bad */
    struct label labels[LABELS_MAX];
    size_t label_count; /* those with a value; sorted */
    double values[SAMPLES_MAX];
    int64_t ms[SAMPLES_MAX];
    size_t sample_count;
};

struct request {
    struct one series[SERIES_MAX];
    size_t count, stale, not_finite;
    struct buf text;
};

static struct arena *arena;
static struct unpacker *unpacker;

/* --- made up -------------------------------------------------------------- */

static double special(struct request *r)
{
    const uint64_t bits = PROMETHEUS_STALE_BITS;
    double value;

    if (chance(50)) {
        memcpy(&value, &bits, sizeof value);
        r->stale++;
        return value;
    }
    r->not_finite++;
    return chance(50) ? NAN : -INFINITY;
}

static double number(void)
{
    double value = ldexp((double)(int64_t)random_next(), (int)below(400) - 200);

    return chance(10) ? -0.0 : value;
}

/* The samples that are no numbers are written, but not expected. */
static void samples_make(struct request *r, struct one *s, struct buf *out)
{
    for (int64_t n = below(SAMPLES_MAX + 1); n > 0; n--) {
        int64_t ms = NOW_US / 1000 - below(86400000);
        if (s->name.p && chance(10)) {
            rw_sample(out, special(r), ms);
            continue;
        }
        double value = number();
        rw_sample(out, value, ms);
        s->values[s->sample_count] = value;
        s->ms[s->sample_count++] = ms;
    }
}

/* Names in no order; some labels have no value, and so are none. */
static void labels_make(struct one *s, struct buf *out)
{
    size_t first = (size_t)below(1000), count = (size_t)below(LABELS_MAX + 1);

    for (size_t i = 0; i < count; i++) {
        struct label l = {
            arena_printf(arena, "l%zu", (first + i * 377) % 1000),
            chance(15) ? STR("")
                       : arena_printf(arena, "väl %d\"\\", (int)below(1000))};
        rw_label(out, l.name, l.value);
        if (l.value.n > 0)
            s->labels[s->label_count++] = l;
    }
    assert_true(labels_sort(s->labels, s->label_count));
}

static void series_make(struct request *r)
{
    AUTO_RELEASE(buf) out = {0};
    struct one *s = &r->series[r->count++];

    *s = (struct one){0};
    if (chance(90)) {
        s->name = arena_printf(arena, "metric_%d", (int)below(100));
        rw_label(&out, STR("__name__"), s->name);
    }
    labels_make(s, &out);
    samples_make(r, s, &out);
    rw_series(&r->text, &out);
}

static void request_make(struct request *r)
{
    buf_reset(&r->text);
    r->count = r->stale = r->not_finite = 0;
    for (int64_t n = below(SERIES_MAX + 1); n > 0; n--)
        series_make(r);
}

/* --- read ----------------------------------------------------------------- */

static void sample_compare(const struct one *s, size_t i, const struct unit *u,
                           const struct fault *fault)
{
    const struct metric_record *m = &u->record.metric;

    assert_int_equal(u->good, s->name.p != NULL);
    if (!u->good) {
        assert_int_equal(fault->code, FAULT_MISSING_FIELD);
        return;
    }
    assert_true(str_eq(m->name, s->name));
    assert_memory_equal(&m->value, &s->values[i], sizeof m->value);
    assert_int_equal(m->time_us, s->ms[i] * 1000);
    assert_int_equal(m->label_count, s->label_count);
    for (size_t k = 0; k < m->label_count; k++) {
        assert_true(str_eq(m->labels[k].name, s->labels[k].name));
        assert_true(str_eq(m->labels[k].value, s->labels[k].value));
    }
}

static void request_compare(const struct request *r, struct str text)
{
    const struct check_rules rules = {.past_us = INT64_C(7) * 86400000000,
                                      .labels_max = LABELS_MAX};
    const struct caller caller = {.tenant_id = STR("t"), .key_id = STR("k")};
    struct check c = {.arena = arena,
                      .rules = &rules,
                      .caller = &caller,
                      .received_us = NOW_US};
    const struct posted posted = {.text = text};
    struct body b;
    struct unit u;
    size_t units = 0;

    assert_true(
        body_open(&b, endpoint_find(STR("/api/v1/write")), &c, &posted));
    for (size_t i = 0; i < r->count; i++)
        for (size_t k = 0; k < r->series[i].sample_count; k++) {
            assert_true(body_next(&b, &u));
            assert_int_equal(u.index, units++);
            sample_compare(&r->series[i], k, &u, &c.fault);
        }
    assert_false(body_next(&b, &u));
    assert_int_equal(b.skipped[SKIP_STALE], r->stale);
    assert_int_equal(b.skipped[SKIP_NOT_FINITE], r->not_finite);
}

static void test_series_come_back(void **state)
{
    static struct request r;
    AUTO_RELEASE(buf) packed = {0}, text = {0};
    struct err err = {0};
    int64_t count = random_count(REQUESTS);

    (void)state;
    random_begin("prometheus");
    arena = arena_new(64 * 1024);
    unpacker = unpacker_new();
    for (int64_t i = 0; i < count; i++) {
        arena_reset(arena);
        request_make(&r);
        pack(CODING_SNAPPY, buf_str(&r.text), &packed);
        buf_reset(&text);
        assert_int_equal(unpack(unpacker, CODING_SNAPPY, buf_str(&packed),
                                r.text.n, &text, &err),
                         UNPACKED);
        request_compare(&r, buf_str(&text));
    }
    buf_release(&r.text);
    unpacker_free(unpacker);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_series_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
