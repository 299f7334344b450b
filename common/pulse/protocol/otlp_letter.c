/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/otlp_letter.h"

#include <math.h>

#include "common/pulse/protocol/metric_letter.h"

enum { LEAST_BYTES = 1 << 20, TEXT_MAX = 128 << 10 };

void otlp_letter_init(struct otlp_letter *l, size_t body_bytes)
{
    l->left = LEAST_BYTES + 4 * body_bytes;
}

struct str otlp_bound_text(struct arena *a, double bound)
{
    AUTO_RELEASE(buf) text = {0};

    if (isinf(bound))
        return bound > 0 ? STR("+Inf") : STR("-Inf");
    json_add_double(&text, bound);
    return arena_str(a, buf_str(&text));
}

static void label_add(struct buf *out, const char *before, struct str name,
                      struct str value)
{
    buf_add_text(out, before);
    letter_add_text(out, name);
    buf_add_char(out, ':');
    letter_add_text(out, value);
}

static void labels_add(struct buf *out, const struct otlp_lost *lost,
                       const struct otlp_sample *sample, struct arena *a)
{
    const char *before = ",\"labels\":{";

    for (size_t i = 0; i < lost->label_count && out->n < TEXT_MAX; i++) {
        const struct label *l = &lost->labels[i];
        if (sample->label && str_is(l->name, sample->label))
            continue;
        label_add(out, before, l->name, l->value);
        before = ",";
    }
    if (sample->label) {
        label_add(out, before, str_of(sample->label),
                  otlp_bound_text(a, sample->bound));
        before = ",";
    }
    if (*before == ',' && before[1] == '\0')
        buf_add_char(out, '}');
}

static void sample_add(struct buf *out, const struct otlp_lost *lost,
                       const struct otlp_sample *sample, struct arena *a)
{
    AUTO_RELEASE(buf) name = {0};

    buf_add_str(&name, letter_shown(lost->name));
    buf_add_text(&name, sample->suffix);
    buf_add_text(out, "{\"name\":");
    letter_add_text(out, buf_str(&name));
    buf_add_text(out, ",\"value\":");
    json_add_double(out, sample->value);
    labels_add(out, lost, sample, a);
    letter_add_time(out, lost->time_us);
    buf_add_char(out, '}');
}

static void name_add(struct buf *out, const struct otlp_lost *lost)
{
    buf_add_text(out, "{\"name\":");
    letter_add_text(out, lost->name);
    buf_add_char(out, '}');
}

/* What is longer than TEXT_MAX is longer than a letter keeps whole. */
struct str otlp_letter_text(struct otlp_letter *l, struct arena *a,
                            const struct otlp_lost *lost)
{
    AUTO_RELEASE(buf) out = {0};

    if (l->left == 0) {
        name_add(&out, lost);
        return arena_str(a, buf_str(&out));
    }
    if (lost->sample_count != 1)
        buf_add_char(&out, '[');
    for (size_t i = 0; i < lost->sample_count && out.n < TEXT_MAX; i++) {
        if (i > 0)
            buf_add_char(&out, ',');
        sample_add(&out, lost, &lost->samples[i], a);
    }
    if (lost->sample_count != 1)
        buf_add_char(&out, ']');
    l->left -= out.n < l->left ? out.n : l->left;
    return arena_str(a, buf_str(&out));
}
