/*
 * describe: the columns and the key of one table, view or query.
 *
 * The types come from the description of a SELECT that is prepared and never run: the server has
 * resolved domains there, and a query needs no other way than a table.
 */
#include "pg_private.h"

#include <stdio.h>

static enum outcome describe_columns(struct session *session, const struct stream_ref *stream,
                                     struct arena *arena, struct pgc_column **ret_columns,
                                     size_t *ret_count, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    str_add_text(&sql, "SELECT * FROM ");
    pgc_sql_source(&sql, session, stream);
    return pgc_columns_of(session, &sql, arena, ret_columns, ret_count, err);
}

static enum outcome make_specs(const struct pgc_column *columns, size_t count, struct arena *arena,
                               struct table_spec *table, struct err *err)
{
    table->column_count = count;
    table->columns = ARENA_ARRAY(arena, struct column_spec, count + 1);
    TRY_ALLOC(table->columns, err);
    for (size_t i = 0; i < count; i++)
        table->columns[i] = (struct column_spec){.name = columns[i].name,
                                                 .spec = pgc_type_spec(&columns[i]),
                                                 .nullable = true,
                                                 .loss = pgc_type_loss(&columns[i])};
    return OUTCOME_OK;
}

static enum outcome copy_text(struct arena *arena, const char *text, const char **ret_copy,
                              struct err *err)
{
    *ret_copy = arena_strdup(arena, text);
    return *ret_copy == NULL && text != NULL ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
}

/* ---- queries ---- */

static enum outcome name_types(struct session *session, const struct pgc_column *columns,
                               struct arena *arena, struct table_spec *table, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    RESULT_AUTO PGresult *result = NULL;
    str_add_text(&sql, "SELECT ''");
    for (size_t i = 0; i < table->column_count; i++)
        str_addf(&sql, ", format_type(%u, %d)", columns[i].oid, columns[i].typmod);
    TRY(pgc_query_run_str(session, &sql, &result, err));
    for (size_t i = 0; i < table->column_count; i++)
        TRY(copy_text(arena, PQgetvalue(result, 0, (int)i + 1), &table->columns[i].native, err));
    return OUTCOME_OK;
}

static enum outcome refuse_same_names(const struct session *session, const struct table_spec *table,
                                      struct err *err)
{
    for (size_t i = 0; i < table->column_count; i++) {
        if (table_spec_find(table, table->columns[i].name) == (int)i)
            continue;
        (void)FAIL(err, OUTCOME_PERMANENT, "stream.query", "%s: two columns are named \"%s\"",
                   session->subject, table->columns[i].name);
        return err_hint(err, "give each column of the query a name of its own with AS");
    }
    return OUTCOME_OK;
}

static enum outcome describe_query(struct session *session, const struct stream_ref *stream,
                                   struct arena *arena, struct table_spec *table, struct err *err)
{
    STR_AUTO struct str alone = SQL_NEW;
    RESULT_AUTO PGresult *parsed = NULL;
    struct pgc_column *columns = NULL;
    size_t count = 0;
    /* By itself first: it must be one whole statement, not a text that breaks out of brackets. */
    str_add_text(&alone, stream->query);
    TRY(pgc_query_columns(session, &alone, &parsed, err));
    TRY(describe_columns(session, stream, arena, &columns, &count, err));
    TRY(make_specs(columns, count, arena, table, err));
    TRY(refuse_same_names(session, table, err));
    TRY(name_types(session, columns, arena, table, err));
    table->kind = TABLE_QUERY;
    table->bytes_estimate = -1;
    TRY(copy_text(arena, stream->name, &table->name, err));
    return pgc_stats_rows(session, stream, &table->rows_estimate, err);
}

/* ---- tables and views ---- */

static enum outcome fail_missing(const struct session *session, struct err *err)
{
    (void)FAIL(err, OUTCOME_PERMANENT, "stream.missing", "%s: there is no such table or view",
               session->subject);
    return err_hint(err, "check schema and name; names are case-sensitive; `haul discover` lists "
                         "what there is");
}

static enum outcome describe_table_itself(struct session *session, const struct stream_ref *stream,
                                          struct arena *arena, struct table_spec *table,
                                          struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    RESULT_AUTO PGresult *result = NULL;
    str_add_text(&sql, "SELECT relkind, obj_description(oid, 'pg_class'),"
                       " CASE WHEN relkind IN ('r', 'm') THEN pg_table_size(oid) ELSE -1 END,"
                       " has_any_column_privilege(oid, 'SELECT')"
                       " FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f')"
                       " AND oid = ");
    pgc_sql_regclass(&sql, session, stream);
    TRY(pgc_query_run_str(session, &sql, &result, err));
    if (PQntuples(result) == 0)
        return fail_missing(session, err);
    if (!pgc_result_bool(result, 0, 3)) {
        (void)FAIL(err, OUTCOME_PERMANENT, "stream.forbidden", "%s: no right to read it",
                   session->subject);
        return err_hint(err, "GRANT SELECT on it to the connection's user");
    }
    char relkind = PQgetvalue(result, 0, 0)[0];
    table->kind = relkind == 'p'                     ? TABLE_PARTITIONED
                  : relkind == 'v' || relkind == 'm' ? TABLE_VIEW
                                                     : TABLE_BASE;
    table->bytes_estimate = pgc_result_i64(result, 0, 2);
    return copy_text(arena, pgc_result_text(result, 0, 1), &table->comment, err);
}

