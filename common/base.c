/* SPDX-License-Identifier: Apache-2.0 */
#include "common/base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p)
{
    if (p == NULL) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return p;
}

void *xmalloc(size_t n)
{
    return must(malloc(n == 0 ? 1 : n));
}

void *xcalloc(size_t count, size_t size)
{
    if (count == 0 || size == 0)
        count = size = 1;
    return must(calloc(count, size));
}

void *xreallocarray(void *p, size_t count, size_t size)
{
    if (count == 0 || size == 0)
        count = size = 1;
    return must(reallocarray(p, count, size));
}

char *xstrdup(const char *s)
{
    return must(strdup(s));
}

char *xstrndup(const char *p, size_t n)
{
    char *copy = xmalloc(n + 1);
    if (n > 0)
        memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}
