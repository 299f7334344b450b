/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - logfmt lines to stderr, one constant event name each, counted and
 * rate-limited per event (at most 10 a second; the next line says how many
 * were suppressed). No payloads, no secrets. Any thread may call. */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include "common/buf.h"
#include "common/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum log_type { LOG_END, LOG_TEXT, LOG_SLICE, LOG_INT, LOG_REAL };
struct log_field {
    enum log_type type;
    const char *key;
    union {
        const char *text;
        struct str slice;
        int64_t number;
        double real;
    };
};
#define LOG_S(k, v) ((struct log_field){LOG_TEXT, (k), {.text = (v)}})
#define LOG_STR(k, v) ((struct log_field){LOG_SLICE, (k), {.slice = (v)}})
#define LOG_I(k, v) ((struct log_field){LOG_INT, (k), {.number = (int64_t)(v)}})
#define LOG_F(k, v) ((struct log_field){LOG_REAL, (k), {.real = (v)}})
#define LOG_ERR(e) LOG_S("err", (e)->text)

/* log_info("copy_done", LOG_S("topic", t), LOG_I("rows", n)) prints
 * ts=… level=info service=writer event=copy_done topic=… rows=… */
#define log_debug(...) LOG_AT(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) LOG_AT(LOG_INFO, __VA_ARGS__)
#define log_warn(...) LOG_AT(LOG_WARN, __VA_ARGS__)
#define log_error(...) LOG_AT(LOG_ERROR, __VA_ARGS__)
#define LOG_AT(level, event, ...)         \
    log_write(level, event,               \
              (const struct log_field[]){ \
                  __VA_ARGS__ __VA_OPT__(, ){LOG_END, NULL, {0}}})

/* service must stay valid; called once before threads start. */
void log_init(const char *service, enum log_level least);
bool log_level_parse(struct str name, enum log_level *out) MUST_USE;
void log_write(enum log_level level, const char *event,
               const struct log_field fields[]);
/* Appends pulse_log_events_total{level,event} in Prometheus text. */
void log_metrics_write(struct buf *out);

#endif
