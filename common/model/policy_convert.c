/* policy: see policy.h. What `convert` makes of a faulty value. */
#include "base/num.h"
#include "model/policy_private.h"

#include <math.h>

static bool is_negative(struct slice raw)
{
    return raw.len > 0 && raw.data[0] == '-';
}

static int64_t clamp(const struct gate_column *gate, int64_t value)
{
    return value < gate->low ? gate->low : value > gate->high ? gate->high : value;
}

/* ---- numbers ---- */

static bool add_nearest_int(const struct gate_column *gate, struct slice raw, struct str *out)
{
    char canonical[VALUE_DECIMAL_MAX], rounded[VALUE_DECIMAL_MAX], text[20];
    size_t len;
    int64_t value = is_negative(raw) ? gate->low : gate->high;
    if (!decimal_canonical(raw.data, raw.len, canonical, &len))
        return false;
    if (canonical[len - 1] == 'N')
        return false;
    if (canonical[len - 1] != 'y') {
        len = decimal_round(canonical, len, 0, rounded);
        if (num_parse_i64(rounded, len, &value))
            value = clamp(gate, value);
    }
    str_add(out, text, num_format_i64(value, text));
    return true;
}

static bool add_nearest_bool(struct slice raw, struct str *out)
{
    int64_t value;
    if (!num_parse_i64(raw.data, raw.len, &value))
        return false;
    str_add_text(out, value == 0 ? "false" : "true");
    return true;
}

/* The greatest number of the column's digits. */
static bool add_nines(const struct gate_column *gate, bool negative, struct str *out)
{
    if (!gate->bounded || gate->whole_max > VALUE_DECIMAL_MAX / 2 ||
        gate->fraction_max > VALUE_DECIMAL_MAX / 2)
        return false;
    int nines = gate->fraction_max < 0 ? gate->whole_max + gate->fraction_max : gate->whole_max;
    if (negative)
        str_add_char(out, '-');
    if (nines <= 0)
        str_add_char(out, '0');
    for (int i = 0; i < nines; i++)
        str_add_char(out, '9');
    for (int i = gate->fraction_max; i < 0; i++)
        str_add_char(out, '0');
    if (gate->fraction_max > 0)
        str_add_char(out, '.');
    for (int i = 0; i < gate->fraction_max; i++)
        str_add_char(out, i < -nines ? '0' : '9'); /* decimal(2,4) ends at 0.0099 */
    return true;
}

static bool add_nearest_decimal(const struct gate_column *gate, struct slice raw, struct str *out)
{
    char canonical[VALUE_DECIMAL_MAX], rounded[VALUE_DECIMAL_MAX];
    size_t len;
    enum value_fault fault;
    if (!decimal_canonical(raw.data, raw.len, canonical, &len))
        return false;
    if (canonical[len - 1] == 'N')
        return false;
    if (canonical[len - 1] == 'y' || !gate->bounded)
        return add_nines(gate, is_negative(raw), out);
    len = decimal_round(canonical, len, gate->fraction_max, rounded);
    if (!gate_decimal_is_fine(gate, (struct slice){rounded, len}, &fault))
        return add_nines(gate, is_negative(raw), out);
    str_add(out, rounded, len);
    return true;
}

static bool add_nearest_float(const struct gate_column *gate, struct slice raw, struct str *out)
{
    char text[32];
    double value;
    size_t digits = 0;
    if (!num_parse_f64(raw.data, raw.len, &value)) {
        /* A number too great for a double has digits in front; anything else is no number. */
        digits = is_negative(raw) ? 1 : 0;
        if (raw.len <= digits || raw.data[digits] < '0' || raw.data[digits] > '9')
            return false;
        value = is_negative(raw) ? -INFINITY : INFINITY;
    }
    if (isnan(value))
        return false;
    value = fmin(fmax(value, -gate->magnitude_max), gate->magnitude_max);
    str_add(out, text, num_format_f64(value, text));
    return true;
}

