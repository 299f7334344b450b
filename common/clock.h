/* SPDX-License-Identifier: Apache-2.0 */
/* clock.h - the two clocks. Durations only from the monotonic one. */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include "common/base.h"

int64_t clock_mono_us(void); /* µs since some start, never goes back */
/* The same some ms behind, at a tenth of the cost. */
int64_t clock_mono_coarse_us(void);
int64_t clock_wall_us(void); /* µs since 1970-01-01 UTC */

#endif
