/* SPDX-License-Identifier: Apache-2.0 */
#include "common/timestamp.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <time.h>

enum { SECOND_US = 1000000 };
#define YEAR_10000_US INT64_C(253402300800000000)

/* Days since 1970-01-01 of a proleptic Gregorian date ("days from civil",
 * H. Hinnant, chrono-compatible low-level date algorithms). */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = year / 400; /* years from 1969 on: never negative */
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
           719468;
}

static int days_in_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Takes exactly digits digits off s. */
static bool take_number(struct str *s, size_t digits, int *out)
{
    if (s->n < digits)
        return false;
    int n = 0;
    for (size_t i = 0; i < digits; i++) {
        if (s->p[i] < '0' || s->p[i] > '9')
            return false;
        n = n * 10 + (s->p[i] - '0');
    }
    s->p += digits;
    s->n -= digits;
    *out = n;
    return true;
}

static bool take_char(struct str *s, const char *any)
{
    for (; s->n > 0 && *any != '\0'; any++)
        if (s->p[0] == *any) {
            s->p++;
            s->n--;
            return true;
        }
    return false;
}

static bool take_date(struct str *s, int64_t *days)
{
    int year, month, day;
    if (!take_number(s, 4, &year) || !take_char(s, "-") ||
        !take_number(s, 2, &month) || !take_char(s, "-") ||
        !take_number(s, 2, &day))
        return false;
    if (year < 1970 || month < 1 || month > 12 || day < 1 ||
        day > days_in_month(year, month))
        return false;
    *days = days_of(year, month, day);
    return true;
}

/* ".123456789": at least one digit, those beyond µs are cut. */
static bool take_fraction(struct str *s, int64_t *us)
{
    *us = 0;
    if (!take_char(s, "."))
        return true;
    int64_t unit = SECOND_US / 10;
    size_t digits = 0;
    for (; s->n > 0 && s->p[0] >= '0' && s->p[0] <= '9'; digits++) {
        *us += unit * (s->p[0] - '0');
        unit /= 10;
        s->p++;
        s->n--;
    }
    return digits > 0;
}

static bool take_clock(struct str *s, int64_t *us)
{
    int hour, minute, second;
    int64_t fraction;
    if (!take_number(s, 2, &hour) || !take_char(s, ":") ||
        !take_number(s, 2, &minute) || !take_char(s, ":") ||
        !take_number(s, 2, &second) || !take_fraction(s, &fraction))
        return false;
    if (hour > 23 || minute > 59 || second > 60)
        return false;
    if (second == 60) { /* a leap second has no µs of its own */
        second = 59;
        fraction = SECOND_US - 1;
    }
    *us = ((hour * 60 + minute) * 60 + second) * (int64_t)SECOND_US + fraction;
    return true;
}

static bool take_zone(struct str *s, int64_t *offset_us)
{
    *offset_us = 0;
    if (take_char(s, "Zz"))
        return true;
    bool west = s->n > 0 && s->p[0] == '-';
    int hour, minute;
    if (!take_char(s, "+-") || !take_number(s, 2, &hour) ||
        !take_char(s, ":") || !take_number(s, 2, &minute))
        return false;
    if (hour > 23 || minute > 59)
        return false;
    *offset_us = (hour * 60 + minute) * 60 * (int64_t)SECOND_US;
    if (west)
        *offset_us = -*offset_us;
    return true;
}

bool timestamp_parse(struct str s, int64_t *us)
{
    int64_t days, clock_us, offset_us;
    if (!take_date(&s, &days) || !take_char(&s, "Tt ") ||
        !take_clock(&s, &clock_us) || !take_zone(&s, &offset_us) || s.n != 0)
        return false;
    int64_t at = days * 86400 * SECOND_US + clock_us - offset_us;
    if (at < 0 || at >= YEAR_10000_US)
        return false;
    *us = at;
    return true;
}

bool timestamp_from_epoch(int64_t n, int64_t *us)
{
    if (n < 0)
        return false;
    if (n < 100000000000)
        *us = n * SECOND_US;
    else if (n < 100000000000000)
        *us = n * 1000;
    else if (n < 100000000000000000)
        *us = n;
    else
        *us = n / 1000;
    return true;
}

bool timestamp_from_epoch_real(double n, int64_t *us)
{
    if (!isfinite(n) || n < 0 || n >= 9.2e18)
        return false;
    double scaled;
    if (n < 1e11)
        scaled = n * 1e6;
    else if (n < 1e14)
        scaled = n * 1e3;
    else if (n < 1e17)
        scaled = n;
    else
        scaled = n / 1e3;
    *us = (int64_t)llround(scaled);
    return true;
}

char *timestamp_format(int64_t us, char out[TIMESTAMP_MAX])
{
    time_t seconds = us / SECOND_US;
    int64_t fraction = us % SECOND_US;
    if (fraction < 0) {
        fraction += SECOND_US;
        seconds--;
    }
    struct tm t;
    struct tm *known = gmtime_r(&seconds, &t);
    assert(known != NULL);
    size_t n = strftime(out, TIMESTAMP_MAX, "%Y-%m-%dT%H:%M:%S", &t);
    snprintf(out + n, TIMESTAMP_MAX - n, ".%06dZ", (int)fraction);
    return out;
}
