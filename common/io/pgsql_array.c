/* pgsql_array: columns of structs as parameters of array types; see pgsql.h. */
#include "io/pgsql.h"

#include "base/num.h"

#define ARRAY_BYTES_MAX ((size_t)256 << 20)

/* Most are short ids: strcspn() takes longer to make ready than to look at them. */
static size_t plain_length(const char *text)
{
    size_t at = 0;
    while (text[at] != '\0' && text[at] != '"' && text[at] != '\\')
        at++;
    return at;
}

static void add_quoted(struct str *out, const char *text)
{
    str_add_char(out, '"');
    for (;;) {
        size_t plain = plain_length(text);
        str_add(out, text, plain);
        text += plain;
        if (*text == '\0')
            break;
        str_add_char(out, '\\');
        str_add_char(out, *text++);
    }
    str_add_char(out, '"');
}

/* One text that the server would refuse fails the whole array: what is no UTF-8 (the words of some
 * other system, mostly) loses its bytes beyond ASCII. */
static void add_text(struct str *out, const char *text)
{
    if (text == NULL) {
        str_add_text(out, "NULL");
        return;
    }
    size_t begin = out->len;
    add_quoted(out, text);
    if (out->failed || utf8_is_valid(out->data + begin, out->len - begin))
        return;
    for (size_t i = begin; i < out->len; i++) {
        if ((unsigned char)out->data[i] >= 0x80)
            out->data[i] = '?';
    }
}

static void add_member(struct str *out, enum pgsql_member type, const void *member)
{
    const char *text = NULL;
    char number[24];
    switch (type) {
    case PGSQL_MEMBER_TEXT:
        add_text(out, *(const char *const *)member);
        return;
    case PGSQL_MEMBER_INT:
        text = pgsql_int_text(*(const int *)member, number);
        break;
    case PGSQL_MEMBER_INT64:
        text = pgsql_int_text(*(const int64_t *)member, number);
        break;
    case PGSQL_MEMBER_BOOL:
        text = *(const bool *)member ? "t" : "f";
        break;
    }
    str_add_text(out, text);
}

const char *pgsql_array(struct pgsql_structs structs, struct pgsql_column column,
                        struct arena *arena)
{
    struct str out STR_AUTO = str_with_max(ARRAY_BYTES_MAX);
    const char *item = structs.items;
    str_add_char(&out, '{');
    for (size_t i = 0; i < structs.count; i++, item += structs.stride) {
        if (i > 0)
            str_add_char(&out, ',');
        add_member(&out, column.type, item + column.offset);
    }
    str_add_char(&out, '}');
    return out.failed ? NULL : arena_strdup(arena, str_text(&out));
}

static bool is_zero(enum pgsql_member type, const void *member)
{
    switch (type) {
    case PGSQL_MEMBER_TEXT:
        return *(const char *const *)member == NULL;
    case PGSQL_MEMBER_INT:
        return *(const int *)member == 0;
    case PGSQL_MEMBER_INT64:
        return *(const int64_t *)member == 0;
    case PGSQL_MEMBER_BOOL:
        return !*(const bool *)member;
    }
    return false;
}

bool pgsql_is_all_zero(struct pgsql_structs structs, struct pgsql_column column)
{
    const char *item = structs.items;
    for (size_t i = 0; i < structs.count; i++, item += structs.stride) {
        if (!is_zero(column.type, item + column.offset))
            return false;
    }
    return true;
}
