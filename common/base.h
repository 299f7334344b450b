/* SPDX-License-Identifier: Apache-2.0 */
/* base.h - what every file may use: allocation, ownership, attributes. */
#ifndef COMMON_BASE_H
#define COMMON_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/*
 * Ownership. AUTO(thing) t = thing_new(…) frees t when the scope ends;
 * MOVE(t) hands the pointer on and leaves NULL behind. A module offers it by
 * DEFINE_AUTO(thing) below the prototype of thing_free, which accepts NULL.
 */
#define DEFINE_AUTO(type)                           \
    static inline void type##_auto(struct type **p) \
    {                                               \
        type##_free(*p);                            \
    }
/* The same for structs that live in place and end by thing_release. */
#define DEFINE_AUTO_RELEASE(type)                          \
    static inline void type##_auto_release(struct type *p) \
    {                                                      \
        type##_release(p);                                 \
    }
#define AUTO(type) __attribute__((cleanup(type##_auto))) struct type *
#define AUTO_RELEASE(type) \
    __attribute__((cleanup(type##_auto_release))) struct type
#define MOVE(p)                     \
    __extension__({                 \
        __typeof__(p) moved_ = (p); \
        (p) = NULL;                 \
        moved_;                     \
    })

/* Never NULL: out of memory ends the process (the supervisor restarts it). */
void *xmalloc(size_t n) MUST_USE __attribute__((malloc));
void *xcalloc(size_t count, size_t size) MUST_USE __attribute__((malloc));
/* Grows or shrinks to count * size bytes; aborts on overflow. */
void *xreallocarray(void *p, size_t count, size_t size) MUST_USE;
char *xstrdup(const char *s) MUST_USE __attribute__((malloc));
/* malloc'ed text of n bytes of p and a final NUL. */
char *xstrndup(const char *p, size_t n) MUST_USE __attribute__((malloc));

#endif
