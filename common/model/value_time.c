/*
 * value: see value.h. Dates and times as text.
 *
 * Source: the civil calendar's day count follows from its 400-year cycle of 146097 days, with years
 * taken to begin in March so that the leap day is the last.
 */
#include "base/num.h"
#include "model/value.h"

#define DAY_US INT64_C(86400000000)
#define HOUR_US INT64_C(3600000000)
#define MINUTE_US INT64_C(60000000)
#define SECOND_US INT64_C(1000000)
#define CYCLE_DAYS 146097
#define EPOCH_SHIFT_DAYS 719468 /* from 0000-03-01 to 1970-01-01 */
#define YEAR_MIN (-9999)
#define YEAR_MAX                                                                                   \
    5874897 /* the last whole one of 32-bit days; timestamps end sooner by themselves */

int64_t date_from_civil(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t cycle = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_cycle = year - cycle * 400;
    int64_t day_of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_cycle =
        year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
    return cycle * CYCLE_DAYS + day_of_cycle - EPOCH_SHIFT_DAYS;
}

void date_to_civil(int64_t days, int64_t *ret_year, unsigned *ret_month, unsigned *ret_day)
{
    int64_t shifted = days + EPOCH_SHIFT_DAYS;
    int64_t cycle = (shifted >= 0 ? shifted : shifted - (CYCLE_DAYS - 1)) / CYCLE_DAYS;
    unsigned day_of_cycle = (unsigned)(shifted - cycle * CYCLE_DAYS);
    unsigned year_of_cycle =
        (day_of_cycle - day_of_cycle / 1460 + day_of_cycle / 36524 - day_of_cycle / 146096) / 365;
    unsigned day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    unsigned shifted_month = (5 * day_of_year + 2) / 153;
    *ret_day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    *ret_month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    *ret_year = cycle * 400 + year_of_cycle + (*ret_month <= 2);
}

/* ---- reading: each step moves `at` on, or says no ---- */

struct reader {
    const char *at, *end;
};

static bool read_char(struct reader *in, char c)
{
    if (in->at == in->end || *in->at != c)
        return false;
    in->at++;
    return true;
}

/* Exactly two digits. */
static bool read_pair(struct reader *in, unsigned *ret_value)
{
    if (in->end - in->at < 2)
        return false;
    unsigned tens = (unsigned)((unsigned char)in->at[0] - '0');
    unsigned ones = (unsigned)((unsigned char)in->at[1] - '0');
    if (tens > 9 || ones > 9)
        return false;
    *ret_value = tens * 10 + ones;
    in->at += 2;
    return true;
}

/* As many digits as there are, from `least` to `most`. */
static bool read_digits(struct reader *in, unsigned least, unsigned most, unsigned *ret_value)
{
    unsigned value = 0, count = 0;
    for (; in->at < in->end && count < most; count++) {
        unsigned digit = (unsigned)((unsigned char)*in->at - '0');
        if (digit > 9)
            break;
        value = value * 10 + digit;
        in->at++;
    }
    *ret_value = value;
    return count >= least;
}

static unsigned month_days(int64_t year, unsigned month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (unsigned)(month == 2 && leap);
}

static bool read_date(struct reader *in, int32_t *ret_days)
{
    bool negative = read_char(in, '-');
    unsigned digits, month, day;
    if (!read_digits(in, 4, 7, &digits) || !read_char(in, '-') || !read_pair(in, &month) ||
        !read_char(in, '-') || !read_pair(in, &day))
        return false;
    int64_t year = negative ? -(int64_t)digits : (int64_t)digits;
    if (year < YEAR_MIN || year > YEAR_MAX || month < 1 || month > 12 || day < 1)
        return false;
    if (day > 28 && day > month_days(year, month))
        return false;
    *ret_days = (int32_t)date_from_civil(year, month, day);
    return true;
}

