/* SPDX-License-Identifier: Apache-2.0 */
/* metric_letter.h - a bad metric of a binary protocol as Pulse's JSON: what a
 * dead letter keeps of it, and metric_json reads once it is repaired. */
#ifndef COMMON_PULSE_PROTOCOL_METRIC_LETTER_H
#define COMMON_PULSE_PROTOCOL_METRIC_LETTER_H

#include "common/pulse/record.h"

/* Samples share their labels, so a small body could make many long letters:
 * all of a body together have so many bytes. */
struct metric_letters {
    size_t left;
};

struct metric_lost {
    struct str name;
    const struct label *labels;
    size_t label_count;
    const double *value; /* NULL: it is none that JSON could say */
    int64_t time_us;     /* CHECK_NO_TIME: none */
};

void metric_letters_init(struct metric_letters *l, size_t body_bytes);
/* Of a text that is too long to be taken: as much as a letter shows. */
struct str letter_shown(struct str s);
/* What is shown of s, quoted; bytes that are not UTF-8 become U+FFFD. */
void letter_add_text(struct buf *out, struct str s);
/* ,"timestamp":…; nothing for CHECK_NO_TIME. */
void letter_add_time(struct buf *out, int64_t us);
/* {"name":…,"value":…,"labels":{…},"timestamp":…}, in a. Bytes that are not
 * UTF-8 become U+FFFD, long texts are cut. When the letters have had their
 * bytes: the name alone. */
struct str metric_letter(struct metric_letters *l, struct arena *a,
                         const struct metric_lost *lost);

#endif
