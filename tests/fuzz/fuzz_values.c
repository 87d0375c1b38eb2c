/* The text forms of single values: what was read and written is read as the same. */
#include "fuzz.h"

#include "model/value.h"

static void check_decimal(const char *text, size_t len)
{
    char once[VALUE_DECIMAL_MAX], twice[VALUE_DECIMAL_MAX];
    size_t once_len = 0, twice_len = 0;
    if (!decimal_canonical(text, len, once, &once_len))
        return;
    HOLDS(once_len > 0 && once_len <= VALUE_DECIMAL_MAX);
    HOLDS(decimal_canonical(once, once_len, twice, &twice_len));
    HOLDS(once_len == twice_len && memcmp(once, twice, once_len) == 0);
    int integer = 0, fraction = 0;
    decimal_digits(once, once_len, &integer, &fraction);
    HOLDS(integer >= 0 && fraction >= 0 && (size_t)(integer + fraction) <= once_len);
}

static void check_date(const char *text, size_t len)
{
    int32_t days = 0, again = 0;
    char to[32];
    if (date_parse(text, len, &days)) {
        HOLDS(date_parse(to, date_format(days, to), &again));
        HOLDS(again == days);
    }
}

static void check_time(const char *text, size_t len)
{
    int64_t us = 0, again = 0;
    char to[32];
    if (time_parse(text, len, &us)) {
        HOLDS(time_parse(to, time_format(us, to), &again));
        HOLDS(again == us);
    }
}

static void check_timestamps(const char *text, size_t len)
{
    int64_t us = 0, again = 0;
    char to[40];
    if (timestamp_parse(text, len, &us)) {
        HOLDS(timestamp_parse(to, timestamp_format(us, to), &again));
        HOLDS(again == us);
    }
    if (timestamptz_parse(text, len, &us)) {
        HOLDS(timestamptz_parse(to, timestamptz_format(us, to), &again));
        HOLDS(again == us);
    }
}

static void check_uuid(const char *text, size_t len)
{
    uint8_t bytes[16] = {0}, again[16] = {0};
    char to[36];
    if (uuid_parse(text, len, bytes)) {
        uuid_format(bytes, to);
        HOLDS(uuid_parse(to, sizeof to, again));
        HOLDS(memcmp(bytes, again, sizeof bytes) == 0);
    }
}

static void check_spec(const char *text, size_t len)
{
    char ended[64] = "";
    struct value_spec spec = {0}, again = {0};
    if (len >= sizeof ended)
        return;
    memcpy(ended, text, len);
    if (value_spec_parse(ended, &spec)) {
        struct str STR_AUTO once = str_with_max(1024);
        struct str STR_AUTO twice = str_with_max(1024);
        value_spec_format(&spec, &once);
        HOLDS(value_spec_parse(str_text(&once), &again));
        value_spec_format(&again, &twice);
        HOLDS(slice_eq(str_slice(&once), str_slice(&twice)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    check_decimal(text, size);
    check_date(text, size);
    check_time(text, size);
    check_timestamps(text, size);
    check_uuid(text, size);
    check_spec(text, size);
    return 0;
}
