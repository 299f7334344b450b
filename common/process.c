/* SPDX-License-Identifier: Apache-2.0 */
#include "common/process.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Fields of proc_pid_stat(5), counted from 1. */
enum { STAT_THREADS = 20, STAT_START = 22, STAT_RSS = 24, STAT_END };

/* The numbers of /proc/self/stat; 0 where it cannot be read. The second field
 * is the name in parentheses and may hold anything, so begin behind it. */
static void read_stat(long long fields[STAT_END])
{
    char text[1024];
    memset(fields, 0, STAT_END * sizeof fields[0]);
    FILE *file = fopen("/proc/self/stat", "re");
    if (file == NULL)
        return;
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    const char *after = strrchr(text, ')');
    struct str rest = str_of(after == NULL ? NULL : after + 2), field;
    for (int i = 3; i < STAT_END && str_next(&rest, ' ', &field); i++) {
        int64_t number;
        if (str_to_i64(field, &number))
            fields[i] = number;
    }
}

static double boot_seconds(void)
{
    struct timespec wall, since_boot;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_BOOTTIME, &since_boot);
    return (double)(wall.tv_sec - since_boot.tv_sec) +
           (double)(wall.tv_nsec - since_boot.tv_nsec) / 1e9;
}

static long count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return 0;
    long count = -3; /* ".", ".." and the directory's own */
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void add(struct buf *out, const char *name, const char *type,
                const char *help, double value)
{
    buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", name, help, name,
             type, name, value);
}

void process_metrics_write(struct buf *out)
{
    long long stat[STAT_END];
    struct rlimit fds = {0};
    read_stat(stat);
    getrlimit(RLIMIT_NOFILE, &fds);
    add(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
        (double)stat[STAT_RSS] * (double)sysconf(_SC_PAGESIZE));
    add(out, "process_cpu_seconds_total", "counter",
        "User and system CPU time spent.", cpu_seconds());
    add(out, "process_open_fds", "gauge", "Open file descriptors.",
        (double)count_fds());
    add(out, "process_max_fds", "gauge", "Most open file descriptors.",
        (double)fds.rlim_cur);
    add(out, "process_threads", "gauge", "Threads.",
        (double)stat[STAT_THREADS]);
    add(out, "process_start_time_seconds", "gauge",
        "Start of the process, seconds since 1970.",
        boot_seconds() +
            (double)stat[STAT_START] / (double)sysconf(_SC_CLK_TCK));
}
