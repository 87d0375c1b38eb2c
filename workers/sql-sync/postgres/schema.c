/* schema: makes, changes and drops tables. Each call is one transaction: all of it or nothing. */
#include "pg_private.h"

/* Runs the text between BEGIN and COMMIT; rolls back when any of it fails. */
enum outcome pgc_schema_transaction(struct session *session, const struct str *sql, struct err *err)
{
    STR_AUTO struct str whole = SQL_NEW;
    str_add_text(&whole, "BEGIN; ");
    str_add_slice(&whole, str_slice(sql));
    str_add_text(&whole, "; COMMIT");
    whole.failed |= sql->failed;
    enum outcome outcome = pgc_query_do_str(session, &whole, err);
    if (outcome != OUTCOME_OK)
        (void)pgc_query_quiet(session, "ROLLBACK");
    return outcome;
}

void pgc_schema_key(struct str *sql, const struct column_spec *columns, const size_t *key,
                    size_t key_count)
{
    str_add_char(sql, '(');
    for (size_t i = 0; i < key_count; i++) {
        str_add_text(sql, i == 0 ? "" : ", ");
        pgc_sql_ident(sql, columns[key[i]].name);
    }
    str_add_char(sql, ')');
}

void pgc_schema_comments(struct str *sql, const struct session *session,
                         const struct stream_ref *table, const char *comment,
                         const struct column_spec *columns, size_t count)
{
    if (comment != NULL) {
        str_add_text(sql, "; COMMENT ON TABLE ");
        pgc_sql_table(sql, session, table);
        str_add_text(sql, " IS ");
        pgc_sql_literal(sql, comment);
    }
    for (size_t i = 0; i < count; i++) {
        if (columns[i].comment == NULL)
            continue;
        str_add_text(sql, "; COMMENT ON COLUMN ");
        pgc_sql_table(sql, session, table);
        str_add_char(sql, '.');
        pgc_sql_ident(sql, columns[i].name);
        str_add_text(sql, " IS ");
        pgc_sql_literal(sql, columns[i].comment);
    }
}

static bool is_key(const struct create_request *request, size_t column)
{
    for (size_t i = 0; i < request->key_count; i++) {
        if (request->key[i] == column)
            return true;
    }
    return false;
}

static void add_new_columns(struct str *sql, const struct create_request *request)
{
    for (size_t i = 0; i < request->column_count; i++) {
        const struct column_spec *column = &request->columns[i];
        str_add_text(sql, i == 0 ? "" : ", ");
        pgc_sql_ident(sql, column->name);
        str_add_char(sql, ' ');
        pgc_type_ddl(&column->spec, sql);
        if (!column->nullable || is_key(request, i))
            str_add_text(sql, " NOT NULL");
    }
}

/* Everything that can refuse a row stands from the start, so that it is found row by row. */
static void add_columns_like(struct str *sql, const struct session *session,
                             const struct create_request *request)
{
    str_add_text(sql, "LIKE ");
    pgc_sql_table(sql, session, request->like);
    str_add_text(sql, " INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED"
                      " INCLUDING IDENTITY INCLUDING STORAGE INCLUDING COMMENTS"
                      " INCLUDING STATISTICS)");
    for (size_t i = 0; i < request->column_count; i++) {
        str_add_text(sql, i == 0 ? "; ALTER TABLE " : ", ");
        if (i == 0)
            pgc_sql_table(sql, session, &request->table);
        str_add_text(sql, " ADD COLUMN IF NOT EXISTS ");
        pgc_sql_ident(sql, request->columns[i].name);
        str_add_char(sql, ' ');
        pgc_type_ddl(&request->columns[i].spec, sql);
    }
}

