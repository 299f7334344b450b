/* SPDX-License-Identifier: Apache-2.0 */
#include "common/fetch.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <curl/curl.h>

static void curl_start(void)
{
    CURLcode rc = curl_global_init(CURL_GLOBAL_DEFAULT);
    assert(rc == CURLE_OK);
}

static size_t body_take(char *p, size_t size, size_t count, void *arg)
{
    struct fetch *f = arg;
    size_t n = size * count;
    if (f->body.n + n > f->body_max) {
        f->too_long = true;
        return CURL_WRITEFUNC_ERROR;
    }
    buf_add(&f->body, p, n);
    return n;
}

static CURL *handle_new(struct fetch *f, int64_t timeout_ms)
{
    CURL *h = curl_easy_init();
    assert(h);
    curl_easy_setopt(h, CURLOPT_URL, f->url);
    curl_easy_setopt(h, CURLOPT_PRIVATE, f);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, body_take);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, f);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    /* A slow resolver's thread must not hold us (it is joined otherwise). */
    curl_easy_setopt(h, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(h, CURLOPT_PROXY, "");
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http");
    return h;
}

static void outcome_note(const CURLMsg *m)
{
    struct fetch *f;
    curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &f);
    if (m->data.result == CURLE_OK) {
        long status;
        curl_easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        f->status = (int)status;
        f->error[0] = '\0';
    } else {
        snprintf(f->error, sizeof f->error, "%s",
                 f->too_long ? "answer is too long"
                             : curl_easy_strerror(m->data.result));
    }
}

static void all_run(CURLM *multi)
{
    int running = 1;
    while (running > 0) {
        CURLMcode rc = curl_multi_perform(multi, &running);
        if (rc == CURLM_OK && running > 0)
            rc = curl_multi_poll(multi, NULL, 0, 100, NULL);
        assert(rc == CURLM_OK);
        int left;
        for (CURLMsg *m; (m = curl_multi_info_read(multi, &left));)
            if (m->msg == CURLMSG_DONE)
                outcome_note(m);
    }
}

void fetch_all(struct fetch *fetches, size_t count, int64_t timeout_ms,
               size_t body_max)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, curl_start);
    CURLM *multi = curl_multi_init();
    CURL **handles = xcalloc(count + 1, sizeof(CURL *));
    for (size_t i = 0; i < count; i++) {
        struct fetch *f = &fetches[i];
        f->status = 0;
        f->too_long = false;
        f->body_max = body_max;
        buf_reset(&f->body);
        snprintf(f->error, sizeof f->error, "no answer");
        handles[i] = handle_new(f, timeout_ms);
        curl_multi_add_handle(multi, handles[i]);
    }
    all_run(multi);
    for (size_t i = 0; i < count; i++) {
        curl_multi_remove_handle(multi, handles[i]);
        curl_easy_cleanup(handles[i]);
    }
    free(handles);
    curl_multi_cleanup(multi);
}
