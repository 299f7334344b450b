/* SPDX-License-Identifier: Apache-2.0 */
#include "common/log.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/timestamp.h"

/*
 * Each (level, event) has a slot with its count and its rate. There are as
 * many as events in the source; what comes after the last slot shares one.
 */
enum { SLOTS_MAX = 256, PER_SECOND_MAX = 10 };

struct slot {
    enum log_level level;
    const char *event;
    uint64_t count;
    int64_t second; /* of the monotonic clock */
    int in_second;
    uint64_t suppressed; /* since the last line printed */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct slot slots[SLOTS_MAX];
static size_t slot_count;
static const char *log_service = "pulse";
static enum log_level log_least = LOG_INFO;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_init(const char *service, enum log_level least)
{
    log_service = service;
    log_least = least;
}

bool log_level_parse(struct str name, enum log_level *out)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++)
        if (str_is(name, level_names[i])) {
            *out = (enum log_level)i;
            return true;
        }
    return false;
}

static struct slot *slot_of(enum log_level level, const char *event)
{
    for (size_t i = 0; i < slot_count; i++)
        if (slots[i].level == level && strcmp(slots[i].event, event) == 0)
            return &slots[i];
    if (slot_count == SLOTS_MAX)
        return &slots[SLOTS_MAX - 1];
    struct slot *slot = &slots[slot_count++];
    *slot = (struct slot){.level = level, .event = event};
    return slot;
}

/* False: too many of them this second. Else how many were left out before. */
static bool admit(enum log_level level, const char *event, uint64_t *missed)
{
    int64_t second = clock_mono_us() / 1000000;
    pthread_mutex_lock(&lock);
    struct slot *slot = slot_of(level, event);
    slot->count++;
    if (slot->second != second) {
        slot->second = second;
        slot->in_second = 0;
    }
    bool print = ++slot->in_second <= PER_SECOND_MAX;
    if (print) {
        *missed = slot->suppressed;
        slot->suppressed = 0;
    } else {
        slot->suppressed++;
    }
    pthread_mutex_unlock(&lock);
    return print;
}

static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f)
            return false;
    }
    return s.n > 0;
}

static void add_text(struct buf *line, struct str s)
{
    if (is_plain(s)) {
        buf_add_str(line, s);
        return;
    }
    buf_add_char(line, '"');
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\')
            buf_addf(line, "\\%c", c);
        else if (c == '\n')
            buf_add_text(line, "\\n");
        else if (c < ' ' || c == 0x7f)
            buf_addf(line, "\\x%02x", c);
        else
            buf_add_char(line, (char)c);
    }
    buf_add_char(line, '"');
}

static void add_field(struct buf *line, const struct log_field *field)
{
    buf_addf(line, " %s=", field->key);
    switch (field->type) {
    case LOG_TEXT:
        add_text(line, str_of(field->text));
        break;
    case LOG_SLICE:
        add_text(line, field->slice);
        break;
    case LOG_INT:
        buf_addf(line, "%lld", (long long)field->number);
        break;
    case LOG_REAL:
        buf_addf(line, "%.6g", field->real);
        break;
    case LOG_END:
        break;
    }
}

void log_write(enum log_level level, const char *event,
               const struct log_field fields[])
{
    uint64_t missed = 0;
    if (level < log_least || !admit(level, event, &missed))
        return;
    char now[TIMESTAMP_MAX];
    AUTO_RELEASE(buf) line = {0};
    buf_addf(&line, "ts=%s level=%s service=%s event=%s",
             timestamp_format(clock_wall_us(), now), level_names[level],
             log_service, event);
    for (; fields->type != LOG_END; fields++)
        add_field(&line, fields);
    if (missed > 0)
        buf_addf(&line, " suppressed=%llu", (unsigned long long)missed);
    buf_add_char(&line, '\n');
    /* One write a line, so lines of threads do not mix. */
    ssize_t written = write(STDERR_FILENO, line.p, line.n);
    (void)written; /* nobody to tell */
}

void log_metrics_write(struct buf *out)
{
    buf_add_text(out, "# HELP pulse_log_events_total Log events, also those "
                      "not printed.\n"
                      "# TYPE pulse_log_events_total counter\n");
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < slot_count; i++)
        buf_addf(out,
                 "pulse_log_events_total{level=\"%s\",event=\"%s\"} %llu\n",
                 level_names[slots[i].level], slots[i].event,
                 (unsigned long long)slots[i].count);
    pthread_mutex_unlock(&lock);
}
