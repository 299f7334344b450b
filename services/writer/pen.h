/* SPDX-License-Identifier: Apache-2.0 */
/* pen.h - writes the batches handed to it, one at a time, in a thread of its
 * own, so that the loop fills the next one meanwhile (docs/adr/0013). */
#ifndef WRITER_PEN_H
#define WRITER_PEN_H

#include "services/writer/store.h"

struct pen; /* all calls are the loop's */

/* While a batch is with the pen, store, connection and claims are too. */
struct pen *pen_new(struct store *store) MUST_USE;
void pen_free(struct pen *p); /* waits for the batch it has */
DEFINE_AUTO(pen)

/* Readable when the batch is through; pen_take makes it unreadable. */
int pen_fd(const struct pen *p);
/* Hands the batch over. The pen must have none. */
void pen_write(struct pen *p, struct batch *b);
bool pen_has(const struct pen *p); /* a batch not yet taken back */
/* Waits until the batch is through and takes it back; *ok and *err are
 * store_write's. */
struct batch *pen_take(struct pen *p, bool *ok, struct err *err);

#endif
