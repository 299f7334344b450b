/* SPDX-License-Identifier: Apache-2.0 */
/* rule.h - one version of an alert rule: which series it watches, when a value
 * violates it and when it is clear again. Immutable. */
#ifndef COMMON_PULSE_RULE_H
#define COMMON_PULSE_RULE_H

#include "common/arena.h"
#include "common/err.h"
#include "common/pulse/record.h"
#include "common/str.h"

enum rule_operator { RULE_GT, RULE_GE, RULE_LT, RULE_LE, RULE_EQ, RULE_NE };

enum { RULE_LABELS_MAX = 16 };

struct rule {
    struct str id, tenant_id, name, severity;
    struct str metric; /* the series' name */
    int64_t version;
    enum rule_operator op;
    double threshold;
    double clear_threshold; /* hysteresis; the threshold where none is given */
    int64_t for_us;         /* violated for so long in event time: fires */
    int64_t clear_us;       /* clear for so long in event time: resolves */
    int64_t lateness_us;    /* a sample older than the newest by more is late */
    const struct label *labels; /* the series must carry them all */
    size_t label_count;
    const struct str *channels; /* names of notification channels */
    size_t channel_count;
    struct arena *memory; /* of all the above */
};

/* A row of alert_rules. */
struct rule_row {
    struct str id, tenant_id, name, severity, metric;
    int64_t version;
    double threshold;
    bool has_threshold;
    struct str condition; /* JSON object; empty: {} */
    const struct str *channels;
    size_t channel_count;
};

/* condition's keys (docs/rules.md): operator (">" where absent), for, clear,
 * labels, lateness, aggregation ("last"), window. What this version cannot
 * evaluate is refused, never guessed. Copies what it keeps. NULL and *err
 * (ERR_INPUT, naming the key). */
struct rule *rule_new(const struct rule_row *row, int64_t lateness_us,
                      struct err *err) MUST_USE;
void rule_free(struct rule *r);
DEFINE_AUTO(rule)

/* Every label the rule names has its value here; "" also matches a label that
 * is absent. labels are sorted by name. */
bool rule_matches(const struct rule *r, const struct label *labels, size_t n);

enum rule_verdict {
    RULE_VIOLATED,
    RULE_BETWEEN, /* not violated, but not clear either (hysteresis) */
    RULE_CLEAR,
};
enum rule_verdict rule_judge(const struct rule *r, double value);

const char *rule_operator_text(enum rule_operator op); /* ">=" */

#endif
