/* sql: names, texts and literals in statements; the only place that quotes. */
#include "mysql/mysql_private.h"

#include "base/num.h"

#include <string.h>

static void add_doubling(struct str *sql, const char *text, char quote)
{
    str_add_char(sql, quote);
    for (const char *at = text;; at++) {
        const char *next = strchr(at, quote);
        if (next == NULL) {
            str_add_text(sql, at);
            break;
        }
        str_add(sql, at, (size_t)(next - at) + 1);
        str_add_char(sql, quote);
        at = next;
    }
    str_add_char(sql, quote);
}

void mys_add_name(struct str *sql, const char *name)
{
    add_doubling(sql, name, '`');
}

const char *mys_schema_of(const struct session *session, const struct stream_ref *stream)
{
    return stream->schema != NULL ? stream->schema : session->config.database;
}

void mys_add_table(struct str *sql, const struct session *session, const struct stream_ref *table)
{
    const char *schema = mys_schema_of(session, table);
    if (schema != NULL) {
        mys_add_name(sql, schema);
        str_add_char(sql, '.');
    }
    mys_add_name(sql, table->name);
}

void mys_add_text(struct str *sql, struct slice text)
{
    str_add_char(sql, '\'');
    mys_add_escaped(sql, text);
    str_add_char(sql, '\'');
}

/* A backslash, the quote and NUL are all that matters to the server's lexer in utf8mb4, whose
 * other bytes are never part of a longer character's tail. */
void mys_add_escaped(struct str *sql, struct slice text)
{
    char *to = str_reserve(sql, 2 * text.len);
    if (to == NULL)
        return;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (__builtin_expect(c == '\'' || c == '\\' || c == '\0', 0)) {
            *to++ = '\\';
            c = c == '\0' ? '0' : c;
        }
        *to++ = c;
    }
    *to = '\0';
    sql->len = (size_t)(to - sql->data);
}

static bool add_integer(struct str *sql, const char *text)
{
    int64_t value;
    if (!num_parse_i64(text, strlen(text), &value))
        return false;
    str_addf(sql, "%lld", (long long)value);
    return true;
}

static bool add_bool(struct str *sql, const char *text)
{
    bool is_true = strcmp(text, "true") == 0 || strcmp(text, "t") == 0 || strcmp(text, "1") == 0;
    str_add_char(sql, is_true ? '1' : '0');
    return is_true || strcmp(text, "false") == 0 || strcmp(text, "f") == 0 ||
           strcmp(text, "0") == 0;
}

static bool add_float(struct str *sql, const char *text)
{
    double value;
    char number[32];
    if (!num_parse_f64(text, strlen(text), &value) || !__builtin_isfinite(value))
        return false;
    size_t len = num_format_f64(value, number);
    str_add(sql, number, len);
    if (memchr(number, 'e', len) == NULL)
        str_add_text(sql, "e0"); /* else it is a decimal */
    return true;
}

static bool add_decimal(struct str *sql, const char *text)
{
    char canonical[VALUE_DECIMAL_MAX];
    size_t len;
    if (!decimal_canonical(text, strlen(text), canonical, &len) || canonical[len - 1] > '9')
        return false; /* NaN, Infinity */
    str_add(sql, canonical, len);
    return true;
}

static bool add_bytes(struct str *sql, const char *text)
{
    if (text[0] != '\\' || text[1] != 'x' || text[2 + strspn(text + 2, "0123456789abcdefABCDEF")])
        return false;
    str_addf(sql, "X'%s'", text + 2);
    return strlen(text) % 2 == 0;
}

static bool add_date(struct str *sql, const char *text)
{
    int32_t days;
    char form[32];
    if (!date_parse(text, strlen(text), &days))
        return false;
    size_t len = date_format(days, form);
    str_addf(sql, "DATE'%.*s'", (int)len, form);
    return len == 10; /* years of four digits are all there is */
}

static bool add_time(struct str *sql, const char *text)
{
    int64_t us;
    char form[32];
    if (!time_parse(text, strlen(text), &us))
        return false;
    size_t len = time_format(us, form);
    str_addf(sql, "TIME'%.*s'", (int)len, form);
    return true;
}

static bool add_timestamp_us(struct str *sql, int64_t us)
{
    char form[40];
    size_t len = timestamp_format(us, form);
    str_addf(sql, "TIMESTAMP'%.*s'", (int)len, form);
    return len >= 19 && form[4] == '-';
}

static bool add_timestamp(struct str *sql, const char *text)
{
    int64_t us;
    return timestamp_parse(text, strlen(text), &us) && add_timestamp_us(sql, us);
}

/* The session's time zone is UTC. */
static bool add_timestamptz(struct str *sql, const char *text)
{
    int64_t us;
    return timestamptz_parse(text, strlen(text), &us) && add_timestamp_us(sql, us);
}

static bool add_text_literal(struct str *sql, const char *text)
{
    mys_add_text(sql, slice_of(text));
    return true;
}

bool mys_add_literal(struct str *sql, enum value_type type, const char *text)
{
    static bool (*const adders[VALUE_TYPE_COUNT])(struct str *, const char *) = {
        [VALUE_BOOL] = add_bool,           [VALUE_INT64] = add_integer,
        [VALUE_FLOAT64] = add_float,       [VALUE_DECIMAL] = add_decimal,
        [VALUE_TEXT] = add_text_literal,   [VALUE_BYTES] = add_bytes,
        [VALUE_DATE] = add_date,           [VALUE_TIME] = add_time,
        [VALUE_TIMESTAMP] = add_timestamp, [VALUE_TIMESTAMPTZ] = add_timestamptz,
        [VALUE_JSON] = add_text_literal,   [VALUE_UUID] = add_text_literal,
    };
    return text != NULL && adders[type](sql, text);
}
