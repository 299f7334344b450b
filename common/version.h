/* SPDX-License-Identifier: Apache-2.0 */
/* version.h - which build this is. The Makefile may define PULSE_COMMIT. */
#ifndef COMMON_VERSION_H
#define COMMON_VERSION_H

#ifndef PULSE_COMMIT
#define PULSE_COMMIT "unknown"
#endif

extern const char version[];        /* "0.1.0" */
extern const char version_commit[]; /* short git hash, or "unknown" */

#endif
