/* rate_headers: see rate_headers.h. */
#include "model/rate_headers.h"

#include "base/num.h"
#include "base/str.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define SECOND INT64_C(1000000)
#define YEAR_S (INT64_C(366) * 24 * 3600)

void rate_told_init(struct rate_told *told)
{
    *told = (struct rate_told){-1, -1, -1};
}

/* A non-negative number, its fraction rounded up; what may follow it does not matter. */
static bool read_number(const char *text, int64_t *ret_value)
{
    text += strspn(text, " \t\"");
    size_t len = strspn(text, "0123456789");
    int64_t value = 0;
    if (len == 0 || !num_parse_i64(text, len, &value))
        return false;
    size_t fraction = text[len] == '.' ? strspn(text + len + 1, "0123456789") : 0;
    if (fraction > 0 && strspn(text + len + 1, "0") < fraction)
        value++;
    *ret_value = value;
    return true;
}

static bool bounded(int64_t seconds, int64_t *ret_us)
{
    *ret_us = (seconds < 0 ? 0 : seconds > YEAR_S ? YEAR_S : seconds) * SECOND;
    return true;
}

static bool read_reset(const char *text, int64_t now_us, int64_t *ret_us)
{
    int64_t value = 0;
    if (!read_number(text, &value))
        return false;
    int64_t now_s = now_us / SECOND;
    if (value > INT64_C(1000000000000))
        return bounded(value / 1000 + 1 - now_s, ret_us);
    return bounded(value > 1000000000 ? value - now_s : value, ret_us);
}

/* "Sun, 06 Nov 1994 08:49:37 GMT"; the obsolete forms are not sent by anybody's API. */
static bool read_date(const char *text, int64_t now_us, int64_t *ret_us)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm tm = {0};
    char month[4] = "";
    if (sscanf(text, "%*3[A-Za-z], %2d %3s %4d %2d:%2d:%2d GMT", &tm.tm_mday, month, &tm.tm_year,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
        return false;
    const char *found = strstr(months, month);
    if (strlen(month) != 3 || found == NULL || (found - months) % 3 != 0)
        return false;
    tm.tm_mon = (int)(found - months) / 3;
    tm.tm_year -= 1900;
    return bounded((int64_t)timegm(&tm) - now_us / SECOND, ret_us);
}

static bool add_retry_after(struct rate_told *told, const char *value, int64_t now_us)
{
    int64_t seconds = 0;
    if (read_number(value, &seconds))
        return bounded(seconds, &told->retry_after_us);
    return read_date(value, now_us, &told->retry_after_us);
}

static bool add_remaining(struct rate_told *told, const char *value, int64_t now_us)
{
    (void)now_us;
    return read_number(value, &told->remaining);
}

static bool add_reset(struct rate_told *told, const char *value, int64_t now_us)
{
    return read_reset(value, now_us, &told->reset_us);
}

/* The value of `name=` in a list that is separated by commas or semicolons; NULL = none. */
static const char *find_member(const char *list, const char *name)
{
    size_t len = strlen(name);
    while (*list != '\0') {
        list += strspn(list, " \t,;");
        if (strncasecmp(list, name, len) == 0 && list[len] == '=')
            return list + len + 1;
        list += strcspn(list, ",;");
    }
    return NULL;
}

static bool add_structured(struct rate_told *told, const char *value, int64_t now_us)
{
    const char *remaining = find_member(value, "remaining"), *reset = find_member(value, "reset");
    remaining = remaining == NULL ? find_member(value, "r") : remaining;
    reset = reset == NULL ? find_member(value, "t") : reset;
    bool has_remaining = remaining != NULL && add_remaining(told, remaining, now_us);
    bool has_reset = reset != NULL && add_reset(told, reset, now_us);
    return has_remaining || has_reset;
}

static const struct {
    const char *name;
    bool (*add)(struct rate_told *told, const char *value, int64_t now_us);
} headers[] = {
    {"Retry-After", add_retry_after},
    {"X-RateLimit-Remaining", add_remaining},
    {"X-Rate-Limit-Remaining", add_remaining},
    {"RateLimit-Remaining", add_remaining},
    {"X-RateLimit-Reset", add_reset},
    {"X-Rate-Limit-Reset", add_reset},
    {"RateLimit-Reset", add_reset},
    {"RateLimit", add_structured},
};

bool rate_told_add(struct rate_told *told, const char *name, const char *value, int64_t now_us)
{
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (strcasecmp(name, headers[i].name) == 0)
            return headers[i].add(told, value, now_us);
    return false;
}

int64_t rate_told_block_us(const struct rate_told *told)
{
    if (told->retry_after_us >= 0)
        return told->retry_after_us;
    return told->remaining == 0 && told->reset_us > 0 ? told->reset_us : 0;
}
