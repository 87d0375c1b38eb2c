/* value: see value.h. Strings and numbers of canonical JSON; objects are in json_canonical.c. */
#include "base/num.h"
#include "model/json_private.h"

/* ---- strings ---- */

static void write_control(struct str *out, unsigned char c)
{
    static const char short_forms[0x20] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    char text[6] = {'\\', short_forms[c]};
    size_t len = 2;
    if (short_forms[c] == 0) {
        memcpy(text, "\\u00", 4);
        hex_format(&c, 1, text + 4);
        len = 6;
    }
    str_add(out, text, len);
}

static void write_code_point(struct str *out, unsigned code)
{
    char utf8[4];
    size_t len;
    if (code < 0x20) {
        write_control(out, (unsigned char)code);
        return;
    }
    if (code == '"' || code == '\\')
        str_add_char(out, '\\');
    if (code < 0x80) {
        utf8[0] = (char)code;
        len = 1;
    } else if (code < 0x800) {
        utf8[0] = (char)(0xC0 | code >> 6);
        len = 2;
    } else if (code < 0x10000) {
        utf8[0] = (char)(0xE0 | code >> 12);
        len = 3;
    } else {
        utf8[0] = (char)(0xF0 | code >> 18);
        len = 4;
    }
    for (size_t i = 1; i < len; i++)
        utf8[i] = (char)(0x80 | (code >> 6 * (len - 1 - i) & 0x3F));
    str_add(out, utf8, len);
}

static bool read_unit(struct canon *canon, unsigned *ret_unit)
{
    uint8_t bytes[2];
    if (canon->end - canon->at < 4 || !hex_parse(canon->at, 2, bytes))
        return false;
    canon->at += 4;
    *ret_unit = (unsigned)bytes[0] << 8 | bytes[1];
    return true;
}

/* Behind "\u": one unit or a pair; a lone surrogate has no UTF-8, so it stays an escape. */
static bool canon_unicode_escape(struct canon *canon)
{
    unsigned unit, low;
    if (!read_unit(canon, &unit))
        return false;
    if (unit >= 0xD800 && unit <= 0xDBFF && canon->end - canon->at >= 6 && canon->at[0] == '\\' &&
        canon->at[1] == 'u') {
        const char *back = canon->at;
        canon->at += 2;
        if (!read_unit(canon, &low))
            return false;
        if (low >= 0xDC00 && low <= 0xDFFF)
            unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
        else
            canon->at = back;
    }
    if (unit >= 0xD800 && unit <= 0xDFFF)
        str_addf(canon->out, "\\u%04x", unit);
    else
        write_code_point(canon->out, unit);
    return true;
}

static bool canon_escape(struct canon *canon)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (canon->at == canon->end)
        return false;
    char c = *canon->at++;
    if (c == 'u')
        return canon_unicode_escape(canon);
    const char *found = c == '\0' ? NULL : strchr(from, c);
    if (found == NULL)
        return false;
    write_code_point(canon->out, (unsigned char)to[found - from]);
    return true;
}

bool canon_string(struct canon *canon)
{
    str_add_char(canon->out, '"');
    for (;;) {
        const char *start = canon->at;
        while (canon->at < canon->end && *canon->at != '"' && *canon->at != '\\') {
            if ((unsigned char)*canon->at < 0x20)
                return false;
            canon->at++;
        }
        size_t len = (size_t)(canon->at - start);
        if (canon->at == canon->end || !utf8_is_valid(start, len))
            return false;
        str_add(canon->out, start, len);
        if (*canon->at++ == '"')
            break;
        if (!canon_escape(canon))
            return false;
    }
    str_add_char(canon->out, '"');
    return true;
}

/* ---- numbers ---- */

static size_t skip_digits(struct canon *canon)
{
    const char *start = canon->at;
    while (canon->at < canon->end && (unsigned)((unsigned char)*canon->at - '0') <= 9)
        canon->at++;
    return (size_t)(canon->at - start);
}

/* Moves over a number of the JSON grammar. */
static bool skip_number(struct canon *canon, const char **ret_mantissa_end)
{
    if (*canon->at == '-')
        canon->at++;
    bool zero = canon->at < canon->end && *canon->at == '0';
    size_t digits = skip_digits(canon);
    if (digits == 0 || (zero && digits > 1))
        return false;
    if (canon->at < canon->end && *canon->at == '.') {
        canon->at++;
        if (skip_digits(canon) == 0)
            return false;
    }
    *ret_mantissa_end = canon->at;
    if (canon->at < canon->end && (*canon->at | 0x20) == 'e') {
        canon->at++;
        if (canon->at < canon->end && (*canon->at == '+' || *canon->at == '-'))
            canon->at++;
        return skip_digits(canon) > 0;
    }
    return true;
}

/*
 * A number too long for its plain form: all its significant digits, "e", and the power of ten of
 * the last one. The same number has the same text, however it was written.
 */
static bool write_long_number(struct str *out, struct slice mantissa, struct slice exponent_text)
{
    int64_t exponent = 0;
    if (exponent_text.len > 0 && !num_parse_i64(exponent_text.data, exponent_text.len, &exponent))
        return false;
    if (exponent > INT64_MAX / 2 || exponent < INT64_MIN / 2)
        return false;
    size_t start = out->len, end;
    if (mantissa.data[0] == '-')
        str_add_char(out, '-');
    size_t first = out->len;
    bool behind_point = false;
    for (size_t i = mantissa.data[0] == '-'; i < mantissa.len; i++) {
        if (mantissa.data[i] == '.') {
            behind_point = true;
            continue;
        }
        exponent -= behind_point;
        if (mantissa.data[i] != '0' || out->len > first)
            str_add_char(out, mantissa.data[i]);
    }
    if (out->failed)
        return true;
    for (end = out->len; end > first && out->data[end - 1] == '0'; end--)
        exponent++;
    out->len = end;
    if (end == first) {
        out->len = start; /* zero, and without a sign */
        str_add_char(out, '0');
    } else {
        str_addf(out, "e%lld", (long long)exponent);
    }
    return true;
}

bool canon_number(struct canon *canon)
{
    const char *start = canon->at, *mantissa_end;
    if (!skip_number(canon, &mantissa_end))
        return false;
    size_t len = (size_t)(canon->at - start), written;
    bool plain = mantissa_end == canon->at;
    char *to = str_reserve(canon->out, plain ? len : VALUE_DECIMAL_MAX);
    if (to == NULL)
        return true; /* the output's failure is seen at the end */
    if (decimal_canonical(start, len, to, &written)) {
        canon->out->len += written;
        to[written] = '\0';
        return true;
    }
    struct slice mantissa = {start, (size_t)(mantissa_end - start)};
    struct slice exponent = {mantissa_end, 0};
    if (!plain)
        exponent = (struct slice){mantissa_end + 1, (size_t)(canon->at - mantissa_end) - 1};
    return write_long_number(canon->out, mantissa, exponent);
}
