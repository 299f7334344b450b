/* SPDX-License-Identifier: Apache-2.0 */
/* procfs.h - this machine's load, from /proc. */
#ifndef SIM_PROCFS_H
#define SIM_PROCFS_H

#include "common/str.h"

/* Counters as the kernel keeps them; two of them make a load. */
struct procfs {
    uint64_t cpu_busy, cpu_all;    /* clock ticks, all CPUs */
    uint64_t received, sent;       /* bytes, all interfaces but lo */
    double memory_used, disk_used; /* 0 to 1 */
    int64_t mono_us;
};

/* Reads /proc/stat, meminfo, net/dev and the root file system's fill. What
 * cannot be read stays 0. */
void procfs_read(struct procfs *p);
/* The parsers, for texts of these files. */
void procfs_stat_parse(struct str text, struct procfs *p);
void procfs_meminfo_parse(struct str text, struct procfs *p);
void procfs_net_parse(struct str text, struct procfs *p);

#endif
