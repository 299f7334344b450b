/* SPDX-License-Identifier: Apache-2.0 */
/* check.h - the rules that the parts of a sender's record must meet. Each check
 * returns false after it said in fault what is wrong; the first fault wins. */
#ifndef COMMON_PULSE_CHECK_H
#define COMMON_PULSE_CHECK_H

#include "common/json.h"
#include "common/pulse/fault.h"
#include "common/pulse/record.h"

/* Bounds of texts in bytes; they are the store's too. */
enum {
    CHECK_NAME_MAX = 200, /* metric names, reading names */
    CHECK_LABEL_NAME_MAX = 128,
    CHECK_LABEL_VALUE_MAX = 1024,
    CHECK_ID_MAX = 128, /* device_id, site_id, msg_type, service, event id */
    CHECK_LEVEL_MAX = 32,
    CHECK_TEXT_MAX = 8192, /* text readings */
    CHECK_MESSAGE_MAX = 65536,
};

/* What the tenant's limits say of a record (limits.h makes them). */
struct check_rules {
    int64_t past_us, future_us; /* the time window around received_at */
    size_t labels_max, fields_max;
    /* In bytes; 0, or more than the store takes: the store's bound. */
    size_t name_max, label_name_max, label_value_max;
};

/* Who sends: copied from the key, lives as long as the request. */
struct caller {
    struct str tenant_id, key_id;
    struct str device_id; /* p == NULL: any device of the tenant */
};

struct check {
    struct arena *arena;
    const struct check_rules *rules;
    const struct caller *caller;
    int64_t received_us;
    struct str event_id; /* for an event without id; p == NULL: a random one */
    struct fault fault;
};

/* The time of a record that came without one, until it is stamped. */
#define CHECK_NO_TIME INT64_MIN

/* An object without repeated keys. */
bool check_object(struct check *c, struct str field, yyjson_val *v) MUST_USE;
/* found[i] = the member called names[i]; NULL where absent or null. */
void check_members(yyjson_val *object, const struct str *names, size_t count,
                   yyjson_val **found);
/* Length 1 to max, UTF-8 (the JSON reader saw to it), no NUL. */
bool check_slice(struct check *c, struct str field, struct str s, size_t max)
    MUST_USE;
/* A JSON text, whatever is in it. */
bool check_is_text(struct check *c, struct str field, yyjson_val *v,
                   struct str *out) MUST_USE;
/* As check_slice, of a JSON text. */
bool check_text(struct check *c, struct str field, yyjson_val *v, size_t max,
                struct str *out) MUST_USE;
/* As check_text; an absent value (NULL) gives an empty slice, p == NULL. */
bool check_text_opt(struct check *c, struct str field, yyjson_val *v,
                    size_t max, struct str *out) MUST_USE;
/* RFC 3339 or epoch number, within the window; absent: CHECK_NO_TIME. v and
 * alias are the values of "time" and "timestamp": only one may be there. */
bool check_time(struct check *c, struct str field, yyjson_val *v,
                yyjson_val *alias, int64_t *us) MUST_USE;
/* A time, or CHECK_NO_TIME, within the window. */
bool check_window(struct check *c, struct str field, int64_t us) MUST_USE;
/* Neither NaN nor infinite. */
bool check_finite(struct check *c, struct str field, double value) MUST_USE;
bool check_utf8(struct check *c, struct str field, struct str s) MUST_USE;
/* As check_slice, of the name of a metric or of a reading. */
bool check_name(struct check *c, struct str field, struct str name) MUST_USE;
/* Name and value; the fault's field is "labels.<name>". */
bool check_label(struct check *c, const struct label *label) MUST_USE;
/* A telemetry's reading: name, length of a text, finite number. */
bool check_reading(struct check *c, const struct field *reading) MUST_USE;
/* All labels of a metric, each one good: a key bound to a device adds its
 * label device_id (labels has room for one more) or refuses another's; not too
 * many, none twice. Sorts them. Every protocol's metrics come by here. */
bool check_labels(struct check *c, struct label *labels, size_t *count)
    MUST_USE;
/* The device a record speaks for: a key bound to a device fills in its own
 * and refuses another. given and *out: p == NULL where there is none. */
bool check_device(struct check *c, struct str field, struct str given,
                  struct str *out) MUST_USE;
/* No NUL in any text and no repeated key, at any depth. */
bool check_tree(struct check *c, struct str field, yyjson_val *v) MUST_USE;
/* "labels" and "host" make "labels.host"; in c's arena. */
struct str check_path(struct check *c, const char *parent, struct str name);

#endif
