/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/influx_map.h"

#include <string.h>

#include "common/pulse/protocol/metric_build.h"

enum { FEW = 16 }; /* names that are compared each with each */

/* --- of both ------------------------------------------------------------- */

static bool twice(struct check *c, struct str name)
{
    return fault_set(&c->fault, c->arena, FAULT_DUPLICATE_KEY,
                     check_path(c, NULL, name), "appears twice in one line");
}

static bool few_unique(struct check *c, const struct field *f, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = 0; k < i; k++)
            if (str_eq(f[i].name, f[k].name))
                return twice(c, f[i].name);
    return true;
}

static bool fields_unique(struct influx_map *map,
                          const struct influx_line *line)
{
    struct check *c = map->check;
    const struct field *f = line->fields;
    size_t n = line->field_count;

    if (n <= FEW)
        return few_unique(c, f, n);
    if (!map->names)
        map->names =
            arena_alloc(c->arena, map->fields_max * sizeof *map->names);
    for (size_t i = 0; i < n; i++)
        map->names[i] = (struct label){f[i].name, {0}};
    return labels_sort(map->names, n) ||
           fault_set(&c->fault, c->arena, FAULT_DUPLICATE_KEY, (struct str){0},
                     "a field appears twice in one line");
}

/* The most frequent mistake is a wrong unit. */
static bool time_fault(const struct influx_map *map)
{
    struct check *c = map->check;

    c->fault.message = arena_printf(c->arena, "%.*s (read as %s)",
                                    STR_ARG(c->fault.message), map->unit->name);
    return false;
}

static bool time_take(const struct influx_map *map,
                      const struct influx_line *line, int64_t *us)
{
    struct check *c = map->check;

    *us = CHECK_NO_TIME;
    if (!line->timed)
        return true;
    if (!influx_time_us(map->unit, line->time, us) || *us == CHECK_NO_TIME) {
        fault_set(&c->fault, c->arena, FAULT_INVALID_TIME, STR("time"),
                  "is beyond any date");
        return time_fault(map);
    }
    return check_window(c, STR("time"), *us) || time_fault(map);
}

/* --- metrics ------------------------------------------------------------- */

static struct str metric_name(struct arena *a, struct str measurement,
                              struct str field)
{
    if (str_is(field, "value"))
        return measurement;
    char *p = arena_alloc(a, measurement.n + 1 + field.n);
    memcpy(p, measurement.p, measurement.n);
    p[measurement.n] = '_';
    memcpy(p + measurement.n + 1, field.p, field.n);
    return (struct str){p, measurement.n + 1 + field.n};
}

static double metric_value(const struct field *f)
{
    if (f->type == FIELD_INTEGER)
        return (double)f->integer;
    return f->type == FIELD_BOOLEAN ? f->boolean : f->real;
}

static bool text_refuse(struct check *c, const struct field *f)
{
    return fault_set(&c->fault, c->arena, FAULT_WRONG_TYPE,
                     check_path(c, NULL, f->name),
                     "is a text, which no metric can be");
}

/* Makes the fields the names and values of metrics and moves them together;
 * texts are left out. */
static bool fields_take(const struct influx_map *map, struct influx_line *line,
                        struct metric_build *b, int64_t time_us,
                        struct influx_records *out)
{
    for (size_t i = 0; i < line->field_count; i++) {
        struct field f = line->fields[i];
        if (f.type == FIELD_TEXT) {
            if (map->strict)
                return text_refuse(map->check, &f);
            out->texts++;
            continue;
        }
        f.real = metric_value(&f);
        f.type = FIELD_REAL;
        f.name = metric_name(map->check->arena, line->measurement, f.name);
        if (!metric_finish(b, f.name, f.real, time_us, &out->common))
            return false;
        line->fields[out->count++] = f;
    }
    return true;
}

static bool metrics_take(struct influx_map *map, struct influx_line *line,
                         struct influx_records *out)
{
    struct metric_build b;
    int64_t time_us;

    if (!fields_unique(map, line) || !time_take(map, line, &time_us))
        return false;
    metric_begin(&b, map->check, line->tag_count);
    b.utf8 = true; /* the caller saw to it */
    for (size_t i = 0; i < line->tag_count; i++)
        if (!metric_label(&b, line->tags[i].name, line->tags[i].value))
            return false;
    return fields_take(map, line, &b, time_us, out);
}

/* --- telemetry ----------------------------------------------------------- */

static bool is_site(struct str name)
{
    return str_is(name, "site_id");
}

/* Tags that say neither the device nor its site are readings too. */
static bool tags_move(const struct influx_map *map, struct influx_line *line)
{
    struct check *c = map->check;
    size_t devices = 0, sites = 0;

    for (size_t i = 0; i < line->tag_count; i++) {
        const struct label *tag = &line->tags[i];
        bool device = str_eq(tag->name, map->device_tag);
        bool site = !device && is_site(tag->name);
        devices += device;
        sites += site;
        if (devices > 1 || sites > 1)
            return twice(c, tag->name);
        if (device || site)
            continue;
        if (line->field_count == map->fields_max)
            return fault_set(
                &c->fault, c->arena, FAULT_TOO_MANY_FIELDS, (struct str){0},
                "there are more than %zu fields and tags", map->fields_max);
        line->fields[line->field_count++] = (struct field){
            .name = tag->name, .type = FIELD_TEXT, .text = tag->value};
    }
    return true;
}

static bool readings_good(struct check *c, const struct influx_line *line)
{
    for (size_t i = 0; i < line->field_count; i++)
        if (!check_reading(c, &line->fields[i]))
            return false;
    return true;
}

static bool telemetry_take(struct influx_map *map, struct influx_line *line,
                           struct str device, struct influx_records *out)
{
    struct check *c = map->check;
    const struct label *site = influx_line_tag(line, STR("site_id"));
    struct telemetry_record t = {.tenant_id = c->caller->tenant_id,
                                 .msg_type = line->measurement,
                                 .received_at_us = c->received_us};

    if (site && !is_site(map->device_tag))
        t.site_id = site->value;
    if (!check_slice(c, STR("device_id"), device, CHECK_ID_MAX) ||
        !check_device(c, STR("device_id"), device, &t.device_id) ||
        (t.site_id.p &&
         !check_slice(c, STR("site_id"), t.site_id, CHECK_ID_MAX)) ||
        !check_slice(c, STR("msg_type"), t.msg_type, CHECK_ID_MAX) ||
        !time_take(map, line, &t.time_us) || !tags_move(map, line) ||
        !fields_unique(map, line) || !readings_good(c, line))
        return false;
    t.metrics = line->fields;
    t.metric_count = line->field_count;
    out->common = (struct record){.kind = RECORD_TELEMETRY, .telemetry = t};
    out->count = 1;
    return true;
}

/* --- either -------------------------------------------------------------- */

bool influx_map_line(struct influx_map *map, struct influx_line *line,
                     struct influx_records *out)
{
    const struct label *device = NULL;

    *out = (struct influx_records){.fields = line->fields};
    if (map->device_tag.n > 0)
        device = influx_line_tag(line, map->device_tag);
    return device ? telemetry_take(map, line, device->value, out)
                  : metrics_take(map, line, out);
}

struct record influx_records_at(const struct influx_records *r, size_t i)
{
    struct record record = r->common;

    if (record.kind == RECORD_METRIC) {
        record.metric.name = r->fields[i].name;
        record.metric.value = r->fields[i].real;
    }
    return record;
}
