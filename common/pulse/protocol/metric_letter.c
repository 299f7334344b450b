/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/metric_letter.h"

#include "common/json.h"
#include "common/pulse/check.h"

/* A text beyond these bytes is a fault of its own. A letter is cut at 64 KiB
 * (services/ingest/letter.c), so no more labels are written than that. */
enum { LEFT_LEAST = 1 << 20, SHOWN_MAX = 2048, LABELS_MAX = 64 * 1024 };

void metric_letters_init(struct metric_letters *l, size_t body_bytes)
{
    l->left = LEFT_LEAST + body_bytes;
}

struct str letter_shown(struct str s)
{
    if (s.n > SHOWN_MAX)
        for (s.n = SHOWN_MAX; s.n > 0 && (s.p[s.n] & 0xc0) == 0x80; s.n--)
            ; /* not inside a UTF-8 sequence */
    return s;
}

void letter_add_text(struct buf *out, struct str s)
{
    AUTO_RELEASE(buf) mended = {0};

    s = letter_shown(s);
    if (str_utf8_valid(s)) {
        json_add_str(out, s);
        return;
    }
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x80)
            buf_add_char(&mended, s.p[i]);
        else
            buf_add_text(&mended, "\xef\xbf\xbd");
    json_add_str(out, buf_str(&mended));
}

static void labels_add(struct buf *out, const struct metric_lost *lost)
{
    size_t from = out->n;

    buf_add_text(out, ",\"labels\":{");
    for (size_t i = 0; i < lost->label_count; i++) {
        if (out->n - from > LABELS_MAX)
            break;
        if (i > 0)
            buf_add_char(out, ',');
        letter_add_text(out, lost->labels[i].name);
        buf_add_char(out, ':');
        letter_add_text(out, lost->labels[i].value);
    }
    buf_add_char(out, '}');
}

void letter_add_time(struct buf *out, int64_t us)
{
    static const int64_t year_10000_us = INT64_C(253402300800) * 1000000;

    if (us == CHECK_NO_TIME)
        return;
    buf_add_text(out, ",\"timestamp\":");
    if (us >= 0 && us < year_10000_us)
        json_add_time(out, us);
    else
        json_add_i64(out, us);
}

struct str metric_letter(struct metric_letters *l, struct arena *a,
                         const struct metric_lost *lost)
{
    AUTO_RELEASE(buf) out = {0};

    buf_add_text(&out, "{\"name\":");
    letter_add_text(&out, lost->name);
    if (l->left > 0) {
        if (lost->value) {
            buf_add_text(&out, ",\"value\":");
            json_add_double(&out, *lost->value);
        }
        labels_add(&out, lost);
        letter_add_time(&out, lost->time_us);
        l->left -= out.n < l->left ? out.n : l->left;
    }
    buf_add_char(&out, '}');
    return arena_str(a, buf_str(&out));
}
