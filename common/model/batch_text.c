/* batch: see batch.h. Single values as text, both ways. */
#include "base/num.h"
#include "model/batch.h"

#define SCRATCH_CAP ((size_t)64 << 20)

static void add_text_form(const struct column *column, size_t row, struct str *out)
{
    char text[48];
    size_t len = 0;
    switch (column->type) {
    case VALUE_BOOL:
        str_add_text(out, column_bool(column, row) ? "true" : "false");
        return;
    case VALUE_INT64:
        len = num_format_i64(column_i64(column, row), text);
        break;
    case VALUE_FLOAT64:
        len = num_format_f64(column_f64(column, row), text);
        break;
    case VALUE_DATE:
        len = date_format(column_i32(column, row), text);
        break;
    case VALUE_TIME:
        len = time_format(column_i64(column, row), text);
        break;
    case VALUE_TIMESTAMP:
        len = timestamp_format(column_i64(column, row), text);
        break;
    case VALUE_TIMESTAMPTZ:
        len = timestamptz_format(column_i64(column, row), text);
        break;
    case VALUE_UUID:
        uuid_format(column_uuid(column, row), text);
        len = 36;
        break;
    case VALUE_DECIMAL:
    case VALUE_TEXT:
    case VALUE_JSON:
    case VALUE_BYTES:
        str_add_slice(out, column_bytes(column, row));
        return;
    }
    str_add(out, text, len);
}

bool column_format(const struct column *column, size_t row, struct str *out)
{
    if (column_is_null(column, row))
        return false;
    if (column->type != VALUE_BYTES) {
        add_text_form(column, row, out);
        return true;
    }
    struct slice bytes = column_bytes(column, row);
    str_add(out, "\\x", 2);
    char *to = str_reserve(out, 2 * bytes.len);
    if (to != NULL) {
        hex_format((const uint8_t *)bytes.data, bytes.len, to);
        out->len += 2 * bytes.len;
        to[2 * bytes.len] = '\0';
    }
    return true;
}

static bool add_bool(struct column *column, struct slice text)
{
    bool value = slice_is(text, "true") || slice_is(text, "t") || slice_is(text, "1");
    if (!value && !slice_is(text, "false") && !slice_is(text, "f") && !slice_is(text, "0"))
        return false;
    column_add_bool(column, value);
    return true;
}

static bool add_decimal(struct batch *batch, struct column *column, struct slice text)
{
    char canonical[VALUE_DECIMAL_MAX];
    size_t len;
    if (!decimal_canonical(text.data, text.len, canonical, &len))
        return false;
    column_add_bytes(batch, column, canonical, len);
    return true;
}

static bool add_hex_bytes(struct batch *batch, struct column *column, struct slice text)
{
    if (text.len < 2 || text.len % 2 != 0 || memcmp(text.data, "\\x", 2) != 0)
        return false;
    size_t len = (text.len - 2) / 2;
    char *to = column_reserve(batch, column, len);
    if (to == NULL)
        return true; /* the batch has failed, not the text */
    if (!hex_parse(text.data + 2, len, (uint8_t *)to))
        return false;
    column_end_bytes(column, len);
    return true;
}

static bool add_json(struct batch *batch, struct column *column, struct slice text)
{
    struct arena ARENA_AUTO scratch;
    struct str STR_AUTO canonical = str_with_max(INT32_MAX);
    arena_init(&scratch, SCRATCH_CAP);
    if (!json_text_canonical(text, &scratch, &canonical)) {
        batch->failed |= scratch.overflowed || canonical.failed;
        return false;
    }
    column_add_bytes(batch, column, text.data, text.len);
    return true;
}

static bool add_uuid(struct column *column, struct slice text)
{
    uint8_t bytes[16];
    if (!uuid_parse(text.data, text.len, bytes))
        return false;
    column_add_uuid(column, bytes);
    return true;
}

static bool add_float(struct column *column, struct slice text)
{
    double value;
    if (!num_parse_f64(text.data, text.len, &value))
        return false;
    column_add_f64(column, value);
    return true;
}

static bool add_date(struct column *column, struct slice text)
{
    int32_t days;
    if (!date_parse(text.data, text.len, &days))
        return false;
    column_add_i32(column, days);
    return true;
}

static bool add_int(struct column *column, struct slice text,
                    bool (*parse)(const char *, size_t, int64_t *))
{
    int64_t value;
    if (!parse(text.data, text.len, &value))
        return false;
    column_add_i64(column, value);
    return true;
}

bool column_add_text(struct batch *batch, struct column *column, struct slice text)
{
    if (text.data == NULL)
        text.data = "";
    switch (column->type) {
    case VALUE_BOOL:
        return add_bool(column, text);
    case VALUE_INT64:
        return add_int(column, text, num_parse_i64);
    case VALUE_FLOAT64:
        return add_float(column, text);
    case VALUE_DECIMAL:
        return add_decimal(batch, column, text);
    case VALUE_BYTES:
        return add_hex_bytes(batch, column, text);
    case VALUE_DATE:
        return add_date(column, text);
    case VALUE_TIME:
        return add_int(column, text, time_parse);
    case VALUE_TIMESTAMP:
        return add_int(column, text, timestamp_parse);
    case VALUE_TIMESTAMPTZ:
        return add_int(column, text, timestamptz_parse);
    case VALUE_UUID:
        return add_uuid(column, text);
    case VALUE_JSON:
        return add_json(batch, column, text);
    case VALUE_TEXT:
        break;
    }
    if (!utf8_is_valid(text.data, text.len))
        return false;
    column_add_bytes(batch, column, text.data, text.len);
    return true;
}
