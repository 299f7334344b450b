/* SPDX-License-Identifier: Apache-2.0 */
#include "services/collector/lag.h"

static const struct lag_mark *mark_at(const struct lag_history *h, size_t i)
{
    return &h->marks[(h->first + i) % LAG_MARKS];
}

void lag_note(struct lag_history *h, int64_t at_us, int64_t end)
{
    if (h->count > 0 && mark_at(h, h->count - 1)->end > end)
        h->count = 0;
    if (h->count == LAG_MARKS) {
        h->first = (h->first + 1) % LAG_MARKS;
        h->count--;
    }
    h->marks[(h->first + h->count) % LAG_MARKS] = (struct lag_mark){at_us, end};
    h->count++;
}

double lag_seconds(const struct lag_history *h, int64_t now_us, int64_t next)
{
    if (h->count == 0 || next >= mark_at(h, h->count - 1)->end)
        return 0;
    /* The newest mark whose end had not yet reached the message. */
    size_t i = h->count - 1;
    while (i > 0 && mark_at(h, i)->end > next)
        i--;
    const struct lag_mark *before = mark_at(h, i);
    double appended_us = (double)before->at_us;
    if (before->end <= next) {
        const struct lag_mark *after = mark_at(h, i + 1);
        appended_us += (double)(after->at_us - before->at_us) *
                       (double)(next - before->end) /
                       (double)(after->end - before->end);
    }
    return ((double)now_us - appended_us) / 1e6;
}