/* Up to microseconds; finer digits must be zero, or the value would change. */
static bool read_fraction(struct reader *in, int64_t *ret_us)
{
    int64_t us = 0;
    unsigned count = 0;
    for (; in->at < in->end; in->at++, count++) {
        unsigned digit = (unsigned)((unsigned char)*in->at - '0');
        if (digit > 9)
            break;
        if (count < 6)
            us = us * 10 + digit;
        else if (digit != 0)
            return false;
    }
    if (count == 0)
        return false;
    for (; count < 6; count++)
        us *= 10;
    *ret_us = us;
    return true;
}

/* ":MM:SS[.ffffff]" behind the hours. */
static bool read_clock(struct reader *in, unsigned hours, int64_t *ret_us)
{
    unsigned minutes, seconds;
    int64_t us = 0;
    if (!read_char(in, ':') || !read_pair(in, &minutes) || !read_char(in, ':') ||
        !read_pair(in, &seconds))
        return false;
    if (minutes > 59 || seconds > 59)
        return false;
    if (read_char(in, '.') && !read_fraction(in, &us))
        return false;
    *ret_us = hours * HOUR_US + minutes * MINUTE_US + seconds * SECOND_US + us;
    return true;
}

/* "infinity", "-infinity". */
static int read_infinity(const char *text, size_t len)
{
    if (len == 8 && memcmp(text, "infinity", 8) == 0)
        return 1;
    return len == 9 && memcmp(text, "-infinity", 9) == 0 ? -1 : 0;
}

bool date_parse(const char *text, size_t len, int32_t *ret_days)
{
    struct reader in = {text, text + len};
    int32_t days;
    if (!read_date(&in, &days)) {
        int sign = read_infinity(text, len);
        days = sign * VALUE_DATE_INFINITY;
        if (sign == 0)
            return false;
    } else if (in.at != in.end) {
        return false;
    }
    *ret_days = days;
    return true;
}

bool time_parse(const char *text, size_t len, int64_t *ret_us)
{
    struct reader in = {text, text + len};
    bool negative = read_char(&in, '-');
    unsigned hours;
    int64_t us;
    if (!read_digits(&in, 1, 4, &hours) || !read_clock(&in, hours, &us) || in.at != in.end)
        return false;
    *ret_us = negative ? -us : us;
    return true;
}

/* Reads date, blank or T, time of day; the sum, where it is a finite timestamp. */
static bool read_timestamp(struct reader *in, int64_t *ret_us)
{
    int32_t days;
    unsigned hours;
    int64_t us, day_us;
    if (!read_date(in, &days))
        return false;
    if (!read_char(in, ' ') && !read_char(in, 'T'))
        return false;
    if (!read_pair(in, &hours) || hours > 23 || !read_clock(in, hours, &us))
        return false;
    if (__builtin_mul_overflow((int64_t)days, DAY_US, &day_us) ||
        __builtin_add_overflow(day_us, us, &us))
        return false;
    *ret_us = us;
    return us != VALUE_TIMESTAMP_INFINITY && us > -VALUE_TIMESTAMP_INFINITY;
}

static bool parse_infinite_timestamp(const char *text, size_t len, int64_t *ret_us)
{
    int sign = read_infinity(text, len);
    if (sign != 0)
        *ret_us = sign * VALUE_TIMESTAMP_INFINITY;
    return sign != 0;
}

bool timestamp_parse(const char *text, size_t len, int64_t *ret_us)
{
    struct reader in = {text, text + len};
    int64_t us;
    if (!read_timestamp(&in, &us) || in.at != in.end)
        return parse_infinite_timestamp(text, len, ret_us);
    *ret_us = us;
    return true;
}

/* "Z", or sign HH[[:]MM[[:]SS]]: PostgreSQL shows seconds for zones of old times. */
static bool read_zone(struct reader *in, int64_t *ret_us)
{
    unsigned part[3] = {0, 0, 0};
    *ret_us = 0;
    if (read_char(in, 'Z'))
        return true;
    bool negative = read_char(in, '-');
    if ((!negative && !read_char(in, '+')) || !read_pair(in, &part[0]))
        return false;
    for (unsigned i = 1; i < 3 && in->at < in->end; i++) {
        (void)read_char(in, ':');
        if (!read_pair(in, &part[i]) || part[i] > 59)
            return false;
    }
    int64_t us = part[0] * HOUR_US + part[1] * MINUTE_US + part[2] * SECOND_US;
    *ret_us = negative ? -us : us;
    return part[0] <= 24;
}

