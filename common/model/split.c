/* split: see split.h. */
#include "model/split.h"

#include "base/num.h"

/*
 * Each type is put on a line of 64-bit numbers in its own order: signed values with their sign bit
 * turned, a uuid by its first 8 bytes. Equal parts of that line are the ranges.
 */
#define SIGN_BIT (UINT64_C(1) << 63)

static uint64_t point_of_i64(int64_t value)
{
    return (uint64_t)value ^ SIGN_BIT;
}

static bool parse_int(const char *text, size_t len, uint64_t *ret_point)
{
    int64_t value;
    if (!num_parse_i64(text, len, &value))
        return false;
    *ret_point = point_of_i64(value);
    return true;
}

/* Infinite dates and timestamps would make every finite one fall into one range. */
static bool parse_date(const char *text, size_t len, uint64_t *ret_point)
{
    int32_t days;
    if (!date_parse(text, len, &days) || days == VALUE_DATE_INFINITY ||
        days == -VALUE_DATE_INFINITY)
        return false;
    *ret_point = point_of_i64(days);
    return true;
}

static bool finite_point(int64_t us, uint64_t *ret_point)
{
    *ret_point = point_of_i64(us);
    return us != VALUE_TIMESTAMP_INFINITY && us != -VALUE_TIMESTAMP_INFINITY;
}

static bool parse_timestamp(const char *text, size_t len, uint64_t *ret_point)
{
    int64_t us;
    return timestamp_parse(text, len, &us) && finite_point(us, ret_point);
}

static bool parse_timestamptz(const char *text, size_t len, uint64_t *ret_point)
{
    int64_t us;
    return timestamptz_parse(text, len, &us) && finite_point(us, ret_point);
}

static bool parse_uuid(const char *text, size_t len, uint64_t *ret_point)
{
    uint8_t bytes[16];
    if (!uuid_parse(text, len, bytes))
        return false;
    *ret_point = 0;
    for (unsigned i = 0; i < 8; i++)
        *ret_point = *ret_point << 8 | bytes[i];
    return true;
}

static int64_t i64_of_point(uint64_t point)
{
    return (int64_t)(point ^ SIGN_BIT);
}

static size_t format_int(uint64_t point, char *to)
{
    return num_format_i64(i64_of_point(point), to);
}

static size_t format_date(uint64_t point, char *to)
{
    return date_format((int32_t)i64_of_point(point), to);
}

static size_t format_timestamp(uint64_t point, char *to)
{
    return timestamp_format(i64_of_point(point), to);
}

static size_t format_timestamptz(uint64_t point, char *to)
{
    return timestamptz_format(i64_of_point(point), to);
}

static size_t format_uuid(uint64_t point, char *to)
{
    uint8_t bytes[16] = {0};
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(point >> (56 - 8 * i));
    uuid_format(bytes, to);
    return 36;
}

static const struct line {
    bool (*parse)(const char *text, size_t len, uint64_t *ret_point);
    size_t (*format)(uint64_t point, char *to);
} lines[VALUE_TYPE_COUNT] = {
    [VALUE_INT64] = {parse_int, format_int},
    [VALUE_DECIMAL] = {parse_int, format_int}, /* split at whole numbers, as of MySQL's unsigned */
    [VALUE_DATE] = {parse_date, format_date},
    [VALUE_TIMESTAMP] = {parse_timestamp, format_timestamp},
    [VALUE_TIMESTAMPTZ] = {parse_timestamptz, format_timestamptz},
    [VALUE_UUID] = {parse_uuid, format_uuid},
};

bool split_can(enum value_type type)
{
    return lines[type].parse != NULL;
}

static uint64_t ranges_wanted(int64_t rows, int64_t chunk_rows, uint64_t span)
{
    if (rows <= 0 || chunk_rows <= 0)
        return 1;
    uint64_t wanted = (uint64_t)(rows / chunk_rows + (rows % chunk_rows != 0));
    if (wanted > SPLIT_RANGES_MAX)
        wanted = SPLIT_RANGES_MAX;
    /* No more than there are values, so that every bound is a new one. */
    return wanted <= span ? wanted : span + 1;
}

/* The i-th of `count` bounds above `low`: low + values * i / count without overflow. */
static uint64_t bound_at(uint64_t low, uint64_t span, uint64_t i, uint64_t count)
{
    uint64_t values = span == UINT64_MAX ? span : span + 1;
    return low + values / count * i + values % count * i / count;
}

enum outcome split_ranges(const struct value_spec *spec, const char *min, const char *max,
                          int64_t rows_estimate, int64_t chunk_rows, struct arena *arena,
                          struct split_list *ret_list, struct err *err)
{
    const struct line *line = &lines[spec->type];
    uint64_t low = 0, high = 0, count = 1;
    if (line->parse != NULL && min != NULL && max != NULL && line->parse(min, strlen(min), &low) &&
        line->parse(max, strlen(max), &high) && low <= high)
        count = ranges_wanted(rows_estimate, chunk_rows, high - low);
    struct split_range *ranges = ARENA_ARRAY(arena, struct split_range, count);
    TRY_ALLOC(ranges, err);
    for (uint64_t i = 1; i < count; i++) {
        char text[48];
        size_t len = line->format(bound_at(low, high - low, i, count), text);
        const char *bound = arena_strndup(arena, text, len);
        TRY_ALLOC(bound, err);
        ranges[i - 1].to = ranges[i].from = bound;
    }
    *ret_list = (struct split_list){.count = (size_t)count, .ranges = ranges};
    return OUTCOME_OK;
}
