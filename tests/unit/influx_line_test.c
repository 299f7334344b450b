/* SPDX-License-Identifier: Apache-2.0 */
#include "common/pulse/protocol/influx_line.h"

#include <inttypes.h>

#include "tests/unit/judge.h"

enum { TAGS = 3, FIELDS = 4 };

struct lines {
    struct arena *arena;
    struct label tags[TAGS];
    struct field fields[FIELDS];
    struct influx_reader reader;
    struct influx_line line;
    struct fault fault;
};

static void lines_init(struct lines *l)
{
    l->arena = arena_new(4096);
    l->reader = (struct influx_reader){.arena = l->arena,
                                       .tags = l->tags,
                                       .tags_max = TAGS,
                                       .fields = l->fields,
                                       .fields_max = FIELDS};
    l->fault = (struct fault){0};
}

static void lines_release(struct lines *l)
{
    arena_free(l->arena);
}
DEFINE_AUTO_RELEASE(lines)

/* measurement|tag=value|field:value|@time, so that a table can say it. */
static struct str line_text(struct lines *l)
{
    AUTO_RELEASE(buf) out = {0};
    const struct influx_line *line = &l->line;

    buf_add_str(&out, line->measurement);
    for (size_t i = 0; i < line->tag_count; i++)
        buf_addf(&out, "|%.*s=%.*s", STR_ARG(line->tags[i].name),
                 STR_ARG(line->tags[i].value));
    for (size_t i = 0; i < line->field_count; i++) {
        const struct field *f = &line->fields[i];
        buf_addf(&out, "|%.*s:", STR_ARG(f->name));
        if (f->type == FIELD_INTEGER)
            buf_addf(&out, "%" PRId64 "i", f->integer);
        else if (f->type == FIELD_REAL)
            buf_addf(&out, "%.17g", f->real);
        else if (f->type == FIELD_BOOLEAN)
            buf_add_text(&out, f->boolean ? "yes" : "no");
        else
            buf_addf(&out, "\"%.*s\"", STR_ARG(f->text));
    }
    if (line->timed)
        buf_addf(&out, "|@%" PRId64, line->time);
    return arena_str(l->arena, buf_str(&out));
}

