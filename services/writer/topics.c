/* SPDX-License-Identifier: Apache-2.0 */
#include "services/writer/topics.h"

#include <stdlib.h>
#include <string.h>

/* Kafka's rule: 1 to 249 of letters, digits, '.', '_' and '-'. */
static bool is_name(struct str s)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    for (size_t i = 0; i < s.n; i++)
        if (memchr(allowed, s.p[i], sizeof allowed - 1) == NULL)
            return false;
    return s.n > 0 && s.n < 250;
}

static bool is_known(const struct topics *t, struct str name)
{
    for (size_t i = 0; i < t->count; i++)
        if (str_is(name, t->names[i]))
            return true;
    return false;
}

/* name is inside t->raw, with room for its 0. */
static bool add(struct topics *t, struct str name, struct err *err)
{
    const char *fault = NULL;
    if (!is_name(name))
        fault = "is no name of a topic";
    else if (is_known(t, name))
        fault = "is read already";
    else if (t->count == TOPICS_MAX)
        fault = "is one topic too many";
    if (fault != NULL) {
        err_set(err, ERR_INPUT, "\"%.*s\" %s", (int)name.n, name.p, fault);
        return false;
    }
    t->raw[name.p - t->raw + (ptrdiff_t)name.n] = '\0';
    t->names[t->count++] = name.p;
    return true;
}

bool topics_init(struct topics *t, const char *raw, struct err *err)
{
    *t = (struct topics){.count = TOPIC_COUNT, .raw = xstrdup(raw)};
    memcpy(t->names, topic_names, sizeof topic_names);
    struct str rest = str_of(t->raw), name;
    while (rest.n > 0) {
        if (!str_cut(rest, ',', &name, &rest)) {
            name = rest;
            rest.n = 0;
        }
        if (!add(t, name, err)) {
            topics_release(t);
            return false;
        }
    }
    return true;
}

void topics_release(struct topics *t)
{
    free(t->raw);
    *t = (struct topics){.count = 0};
}