/* ---- dates and times ---- */

#define DATE_LEN 10      /* "YYYY-MM-DD" */
#define TIMESTAMP_LEN 19 /* and a time of day */

static void add_date_time(const struct gate_column *gate, int64_t value, struct str *out)
{
    char text[48];
    size_t len;
    value = clamp(gate, value);
    if (gate->step_us > 1) {
        int64_t rest = value % gate->step_us;
        value -= rest;
        if (rest >= gate->step_us / 2 && value <= gate->high - gate->step_us)
            value += gate->step_us;
        else if (rest < 0 && -rest > gate->step_us / 2 && value >= gate->low + gate->step_us)
            value -= gate->step_us;
    }
    if (gate->type == VALUE_DATE)
        len = date_format((int32_t)value, text);
    else if (gate->type == VALUE_TIME)
        len = time_format(value, text);
    else if (gate->type == VALUE_TIMESTAMP)
        len = timestamp_format(value, text);
    else
        len = timestamptz_format(value, text);
    str_add(out, text, len);
}

/* Reads text as the column's type, with or without time of day and zone. */
static bool read_loosely(enum value_type type, const char *text, size_t len, int64_t *ret_value)
{
    int32_t days;
    size_t date_len = type == VALUE_DATE && len >= TIMESTAMP_LEN ? DATE_LEN : len;
    bool has_date = date_parse(text, date_len, &days) && days != VALUE_DATE_INFINITY &&
                    days != -VALUE_DATE_INFINITY;
    if (has_date && type != VALUE_DATE)
        return !__builtin_mul_overflow((int64_t)days, INT64_C(86400000000), ret_value);
    if (has_date)
        *ret_value = days;
    if (type == VALUE_DATE)
        return has_date;
    return timestamp_parse(text, len, ret_value) || timestamptz_parse(text, len, ret_value);
}

/* A date that is none: parts of zero become the first, a day beyond its month the last of it. */
static bool mend_date(enum value_type type, struct slice raw, int64_t *ret_value)
{
    char text[64];
    if (raw.len < DATE_LEN || raw.len >= sizeof text || raw.data[4] != '-' || raw.data[7] != '-')
        return false;
    memcpy(text, raw.data, raw.len);
    if (memcmp(text, "0000", 4) == 0)
        text[3] = '1';
    if (memcmp(text + 5, "00", 2) == 0)
        text[6] = '1';
    if (memcmp(text + 8, "00", 2) == 0)
        text[9] = '1';
    if (read_loosely(type, text, raw.len, ret_value))
        return true;
    if (memcmp(text + 8, "29", 2) < 0 || memcmp(text + 8, "31", 2) > 0)
        return false;
    static const char *const last_days[] = {"30", "29", "28"};
    for (size_t i = 0; i < 3; i++) {
        memcpy(text + 8, last_days[i], 2);
        if (read_loosely(type, text, raw.len, ret_value))
            return true;
    }
    return false;
}

/* A year that no value of ours has: five digits or more, below zero, or "BC" at the end. */
static bool is_far_year(struct slice raw, bool *ret_below)
{
    size_t at = is_negative(raw) ? 1 : 0, digits = 0;
    while (at + digits < raw.len && raw.data[at + digits] >= '0' && raw.data[at + digits] <= '9')
        digits++;
    bool bc = raw.len > 2 && memcmp(raw.data + raw.len - 2, "BC", 2) == 0;
    if (digits < 4 || at + digits == raw.len || raw.data[at + digits] != '-')
        return false;
    *ret_below = at > 0 || bc;
    return *ret_below || digits > 4;
}

