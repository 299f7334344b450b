/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/worker.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

static pthread_key_t mine;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void worker_free(void *arg)
{
    struct worker *w = arg;

    record_codec_free(w->codec);
    parcel_release(&w->records);
    parcel_release(&w->letters);
    buf_release(&w->text);
    free(w);
}

static void mine_make(void)
{
    int failed = pthread_key_create(&mine, worker_free);

    assert(!failed);
}

struct worker *worker_mine(void)
{
    pthread_once(&once, mine_make);
    struct worker *w = pthread_getspecific(mine);
    if (w)
        return w;
    w = xcalloc(1, sizeof *w);
    w->codec = record_codec_new(NULL);
    assert(w->codec); /* the schemas are built in and were tried by a test */
    pthread_setspecific(mine, w);
    return w;
}