static enum outcome describe_attributes(struct session *session, const struct stream_ref *stream,
                                        struct arena *arena, struct table_spec *table,
                                        struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    RESULT_AUTO PGresult *result = NULL;
    str_add_text(&sql, "SELECT a.attnotnull OR t.typnotnull, a.attgenerated <> '',"
                       " col_description(a.attrelid, a.attnum),"
                       " format_type(a.atttypid, a.atttypmod)"
                       " FROM pg_catalog.pg_attribute a"
                       " JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
                       " WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attrelid = ");
    pgc_sql_regclass(&sql, session, stream);
    str_add_text(&sql, " ORDER BY a.attnum");
    TRY(pgc_query_run_str(session, &sql, &result, err));
    if ((size_t)PQntuples(result) != table->column_count)
        return FAIL(err, OUTCOME_RETRY, "read.conflict", "%s: its columns changed meanwhile",
                    session->subject);
    for (int row = 0; row < PQntuples(result); row++) {
        struct column_spec *column = &table->columns[row];
        column->nullable = !pgc_result_bool(result, row, 0);
        column->generated = pgc_result_bool(result, row, 1);
        TRY(copy_text(arena, pgc_result_text(result, row, 2), &column->comment, err));
        TRY(copy_text(arena, PQgetvalue(result, row, 3), &column->native, err));
    }
    return OUTCOME_OK;
}

/* The primary key; else the narrowest unique index over whole columns that are never NULL. */
static enum outcome describe_key(struct session *session, const struct stream_ref *stream,
                                 struct arena *arena, struct table_spec *table, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    RESULT_AUTO PGresult *result = NULL;
    str_add_text(&sql,
                 "SELECT a.attname FROM (SELECT i.indexrelid, i.indrelid, i.indkey, i.indnkeyatts"
                 " FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
                 " WHERE i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL"
                 " AND i.indexprs IS NULL AND NOT EXISTS (SELECT 1 FROM generate_series(0,"
                 " i.indnkeyatts - 1) k JOIN pg_catalog.pg_attribute n ON n.attrelid = i.indrelid"
                 " AND n.attnum = i.indkey[k] AND NOT n.attnotnull) AND i.indrelid = ");
    pgc_sql_regclass(&sql, session, stream);
    str_add_text(&sql,
                 " ORDER BY i.indisprimary DESC, i.indnkeyatts, c.relname LIMIT 1) x CROSS JOIN"
                 " generate_series(0, x.indnkeyatts - 1) k"
                 " JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid"
                 " AND a.attnum = x.indkey[k] ORDER BY k");
    TRY(pgc_query_run_str(session, &sql, &result, err));
    size_t count = (size_t)PQntuples(result);
    size_t *key = ARENA_ARRAY(arena, size_t, count + 1);
    TRY_ALLOC(key, err);
    for (size_t i = 0; i < count; i++) {
        int column = table_spec_find(table, PQgetvalue(result, (int)i, 0));
        if (column < 0)
            return FAIL_BUG(err, "%s: a key column is no column", session->subject);
        key[i] = (size_t)column;
    }
    table->key = key;
    table->key_count = count;
    return OUTCOME_OK;
}

static enum outcome describe_table(struct session *session, const struct stream_ref *stream,
                                   struct arena *arena, struct table_spec *table, struct err *err)
{
    struct pgc_column *columns = NULL;
    size_t count = 0;
    TRY(describe_table_itself(session, stream, arena, table, err));
    TRY(copy_text(arena, pgc_stream_schema(session, stream), &table->schema, err));
    TRY(copy_text(arena, stream->name, &table->name, err));
    TRY(describe_columns(session, stream, arena, &columns, &count, err));
    TRY(make_specs(columns, count, arena, table, err));
    TRY(describe_attributes(session, stream, arena, table, err));
    TRY(describe_key(session, stream, arena, table, err));
    return pgc_stats_rows(session, stream, &table->rows_estimate, err);
}

enum outcome pgc_describe_stream(struct session *session, const struct stream_ref *stream,
                                 struct arena *arena, struct table_spec *ret_table, struct err *err)
{
    struct table_spec table = {.rows_estimate = -1, .bytes_estimate = -1};
    pgc_session_does(session, SIDE_READ, "describe", stream);
    if (stream->query != NULL)
        TRY(describe_query(session, stream, arena, &table, err));
    else
        TRY(describe_table(session, stream, arena, &table, err));
    *ret_table = table;
    return OUTCOME_OK;
}
