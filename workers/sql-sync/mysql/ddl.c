/*
 * ddl: a table's definition as the server prints it, taken apart by lines.
 *
 * SHOW CREATE TABLE gives one line a column, index and constraint, and escapes line ends in texts;
 * so a definition can be copied with all that we know nothing of.
 */
#include "mysql/mysql_private.h"

#include <ctype.h>
#include <string.h>

/* The first byte behind a quoted text that begins at `at`. */
static const char *skip_quoted(const char *at, const char *end)
{
    char quote = *at++;
    while (at < end) {
        if (*at == '\\' && quote == '\'' && at + 1 < end)
            at++;
        else if (*at == quote && at + 1 < end && at[1] == quote)
            at++;
        else if (*at == quote)
            return at + 1;
        at++;
    }
    return end;
}

const char *mys_ddl_find(struct slice text, const char *token)
{
    size_t len = strlen(token);
    const char *end = text.data + text.len;
    for (const char *at = text.data; at < end;) {
        if ((size_t)(end - at) >= len && memcmp(at, token, len) == 0)
            return at;
        at = *at == '\'' || *at == '`' || *at == '"' ? skip_quoted(at, end) : at + 1;
    }
    return NULL;
}

void mys_ddl_add_without(struct str *sql, struct slice text, const char *token, bool with_digits)
{
    const char *at = mys_ddl_find(text, token);
    if (at == NULL) {
        str_add_slice(sql, text);
        return;
    }
    const char *behind = at + strlen(token), *end = text.data + text.len;
    while (with_digits && behind < end && isdigit((unsigned char)*behind))
        behind++;
    str_add(sql, text.data, (size_t)(at - text.data));
    str_add(sql, behind, (size_t)(end - behind));
}

static bool begins(struct slice line, const char *with)
{
    return line.len >= strlen(with) && memcmp(line.data, with, strlen(with)) == 0;
}

static enum mys_line kind_of(struct slice line)
{
    static const char *const keys[] = {"PRIMARY KEY", "UNIQUE KEY", "KEY ", "FULLTEXT KEY",
                                       "SPATIAL KEY"};
    if (begins(line, "`"))
        return MYS_LINE_COLUMN;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (begins(line, keys[i]))
            return MYS_LINE_KEY;
    }
    if (begins(line, "CONSTRAINT"))
        return mys_ddl_find(line, " FOREIGN KEY ") != NULL ? MYS_LINE_FOREIGN_KEY : MYS_LINE_CHECK;
    return MYS_LINE_OTHER;
}

static size_t count_lines(const char *text)
{
    size_t count = 1;
    for (; *text != '\0'; text++)
        count += *text == '\n';
    return count;
}

/* "CREATE TABLE `t` (\n  line,\n  line\n) tail" */
static bool take_apart(const char *text, struct mys_ddl *ddl)
{
    const char *at = strchr(text, '\n');
    for (at = at == NULL ? "" : at + 1; begins(slice_of(at), "  "); at++) {
        const char *end = strchr(at, '\n');
        if (end == NULL)
            return false;
        struct slice line = {at + 2, (size_t)(end - at) - 2};
        line.len -= line.len > 0 && line.data[line.len - 1] == ',';
        ddl->kinds[ddl->count] = kind_of(line);
        ddl->lines[ddl->count++] = line;
        at = end;
    }
    ddl->tail = slice_of(at);
    return *at == ')';
}

enum outcome mys_ddl_read(struct session *session, const struct stream_ref *table,
                          struct arena *arena, struct mys_ddl *ret_ddl, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    str_add_text(&sql, "SHOW CREATE TABLE ");
    mys_add_table(&sql, session, table);
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    TRY(mys_select(session, MYS_TARGET, &sql, &result, err));
    MYSQL_ROW row = mysql_fetch_row(result);
    if (row == NULL || row[1] == NULL || mysql_num_fields(result) != 2)
        return FAIL(err, OUTCOME_PERMANENT, "target.kind", "mysql: %s is no table", table->name);
    char *text = arena_strdup(arena, row[1]);
    TRY_ALLOC(text, err);
    struct mys_ddl ddl = {.lines = ARENA_ARRAY(arena, struct slice, count_lines(text)),
                          .kinds = ARENA_ARRAY(arena, enum mys_line, count_lines(text))};
    TRY_ALLOC(ddl.lines, err);
    TRY_ALLOC(ddl.kinds, err);
    if (!take_apart(text, &ddl))
        return FAIL(err, OUTCOME_PERMANENT, "target.kind",
                    "mysql: the definition of %s can't be read", table->name);
    *ret_ddl = ddl;
    return OUTCOME_OK;
}

void mys_ddl_split_column(struct slice line, struct slice *ret_name, struct slice *ret_type,
                          struct slice *ret_rest)
{
    const char *end = line.data + line.len;
    const char *name_end = skip_quoted(line.data, end);
    const char *type = name_end < end ? name_end + 1 : end, *at = type;
    while (at < end && *at != ' ' && *at != '(')
        at++;
    if (at < end && *at == '(') {
        while (at < end && *at != ')')
            at = *at == '\'' ? skip_quoted(at, end) : at + 1;
        at += at < end;
    }
    static const char *const signs[] = {" unsigned", " zerofill"};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        if (begins((struct slice){at, (size_t)(end - at)}, signs[i]))
            at += strlen(signs[i]);
    }
    *ret_name = (struct slice){line.data, (size_t)(name_end - line.data)};
    *ret_type = (struct slice){type, (size_t)(at - type)};
    *ret_rest = (struct slice){at, (size_t)(end - at)};
}

struct slice mys_ddl_column(const struct mys_ddl *ddl, const char *name)
{
    STR_AUTO struct str quoted = str_with_max(STR_MAX_DEFAULT);
    mys_add_name(&quoted, name);
    for (size_t i = 0; i < ddl->count && !quoted.failed; i++) {
        struct slice own, type, rest;
        if (ddl->kinds[i] != MYS_LINE_COLUMN)
            continue;
        mys_ddl_split_column(ddl->lines[i], &own, &type, &rest);
        if (slice_eq(own, str_slice(&quoted)))
            return ddl->lines[i];
    }
    return (struct slice){NULL, 0};
}
