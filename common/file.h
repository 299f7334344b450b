/* SPDX-License-Identifier: Apache-2.0 */
/* file.h - whole files: read at once, replaced at once. */
#ifndef COMMON_FILE_H
#define COMMON_FILE_H

#include "common/buf.h"
#include "common/err.h"

/* Appends all of it. False and *err: ERR_INPUT where it is not there, is no
 * file or has more than max bytes, ERR_RETRY where it cannot be read. */
bool file_read(const char *path, size_t max, struct buf *out, struct err *err)
    MUST_USE;
/* The file holds bytes, or what it held before, whatever happens meanwhile;
 * only its owner may read it. One process at a time: path.new is written
 * first. ERR_RETRY. */
bool file_replace(const char *path, struct str bytes, struct err *err) MUST_USE;

#endif
