/* SPDX-License-Identifier: Apache-2.0 */
#include "common/metrics.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/map.h"
#include "common/process.h"

enum type { COUNTER, GAUGE, GAUGE_FN, HISTOGRAM };

/* All series of one name; families and series are kept in order of birth, and
 * live as long as the registry, so readers need the lock only to walk. */
struct family {
    struct family *next;
    struct series *first, **last;
    enum type type;
    char *name, *help;
};

struct counter {
    _Atomic uint64_t n;
};

struct gauge {
    _Atomic double value;
    double (*fn)(void *arg); /* GAUGE_FN */
    void *arg;
};

enum { BUCKETS_MAX = 40 };
struct histogram {
    double limits[BUCKETS_MAX];
    size_t limit_count;
    _Atomic uint64_t buckets[BUCKETS_MAX + 1]; /* not cumulative; last: +Inf */
    _Atomic double sum;
};

struct series {
    struct series *next;
    struct family *family;
    char *labels; /* a="b",c="d" */
    union {
        struct counter counter;
        struct gauge gauge;
        struct histogram *histogram;
    };
};

struct metrics {
    pthread_mutex_t lock;    /* names, families, lists */
    pthread_mutex_t fn_lock; /* held while gauge functions run */
    struct family *first, **last;
    struct map *families, *series; /* by name; by name{labels} */
};

