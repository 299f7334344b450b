/* SPDX-License-Identifier: Apache-2.0 */
/* host.h - this machine's CPU, memory and disks, from /proc and statvfs. */
#ifndef SERVICES_COLLECTOR_HOST_H
#define SERVICES_COLLECTOR_HOST_H

#include "services/collector/sample.h"

struct cpu_times {
    uint64_t busy, total; /* clock ticks since boot */
};
/* The first line of /proc/stat. */
bool cpu_times_parse(struct str stat, struct cpu_times *out) MUST_USE;
/* Percent busy between two looks, 0 to 100; negative when no time passed. */
double cpu_percent(struct cpu_times before, struct cpu_times after);
/* A line "Name:  123 kB" of /proc/meminfo, in bytes. */
bool meminfo_bytes(struct str meminfo, struct str name, int64_t *out) MUST_USE;

struct host {
    char name[256];       /* label host */
    const char *disks;    /* paths, joined by commas */
    struct cpu_times cpu; /* of the last round */
};
void host_init(struct host *h, const char *disks);
/* Adds host_cpu_percent (from the second round on), host_memory_…_bytes,
 * host_load1, host_disk_…_bytes{path}; what cannot be read is left out. */
void host_measure(struct host *h, struct samples *out);

#endif
