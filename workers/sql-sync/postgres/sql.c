/* sql: names and values as SQL text. */
#include "pg_private.h"

#include <stdio.h>

static void add_quoted(struct str *sql, const char *text, char quote)
{
    str_add_char(sql, quote);
    for (const char *at = text; *at != '\0'; at++) {
        if (*at == quote)
            str_add_char(sql, quote);
        str_add_char(sql, *at);
    }
    str_add_char(sql, quote);
}

void pgc_sql_ident(struct str *sql, const char *name)
{
    add_quoted(sql, name, '"');
}

/* standard_conforming_strings is on in every session: a backslash is a backslash. */
void pgc_sql_literal(struct str *sql, const char *text)
{
    add_quoted(sql, text, '\'');
}

const char *pgc_stream_schema(const struct session *session, const struct stream_ref *stream)
{
    return stream->schema != NULL ? stream->schema : session->schema;
}

void pgc_sql_table(struct str *sql, const struct session *session, const struct stream_ref *table)
{
    pgc_sql_ident(sql, pgc_stream_schema(session, table));
    str_add_char(sql, '.');
    pgc_sql_ident(sql, table->name);
}

void pgc_sql_regclass(struct str *sql, const struct session *session,
                      const struct stream_ref *table)
{
    STR_AUTO struct str name = SQL_NEW;
    pgc_sql_table(&name, session, table);
    str_add_text(sql, "to_regclass(");
    pgc_sql_literal(sql, str_text(&name));
    str_add_char(sql, ')');
    sql->failed |= name.failed;
}

/* A query may end in a semicolon, which brackets do not take, or in a comment, which eats them. */
static void add_query(struct str *sql, const char *query)
{
    size_t len = strlen(query);
    while (len > 0 && (query[len - 1] == ';' || strchr(" \t\r\n", query[len - 1]) != NULL))
        len--;
    str_add_char(sql, '(');
    str_add(sql, query, len);
    str_add_text(sql, "\n)");
}

void pgc_sql_source(struct str *sql, const struct session *session, const struct stream_ref *stream)
{
    if (stream->query != NULL)
        add_query(sql, stream->query);
    else
        pgc_sql_table(sql, session, stream);
    str_add_text(sql, " AS haul_row");
}

/* haul counts years as astronomers do, -0043-03-15; the server knows that one as 0044-03-15 BC. */
static void add_date_literal(struct str *sql, const char *text)
{
    bool negative = text[0] == '-';
    int year, used = 0;
    if (sscanf(text + negative, "%d%n", &year, &used) != 1 || (year > 0 && !negative)) {
        pgc_sql_literal(sql, text);
        return;
    }
    char bc[96];
    (void)snprintf(bc, sizeof bc, "%04d%.64s BC", year + 1, text + negative + used);
    pgc_sql_literal(sql, bc);
}

static const struct column_spec *find_column(const struct read_request *request, const char *name)
{
    for (size_t i = 0; i < request->column_count; i++) {
        if (strcmp(request->columns[i].name, name) == 0)
            return &request->columns[i];
    }
    return NULL;
}

static bool is_date(const struct column_spec *column, const char *text)
{
    int32_t days;
    if (column == NULL) /* filtered by, but not read */
        return strlen(text) >= 10 && date_parse(text, 10 + (text[0] == '-'), &days);
    return column->spec.type == VALUE_DATE || column->spec.type == VALUE_TIMESTAMP ||
           column->spec.type == VALUE_TIMESTAMPTZ;
}

static void add_filter(struct str *sql, const struct read_request *request,
                       const struct read_filter *filter)
{
    static const char *const operators[] = {
        [READ_EQ] = " = ",
        [READ_GE] = " >= ",
        [READ_GT] = " > ",
        [READ_LE] = " <= ",
        [READ_LT] = " < ",
        [READ_IS_NULL] = " IS NULL",
        [READ_NOT_NULL] = " IS NOT NULL",
        [READ_IS_TRUE] = " IS TRUE",
    };
    bool has_value = filter->op <= READ_LT;
    str_add_text(sql, "(" PGC_ROW);
    pgc_sql_ident(sql, filter->column);
    str_add_text(sql, operators[filter->op]);
    if (has_value && is_date(find_column(request, filter->column), filter->value))
        add_date_literal(sql, filter->value);
    else if (has_value)
        pgc_sql_literal(sql, filter->value);
    if (filter->or_null) {
        str_add_text(sql, " OR " PGC_ROW);
        pgc_sql_ident(sql, filter->column);
        str_add_text(sql, " IS NULL");
    }
    str_add_char(sql, ')');
}

void pgc_sql_filters(struct str *sql, const struct read_request *request)
{
    for (size_t i = 0; i < request->filter_count; i++) {
        str_add_text(sql, i == 0 ? " WHERE " : " AND ");
        add_filter(sql, request, &request->filters[i]);
    }
}