struct metrics *metrics_new(void)
{
    struct metrics *m = xcalloc(1, sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
    pthread_mutex_init(&m->fn_lock, NULL);
    m->last = &m->first;
    m->families = map_new(0, NULL);
    m->series = map_new(0, NULL);
    return m;
}

static void family_free(struct family *f)
{
    struct series *next;
    for (struct series *s = f->first; s != NULL; s = next) {
        next = s->next;
        if (f->type == HISTOGRAM)
            free(s->histogram);
        free(s->labels);
        free(s);
    }
    free(f->name);
    free(f->help);
    free(f);
}

void metrics_free(struct metrics *m)
{
    if (m == NULL)
        return;
    struct family *next;
    for (struct family *f = m->first; f != NULL; f = next) {
        next = f->next;
        family_free(f);
    }
    map_free(m->families);
    map_free(m->series);
    pthread_mutex_destroy(&m->lock);
    pthread_mutex_destroy(&m->fn_lock);
    free(m);
}

/* --- registering --------------------------------------------------------- */

static bool is_name(const char *s)
{
    if (!isalpha((unsigned char)s[0]) && s[0] != '_')
        return false;
    for (; *s != '\0'; s++)
        if (!isalnum((unsigned char)*s) && *s != '_')
            return false;
    return true;
}

/* Values must be UTF-8; where one is not, '?' stands for its odd bytes. */
static void add_label(struct buf *out, const char *name, const char *value)
{
    assert(is_name(name));
    bool utf8 = str_utf8_valid(str_of(value));
    buf_addf(out, "%s%s=\"", out->n == 0 ? "" : ",", name);
    for (const char *c = value; *c != '\0'; c++) {
        if (*c == '\n')
            buf_add_text(out, "\\n");
        else if (*c == '"' || *c == '\\')
            buf_addf(out, "\\%c", *c);
        else
            buf_add_char(out, !utf8 && (*c & 0x80) ? '?' : *c);
    }
    buf_add_char(out, '"');
}

static void add_labels(struct buf *out, va_list pairs)
{
    const char *name;
    while ((name = va_arg(pairs, const char *)) != NULL) {
        const char *value = va_arg(pairs, const char *);
        assert(value != NULL);
        add_label(out, name, value);
    }
}

static struct family *family_of(struct metrics *m, enum type type,
                                const char *name, const char *help)
{
    struct family *f = map_get(m->families, str_of(name));
    if (f != NULL) {
        assert(f->type == type);
        return f;
    }
    assert(is_name(name));
    f = xcalloc(1, sizeof *f);
    *f = (struct family){
        .type = type, .name = xstrdup(name), .help = xstrdup(help)};
    f->last = &f->first;
    *m->last = f;
    m->last = &f->next;
    map_put(m->families, str_of(name), f);
    return f;
}

static struct series *series_new(struct family *f, struct str labels)
{
    struct series *s = xcalloc(1, sizeof *s);
    s->family = f;
    s->labels = str_dup(labels);
    *f->last = s;
    f->last = &s->next;
    if (f->type == HISTOGRAM)
        s->histogram = xcalloc(1, sizeof(*s->histogram));
    return s;
}

/* Under the lock. */
static struct series *series_of(struct metrics *m, enum type type,
                                const char *name, const char *help,
                                struct str labels)
{
    AUTO_RELEASE(buf) key = {0};
    buf_addf(&key, "%s{%.*s", name, STR_ARG(labels));
    struct family *f = family_of(m, type, name, help);
    struct series *s = map_get(m->series, buf_str(&key));
    if (s == NULL) {
        s = series_new(f, labels);
        map_put(m->series, buf_str(&key), s);
    }
    return s;
}

static struct series *series_get(struct metrics *m, enum type type,
                                 const char *name, const char *help,
                                 va_list pairs)
{
    AUTO_RELEASE(buf) labels = {0};
    add_labels(&labels, pairs);
    pthread_mutex_lock(&m->lock);
    struct series *s = series_of(m, type, name, help, buf_str(&labels));
    pthread_mutex_unlock(&m->lock);
    return s;
}

struct counter *metrics_counter(struct metrics *m, const char *name,
                                const char *help, ...)
{
    va_list pairs;
    va_start(pairs, help);
    struct series *s = series_get(m, COUNTER, name, help, pairs);
    va_end(pairs);
    return &s->counter;
}

struct gauge *metrics_gauge(struct metrics *m, const char *name,
                            const char *help, ...)
{
    va_list pairs;
    va_start(pairs, help);
    struct series *s = series_get(m, GAUGE, name, help, pairs);
    va_end(pairs);
    return &s->gauge;
}

static void set_limits(struct histogram *h, double first, double last)
{
    assert(first > 0 && last > first);
    double limit = 0;
    for (int i = 0; h->limit_count < BUCKETS_MAX && limit < last; i++) {
        limit = first * pow(10, i / 2) * (i % 2 == 0 ? 1 : 3);
        h->limits[h->limit_count++] = limit;
    }
    assert(limit >= last); /* else: too many decades for BUCKETS_MAX */
}

struct histogram *metrics_histogram(struct metrics *m, const char *name,
                                    const char *help, double first, double last,
                                    ...)
{
    AUTO_RELEASE(buf) labels = {0};
    va_list pairs;
    va_start(pairs, last);
    add_labels(&labels, pairs);
    va_end(pairs);
    pthread_mutex_lock(&m->lock);
    struct series *s = series_of(m, HISTOGRAM, name, help, buf_str(&labels));
    if (s->histogram->limit_count == 0)
        set_limits(s->histogram, first, last);
    pthread_mutex_unlock(&m->lock);
    return s->histogram;
}

void metrics_gauge_fn(struct metrics *m, const char *name, const char *help,
                      double (*fn)(void *arg), void *arg)
{
    pthread_mutex_lock(&m->fn_lock);
    pthread_mutex_lock(&m->lock);
    struct series *s = series_of(m, GAUGE_FN, name, help, (struct str){0});
    s->gauge.fn = fn;
    s->gauge.arg = arg;
    pthread_mutex_unlock(&m->lock);
    pthread_mutex_unlock(&m->fn_lock);
}

void metrics_gauge_fn_end(struct metrics *m, const void *arg)
{
    pthread_mutex_lock(&m->fn_lock);
    pthread_mutex_lock(&m->lock);
    for (struct family *f = m->first; f != NULL; f = f->next)
        if (f->type == GAUGE_FN && f->first->gauge.arg == arg)
            f->first->gauge.fn = NULL;
    pthread_mutex_unlock(&m->lock);
    pthread_mutex_unlock(&m->fn_lock);
}

/* --- updating ------------------------------------------------------------ */

void counter_add(struct counter *c, uint64_t n)
{
    atomic_fetch_add_explicit(&c->n, n, memory_order_relaxed);
}

uint64_t counter_get(const struct counter *c)
{
    return atomic_load_explicit(&c->n, memory_order_relaxed);
}

static void double_add(_Atomic double *sum, double delta)
{
    double old = atomic_load_explicit(sum, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(
        sum, &old, old + delta, memory_order_relaxed, memory_order_relaxed))
        continue;
}

void gauge_set(struct gauge *g, double value)
{
    atomic_store_explicit(&g->value, value, memory_order_relaxed);
}

void gauge_add(struct gauge *g, double delta)
{
    double_add(&g->value, delta);
}

double gauge_get(const struct gauge *g)
{
    return atomic_load_explicit(&g->value, memory_order_relaxed);
}

void histogram_observe(struct histogram *h, double value)
{
    size_t i = 0;
    while (i < h->limit_count && !(value <= h->limits[i]))
        i++;
    atomic_fetch_add_explicit(&h->buckets[i], 1, memory_order_relaxed);
    double_add(&h->sum, value);
}

/* --- writing ------------------------------------------------------------- */

static void add_value(struct buf *out, double value)
{
    if (isnan(value))
        buf_add_text(out, "NaN");
    else if (isinf(value))
        buf_add_text(out, value > 0 ? "+Inf" : "-Inf");
    else
        buf_addf(out, "%.15g", value);
}

static void add_name(struct buf *out, const struct series *s,
                     const char *suffix)
{
    buf_addf(out, "%s%s", s->family->name, suffix);
    if (s->labels[0] != '\0')
        buf_addf(out, "{%s}", s->labels);
    buf_add_char(out, ' ');
}

static void add_real(struct buf *out, const struct series *s,
                     const char *suffix, double value)
{
    add_name(out, s, suffix);
    add_value(out, value);
    buf_add_char(out, '\n');
}

static void add_count(struct buf *out, const struct series *s,
                      const char *suffix, uint64_t count)
{
    add_name(out, s, suffix);
    buf_addf(out, "%llu\n", (unsigned long long)count);
}

static void write_histogram(struct buf *out, const struct series *s)
{
    const struct histogram *h = s->histogram;
    uint64_t count = 0;
    for (size_t i = 0; i <= h->limit_count; i++) {
        count += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
        buf_addf(out, "%s_bucket{%s%sle=\"", s->family->name, s->labels,
                 s->labels[0] == '\0' ? "" : ",");
        if (i < h->limit_count)
            buf_addf(out, "%g", h->limits[i]);
        else
            buf_add_text(out, "+Inf");
        buf_addf(out, "\"} %llu\n", (unsigned long long)count);
    }
    add_real(out, s, "_sum",
             atomic_load_explicit(&h->sum, memory_order_relaxed));
    add_count(out, s, "_count", count);
}

static void write_series(struct buf *out, const struct series *s)
{
    switch (s->family->type) {
    case COUNTER:
        add_count(out, s, "", counter_get(&s->counter));
        break;
    case GAUGE:
        add_real(out, s, "", gauge_get(&s->gauge));
        break;
    case GAUGE_FN:
        if (s->gauge.fn != NULL)
            add_real(out, s, "", gauge_get(&s->gauge));
        break;
    case HISTOGRAM:
        write_histogram(out, s);
        break;
    }
}

static void write_head(struct buf *out, const struct family *f)
{
    static const char *const types[] = {
        [COUNTER] = "counter",
        [GAUGE] = "gauge",
        [GAUGE_FN] = "gauge",
        [HISTOGRAM] = "histogram",
    };
    buf_addf(out, "# HELP %s ", f->name);
    for (const char *c = f->help; *c != '\0'; c++) {
        if (*c == '\n')
            buf_add_text(out, "\\n");
        else if (*c == '\\')
            buf_add_text(out, "\\\\");
        else
            buf_add_char(out, *c);
    }
    buf_addf(out, "\n# TYPE %s %s\n", f->name, types[f->type]);
}

static struct series *next_fn(struct metrics *m, struct family **at)
{
    struct series *found = NULL;
    pthread_mutex_lock(&m->lock);
    for (*at = *at == NULL ? m->first : (*at)->next; *at != NULL;
         *at = (*at)->next)
        if ((*at)->type == GAUGE_FN) {
            found = (*at)->first;
            break;
        }
    pthread_mutex_unlock(&m->lock);
    return found;
}

/* Without the lock, for a function may take one under which its owner
 * registers metrics. */
static void ask_fns(struct metrics *m)
{
    struct family *at = NULL;
    struct series *s;
    pthread_mutex_lock(&m->fn_lock);
    while ((s = next_fn(m, &at)) != NULL)
        if (s->gauge.fn != NULL)
            gauge_set(&s->gauge, s->gauge.fn(s->gauge.arg));
    pthread_mutex_unlock(&m->fn_lock);
}

void metrics_write(struct metrics *m, struct buf *out)
{
    ask_fns(m);
    pthread_mutex_lock(&m->lock);
    for (const struct family *f = m->first; f != NULL; f = f->next) {
        write_head(out, f);
        for (const struct series *s = f->first; s != NULL; s = s->next)
            write_series(out, s);
    }
    pthread_mutex_unlock(&m->lock);
    process_metrics_write(out);
    log_metrics_write(out);
}
