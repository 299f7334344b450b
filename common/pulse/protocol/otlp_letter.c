/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/otlp_letter.h"

#include <math.h>

/* What is longer is longer than a letter keeps whole. */
enum { TEXT_MAX = 128 << 10, NAME_MAX_SHOWN = 2 * CHECK_NAME_MAX };

struct str otlp_bound_text(struct arena *a, double bound)
{
    AUTO_RELEASE(buf) text = {0};

    if (isinf(bound))
        return bound > 0 ? STR("+Inf") : STR("-Inf");
    json_add_double(&text, bound);
    return arena_str(a, buf_str(&text));
}

/* The labels and the sample's own, in the place of another so called. */
static void labels_set(struct metric_lost *m, const struct otlp_sample *sample,
                       struct label *labels, struct arena *a)
{
    size_t n = 0;

    for (size_t i = 0; i < m->label_count; i++)
        if (!str_is(m->labels[i].name, sample->label))
            labels[n++] = m->labels[i];
    labels[n++] = (struct label){str_of(sample->label),
                                 otlp_bound_text(a, sample->bound)};
    m->labels = labels;
    m->label_count = n;
}

static struct str sample_text(struct metric_letters *l, struct arena *a,
                              const struct otlp_lost *lost,
                              const struct otlp_sample *sample,
                              struct label *labels)
{
    AUTO_RELEASE(buf) name = {0};
    struct metric_lost m = lost->common;

    if (m.name.n > NAME_MAX_SHOWN) /* too long; the suffix is to be seen */
        m.name.n = NAME_MAX_SHOWN;
    buf_add_str(&name, m.name);
    buf_add_text(&name, sample->suffix);
    m.name = buf_str(&name);
    m.value = isfinite(sample->value) ? &sample->value : NULL;
    if (sample->label)
        labels_set(&m, sample, labels, a);
    return metric_letter(l, a, &m);
}

struct str otlp_letter(struct metric_letters *l, struct arena *a,
                       const struct otlp_lost *lost)
{
    AUTO_RELEASE(buf) out = {0};
    struct label *labels =
        arena_alloc(a, (lost->common.label_count + 1) * sizeof *labels);

    if (lost->sample_count == 1)
        return sample_text(l, a, lost, lost->samples, labels);
    if (l->left == 0)
        return metric_letter(l, a, &lost->common);
    for (size_t i = 0; i < lost->sample_count && out.n < TEXT_MAX; i++) {
        buf_add_char(&out, i > 0 ? ',' : '[');
        buf_add_str(&out, sample_text(l, a, lost, &lost->samples[i], labels));
    }
    buf_add_char(&out, ']');
    return arena_str(a, buf_str(&out));
}