static void good_lines(void **state)
{
    static const struct {
        const char *line, *means;
    } cases[] = {
        /* The examples of InfluxDB's reference. */
        {"myMeasurement,tag1=value1,tag2=value2 fieldKey=\"fieldValue\" "
         "1556813561098000000",
         "myMeasurement|tag1=value1|tag2=value2|fieldKey:\"fieldValue\"|@"
         "1556813561098000000"},
        {"m f=1.0", "m|f:1"},
        {"m f=1", "m|f:1"},
        {"m f=-1.234456e+78", "m|f:-1.234456e+78"},
        {"m f=1i", "m|f:1i"},
        {"m f=12485903i", "m|f:12485903i"},
        {"m f=-12485903i", "m|f:-12485903i"},
        {"m f=1u", "m|f:1i"},
        {"m f=\"this is a string\"", "m|f:\"this is a string\""},
        {"m a=true,b=false,c=t,d=f", "m|a:yes|b:no|c:yes|d:no"},
        {"m a=TRUE,b=FALSE,c=T,d=F", "m|a:yes|b:no|c:yes|d:no"},
        {"m a=True,b=False", "m|a:yes|b:no"},
        {"m f=1 1556813561098000000", "m|f:1|@1556813561098000000"},
        {"my\\ Measurement f=\"string value\"",
         "my Measurement|f:\"string value\""},
        {"m f=\"\\\"string\\\" within a string\"",
         "m|f:\"\"string\" within a string\""},
        {"m,tag\\ Key1=tag\\ Value1,tag\\ Key2=tag\\ Value2 f=100",
         "m|tag Key1=tag Value1|tag Key2=tag Value2|f:100"},
        {"m,tagKey=\xf0\x9f\x8d\xad f=\"Launch \xf0\x9f\x9a\x80\" 1",
         "m|tagKey=\xf0\x9f\x8d\xad|f:\"Launch \xf0\x9f\x9a\x80\"|@1"},
        {"m f=\"\\\"", NULL},
        {"m f=\"a\\b\"", "m|f:\"a\\b\""},
        {"m f=\"a\\\\b\"", "m|f:\"a\\b\""},
        {"m f=\"a\\\\\\b\"", "m|f:\"a\\\\b\""},
        {"m f=\"a\\\\\\\\b\"", "m|f:\"a\\\\b\""},
        /* Backslashes that take nothing's meaning off are themselves. */
        {"m\\n,a\\b=c\\d e\\f=1", "m\\n|a\\b=c\\d|e\\f:1"},
        {"m\\,x,a\\,b=c\\,d e\\,f=1", "m,x|a,b=c,d|e,f:1"},
        {"m\\=x f=1", "m\\=x|f:1"},
        {"m=x f=1", "m=x|f:1"},
        {"m,a\\=b=c\\=d e\\=f=1", "m|a=b=c=d|e=f:1"},
        {"m\\\\,x f=1", "m\\,x|f:1"},
        {"m,t=C:\\\\dir f=1", "m|t=C:\\\\dir|f:1"},
        {"m,t=\"quoted\" f=1", "m|t=\"quoted\"|f:1"},
        {"\"m\" f=1", "\"m\"|f:1"},
        {"m,t=a\tb f=1", "m|t=a\tb|f:1"},
        /* Numbers. */
        {"m f=-0", "m|f:-0"},
        {"m f=.5,g=5.,h=-.5e1", "m|f:0.5|g:5|h:-5"},
        {"m f=1e5,g=1E-5", "m|f:100000|g:1.0000000000000001e-05"},
        {"m f=9223372036854775807i,g=-9223372036854775808i",
         "m|f:9223372036854775807i|g:-9223372036854775808i"},
        {"m f=9223372036854775808u,g=18446744073709551615u",
         "m|f:9.2233720368547758e+18|g:1.8446744073709552e+19"},
        {"m f=0.1,g=123456789.123456789,h=9007199254740993",
         "m|f:0.10000000000000001|g:123456789.12345679|h:9007199254740992"},
        {"m f=00012.50", "m|f:12.5"},
        /* White space and line ends. */
        {"  m f=1", "m|f:1"},
        {"m   f=1   7  ", "m|f:1|@7"},
        {"m f=1 ", "m|f:1"},
        {"m f=1\r\n", "m|f:1"},
        {"m f=1 7\r\n", "m|f:1|@7"},
        {"m f=1i 7\r", "m|f:1i|@7"},
        {"m f=1\r\r\n", "m|f:1"},
        {"m f=\"x\"\r\n", "m|f:\"x\""},
        {"m f=1 -7\n", "m|f:1|@-7"},
        {"m f=\"two\nlines\" 7", "m|f:\"two\nlines\"|@7"},
        {"m f=\"\"", "m|f:\"\""},
        {"m f=\"a,b c=d\",g=1", "m|f:\"a,b c=d\"|g:1"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_RELEASE(lines) l;
        struct str rest = str_of(cases[i].line);
        lines_init(&l);
        bool good = influx_line_next(&l.reader, &rest, &l.line, &l.fault);
        if (good != (cases[i].means != NULL))
            fail_msg("%s: %.*s", cases[i].line, STR_ARG(l.fault.message));
        if (good) {
            assert_str(line_text(&l), cases[i].means);
            assert_int_equal(rest.n, 0);
        }
    }
}

static void bad_lines(void **state)
{
    static const struct {
        const char *line, *code, *message;
    } cases[] = {
        {"m", "malformed_line", "column 2: there is no field"},
        {"m ", "malformed_line", "column 3: there is no field"},
        {"m,a=b", "malformed_line", "column 6: there is no field"},
        {",a=b f=1", "malformed_line", "column 1: the measurement is missing"},
        {"m,=b f=1", "malformed_line", "column 3: a tag's name is missing"},
        {"m, f=1", "malformed_line", "column 3: a tag's name is missing"},
        {"m,a f=1", "malformed_line", "column 4: a tag needs '=' and a value"},
        {"m,a= f=1", "malformed_line", "column 5: a tag's value is missing"},
        {"m,a=b, f=1", "malformed_line", "column 7: a tag's name is missing"},
        {"m,a=b=c f=1", "malformed_line",
         "column 6: '=' in a tag's value needs a backslash"},
        {"m,a=1,b=1,c=1,d=1 f=1", "too_many_labels",
         "column 15: there are more than 3 tags"},
        {"m =1", "malformed_line", "column 3: a field's name is missing"},
        {"m f", "malformed_line", "column 4: a field needs '=' and a value"},
        {"m f=", "malformed_line", "column 5: the value is missing"},
        {"m f=1,", "malformed_line", "column 7: a field's name is missing"},
        {"m f=1,,g=1", "malformed_line", "column 7: a field's name is missing"},
        {"m f=1, g=1", "malformed_line", "column 7: a field's name is missing"},
        {"m a=1,b=1,c=1,d=1,e=1", "too_many_fields",
         "column 19: there are more than 4 fields"},
        {"m f=abc", "malformed_line",
         "column 5: the value is neither a number nor a boolean nor a "
         "\"text\""},
        {"m f=tRUE", "malformed_line", NULL},
        {"m f='x'", "malformed_line", NULL},
        {"m f=+1", "malformed_line", NULL},
        {"m f=1x", "malformed_line",
         "column 5: the value is no number, or beyond a double"},
        {"m f=0x10", "malformed_line", NULL},
        {"m f=1.5.1", "malformed_line", NULL},
        {"m f=.", "malformed_line", NULL},
        {"m f=-", "malformed_line", NULL},
        {"m f=1e", "malformed_line", NULL},
        {"m f=1e999", "malformed_line", NULL},
        {"m f=i", "malformed_line", NULL},
        {"m f=-i", "malformed_line", NULL},
        {"m f=1.5i", "malformed_line",
         "column 5: the value is no integer of 64 bits"},
        {"m f=9223372036854775808i", "malformed_line", NULL},
        {"m f=18446744073709551616u", "malformed_line",
         "column 5: the value is no unsigned integer of 64 bits"},
        {"m f=-1u", "malformed_line", NULL},
        {"m f=NaN", "not_finite", "column 5: the value is not a finite number"},
        {"m f=nan", "not_finite", NULL},
        {"m f=Inf", "not_finite", NULL},
        {"m f=-inf", "not_finite", NULL},
        {"m f=+Infinity", "not_finite", NULL},
        {"m f=\"x", "malformed_line",
         "column 5: the text that begins here never ends"},
        {"m f=\"x\\\"", "malformed_line", NULL},
        {"m f=\"x\"y", "malformed_line",
         "column 8: a space or comma must follow a value"},
        {"m f=\"x\"=1", "malformed_line", NULL},
        {"m f=1 now", "invalid_time",
         "column 7: the time is no whole number of 64 bits"},
        {"m f=1 1.5", "invalid_time", NULL},
        {"m f=1 1e9", "invalid_time", NULL},
        {"m f=1 9223372036854775808", "invalid_time", NULL},
        {"m f=1 7 8", "malformed_line",
         "column 9: nothing may follow the time"},
        {"m f=1 7\rx", "malformed_line", NULL},
        {"m f=1\r7", "invalid_time", NULL},
        {"m f=1,a=b 7", "malformed_line", NULL},
        {"\\", "malformed_line", NULL},
        {"m f=\\", "malformed_line", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_RELEASE(lines) l;
        struct str rest = str_of(cases[i].line);
        lines_init(&l);
        if (influx_line_next(&l.reader, &rest, &l.line, &l.fault))
            fail_msg("%s: is taken as %.*s", cases[i].line,
                     STR_ARG(line_text(&l)));
        if (strcmp(fault_name(l.fault.code), cases[i].code) != 0)
            fail_msg("%s: %s", cases[i].line, fault_name(l.fault.code));
        if (cases[i].message)
            assert_str(l.fault.message, cases[i].message);
        assert_int_equal(rest.n, 0);
    }
}

/* What a bad line takes with it. */
static void a_bad_line_leaves_the_next(void **state)
{
    static const struct {
        const char *body, *rest;
    } cases[] = {
        {"m f=x\nn g=1", "n g=1"},
        {"m f=\"x\nn g=1\no h=1", "n g=1\no h=1"},
        {"m\nn g=1", "n g=1"},
        {"m,a\nn g=1", "n g=1"},
        {"m f=1 x\r\nn g=1", "n g=1"},
        {"m f=\"a\nb\"x\nn g=1", "n g=1"},
        {"m f=\"a \"b\" c\"\nn g=1", "n g=1"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        AUTO_RELEASE(lines) l;
        struct str rest = str_of(cases[i].body);
        lines_init(&l);
        assert_false(influx_line_next(&l.reader, &rest, &l.line, &l.fault));
        assert_str(rest, cases[i].rest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_lines),
        cmocka_unit_test(bad_lines),
        cmocka_unit_test(a_bad_line_leaves_the_next),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