bool timestamptz_parse(const char *text, size_t len, int64_t *ret_us)
{
    struct reader in = {text, text + len};
    int64_t us, zone_us;
    if (!read_timestamp(&in, &us) || !read_zone(&in, &zone_us) || in.at != in.end)
        return parse_infinite_timestamp(text, len, ret_us);
    if (__builtin_sub_overflow(us, zone_us, &us) || us == VALUE_TIMESTAMP_INFINITY ||
        us <= -VALUE_TIMESTAMP_INFINITY)
        return false;
    *ret_us = us;
    return true;
}

/* ---- writing ---- */

static char *write_pair(char *at, unsigned value)
{
    at[0] = (char)('0' + value / 10);
    at[1] = (char)('0' + value % 10);
    return at + 2;
}

static char *write_year(char *at, int64_t year)
{
    if (year < 0)
        *at++ = '-';
    uint64_t magnitude = (uint64_t)(year < 0 ? -year : year);
    if (magnitude > 9999)
        return at + num_format_u64(magnitude, at);
    at = write_pair(at, (unsigned)magnitude / 100);
    return write_pair(at, (unsigned)magnitude % 100);
}

static char *write_date(char *at, int64_t days)
{
    int64_t year;
    unsigned month, day;
    date_to_civil(days, &year, &month, &day);
    at = write_year(at, year);
    *at++ = '-';
    at = write_pair(at, month);
    *at++ = '-';
    return write_pair(at, day);
}

/* ":MM:SS[.ffffff]" of what is left below an hour. */
static char *write_clock(char *at, unsigned us)
{
    unsigned seconds = us / (unsigned)SECOND_US, fraction = us % (unsigned)SECOND_US;
    *at++ = ':';
    at = write_pair(at, seconds / 60);
    *at++ = ':';
    at = write_pair(at, seconds % 60);
    if (fraction == 0)
        return at;
    *at++ = '.';
    at = write_pair(at, fraction / 10000);
    at = write_pair(at, fraction / 100 % 100);
    at = write_pair(at, fraction % 100);
    while (at[-1] == '0')
        at--;
    return at;
}

static size_t write_infinity(bool negative, char *to)
{
    const char *text = negative ? "-infinity" : "infinity";
    size_t len = strlen(text);
    memcpy(to, text, len);
    return len;
}

size_t date_format(int32_t days, char to[32])
{
    if (days == VALUE_DATE_INFINITY || days == -VALUE_DATE_INFINITY)
        return write_infinity(days < 0, to);
    return (size_t)(write_date(to, days) - to);
}

size_t time_format(int64_t us, char to[32])
{
    char *at = to;
    uint64_t magnitude = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
    uint64_t hours = magnitude / (uint64_t)HOUR_US;
    if (us < 0)
        *at++ = '-';
    if (hours < 100)
        at = write_pair(at, (unsigned)hours);
    else
        at += num_format_u64(hours, at);
    return (size_t)(write_clock(at, (unsigned)(magnitude % (uint64_t)HOUR_US)) - to);
}

size_t timestamp_format(int64_t us, char to[40])
{
    if (us == VALUE_TIMESTAMP_INFINITY || us == -VALUE_TIMESTAMP_INFINITY)
        return write_infinity(us < 0, to);
    int64_t days = us / DAY_US - (us % DAY_US < 0);
    int64_t rest = us - days * DAY_US;
    char *at = write_date(to, days);
    *at++ = ' ';
    at = write_pair(at, (unsigned)(rest / HOUR_US));
    return (size_t)(write_clock(at, (unsigned)(rest % HOUR_US)) - to);
}

size_t timestamptz_format(int64_t us, char to[40])
{
    size_t len = timestamp_format(us, to);
    if (us == VALUE_TIMESTAMP_INFINITY || us == -VALUE_TIMESTAMP_INFINITY)
        return len;
    memcpy(to + len, "+00", 3);
    return len + 3;
}
