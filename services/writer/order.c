/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/order.h"

#include <stdlib.h>
#include <string.h>

enum { FEW = 64, DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

/* A series as the distance to the least of the batch, and its row. */
struct key {
    uint32_t series, row;
};

static int compare(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

int samples_compare(const void *a, const void *b)
{
    const struct sample_row *x = a, *y = b;
    int c = compare(x->series_id, y->series_id);
    if (c == 0)
        c = compare(x->row.time_us, y->row.time_us);
    return c != 0 ? c : compare(x->row.message, y->row.message);
}

/* False: the numbers lie too far apart for a key. */
static bool keys_make(const struct sample_row *rows, size_t count,
                      struct key *keys, uint32_t *largest)
{
    int64_t least = rows[0].series_id, most = least;
    for (size_t i = 1; i < count; i++) {
        least = rows[i].series_id < least ? rows[i].series_id : least;
        most = rows[i].series_id > most ? rows[i].series_id : most;
    }
    if (most - least > UINT32_MAX || count > UINT32_MAX)
        return false;
    for (size_t i = 0; i < count; i++)
        keys[i] =
            (struct key){(uint32_t)(rows[i].series_id - least), (uint32_t)i};
    *largest = (uint32_t)(most - least);
    return true;
}

/* One stable pass by the digit that begins at bit shift. */
static void pass(const struct key *from, struct key *to, size_t count,
                 int shift)
{
    size_t place[DIGITS] = {0}, sum = 0;
    for (size_t i = 0; i < count; i++)
        place[from[i].series >> shift & (DIGITS - 1)]++;
    for (size_t d = 0; d < DIGITS; d++) {
        size_t n = place[d];
        place[d] = sum;
        sum += n;
    }
    for (size_t i = 0; i < count; i++)
        to[place[from[i].series >> shift & (DIGITS - 1)]++] = from[i];
}

/* Each series' rows by time: mostly they are. */
static void order_times(struct sample_row *rows, size_t count)
{
    for (size_t from = 0, to = 1; from < count; from = to++) {
        bool sorted = true;
        for (; to < count && rows[to].series_id == rows[from].series_id; to++)
            sorted &= samples_compare(&rows[to - 1], &rows[to]) <= 0;
        if (!sorted)
            qsort(rows + from, to - from, sizeof *rows, samples_compare);
    }
}

static void order_series(struct rows *rows, struct key *keys, uint32_t largest)
{
    struct sample_row *old = (void *)rows->base;
    struct key *from = keys, *to = keys + rows->count;
    for (int shift = 0; shift < 32 && largest >> shift > 0;
         shift += DIGIT_BITS) {
        pass(from, to, rows->count, shift);
        struct key *swap = from;
        from = to;
        to = swap;
    }
    struct sample_row *sorted = xreallocarray(NULL, rows->cap, sizeof *sorted);
    for (size_t i = 0; i < rows->count; i++)
        sorted[i] = old[from[i].row];
    rows->base = (void *)sorted;
    free(old);
}

void samples_order(struct rows *rows)
{
    uint32_t largest;
    struct key *keys = NULL;
    if (rows->count >= FEW)
        keys = xreallocarray(NULL, rows->count * 2, sizeof *keys);
    if (keys != NULL &&
        keys_make((void *)rows->base, rows->count, keys, &largest)) {
        order_series(rows, keys, largest);
        order_times((void *)rows->base, rows->count);
    } else if (rows->count > 1) {
        qsort(rows->base, rows->count, rows->stride, samples_compare);
    }
    free(keys);
}
