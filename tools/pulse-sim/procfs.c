/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse-sim/procfs.h"

#include <stdio.h>
#include <sys/statvfs.h>

#include "common/clock.h"

enum { FILE_MAX = 64 * 1024, CPU_COLUMNS = 8, NET_COLUMNS = 9 };

static struct str file_read(const char *path, char *to, size_t max)
{
    struct str text = {to, 0};
    FILE *file = fopen(path, "re");

    if (file) {
        text.n = fread(to, 1, max, file);
        fclose(file);
    }
    return text;
}

/* The whole numbers of a line, columns apart by blanks; returns how many. */
static size_t numbers_read(struct str line, uint64_t *out, size_t max)
{
    size_t n = 0;
    int64_t number;

    for (struct str word; n < max && str_next(&line, ' ', &word);)
        if (word.n > 0 && str_to_i64(word, &number))
            out[n++] = (uint64_t)number;
    return n;
}

/* "cpu  user nice system idle iowait irq softirq steal …" (proc(5)) */
void procfs_stat_parse(struct str text, struct procfs *p)
{
    uint64_t ticks[CPU_COLUMNS] = {0};
    struct str line;

    if (!str_next(&text, '\n', &line) || !str_starts(line, STR("cpu ")))
        return;
    numbers_read((struct str){line.p + 4, line.n - 4}, ticks, CPU_COLUMNS);
    for (size_t i = 0; i < CPU_COLUMNS; i++)
        p->cpu_all += ticks[i];
    p->cpu_busy = p->cpu_all - ticks[3] - ticks[4];
}

static bool kb_read(struct str line, struct str name, double *out)
{
    uint64_t kb;

    if (!str_starts(line, name) ||
        numbers_read((struct str){line.p + name.n, line.n - name.n}, &kb, 1) !=
            1)
        return false;
    *out = (double)kb;
    return true;
}

void procfs_meminfo_parse(struct str text, struct procfs *p)
{
    double total = 0, available = 0;

    for (struct str line; str_next(&text, '\n', &line);)
        if (!kb_read(line, STR("MemTotal:"), &total))
            (void)kb_read(line, STR("MemAvailable:"), &available);
    if (total > 0)
        p->memory_used = 1 - available / total;
}

/* "  eth0: bytes packets errs drop fifo frame compressed multicast bytes …" */
void procfs_net_parse(struct str text, struct procfs *p)
{
    for (struct str line; str_next(&text, '\n', &line);) {
        uint64_t columns[NET_COLUMNS];
        struct str name, rest;
        if (!str_cut(line, ':', &name, &rest) || str_is(str_trim(name), "lo") ||
            numbers_read(rest, columns, NET_COLUMNS) != NET_COLUMNS)
            continue;
        p->received += columns[0];
        p->sent += columns[8];
    }
}

void procfs_read(struct procfs *p)
{
    char text[FILE_MAX];
    struct statvfs disk;

    *p = (struct procfs){.mono_us = clock_mono_us()};
    procfs_stat_parse(file_read("/proc/stat", text, sizeof text), p);
    procfs_meminfo_parse(file_read("/proc/meminfo", text, sizeof text), p);
    procfs_net_parse(file_read("/proc/net/dev", text, sizeof text), p);
    if (statvfs("/", &disk) == 0 && disk.f_blocks > 0)
        p->disk_used = 1 - (double)disk.f_bavail / (double)disk.f_blocks;
}
