/* SPDX-License-Identifier: Apache-2.0 */
#include "services/collector/sample.h"

#include <math.h>
#include <stdlib.h>

enum { ARENA_BLOCK = 64 << 10 };

void samples_init(struct samples *s, size_t max)
{
    *s = (struct samples){
        .arena = arena_new(ARENA_BLOCK),
        .at = xcalloc(max, sizeof(struct sample)),
        .max = max,
    };
}

void samples_release(struct samples *s)
{
    arena_free(MOVE(s->arena));
    free(MOVE(s->at));
}

void samples_reset(struct samples *s)
{
    arena_reset(s->arena);
    s->count = 0;
}

/* Insertion into the sorted copy; false: the name is there already. */
static bool label_insert(struct label *sorted, size_t count, struct label l)
{
    size_t i = count;
    while (i > 0 && str_cmp(sorted[i - 1].name, l.name) > 0)
        i--;
    if (i > 0 && str_eq(sorted[i - 1].name, l.name))
        return false;
    for (size_t k = count; k > i; k--)
        sorted[k] = sorted[k - 1];
    sorted[i] = l;
    return true;
}

void samples_add(struct samples *s, struct str service, struct str name,
                 double value, const struct label *labels, size_t label_count)
{
    if (!isfinite(value))
        return;
    if (s->count == s->max) {
        s->dropped++;
        return;
    }
    struct label *sorted =
        arena_zalloc(s->arena, label_count + 1, sizeof *sorted);
    size_t kept = 0;
    for (size_t i = 0; i < label_count; i++) {
        struct label copy = {arena_str(s->arena, labels[i].name),
                             arena_str(s->arena, labels[i].value)};
        kept += label_insert(sorted, kept, copy);
    }
    s->at[s->count++] = (struct sample){
        .name = arena_str(s->arena, name),
        .service = service.p ? arena_str(s->arena, service) : service,
        .labels = sorted,
        .label_count = kept,
        .value = value,
    };
}

void samples_addf(struct samples *s, const char *service, const char *name,
                  double value, ...)
{
    struct label labels[SAMPLE_LABELS_MAX];
    size_t count = 0;
    va_list ap;
    va_start(ap, value);
    for (const char *label; count < SAMPLE_LABELS_MAX &&
                            (label = va_arg(ap, const char *)) != NULL;
         count++)
        labels[count] =
            (struct label){str_of(label), str_of(va_arg(ap, const char *))};
    va_end(ap);
    samples_add(s, str_of(service), str_of(name), value, labels, count);
}
