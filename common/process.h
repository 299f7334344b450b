/* SPDX-License-Identifier: Apache-2.0 */
/* process.h - this process as Prometheus text, under the names the Prometheus
 * client libraries use. */
#ifndef COMMON_PROCESS_H
#define COMMON_PROCESS_H

#include "common/buf.h"

/* process_resident_memory_bytes, process_cpu_seconds_total, process_open_fds,
 * process_max_fds, process_threads, process_start_time_seconds. */
void process_metrics_write(struct buf *out);

#endif
