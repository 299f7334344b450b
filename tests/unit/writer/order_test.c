/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "services/writer/order.h"

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* series below spread, times below times, in the order of arrival. */
static void fill(struct rows *rows, size_t count, uint64_t spread,
                 int64_t first, uint64_t times, uint64_t seed)
{
    for (size_t i = 0; i < count; i++) {
        struct sample_row *s = rows_add(rows);
        s->series_id = first + (int64_t)(next_random(&seed) % spread);
        s->row.time_us =
            times == 0 ? (int64_t)i : (int64_t)(next_random(&seed) % times);
        s->row.message = (uint32_t)i;
        s->value = (double)i;
    }
}

static void test_orders_as_comparing_does(void **state)
{
    static const struct {
        size_t count;
        uint64_t spread;
        int64_t first;
        uint64_t times; /* 0: as they come */
    } cases[] = {
        {0, 1, 0, 0},
        {1, 1, 5, 0},
        {10, 3, 0, 4},             /* few */
        {5000, 1, 7, 0},           /* one series */
        {5000, 1, 7, 100},         /* of which many are repeats */
        {5000, 900, 0, 0},         /* 0: refused ones */
        {5000, 100000, 1000, 50},  /* two digits */
        {5000, UINT32_MAX, 1, 50}, /* three */
        {5000, INT64_MAX, 0, 50},  /* too far apart */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rows ours, theirs;
        rows_init(&ours, sizeof(struct sample_row));
        rows_init(&theirs, sizeof(struct sample_row));
        fill(&ours, cases[i].count, cases[i].spread, cases[i].first,
             cases[i].times, i + 1);
        fill(&theirs, cases[i].count, cases[i].spread, cases[i].first,
             cases[i].times, i + 1);
        samples_order(&ours);
        if (theirs.count > 0)
            qsort(theirs.base, theirs.count, theirs.stride, samples_compare);
        assert_int_equal(ours.count, theirs.count);
        for (size_t k = 0; k < ours.count; k++) {
            const struct sample_row *a = (void *)rows_at(&ours, k),
                                    *b = (void *)rows_at(&theirs, k);
            if (a->row.message != b->row.message || a->value != b->value)
                fail_msg("case %zu, row %zu", i, k);
        }
        (void)rows_add(&ours); /* still theirs to grow */
        rows_release(&ours);
        rows_release(&theirs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders_as_comparing_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
