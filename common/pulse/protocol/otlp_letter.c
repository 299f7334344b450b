/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/otlp_letter.h"

#include <math.h>

enum { LEAST_BYTES = 1 << 20, TEXT_MAX = 128 << 10, SHOWN_MAX = 2048 };

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

/* What is too long to be taken is not shown whole. */
static struct str shown(struct str s)
{
    if (s.n > SHOWN_MAX)
        for (s.n = SHOWN_MAX; s.n > 0 && (s.p[s.n] & 0xc0) == 0x80; s.n--)
            ; /* not inside a UTF-8 sequence */
    return s;
}

static void text_add(struct buf *out, struct str s)
{
    AUTO_RELEASE(buf) plain = {0};

    s = shown(s);
    if (str_utf8_valid(s)) {
        json_add_str(out, s);
        return;
    }
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x80)
            buf_add_char(&plain, s.p[i]);
        else
            buf_add_text(&plain, "\xef\xbf\xbd");
    json_add_str(out, buf_str(&plain));
}

static void label_add(struct buf *out, const char *before, struct str name,
                      struct str value)
{
    buf_add_text(out, before);
    text_add(out, name);
    buf_add_char(out, ':');
    text_add(out, value);
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

static void time_add(struct buf *out, int64_t us)
{
    static const int64_t year_10000_us = INT64_C(253402300800) * 1000000;

    if (us == CHECK_NO_TIME)
        return;
    buf_add_text(out, ",\"timestamp\":");
    if (us < year_10000_us)
        json_add_time(out, us);
    else /* no time at all; as it came */
        json_add_i64(out, us);
}

static void sample_add(struct buf *out, const struct otlp_lost *lost,
                       const struct otlp_sample *sample, struct arena *a)
{
    AUTO_RELEASE(buf) name = {0};

    buf_add_str(&name, shown(lost->name));
    buf_add_text(&name, sample->suffix);
    buf_add_text(out, "{\"name\":");
    text_add(out, buf_str(&name));
    buf_add_text(out, ",\"value\":");
    json_add_double(out, sample->value);
    labels_add(out, lost, sample, a);
    time_add(out, lost->time_us);
    buf_add_char(out, '}');
}

static void name_add(struct buf *out, const struct otlp_lost *lost)
{
    buf_add_text(out, "{\"name\":");
    text_add(out, lost->name);
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
