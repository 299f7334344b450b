/* SPDX-License-Identifier: Apache-2.0 */
#include "common/metrics.h"

#include <assert.h>
#include <dirent.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

enum kind { COUNTER, GAUGE, GAUGE_FN, HISTOGRAM };
enum { BUCKETS_MAX = 32 };

struct counter {
    _Atomic uint64_t value;
};
struct gauge {
    _Atomic double value;
};
struct histogram {
    int bucket_count;
    double limits[BUCKETS_MAX];
    _Atomic uint64_t buckets[BUCKETS_MAX + 1]; /* the last: above all limits */
    _Atomic double sum;
};

/* One line (or, for a histogram, one group of lines) of the text. */
struct series {
    struct series *next;
    char *labels; /* a="b",c="d" or empty */
    union {
        struct counter counter;
        struct gauge gauge;
        struct histogram histogram;
        struct {
            double (*fn)(void *arg);
            void *arg;
        } ask;
    };
};

struct family {
    struct family *next;
    enum kind kind;
    char *name, *help;
    struct series *series; /* newest first */
};

struct metrics {
    pthread_mutex_t lock; /* guards the lists, not the values */
    struct family *families, **last;
    int64_t started_us;
};

struct metrics *metrics_new(void)
{
    struct metrics *m = xcalloc(1, sizeof *m);
    pthread_mutex_init(&m->lock, NULL);
    m->last = &m->families;
    m->started_us = clock_wall_us();
    return m;
}

static void family_free(struct family *f)
{
    while (f->series != NULL) {
        struct series *next = f->series->next;
        free(f->series->labels);
        free(f->series);
        f->series = next;
    }
    free(f->name);
    free(f->help);
    free(f);
}

void metrics_free(struct metrics *m)
{
    if (m == NULL)
        return;
    while (m->families != NULL) {
        struct family *next = m->families->next;
        family_free(m->families);
        m->families = next;
    }
    pthread_mutex_destroy(&m->lock);
    free(m);
}

/* ---- registering ---- */

static bool name_ok(const char *name)
{
    for (const char *c = name; *c != '\0'; c++)
        if (!(*c >= 'a' && *c <= 'z') && !(*c >= '0' && *c <= '9') && *c != '_')
            return false;
    return name[0] >= 'a' && name[0] <= 'z';
}

static void add_label(struct buf *out, const char *name, const char *value)
{
    assert(name_ok(name));
    buf_addf(out, "%s%s=\"", out->n == 0 ? "" : ",", name);
    for (; *value != '\0'; value++) {
        if (*value == '\\' || *value == '"')
            buf_addf(out, "\\%c", *value);
        else if (*value == '\n')
            buf_add_text(out, "\\n");
        else
            buf_add_char(out, *value);
    }
    buf_add_char(out, '"');
}

static char *labels_text(va_list args)
{
    struct buf text = {0};
    buf_add_text(&text, "");
    const char *name;
    while ((name = va_arg(args, const char *)) != NULL)
        add_label(&text, name, va_arg(args, const char *));
    return text.p;
}

static struct family *family_of(struct metrics *m, enum kind kind,
                                const char *name, const char *help)
{
    for (struct family *f = m->families; f != NULL; f = f->next)
        if (strcmp(f->name, name) == 0) {
            assert(f->kind == kind);
            return f;
        }
    assert(name_ok(name));
    struct family *f = xcalloc(1, sizeof *f);
    *f = (struct family){.kind = kind, .name = xstrdup(name), .help = xstrdup(help)};
    *m->last = f;
    m->last = &f->next;
    return f;
}

/* Takes labels. *made says whether the caller must still fill it. */
static struct series *series_of(struct family *f, char *labels, bool *made)
{
    for (struct series *s = f->series; s != NULL; s = s->next)
        if (strcmp(s->labels, labels) == 0) {
            free(labels);
            *made = false;
            return s;
        }
    struct series *s = xcalloc(1, sizeof *s);
    s->labels = labels;
    s->next = f->series;
    f->series = s;
    *made = true;
    return s;
}

static struct series *get(struct metrics *m, enum kind kind, const char *name,
                          const char *help, char *labels, bool *made)
{
    pthread_mutex_lock(&m->lock);
    struct series *s = series_of(family_of(m, kind, name, help), labels, made);
    pthread_mutex_unlock(&m->lock);
    return s;
}

struct counter *metrics_counter(struct metrics *m, const char *name,
                                const char *help, ...)
{
    va_list args;
    va_start(args, help);
    char *labels = labels_text(args);
    va_end(args);
    bool made;
    return &get(m, COUNTER, name, help, labels, &made)->counter;
}

struct gauge *metrics_gauge(struct metrics *m, const char *name,
                            const char *help, ...)
{
    va_list args;
    va_start(args, help);
    char *labels = labels_text(args);
    va_end(args);
    bool made;
    return &get(m, GAUGE, name, help, labels, &made)->gauge;
}

static void set_limits(struct histogram *h, double first, double last)
{
    assert(first > 0 && last > first);
    double limit = first;
    for (int i = 0; h->bucket_count < BUCKETS_MAX; i++) {
        limit = first * pow(10, i / 2) * (i % 2 == 0 ? 1 : 3);
        h->limits[h->bucket_count++] = limit;
        if (limit >= last)
            break;
    }
    assert(limit >= last); /* else: too many decades for BUCKETS_MAX */
}

