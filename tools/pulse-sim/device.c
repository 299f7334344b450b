/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse-sim/device.h"

#include <stdlib.h>
#include <string.h>

enum { SALT_SKEW = 1, SALT_TEMPERATURE, SALT_HUMIDITY, SALT_RSSI, SALT_BOOT };

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static double unit(uint64_t x)
{
    return (double)(mix(x) >> 11) / 9007199254740992.0; /* 2^53 */
}

static double device_random(const struct fleet *f, uint32_t device,
                            uint64_t salt)
{
    return unit(f->seed ^ mix(device + salt * 0x10001u));
}

double message_random(const struct fleet *f, const struct message *m,
                      uint64_t salt)
{
    return unit(f->seed ^
                mix(m->device + mix((uint64_t)m->seq + salt * 0x10001u)));
}

int64_t message_time_us(const struct fleet *f, const struct message *m)
{
    double off = device_random(f, m->device, SALT_SKEW) * 2 - 1;
    bool fast = m->device >= f->devices - f->fast;

    return m->wall_us + (fast ? f->fast_us : 0) +
           (int64_t)(off * (double)f->skew_us);
}

static bool is_hot(const struct fleet *f, const struct message *m)
{
    int64_t since = m->wall_us - f->start_us - f->hot_after_us;

    if (m->device >= f->hot || since < 0)
        return false;
    if (f->hot_every_us > 0)
        since %= f->hot_every_us;
    return since < f->hot_for_us;
}

void put_int(struct buf *out, int64_t n)
{
    char digits[24], *d = digits + sizeof digits;
    uint64_t u = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;

    do
        *--d = (char)('0' + u % 10);
    while (u /= 10);
    if (n < 0)
        *--d = '-';
    buf_add(out, d, (size_t)(digits + sizeof digits - d));
}

/* n hundredths as a decimal number: 2137 gives 21.37. */
static void put_centi(struct buf *out, int64_t n)
{
    if (n < 0)
        buf_add_char(out, '-');
    n = llabs(n);
    put_int(out, n / 100);
    char rest[3] = {'.', (char)('0' + n / 10 % 10), (char)('0' + n % 10)};
    buf_add(out, rest, sizeof rest);
}

static void put_name(struct buf *out, const char *literal)
{
    buf_add(out, literal, strlen(literal));
}

/* 0 to 1 and back within period_us, shifted per device. */
static double swing(int64_t us, int64_t period_us, double shift)
{
    double at = (double)(us % period_us) / (double)period_us + shift;

    at -= (double)(int64_t)at;
    return at < 0.5 ? at * 2 : 2 - at * 2;
}

void message_device_id(const struct fleet *f, const struct message *m,
                       struct buf *out)
{
    char digits[5];
    uint32_t n = m->device + 1;

    put_name(out, f->prefix);
    buf_add_char(out, '-');
    if (n > 99999) {
        put_int(out, n);
        return;
    }
    for (int i = 4; i >= 0; i--, n /= 10)
        digits[i] = (char)('0' + n % 10);
    buf_add(out, digits, sizeof digits);
}

/* Hundredths of a degree. */
static int64_t temperature(const struct fleet *f, const struct message *m)
{
    double noise = message_random(f, m, SALT_TEMPERATURE);
    double own = device_random(f, m->device, SALT_TEMPERATURE);

    if (is_hot(f, m))
        return 9500 + (int64_t)(noise * 300);
    return 1800 + (int64_t)(own * 400 + noise * 100 +
                            swing(m->wall_us, 600000000, own) * 900);
}

void message_json(const struct fleet *f, const struct message *m,
                  struct buf *out)
{
    double boot = device_random(f, m->device, SALT_BOOT);
    int64_t uptime_s =
        (m->wall_us - f->start_us) / 1000000 + (int64_t)(boot * 1e6);

    put_name(out, "{\"device_id\":\"");
    message_device_id(f, m, out);
    put_name(out, "\",\"site_id\":\"site-");
    put_int(out, m->device % 10);
    put_name(out, "\",\"msg_type\":\"telemetry\",\"seq\":");
    put_int(out, m->seq);
    put_name(out, ",\"time\":");
    put_int(out, message_time_us(f, m));
    put_name(out, ",\"metrics\":{\"temperature\":");
    put_centi(out, temperature(f, m));
    put_name(out, ",\"humidity\":");
    put_centi(out,
              4000 + (int64_t)(message_random(f, m, SALT_HUMIDITY) * 2000));
    put_name(out, ",\"battery\":");
    put_centi(out, 410 - uptime_s / 43200 % 80); /* empties over 40 days */
    put_name(out, ",\"rssi\":");
    put_int(out, -50 - (int64_t)(message_random(f, m, SALT_RSSI) * 40));
    put_name(out, ",\"uptime\":");
    put_int(out, uptime_s);
    put_name(out, "}}");
}
