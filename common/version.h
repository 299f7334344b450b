/* SPDX-License-Identifier: Apache-2.0 */
/* version.h - which build this is. */
#ifndef COMMON_VERSION_H
#define COMMON_VERSION_H

extern const char version[];        /* "0.1.0" */
extern const char version_commit[]; /* short git hash, or "unknown" */

#endif