struct histogram *metrics_histogram(struct metrics *m, const char *name,
                                    const char *help, double first, double last,
                                    ...)
{
    va_list args;
    va_start(args, last);
    char *labels = labels_text(args);
    va_end(args);
    bool made;
    pthread_mutex_lock(&m->lock);
    struct series *s =
        series_of(family_of(m, HISTOGRAM, name, help), labels, &made);
    if (made)
        set_limits(&s->histogram, first, last);
    pthread_mutex_unlock(&m->lock);
    return &s->histogram;
}

void metrics_gauge_fn(struct metrics *m, const char *name, const char *help,
                      double (*fn)(void *arg), void *arg)
{
    bool made;
    pthread_mutex_lock(&m->lock);
    struct series *s =
        series_of(family_of(m, GAUGE_FN, name, help), xstrdup(""), &made);
    s->ask.fn = fn;
    s->ask.arg = arg;
    pthread_mutex_unlock(&m->lock);
}

/* ---- updating ---- */

static void add_double(_Atomic double *to, double delta)
{
    double old = atomic_load_explicit(to, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(
        to, &old, old + delta, memory_order_relaxed, memory_order_relaxed))
        continue;
}

void counter_add(struct counter *c, uint64_t n)
{
    atomic_fetch_add_explicit(&c->value, n, memory_order_relaxed);
}

uint64_t counter_get(const struct counter *c)
{
    return atomic_load_explicit(&c->value, memory_order_relaxed);
}

void gauge_set(struct gauge *g, double value)
{
    atomic_store_explicit(&g->value, value, memory_order_relaxed);
}

void gauge_add(struct gauge *g, double delta)
{
    add_double(&g->value, delta);
}

double gauge_get(const struct gauge *g)
{
    return atomic_load_explicit(&g->value, memory_order_relaxed);
}

void histogram_observe(struct histogram *h, double value)
{
    int i = 0;
    while (i < h->bucket_count && value > h->limits[i])
        i++;
    atomic_fetch_add_explicit(&h->buckets[i], 1, memory_order_relaxed);
    add_double(&h->sum, value);
}

/* ---- writing ---- */

static void add_line(struct buf *out, const char *name, const char *suffix,
                     const char *labels, const char *extra, double value)
{
    const char *comma = *labels != '\0' && *extra != '\0' ? "," : "";
    buf_addf(out, "%s%s", name, suffix);
    if (*labels != '\0' || *extra != '\0')
        buf_addf(out, "{%s%s%s}", labels, comma, extra);
    if (isfinite(value))
        buf_addf(out, " %.17g\n", value);
    else
        buf_addf(out, " %s\n",
                 isnan(value) ? "NaN" : (value > 0 ? "+Inf" : "-Inf"));
}

static void write_histogram(const struct family *f, const struct series *s,
                            struct buf *out)
{
    const struct histogram *h = &s->histogram;
    uint64_t total = 0;
    for (int i = 0; i <= h->bucket_count; i++) {
        char limit[48] = "le=\"+Inf\"";
        if (i < h->bucket_count)
            snprintf(limit, sizeof limit, "le=\"%g\"", h->limits[i]);
        total += atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
        add_line(out, f->name, "_bucket", s->labels, limit, (double)total);
    }
    add_line(out, f->name, "_sum", s->labels, "",
             atomic_load_explicit(&h->sum, memory_order_relaxed));
    add_line(out, f->name, "_count", s->labels, "", (double)total);
}

static void write_series(const struct family *f, const struct series *s,
                         struct buf *out)
{
    switch (f->kind) {
    case COUNTER:
        add_line(out, f->name, "", s->labels, "",
                 (double)counter_get(&s->counter));
        break;
    case GAUGE:
        add_line(out, f->name, "", s->labels, "", gauge_get(&s->gauge));
        break;
    case GAUGE_FN:
        add_line(out, f->name, "", s->labels, "", s->ask.fn(s->ask.arg));
        break;
    case HISTOGRAM:
        write_histogram(f, s, out);
        break;
    }
}

static void add_head(struct buf *out, const char *name, const char *help,
                     const char *type)
{
    buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static int64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    long long size, resident = 0;
    if (fscanf(file, "%lld %lld", &size, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * sysconf(_SC_PAGESIZE);
}

static int open_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return 0;
    int count = -3; /* ".", ".." and the folder's own */
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void write_process(const struct metrics *m, struct buf *out)
{
    const struct {
        const char *name, *help, *type;
        double value;
    } lines[] = {
        {"process_resident_memory_bytes", "Resident memory.", "gauge",
         (double)resident_bytes()},
        {"process_cpu_seconds_total", "User and system CPU time.", "counter",
         cpu_seconds()},
        {"process_open_fds", "Open file descriptors.", "gauge", open_fds()},
        {"process_start_time_seconds", "Start, since 1970-01-01 UTC.", "gauge",
         (double)m->started_us / 1e6},
    };
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        add_head(out, lines[i].name, lines[i].help, lines[i].type);
        add_line(out, lines[i].name, "", "", "", lines[i].value);
    }
}

void metrics_write(struct metrics *m, struct buf *out)
{
    static const char *const types[] = {"counter", "gauge", "gauge",
                                        "histogram"};
    pthread_mutex_lock(&m->lock);
    for (const struct family *f = m->families; f != NULL; f = f->next) {
        add_head(out, f->name, f->help, types[f->kind]);
        for (const struct series *s = f->series; s != NULL; s = s->next)
            write_series(f, s, out);
    }
    pthread_mutex_unlock(&m->lock);
    write_process(m, out);
    log_metrics_write(out);
}