enum outcome pgc_schema_create(struct session *session, const struct create_request *request,
                               struct err *err)
{
    struct err first = {0};
    STR_AUTO struct str sql = SQL_NEW;
    pgc_session_does(session, SIDE_WRITE, "create", &request->table);
    str_add_text(&sql, "CREATE TABLE ");
    pgc_sql_table(&sql, session, &request->table);
    str_add_text(&sql, " (");
    if (request->like != NULL) {
        add_columns_like(&sql, session, request);
    } else {
        add_new_columns(&sql, request);
        str_add_char(&sql, ')');
        pgc_schema_comments(&sql, session, &request->table, request->comment, request->columns,
                            request->column_count);
    }
    if (request->key_count > 0) {
        str_add_text(&sql, "; ALTER TABLE ");
        pgc_sql_table(&sql, session, &request->table);
        str_add_text(&sql, " ADD PRIMARY KEY ");
        pgc_schema_key(&sql, request->columns, request->key, request->key_count);
    }
    enum outcome outcome = pgc_schema_transaction(session, &sql, &first);
    if (outcome == OUTCOME_OK)
        return OUTCOME_OK;
    if (err != NULL)
        *err = first;
    /* Of two that create it at once one may fail in a unique index of the catalogue. */
    if (strcmp(first.native, "42P07") != 0 && strcmp(first.native, "23505") != 0)
        return outcome;
    FAIL(err, OUTCOME_RETRY, "target.exists", "postgres: table %s has just come into being",
         request->table.name);
    return err_hint(err, "the next attempt looks again");
}

static void add_change(struct str *sql, const struct schema_change *change)
{
    switch (change->kind) {
    case SCHEMA_ADD_COLUMN:
        str_add_text(sql, " ADD COLUMN IF NOT EXISTS ");
        pgc_sql_ident(sql, change->column.name);
        str_add_char(sql, ' ');
        pgc_type_ddl(&change->column.spec, sql);
        return;
    case SCHEMA_WIDEN_COLUMN:
        str_add_text(sql, " ALTER COLUMN ");
        pgc_sql_ident(sql, change->column.name);
        str_add_text(sql, " TYPE ");
        pgc_type_ddl(&change->column.spec, sql);
        str_add_text(sql, " USING ");
        pgc_sql_ident(sql, change->column.name);
        str_add_text(sql, "::");
        pgc_type_ddl(&change->column.spec, sql);
        return;
    case SCHEMA_DROP_NOT_NULL:
        str_add_text(sql, " ALTER COLUMN ");
        pgc_sql_ident(sql, change->column.name);
        str_add_text(sql, " DROP NOT NULL");
        return;
    }
}

enum outcome pgc_schema_change(struct session *session, const struct stream_ref *table,
                               const struct schema_change *changes, size_t count, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    struct err own;
    if (count == 0)
        return OUTCOME_OK;
    pgc_session_does(session, SIDE_WRITE, "change", table);
    str_add_text(&sql, "ALTER TABLE ");
    pgc_sql_table(&sql, session, table);
    for (size_t i = 0; i < count; i++) {
        str_add_text(&sql, i == 0 ? "" : ",");
        add_change(&sql, &changes[i]);
    }
    err = err == NULL ? &own : err;
    enum outcome outcome = pgc_schema_transaction(session, &sql, err);
    if (outcome == OUTCOME_PERMANENT && strcmp(err->native, "0A000") == 0)
        (void)err_hint(err,
                       "a view or rule uses the column: drop it, run the sync, create it again");
    return outcome;
}

enum outcome pgc_schema_drop_stage(struct session *session, const struct stream_ref *stage,
                                   struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    if (strncmp(stage->name, HAUL_STAGE_PREFIX, sizeof HAUL_STAGE_PREFIX - 1) != 0)
        return FAIL_BUG(err, "a table that is no stage was to be dropped: %s", stage->name);
    pgc_session_does(session, SIDE_WRITE, "drop", stage);
    str_add_text(&sql, "DROP TABLE IF EXISTS ");
    pgc_sql_table(&sql, session, stage);
    return pgc_query_do_str(session, &sql, err);
}