static bool add_nearest_date(const struct gate_column *gate, enum value_fault fault,
                             struct slice raw, struct str *out)
{
    int64_t value;
    bool below;
    if (fault == FAULT_INFINITY)
        value = is_negative(raw) ? gate->low : gate->high;
    else if (gate->type == VALUE_TIME)
        return time_parse(raw.data, raw.len, &value) ? (add_date_time(gate, value, out), true)
                                                     : false;
    else if (fault == FAULT_ZERO_DATE && mend_date(gate->type, raw, &value))
        ;
    else if (read_loosely(gate->type, raw.data, raw.len, &value) ||
             mend_date(gate->type, raw, &value))
        ;
    else if (is_far_year(raw, &below))
        value = below ? gate->low : gate->high;
    else
        return false;
    add_date_time(gate, value, out);
    return true;
}

/* ---- text ---- */

#define SYMBOL_FOR_NULL "\xE2\x90\x80"
#define REPLACEMENT "\xEF\xBF\xBD"

static void add_without_nul(struct slice raw, struct str *out)
{
    while (raw.len > 0) {
        const char *nul = memchr(raw.data, '\0', raw.len);
        size_t len = nul == NULL ? raw.len : (size_t)(nul - raw.data);
        str_add(out, raw.data, len);
        if (nul == NULL)
            return;
        str_add_text(out, SYMBOL_FOR_NULL);
        raw = (struct slice){nul + 1, raw.len - len - 1};
    }
}

/* A byte that begins no sequence, with the continuation bytes behind it, is one bad sequence. */
static void add_valid_utf8(struct slice raw, struct str *out)
{
    size_t at = 0;
    while (at < raw.len) {
        unsigned len = utf8_sequence(raw.data + at, raw.len - at);
        if (len > 0) {
            str_add(out, raw.data + at, len);
            at += len;
            continue;
        }
        str_add_text(out, REPLACEMENT);
        for (at++; at < raw.len && ((unsigned char)raw.data[at] & 0xC0) == 0x80;)
            at++;
    }
}

static void add_cut_text(struct slice raw, int64_t length, struct str *out)
{
    size_t at = 0;
    for (int64_t count = 0; at < raw.len && count < length; count++) {
        for (at++; at < raw.len && ((unsigned char)raw.data[at] & 0xC0) == 0x80;)
            at++;
    }
    str_add(out, raw.data, at);
}

static bool add_text(const struct gate_column *gate, enum value_fault fault, struct slice raw,
                     struct str *out)
{
    if (fault == FAULT_NUL_BYTE)
        add_without_nul(raw, out);
    else if (fault == FAULT_INVALID_UTF8)
        add_valid_utf8(raw, out);
    else if (fault == FAULT_OUT_OF_RANGE && gate->type == VALUE_TEXT && gate->length > 0)
        add_cut_text(raw, gate->length, out);
    else
        return false;
    return true;
}

/* The raw text is \x and digits. */
static bool add_cut_bytes(const struct gate_column *gate, struct slice raw, struct str *out)
{
    if (gate->length == 0 || raw.len < 2)
        return false;
    size_t len = (raw.len - 2) / 2;
    if ((int64_t)len > gate->length)
        len = (size_t)gate->length;
    char *to = str_reserve(out, len);
    if (to == NULL || !hex_parse(raw.data + 2, len, (uint8_t *)to))
        return false;
    out->len += len;
    return true;
}

bool gate_convert(const struct gate_column *gate, enum value_fault fault, struct slice raw,
                  struct str *out)
{
    if (fault == FAULT_INVALID_CAST)
        return false;
    switch (gate->type) {
    case VALUE_INT64:
        return add_nearest_int(gate, raw, out);
    case VALUE_BOOL:
        return add_nearest_bool(raw, out);
    case VALUE_DECIMAL:
        return add_nearest_decimal(gate, raw, out);
    case VALUE_FLOAT64:
        return add_nearest_float(gate, raw, out);
    case VALUE_DATE:
    case VALUE_TIME:
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ:
        return add_nearest_date(gate, fault, raw, out);
    case VALUE_TEXT:
    case VALUE_JSON:
        return add_text(gate, fault, raw, out);
    case VALUE_BYTES:
        return add_cut_bytes(gate, raw, out);
    case VALUE_UUID:
        break;
    }
    return false;
}
