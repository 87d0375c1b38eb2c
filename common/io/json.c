/*
 * json: see json.h.
 *
 * A reader of our own rather than the library's tree: the library drops the text of numbers, which
 * decimals need, and a second tree would cost more than the rest of a job.
 */
#include "io/json.h"

#include "base/num.h"

#include <stdlib.h>

struct reader {
    const char *begin, *at, *end;
    struct arena *arena;
    struct str scratch; /* members and items of the containers that are open, by value */
    struct err *err;
    unsigned depth;
};

static enum outcome fail_at(const struct reader *r, const char *at, const char *expected)
{
    size_t offset = (size_t)(at - r->begin);
    if (at >= r->end)
        return FAIL(r->err, OUTCOME_PERMANENT, "json.syntax",
                    "bad JSON at byte %zu: the text ends, expected %s", offset, expected);
    return FAIL(r->err, OUTCOME_PERMANENT, "json.syntax", "bad JSON at byte %zu: expected %s",
                offset, expected);
}

static enum outcome fail_memory(const struct reader *r)
{
    return FAIL_NO_MEMORY(r->err);
}

static void skip_space(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r'))
        r->at++;
}

/* ---- strings ---- */

static enum outcome read_hex4(struct reader *r, unsigned *ret_unit)
{
    uint8_t bytes[2];
    if (r->end - r->at < 4 || !hex_parse(r->at, sizeof bytes, bytes))
        return fail_at(r, r->at, "four hexadecimal digits");
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
static enum outcome read_unicode(struct reader *r, char **to)
{
    const char *begin = r->at;
    unsigned unit = 0, low = 0;
    TRY(read_hex4(r, &unit));
    if (unit == 0)
        return fail_at(r, begin, "a code point other than U+0000");
    if (unit >= 0xdc00 && unit <= 0xdfff)
        return fail_at(r, begin, "a high surrogate before the low one");
    if (unit >= 0xd800 && unit <= 0xdbff) {
        if (r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u')
            return fail_at(r, r->at, "a low surrogate behind the high one");
        r->at += 2;
        TRY(read_hex4(r, &low));
        if (low < 0xdc00 || low > 0xdfff)
            return fail_at(r, r->at - 4, "a low surrogate behind the high one");
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    }
    *to = put_utf8(*to, unit);
    return OUTCOME_OK;
}

static enum outcome read_escape(struct reader *r, char **to)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    r->at++; /* the backslash */
    if (r->at < r->end && *r->at == 'u') {
        r->at++;
        return read_unicode(r, to);
    }
    const char *found = r->at < r->end && *r->at != '\0' ? strchr(names, *r->at) : NULL;
    if (found == NULL)
        return fail_at(r, r->at, "an escape (one of \"\\/bfnrtu)");
    r->at++;
    *(*to)++ = values[found - names];
    return OUTCOME_OK;
}

/* The closing quote, NULL when the text ends before it. */
static const char *find_quote(const struct reader *r, bool *ret_has_escape)
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

static enum outcome check_plain(const struct reader *r, const char *begin, const char *end)
{
    for (const char *at = begin; at < end; at++)
        if ((unsigned char)*at < 0x20)
            return fail_at(r, at, "control characters to be escaped");
    if (!utf8_is_valid(begin, (size_t)(end - begin)))
        return fail_at(r, begin, "a string of well-formed UTF-8");
    return OUTCOME_OK;
}

/* Stands on the opening quote. Escapes only ever shrink, so the raw length is room enough. */
static enum outcome read_string(struct reader *r, struct slice *ret_string)
{
    r->at++;
    bool has_escape = false;
    const char *quote = find_quote(r, &has_escape);
    if (quote == NULL)
        return fail_at(r, r->end, "the closing quote of a string");
    TRY(check_plain(r, r->at, quote));
    size_t len = (size_t)(quote - r->at);
    char *text = arena_strndup(r->arena, r->at, len);
    if (text == NULL)
        return fail_memory(r);
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

static bool skip_digits(struct reader *r)
{
    const char *begin = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
    return r->at > begin;
}

static enum outcome read_fraction(struct reader *r, bool *ret_is_real)
{
    bool is_real = false;
    if (r->at < r->end && *r->at == '.') {
        r->at++;
        is_real = true;
        if (!skip_digits(r))
            return fail_at(r, r->at, "a digit behind the point");
    }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        r->at++;
        is_real = true;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
            r->at++;
        if (!skip_digits(r))
            return fail_at(r, r->at, "a digit in the exponent");
    }
    *ret_is_real = is_real;
    return OUTCOME_OK;
}

static enum outcome read_number(struct reader *r, struct jval *value)
{
    const char *begin = r->at;
    bool is_real = false;
    if (*r->at == '-')
        r->at++;
    if (r->at < r->end && *r->at == '0')
        r->at++;
    else if (!skip_digits(r))
        return fail_at(r, r->at, "a digit");
    TRY(read_fraction(r, &is_real));
    size_t len = (size_t)(r->at - begin);
    if (!is_real && num_parse_i64(begin, len, &value->integer)) {
        value->type = JVAL_INT;
        return OUTCOME_OK;
    }
    value->type = JVAL_REAL;
    value->number = arena_strndup(r->arena, begin, len);
    if (value->number == NULL)
        return fail_memory(r);
    /* Beyond a double's range its text is all there is: the double is an infinity then. */
    if (!num_parse_f64(begin, len, &value->real))
        value->real = strtod(value->number, NULL);
    return OUTCOME_OK;
}

/* ---- containers ---- */

static enum outcome read_value(struct reader *r, struct jval *value);

/* What was put on the scratch since `mark`, moved into the arena. */
static enum outcome take_scratch(struct reader *r, size_t mark, const void **ret_items)
{
    if (r->scratch.failed)
        return fail_memory(r);
    size_t len = r->scratch.len - mark;
    if (len > 0) {
        void *items = arena_memdup(r->arena, r->scratch.data + mark, len);
        if (items == NULL)
            return fail_memory(r);
        *ret_items = items;
    }
    r->scratch.len = mark;
    return OUTCOME_OK;
}

static enum outcome read_separator(struct reader *r, char close, const char *expected,
                                   bool *ret_more)
{
    skip_space(r);
    if (r->at >= r->end || (*r->at != ',' && *r->at != close))
        return fail_at(r, r->at, expected);
    *ret_more = *r->at++ == ',';
    return OUTCOME_OK;
}

static bool closes_at_once(struct reader *r, char close)
{
    r->at++; /* the opening bracket */
    skip_space(r);
    if (r->at >= r->end || *r->at != close)
        return false;
    r->at++;
    return true;
}

static enum outcome read_array(struct reader *r, struct jval *value)
{
    size_t mark = r->scratch.len;
    bool more = !closes_at_once(r, ']');
    value->type = JVAL_ARRAY;
    while (more) {
        struct jval item = {0};
        TRY(read_value(r, &item));
        str_add(&r->scratch, &item, sizeof item);
        value->array.count++;
        TRY(read_separator(r, ']', "a comma or ]", &more));
    }
    const void *items = NULL;
    TRY(take_scratch(r, mark, &items));
    value->array.items = items;
    return OUTCOME_OK;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted copies of the names, so that an object of many members costs no square. */
static enum outcome check_unique(struct reader *r, const struct jval *object)
{
    size_t count = object->object.count;
    if (count < 2)
        return OUTCOME_OK;
    size_t mark = r->scratch.len;
    for (size_t i = 0; i < count; i++)
        str_add(&r->scratch, &object->object.members[i].name, sizeof(const char *));
    if (r->scratch.failed)
        return fail_memory(r);
    char *names = r->scratch.data + mark;
    qsort(names, count, sizeof(const char *), compare_names);
    r->scratch.len = mark;
    for (size_t i = 1; i < count; i++) {
        const char *pair[2];
        memcpy(pair, names + (i - 1) * sizeof *pair, sizeof pair);
        if (strcmp(pair[0], pair[1]) == 0)
            return FAIL(r->err, OUTCOME_PERMANENT, "json.duplicate",
                        "bad JSON before byte %zu: the name \"%.60s\" stands twice in an object",
                        (size_t)(r->at - r->begin), pair[0]);
    }
    return OUTCOME_OK;
}

static enum outcome read_member(struct reader *r, struct jval_member *member)
{
    struct slice name = {0};
    skip_space(r);
    if (r->at >= r->end || *r->at != '"')
        return fail_at(r, r->at, "a name in quotes");
    TRY(read_string(r, &name));
    member->name = name.data;
    skip_space(r);
    if (r->at >= r->end || *r->at != ':')
        return fail_at(r, r->at, "a colon");
    r->at++;
    return read_value(r, &member->value);
}

static enum outcome read_object(struct reader *r, struct jval *value)
{
    size_t mark = r->scratch.len;
    bool more = !closes_at_once(r, '}');
    value->type = JVAL_OBJECT;
    while (more) {
        struct jval_member member = {0};
        TRY(read_member(r, &member));
        str_add(&r->scratch, &member, sizeof member);
        value->object.count++;
        TRY(read_separator(r, '}', "a comma or }", &more));
    }
    const void *members = NULL;
    TRY(take_scratch(r, mark, &members));
    value->object.members = members;
    return check_unique(r, value);
}

/* ---- values ---- */

static enum outcome read_word(struct reader *r, struct jval *value)
{
    static const struct {
        const char *word;
        enum jval_type type;
        bool boolean;
    } words[] = {
        {"true", JVAL_BOOL, true}, {"false", JVAL_BOOL, false}, {"null", JVAL_NULL, false}};
    size_t left = (size_t)(r->end - r->at);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t len = strlen(words[i].word);
        if (left < len || memcmp(r->at, words[i].word, len) != 0)
            continue;
        r->at += len;
        value->type = words[i].type;
        if (value->type == JVAL_BOOL)
            value->boolean = words[i].boolean;
        return OUTCOME_OK;
    }
    return fail_at(r, r->at, "a value");
}

static enum outcome read_container(struct reader *r, struct jval *value)
{
    if (r->depth == JREAD_DEPTH_MAX)
        return FAIL(r->err, OUTCOME_PERMANENT, "json.depth",
                    "bad JSON at byte %zu: nested deeper than %d", (size_t)(r->at - r->begin),
                    JREAD_DEPTH_MAX);
    r->depth++;
    enum outcome outcome = *r->at == '{' ? read_object(r, value) : read_array(r, value);
    r->depth--;
    return outcome;
}

static enum outcome read_value(struct reader *r, struct jval *value)
{
    skip_space(r);
    if (r->at >= r->end)
        return fail_at(r, r->at, "a value");
    char c = *r->at;
    if (c == '{' || c == '[')
        return read_container(r, value);
    if (c == '-' || (c >= '0' && c <= '9'))
        return read_number(r, value);
    if (c != '"')
        return read_word(r, value);
    value->type = JVAL_STRING;
    return read_string(r, &value->string);
}

static enum outcome read_text(struct reader *r, const struct jval **ret_value)
{
    struct jval *value = ARENA_NEW(r->arena, struct jval);
    if (value == NULL)
        return fail_memory(r);
    TRY(read_value(r, value));
    skip_space(r);
    if (r->at < r->end)
        return fail_at(r, r->at, "the end of the text");
    *ret_value = value;
    return OUTCOME_OK;
}

enum outcome jread(struct slice text, struct arena *arena, const struct jval **ret_value,
                   struct err *err)
{
    const char *begin = text.data == NULL ? "" : text.data;
    STR_AUTO struct str scratch = str_with_max(arena->cap_bytes);
    struct reader reader = {begin, begin, begin + text.len, arena, scratch, err, 0};
    enum outcome outcome = read_text(&reader, ret_value);
    scratch = reader.scratch;
    return outcome;
}

enum outcome jread_object(struct slice text, struct arena *arena, const struct jval **ret_object,
                          struct err *err)
{
    const struct jval *value = NULL;
    TRY(jread(text, arena, &value, err));
    if (value->type != JVAL_OBJECT)
        return FAIL(err, OUTCOME_PERMANENT, "json.type", "expected a JSON object, found %s",
                    jval_type_name(value->type));
    *ret_object = value;
    return OUTCOME_OK;
}
