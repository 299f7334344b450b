/* SPDX-License-Identifier: Apache-2.0 */
#include "services/ingest/worker.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

enum {
    ARENA_BLOCK = 64 * 1024,
    TEXT_KEEP = 64 * 1024,
    UNPACKED_KEEP = 1 << 20,
};

static pthread_key_t mine;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void worker_free(void *arg)
{
    struct worker *w = arg;

    record_codec_free(w->codec);
    for (int i = 0; i < TOPIC_COUNT; i++)
        parcel_release(&w->parcels[i]);
    arena_free(w->arena);
    buf_release(&w->text);
    unpacker_free(w->unpacker);
    buf_release(&w->unpacked);
    free(w);
}

static void mine_make(void)
{
    int failed = pthread_key_create(&mine, worker_free);

    assert(!failed);
}

static struct worker *worker_new(void)
{
    struct worker *w = xcalloc(1, sizeof *w);

    w->codec = record_codec_new(NULL);
    assert(w->codec); /* the schemas are built in and were tried by a test */
    w->arena = arena_new(ARENA_BLOCK);
    w->unpacker = unpacker_new();
    pthread_setspecific(mine, w);
    return w;
}

struct worker *worker_mine(void)
{
    pthread_once(&once, mine_make);
    struct worker *w = pthread_getspecific(mine);
    if (!w)
        return worker_new();
    for (int i = 0; i < TOPIC_COUNT; i++)
        parcel_reset(&w->parcels[i]);
    arena_reset(w->arena);
    if (w->text.cap > TEXT_KEEP)
        buf_release(&w->text);
    if (w->unpacked.cap > UNPACKED_KEEP)
        buf_release(&w->unpacked);
    return w;
}

size_t worker_records(const struct worker *w)
{
    size_t n = 0;

    for (int i = 0; i < TOPIC_COUNT; i++)
        n += w->parcels[i].count;
    return n;
}

size_t worker_bytes(const struct worker *w)
{
    size_t n = 0;

    for (int i = 0; i < TOPIC_COUNT; i++)
        n += w->parcels[i].bytes.n;
    return n;
}
