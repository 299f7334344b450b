/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse-sim/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLUSH_BYTES = 256 * 1024 };

struct journal {
    FILE *file;
    struct buf text;
};

struct journal *journal_new(const char *path, struct err *err)
{
    if (!path)
        return NULL;
    FILE *file = fopen(path, "we");
    if (!file) {
        err_set(err, ERR_INPUT, "%s: %s", path, strerror(errno));
        return NULL;
    }
    struct journal *j = xcalloc(1, sizeof *j);
    j->file = file;
    return j;
}

void journal_free(struct journal *j)
{
    if (!j)
        return;
    journal_flush(j);
    fclose(j->file);
    buf_release(&j->text);
    free(j);
}

void journal_flush(struct journal *j)
{
    if (!j)
        return;
    fwrite(j->text.p, 1, j->text.n, j->file);
    fflush(j->file);
    buf_reset(&j->text);
}

void journal_write(struct journal *j, const struct fleet *f,
                   const struct message *m, int status, int64_t latency_us)
{
    if (!j)
        return;
    message_device_id(f, m, &j->text);
    buf_add_char(&j->text, '\t');
    put_int(&j->text, m->seq);
    buf_add_char(&j->text, '\t');
    put_int(&j->text, message_time_us(f, m));
    buf_add_char(&j->text, '\t');
    put_int(&j->text, status);
    buf_add_char(&j->text, '\t');
    put_int(&j->text, latency_us);
    buf_add_char(&j->text, '\n');
    if (j->text.n >= FLUSH_BYTES)
        journal_flush(j);
}
