/* SPDX-License-Identifier: Apache-2.0 */
#include "services/collector/host.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

bool cpu_times_parse(struct str stat, struct cpu_times *out)
{
    struct str line, word;
    if (!str_next(&stat, '\n', &line) || !str_starts(line, STR("cpu ")))
        return false;
    line = str_trim((struct str){line.p + 4, line.n - 4});
    *out = (struct cpu_times){0};
    /* user nice system idle iowait irq softirq steal; guest is in user. */
    for (int i = 0; i < 8 && str_next(&line, ' ', &word); i++) {
        int64_t ticks;
        if (!str_to_i64(word, &ticks) || ticks < 0)
            return false;
        out->total += (uint64_t)ticks;
        if (i != 3 && i != 4)
            out->busy += (uint64_t)ticks;
    }
    return out->total > 0;
}

double cpu_percent(struct cpu_times before, struct cpu_times after)
{
    if (after.total <= before.total || after.busy < before.busy)
        return -1;
    return 100.0 * (double)(after.busy - before.busy) /
           (double)(after.total - before.total);
}

bool meminfo_bytes(struct str meminfo, struct str name, int64_t *out)
{
    for (struct str line, key, value; str_next(&meminfo, '\n', &line);) {
        if (!str_cut(line, ':', &key, &value) || !str_eq(key, name))
            continue;
        value = str_trim(value);
        struct str number, unit;
        if (!str_cut(value, ' ', &number, &unit) || !str_is(unit, "kB") ||
            !str_to_i64(number, out))
            return false;
        return !__builtin_mul_overflow(*out, 1024, out);
    }
    return false;
}

void host_init(struct host *h, const char *disks)
{
    *h = (struct host){.disks = disks};
    if (gethostname(h->name, sizeof h->name - 1) != 0)
        snprintf(h->name, sizeof h->name, "unknown");
}

/* The first bytes of a small file; empty if it cannot be read. */
static struct str file_head(const char *path, char *buffer, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return (struct str){0};
    ssize_t n = read(fd, buffer, size);
    close(fd);
    return (struct str){buffer, n > 0 ? (size_t)n : 0};
}

static void cpu_measure(struct host *h, struct samples *out)
{
    char text[4096];
    struct cpu_times now;
    if (!cpu_times_parse(file_head("/proc/stat", text, sizeof text), &now))
        return;
    double percent = cpu_percent(h->cpu, now);
    if (h->cpu.total > 0 && percent >= 0)
        samples_addf(out, NULL, "host_cpu_percent", percent, "host", h->name,
                     NULL);
    h->cpu = now;
}

static void memory_measure(const struct host *h, struct samples *out)
{
    char text[8192];
    struct str info = file_head("/proc/meminfo", text, sizeof text);
    int64_t total, available;
    if (!meminfo_bytes(info, STR("MemTotal"), &total) ||
        !meminfo_bytes(info, STR("MemAvailable"), &available))
        return;
    samples_addf(out, NULL, "host_memory_total_bytes", (double)total, "host",
                 h->name, NULL);
    samples_addf(out, NULL, "host_memory_used_bytes",
                 (double)(total - available), "host", h->name, NULL);
}

static void load_measure(const struct host *h, struct samples *out)
{
    char text[128];
    struct str rest = file_head("/proc/loadavg", text, sizeof text), first;
    double load;
    if (str_next(&rest, ' ', &first) && str_to_double(first, &load))
        samples_addf(out, NULL, "host_load1", load, "host", h->name, NULL);
}

static void disk_measure(const struct host *h, struct str path,
                         struct samples *out)
{
    char name[1024];
    struct statvfs fs;
    snprintf(name, sizeof name, "%.*s", STR_ARG(path));
    if (statvfs(name, &fs) != 0)
        return;
    double unit = (double)fs.f_frsize;
    samples_addf(out, NULL, "host_disk_total_bytes", (double)fs.f_blocks * unit,
                 "host", h->name, "path", name, NULL);
    samples_addf(out, NULL, "host_disk_used_bytes",
                 (double)(fs.f_blocks - fs.f_bfree) * unit, "host", h->name,
                 "path", name, NULL);
}

void host_measure(struct host *h, struct samples *out)
{
    struct str disks = str_of(h->disks);
    cpu_measure(h, out);
    memory_measure(h, out);
    load_measure(h, out);
    for (struct str path; str_next(&disks, ',', &path);)
        if (str_trim(path).n > 0)
            disk_measure(h, str_trim(path), out);
}
