/* json: strings and numbers. See json.h. */
#include "io/json_private.h"

#include "base/json_plain.h"
#include "base/num.h"

#include <stdlib.h>

/* ---- strings ---- */

static enum outcome read_hex4(struct jreader *r, unsigned *ret_unit)
{
    uint8_t bytes[2];
    if (r->end - r->at < 4 || !hex_parse(r->at, sizeof bytes, bytes))
        return jread_fail_at(r, r->at, "four hexadecimal digits");
    r->at += 4;
    *ret_unit = (unsigned)bytes[0] << 8 | bytes[1];
    return OUTCOME_OK;
}

static char *put_utf8(char *to, unsigned point)
{
    if (point < 0x80) {
        *to++ = (char)point;
        return to;
    }
    if (point < 0x800) {
        *to++ = (char)(0xc0 | point >> 6);
    } else if (point < 0x10000) {
        *to++ = (char)(0xe0 | point >> 12);
        *to++ = (char)(0x80 | (point >> 6 & 0x3f));
    } else {
        *to++ = (char)(0xf0 | point >> 18);
        *to++ = (char)(0x80 | (point >> 12 & 0x3f));
        *to++ = (char)(0x80 | (point >> 6 & 0x3f));
    }
    *to++ = (char)(0x80 | (point & 0x3f));
    return to;
}

/* Behind "\u": a code point of the basic plane, or a pair of surrogates. */
static enum outcome read_unicode(struct jreader *r, char **to)
{
    const char *begin = r->at;
    unsigned unit = 0, low = 0;
    TRY(read_hex4(r, &unit));
    if (unit == 0)
        return jread_fail_at(r, begin, "a code point other than U+0000");
    if (unit >= 0xdc00 && unit <= 0xdfff)
        return jread_fail_at(r, begin, "a high surrogate before the low one");
    if (unit >= 0xd800 && unit <= 0xdbff) {
        if (r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u')
            return jread_fail_at(r, r->at, "a low surrogate behind the high one");
        r->at += 2;
        TRY(read_hex4(r, &low));
        if (low < 0xdc00 || low > 0xdfff)
            return jread_fail_at(r, r->at - 4, "a low surrogate behind the high one");
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
    *to = put_utf8(*to, unit);
    return OUTCOME_OK;
}

static enum outcome read_escape(struct jreader *r, char **to)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    r->at++; /* the backslash */
    if (r->at < r->end && *r->at == 'u') {
        r->at++;
        return read_unicode(r, to);
    }
    const char *found = r->at < r->end && *r->at != '\0' ? strchr(names, *r->at) : NULL;
    if (found == NULL)
        return jread_fail_at(r, r->at, "an escape (one of \"\\/bfnrtu)");
    r->at++;
    *(*to)++ = values[found - names];
    return OUTCOME_OK;
}

/* The closing quote, NULL when the text ends before it. */
static const char *find_quote(const struct jreader *r, bool *ret_has_escape)
{
    bool has_escape = false;
    for (const char *at = r->at; at < r->end; at++) {
        if (*at == '"') {
            *ret_has_escape = has_escape;
            return at;
        }
        if (*at != '\\')
            continue;
        has_escape = true;
        at++;
    }
    return NULL;
}

static enum outcome check_plain(const struct jreader *r, const char *begin, const char *end)
{
    for (const char *at = begin; at < end; at++)
        if ((unsigned char)*at < 0x20)
            return jread_fail_at(r, at, "control characters to be escaped");
    if (!utf8_is_valid(begin, (size_t)(end - begin)))
        return jread_fail_at(r, begin, "a string of well-formed UTF-8");
    return OUTCOME_OK;
}

/* Most strings are plain: one look at their bytes. */
static enum outcome find_end(const struct jreader *r, const char **ret_quote, bool *ret_has_escape)
{
    const char *quote = r->at + json_plain_run(r->at, (size_t)(r->end - r->at));
    if (quote == r->end || *quote != '"') {
        quote = find_quote(r, ret_has_escape);
        if (quote == NULL)
            return jread_fail_at(r, r->end, "the closing quote of a string");
        TRY(check_plain(r, r->at, quote));
    }
    *ret_quote = quote;
    return OUTCOME_OK;
}

/* Stands on the opening quote. Escapes only ever shrink, so the raw length is room enough. */
enum outcome jread_string(struct jreader *r, struct slice *ret_string)
{
    const char *quote = NULL;
    bool has_escape = false;
    r->at++;
    TRY(find_end(r, &quote, &has_escape));
    size_t len = (size_t)(quote - r->at);
    char *text = arena_strndup(r->arena, r->at, len);
    if (text == NULL)
        return FAIL_NO_MEMORY(r->err);
    if (has_escape) {
        char *to = text;
        while (r->at < quote)
            if (*r->at == '\\')
                TRY(read_escape(r, &to));
            else
                *to++ = *r->at++;
        *to = '\0';
        len = (size_t)(to - text);
    }
    r->at = quote + 1;
    *ret_string = (struct slice){text, len};
    return OUTCOME_OK;
}

/* ---- numbers ---- */

static bool skip_digits(struct jreader *r)
{
    const char *begin = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
    return r->at > begin;
}

static enum outcome read_fraction(struct jreader *r, bool *ret_is_real)
{
    bool is_real = false;
    if (r->at < r->end && *r->at == '.') {
        r->at++;
        is_real = true;
        if (!skip_digits(r))
            return jread_fail_at(r, r->at, "a digit behind the point");
    }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        r->at++;
        is_real = true;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
            r->at++;
        if (!skip_digits(r))
            return jread_fail_at(r, r->at, "a digit in the exponent");
    }
    *ret_is_real = is_real;
    return OUTCOME_OK;
}

enum outcome jread_number(struct jreader *r, struct jval *value)
{
    const char *begin = r->at;
    bool is_real = false;
    if (*r->at == '-')
        r->at++;
    if (r->at < r->end && *r->at == '0')
        r->at++;
    else if (!skip_digits(r))
        return jread_fail_at(r, r->at, "a digit");
    TRY(read_fraction(r, &is_real));
    size_t len = (size_t)(r->at - begin);
    if (!is_real && num_parse_i64(begin, len, &value->integer)) {
        value->type = JVAL_INT;
        return OUTCOME_OK;
    }
    value->type = JVAL_REAL;
    value->number = arena_strndup(r->arena, begin, len);
    if (value->number == NULL)
        return FAIL_NO_MEMORY(r->err);
    /* Beyond a double's range its text is all there is: the double is an infinity then. */
    if (!num_parse_f64(begin, len, &value->real))
        value->real = strtod(value->number, NULL);
    return OUTCOME_OK;
}
