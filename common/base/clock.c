/* clock: see clock.h. Days from dates: Howard Hinnant's algorithms for the proleptic Gregorian
 * calendar, whose years begin in March so that the leap day is the last. */
#include "base/clock.h"

#include <errno.h>
#include <time.h>

#define S_PER_DAY INT64_C(86400)
#define US_PER_DAY (S_PER_DAY * US_PER_S)
#define DAYS_PER_ERA INT64_C(146097) /* 400 years */
#define DAYS_TO_1970 INT64_C(719468) /* from 0000-03-01 */

static int64_t now_us(clockid_t id)
{
    struct timespec now;
    (void)clock_gettime(id, &now);
    return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    return now_us(CLOCK_REALTIME);
}

int64_t clock_monotonic_us(void)
{
    return now_us(CLOCK_MONOTONIC);
}

void clock_sleep_us(int64_t us)
{
    if (us <= 0)
        return;
    struct timespec left = {.tv_sec = us / US_PER_S, .tv_nsec = (us % US_PER_S) * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
        ;
}

struct date {
    int64_t year;
    int month, day;
};

static struct date date_of_days(int64_t days)
{
    days += DAYS_TO_1970;
    int64_t era = (days >= 0 ? days : days - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
    int64_t of_era = days - era * DAYS_PER_ERA;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int64_t march_month = (5 * of_year + 2) / 153;
    int month = (int)(march_month < 10 ? march_month + 3 : march_month - 9);
    return (struct date){.year = year + era * 400 + (month <= 2),
                         .month = month,
                         .day = (int)(of_year - (153 * march_month + 2) / 5 + 1)};
}

static int64_t days_of_date(struct date date)
{
    int64_t year = date.year - (date.month <= 2);
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era_year = year - era * 400;
    int64_t march_month = date.month > 2 ? date.month - 3 : date.month + 9;
    int64_t of_year = (153 * march_month + 2) / 5 + date.day - 1;
    int64_t of_era = of_era_year * 365 + of_era_year / 4 - of_era_year / 100 + of_year;
    return era * DAYS_PER_ERA + of_era - DAYS_TO_1970;
}

static char *put_digits(char *at, unsigned count, uint64_t value, char then)
{
    for (unsigned i = count; i > 0; i--, value /= 10)
        at[i - 1] = (char)('0' + value % 10);
    at[count] = then;
    return at + count + 1;
}

/* Four digits as RFC 3339 has them; beyond, with a sign and six, as ISO 8601 allows. */
static char *put_year(char *at, int64_t year)
{
    if (year >= 0 && year <= 9999)
        return put_digits(at, 4, (uint64_t)year, '-');
    *at++ = year < 0 ? '-' : '+';
    return put_digits(at, 6, (uint64_t)(year < 0 ? -year : year), '-');
}

char *clock_format(int64_t wall_us, char to[CLOCK_TEXT_SIZE])
{
    int64_t days = wall_us / US_PER_DAY, us = wall_us % US_PER_DAY;
    if (us < 0) {
        us += US_PER_DAY;
        days--;
    }
    struct date date = date_of_days(days);
    uint64_t second = (uint64_t)(us / US_PER_S), fraction = (uint64_t)(us % US_PER_S);
    char *at = put_year(to, date.year);
    at = put_digits(at, 2, (uint64_t)date.month, '-');
    at = put_digits(at, 2, (uint64_t)date.day, 'T');
    at = put_digits(at, 2, second / 3600, ':');
    at = put_digits(at, 2, second / 60 % 60, ':');
    at = put_digits(at, 2, second % 60, '.');
    at = put_digits(at, 6, fraction, 'Z');
    *at = '\0';
    return to;
}

/* Reads `count` digits and moves on; false when one is none. */
static bool take_digits(const char **at, unsigned count, int *ret_value)
{
    int value = 0;
    for (unsigned i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9')
            return false;
        value = value * 10 + (**at - '0');
    }
    *ret_value = value;
    return true;
}

static bool take_char(const char **at, const char *any_of)
{
    for (; *any_of != '\0'; any_of++) {
        if (**at == *any_of) {
            (*at)++;
            return true;
        }
    }
    return false;
}

static int days_in_month(struct date date)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
    return date.month == 2 && leap ? 29 : days[date.month - 1];
}

static bool take_date(const char **at, int64_t *ret_days)
{
    int year, month, day;
    if (!take_digits(at, 4, &year) || !take_char(at, "-") || !take_digits(at, 2, &month) ||
        !take_char(at, "-") || !take_digits(at, 2, &day))
        return false;
    struct date date = {.year = year, .month = month, .day = day};
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(date))
        return false;
    *ret_days = days_of_date(date);
    return true;
}

/* Digits beyond the microsecond are dropped. */
static bool take_fraction(const char **at, int64_t *ret_us)
{
    int64_t us = 0, unit = US_PER_S / 10;
    const char *first = *at;
    for (; **at >= '0' && **at <= '9'; (*at)++, unit /= 10)
        us += (**at - '0') * unit;
    *ret_us = us;
    return *at > first;
}

/* A leap second (60) counts as the first of the next minute. */
static bool take_time(const char **at, int64_t *ret_us)
{
    int hour, minute, second;
    int64_t fraction_us = 0;
    if (!take_digits(at, 2, &hour) || !take_char(at, ":") || !take_digits(at, 2, &minute) ||
        !take_char(at, ":") || !take_digits(at, 2, &second))
        return false;
    if (hour > 23 || minute > 59 || second > 60)
        return false;
    if (take_char(at, ".") && !take_fraction(at, &fraction_us))
        return false;
    *ret_us = (hour * INT64_C(3600) + minute * INT64_C(60) + second) * US_PER_S + fraction_us;
    return true;
}

static bool take_offset(const char **at, int64_t *ret_us)
{
    if (take_char(at, "Zz")) {
        *ret_us = 0;
        return true;
    }
    int64_t sign = **at == '-' ? -1 : 1;
    int hour, minute;
    if (!take_char(at, "+-") || !take_digits(at, 2, &hour) || !take_char(at, ":") ||
        !take_digits(at, 2, &minute) || hour > 23 || minute > 59)
        return false;
    *ret_us = sign * (hour * INT64_C(3600) + minute * INT64_C(60)) * US_PER_S;
    return true;
}

bool clock_parse(const char *text, int64_t *ret_wall_us)
{
    const char *at = text;
    int64_t days, time_us, offset_us;
    if (!take_date(&at, &days) || !take_char(&at, "Tt ") || !take_time(&at, &time_us) ||
        !take_offset(&at, &offset_us) || *at != '\0')
        return false;
    *ret_wall_us = days * US_PER_DAY + time_us - offset_us;
    return true;
}
