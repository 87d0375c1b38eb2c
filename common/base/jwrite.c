/* jwrite: see jwrite.h. */
#include "base/jwrite.h"

#include "base/json_plain.h"
#include "base/num.h"

#include <math.h>

#define DEPTH_MAX 32u

/* Before a value or a key: the comma, when the level has items already. */
static void begin_item(struct jwrite *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->depth == 0)
        return;
    uint32_t bit = UINT32_C(1) << (w->depth - 1);
    if ((w->has_items & bit) != 0)
        str_add_char(w->out, ',');
    w->has_items |= bit;
}

static void open_level(struct jwrite *w, char bracket)
{
    begin_item(w);
    if (w->depth == DEPTH_MAX) {
        w->out->failed = true;
        return;
    }
    str_add_char(w->out, bracket);
    w->depth++;
    w->has_items &= ~(UINT32_C(1) << (w->depth - 1));
}

static void close_level(struct jwrite *w, char bracket)
{
    if (w->depth == 0) {
        w->out->failed = true;
        return;
    }
    str_add_char(w->out, bracket);
    w->depth--;
}

void jwrite_open_object(struct jwrite *w)
{
    open_level(w, '{');
}

void jwrite_close_object(struct jwrite *w)
{
    close_level(w, '}');
}

void jwrite_open_array(struct jwrite *w)
{
    open_level(w, '[');
}

void jwrite_close_array(struct jwrite *w)
{
    close_level(w, ']');
}

void jwrite_key(struct jwrite *w, const char *name)
{
    begin_item(w);
    json_add_string(w->out, slice_of(name));
    str_add(w->out, ":", 1);
    w->after_key = true;
}

void jwrite_text(struct jwrite *w, const char *text)
{
    if (text == NULL)
        jwrite_null(w);
    else
        jwrite_slice(w, slice_of(text));
}

void jwrite_slice(struct jwrite *w, struct slice text)
{
    begin_item(w);
    json_add_string(w->out, text);
}

void jwrite_int(struct jwrite *w, int64_t value)
{
    char digits[20];
    begin_item(w);
    str_add(w->out, digits, num_format_i64(value, digits));
}

void jwrite_real(struct jwrite *w, double value)
{
    char digits[32];
    if (!isfinite(value)) {
        jwrite_null(w);
        return;
    }
    begin_item(w);
    str_add(w->out, digits, num_format_f64(value, digits));
}

void jwrite_bool(struct jwrite *w, bool value)
{
    begin_item(w);
    str_add_text(w->out, value ? "true" : "false");
}

void jwrite_null(struct jwrite *w)
{
    begin_item(w);
    str_add_text(w->out, "null");
}

void jwrite_raw(struct jwrite *w, struct slice json)
{
    begin_item(w);
    str_add_slice(w->out, json);
}

static void write_array(struct jwrite *w, const struct jval *value)
{
    jwrite_open_array(w);
    for (size_t i = 0; i < value->array.count && !w->out->failed; i++)
        jwrite_jval(w, &value->array.items[i]);
    jwrite_close_array(w);
}

static void write_object(struct jwrite *w, const struct jval *value)
{
    jwrite_open_object(w);
    for (size_t i = 0; i < value->object.count && !w->out->failed; i++) {
        jwrite_key(w, value->object.members[i].name);
        jwrite_jval(w, &value->object.members[i].value);
    }
    jwrite_close_object(w);
}

void jwrite_jval(struct jwrite *w, const struct jval *value)
{
    switch (value->type) {
    case JVAL_NULL:
        jwrite_null(w);
        break;
    case JVAL_BOOL:
        jwrite_bool(w, value->boolean);
        break;
    case JVAL_INT:
        jwrite_int(w, value->integer);
        break;
    case JVAL_REAL:
        if (value->number != NULL) /* as it was read: a decimal keeps its digits */
            jwrite_raw(w, slice_of(value->number));
        else
            jwrite_real(w, value->real);
        break;
    case JVAL_STRING:
        jwrite_slice(w, value->string);
        break;
    case JVAL_ARRAY:
        write_array(w, value);
        break;
    case JVAL_OBJECT:
        write_object(w, value);
        break;
    }
}

void jwrite_member_text(struct jwrite *w, const char *name, const char *text)
{
    jwrite_key(w, name);
    jwrite_text(w, text);
}

void jwrite_member_int(struct jwrite *w, const char *name, int64_t value)
{
    jwrite_key(w, name);
    jwrite_int(w, value);
}

void jwrite_member_bool(struct jwrite *w, const char *name, bool value)
{
    jwrite_key(w, name);
    jwrite_bool(w, value);
}

void jwrite_member_real(struct jwrite *w, const char *name, double value)
{
    jwrite_key(w, name);
    jwrite_real(w, value);
}

/* The letter after the backslash for the controls that have one; 0 = \u00XX. */
static const char short_escapes[0x20] = {
    ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};

static void add_escaped(struct str *out, unsigned char c)
{
    char text[6] = {'\\', 'u', '0', '0', 0, 0};
    if (c >= 0x20 || short_escapes[c] != 0) {
        text[1] = c >= 0x20 ? (char)c : short_escapes[c];
        str_add(out, text, 2);
        return;
    }
    hex_format(&c, 1, text + 4);
    str_add(out, text, sizeof text);
}

/* How many of the bytes can be copied as they are. */
static size_t copied_run(const char *bytes, size_t len)
{
    size_t at = 0;
    while (at < len) {
        unsigned step = json_is_plain(bytes[at])          ? 1
                        : (unsigned char)bytes[at] < 0x80 ? 0
                                                          : utf8_sequence(bytes + at, len - at);
        if (step == 0)
            break;
        at += step;
    }
    return at;
}

static void add_escapes(struct str *out, struct slice text)
{
    size_t at = 0;
    while (at < text.len) {
        size_t run = copied_run(text.data + at, text.len - at);
        str_add(out, text.data + at, run);
        at += run;
        if (at == text.len)
            break;
        unsigned char c = (unsigned char)text.data[at++];
        if (c < 0x80)
            add_escaped(out, c);
        else
            str_add_text(out, "\xEF\xBF\xBD");
    }
}

void json_add_escaped(struct str *out, struct slice text)
{
    size_t run = json_plain_run(text.data, text.len);
    str_add(out, text.data, run);
    if (run < text.len)
        add_escapes(out, (struct slice){text.data + run, text.len - run});
}

void json_add_string(struct str *out, struct slice text)
{
    str_add(out, "\"", 1);
    json_add_escaped(out, text);
    str_add(out, "\"", 1);
}
