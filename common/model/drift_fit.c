/*
 * drift: see drift.h. What fits into what, and the narrowest type that holds two.
 *
 *   from \ to    same type, when                       another type, when
 *   bool         always
 *   int64(b)     bits <=                               decimal with enough digits before the point;
 *                                                      float64 of 64 for 32 bits, of 32 for 16
 *   float64(b)   bits <=
 *   decimal(p,s) digits before and behind the point <=; unbounded only into unbounded
 *   text, bytes  length <=
 *   time, timestamp, timestamptz   fraction digits <=, 6 when not known: there are never more
 *   json         always (verbatim or parsed: the canonical form is the same)
 *   date, uuid   always
 *
 * Where 0 stands for "not known or no limit", it takes everything and fits only into itself.
 */
#include "model/drift.h"

#define PRECISION_MAX 1000

static int bits_of(const struct value_spec *spec)
{
    return spec->bits == 0 ? 64 : spec->bits;
}

/* Decimal digits of the greatest value of so many bits. */
static int digits_of_bits(int bits)
{
    return bits <= 8 ? 3 : bits <= 16 ? 5 : bits <= 32 ? 10 : 19;
}

/* Whole numbers up to these bits are exact in a float. */
static int exact_bits(const struct value_spec *real)
{
    return bits_of(real) == 32 ? 16 : 32;
}

static bool length_fits(int64_t from, int64_t to)
{
    return to == 0 || (from != 0 && from <= to);
}

static int fraction_of(const struct value_spec *spec)
{
    return spec->scale == 0 ? 6 : spec->scale;
}

static bool decimal_fits(const struct value_spec *from, const struct value_spec *to)
{
    if (to->precision == 0)
        return true;
    return from->precision != 0 && from->scale <= to->scale &&
           from->precision - from->scale <= to->precision - to->scale;
}

static struct value_spec as_decimal(const struct value_spec *spec)
{
    if (spec->type == VALUE_DECIMAL)
        return *spec;
    return (struct value_spec){.type = VALUE_DECIMAL, .precision = digits_of_bits(bits_of(spec))};
}

static bool fits_other_type(const struct value_spec *from, const struct value_spec *to)
{
    if (from->type != VALUE_INT64)
        return false;
    if (to->type == VALUE_FLOAT64)
        return bits_of(from) <= exact_bits(to);
    struct value_spec decimal = as_decimal(from);
    return to->type == VALUE_DECIMAL && decimal_fits(&decimal, to);
}

bool drift_fits(const struct value_spec *from, const struct value_spec *to)
{
    if (from->type != to->type)
        return fits_other_type(from, to);
    switch (from->type) {
    case VALUE_INT64:
    case VALUE_FLOAT64:
        return bits_of(from) <= bits_of(to);
    case VALUE_DECIMAL:
        return decimal_fits(from, to);
    case VALUE_TEXT:
    case VALUE_BYTES:
        return length_fits(from->length, to->length);
    case VALUE_TIME:
    case VALUE_TIMESTAMP:
    case VALUE_TIMESTAMPTZ:
        return fraction_of(from) <= fraction_of(to);
    case VALUE_BOOL:
    case VALUE_DATE:
    case VALUE_JSON:
    case VALUE_UUID:
        break;
    }
    return true;
}

static int max_int(int a, int b)
{
    return a > b ? a : b;
}

/* The greater of two limits of which 0 is none. */
static int64_t wider_limit(int64_t a, int64_t b)
{
    return a == 0 || b == 0 ? 0 : a > b ? a : b;
}

static struct value_spec widen_decimal(const struct value_spec *a, const struct value_spec *b)
{
    struct value_spec wider = {.type = VALUE_DECIMAL};
    if (a->precision == 0 || b->precision == 0)
        return wider;
    int whole = max_int(a->precision - a->scale, b->precision - b->scale);
    wider.scale = max_int(a->scale, b->scale);
    wider.precision = whole + wider.scale;
    if (wider.precision > PRECISION_MAX)
        wider.precision = wider.scale = 0;
    return wider;
}

static bool widen_to_other_type(const struct value_spec *a, const struct value_spec *b,
                                struct value_spec *ret_spec)
{
    const struct value_spec *whole = a->type == VALUE_INT64 ? a : b;
    const struct value_spec *other = whole == a ? b : a;
    if (whole->type != VALUE_INT64)
        return false;
    if (other->type == VALUE_DECIMAL) {
        struct value_spec decimal = as_decimal(whole);
        *ret_spec = widen_decimal(&decimal, other);
        return true;
    }
    if (other->type != VALUE_FLOAT64 || bits_of(whole) > 32)
        return false;
    *ret_spec = (struct value_spec){.type = VALUE_FLOAT64, .bits = 64};
    return true;
}

bool drift_widen(const struct value_spec *a, const struct value_spec *b,
                 struct value_spec *ret_spec)
{
    if (drift_fits(a, b) || drift_fits(b, a)) {
        *ret_spec = drift_fits(a, b) ? *b : *a;
        return true;
    }
    if (a->type != b->type)
        return widen_to_other_type(a, b, ret_spec);
    /* Of one type only decimals can each be wider than the other. */
    struct value_spec wider = *a;
    if (a->type == VALUE_DECIMAL)
        wider = widen_decimal(a, b);
    wider.length = wider_limit(a->length, b->length);
    *ret_spec = wider;
    return true;
}
