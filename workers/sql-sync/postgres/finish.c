/*
 * finish: what a loaded stage gets before it takes its target's place: key, indexes, foreign keys,
 * options, rights and owner of the table that stood there, and statistics.
 *
 * Indexes get names made of their models' numbers, which the swap turns into the models' names.
 */
#include "pg_private.h"

/* A list of statements that the server makes from its own catalogue. */
static enum outcome run_made(struct session *session, const struct str *query, struct err *err)
{
    RESULT_AUTO PGresult *made = NULL;
    TRY(pgc_query_run_str(session, query, &made, err));
    for (int row = 0; row < PQntuples(made); row++)
        TRY(pgc_query_do(session, PQgetvalue(made, row, 0), err));
    return OUTCOME_OK;
}

/*
 * %1$s: the stage as a literal of its quoted name, %2$s: the model as an expression of its number.
 * pg_get_indexdef names the model's index and table in front of " USING ": that part is replaced.
 */
static const char copy_constraints[] =
    "SELECT format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', %1$s,"
    " '" PGC_INDEX_PREFIX "' || conindid, pg_get_constraintdef(oid))"
    " FROM pg_catalog.pg_constraint WHERE conrelid = %2$s AND contype IN ('p', 'u', 'x')"
    " ORDER BY contype, conname";
static const char copy_indexes[] =
    "SELECT format('CREATE %%sINDEX %%I ON %%s%%s', CASE WHEN i.indisunique THEN 'UNIQUE ' END,"
    " '" PGC_INDEX_PREFIX "' || i.indexrelid, %1$s, substr(d.def, strpos(d.def, ' USING ' ||"
    " m.amname || ' ')))"
    " FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
    " JOIN pg_catalog.pg_am m ON m.oid = c.relam,"
    " LATERAL (SELECT pg_get_indexdef(i.indexrelid) AS def) d"
    " WHERE i.indrelid = %2$s AND i.indisvalid AND NOT EXISTS (SELECT 1 FROM"
    " pg_catalog.pg_constraint k WHERE k.conrelid = %2$s AND k.conindid = i.indexrelid"
    " AND k.contype IN ('p', 'u', 'x')) ORDER BY c.relname";
static const char copy_foreign_keys[] =
    "SELECT format('ALTER TABLE %%s ADD CONSTRAINT %%I %%s', %1$s, conname,"
    " pg_get_constraintdef(oid)) FROM pg_catalog.pg_constraint"
    " WHERE conrelid = %2$s AND contype = 'f' AND conparentid = 0 ORDER BY conname";
static const char copy_options[] =
    "SELECT format('ALTER TABLE %%s SET (%%s)', %1$s, array_to_string(reloptions, ', '))"
    " FROM pg_catalog.pg_class WHERE oid = %2$s AND relkind = 'r' AND reloptions IS NOT NULL";
static const char copy_comment[] =
    "SELECT format('COMMENT ON TABLE %%s IS %%L', %1$s, obj_description(%2$s, 'pg_class'))"
    " WHERE obj_description(%2$s, 'pg_class') IS NOT NULL";
static const char copy_rights[] =
    "SELECT format('GRANT %%s%%s ON %%s TO %%s%%s', g.privilege_type, g.of_column, %1$s,"
    " CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END,"
    " CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' END)"
    " FROM (SELECT x.*, '' AS of_column, c.relowner FROM pg_catalog.pg_class c,"
    "  aclexplode(c.relacl) x WHERE c.oid = %2$s"
    "  UNION ALL SELECT x.*, format('(%%I)', a.attname), c.relowner"
    "  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid,"
    "  aclexplode(a.attacl) x WHERE c.oid = %2$s AND NOT a.attisdropped) g"
    " WHERE g.grantee <> g.relowner AND g.privilege_type <> 'MAINTAIN'";
/* An owner that we may not give it to keeps the table itself: the swap then moves rows only. */
static const char copy_owner[] =
    "SELECT format('ALTER TABLE %%s OWNER TO %%I', %1$s, pg_get_userbyid(relowner))"
    " FROM pg_catalog.pg_class WHERE oid = %2$s AND relowner <> (SELECT oid FROM"
    " pg_catalog.pg_roles WHERE rolname = current_user) AND pg_has_role(relowner, 'MEMBER')";

static const char *const copies[] = {copy_constraints, copy_indexes, copy_foreign_keys,
                                     copy_options,     copy_comment, copy_rights,
                                     copy_owner};

/* The templates' two places, each possibly taken several times. */
static void add_template(struct str *sql, const char *template, const char *stage, const char *like)
{
    for (const char *at = template; *at != '\0'; at++) {
        if (strncmp(at, "%1$s", 4) == 0 || strncmp(at, "%2$s", 4) == 0) {
            str_add_text(sql, at[1] == '1' ? stage : like);
            at += 3;
        } else if (at[0] == '%' && at[1] == '%') {
            str_add_char(sql, '%');
            at++;
        } else {
            str_add_char(sql, *at);
        }
    }
}

static enum outcome copy_from_model(struct session *session, const struct finish_request *request,
                                    struct err *err)
{
    STR_AUTO struct str stage_name = SQL_NEW, stage = SQL_NEW, like = SQL_NEW;
    pgc_sql_table(&stage_name, session, &request->stage);
    pgc_sql_literal(&stage, str_text(&stage_name));
    pgc_sql_regclass(&like, session, request->like);
    for (size_t i = 0; i < sizeof copies / sizeof *copies; i++) {
        STR_AUTO struct str sql = SQL_NEW;
        add_template(&sql, copies[i], str_text(&stage), str_text(&like));
        sql.failed |= stage_name.failed || stage.failed || like.failed;
        TRY(run_made(session, &sql, err));
    }
    return OUTCOME_OK;
}

/* Whether the stage has keys or indexes: it is made without, and a finish is all or nothing, so an
 * earlier attempt has finished it. */
static enum outcome has_keys(struct session *session, const struct stream_ref *table, bool *ret_has,
                             struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    RESULT_AUTO PGresult *result = NULL;
    str_add_text(&sql, "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_index WHERE indrelid = ");
    pgc_sql_regclass(&sql, session, table);
    str_add_text(&sql, ") OR EXISTS (SELECT 1 FROM pg_catalog.pg_constraint WHERE contype = 'f'"
                       " AND conrelid = ");
    pgc_sql_regclass(&sql, session, table);
    str_add_char(&sql, ')');
    TRY(pgc_query_run_str(session, &sql, &result, err));
    *ret_has = pgc_result_bool(result, 0, 0);
    return OUTCOME_OK;
}

/* The model may have a key of its own, copied already. */
static enum outcome has_primary_key(struct session *session, const struct stream_ref *table,
                                    bool *ret_has, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    RESULT_AUTO PGresult *result = NULL;
    str_add_text(&sql, "SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_index WHERE indisprimary"
                       " AND indrelid = ");
    pgc_sql_regclass(&sql, session, table);
    str_add_char(&sql, ')');
    TRY(pgc_query_run_str(session, &sql, &result, err));
    *ret_has = pgc_result_bool(result, 0, 0);
    return OUTCOME_OK;
}

static enum outcome add_primary_key(struct session *session, const struct finish_request *request,
                                    struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    bool has = false;
    if (request->key_count == 0)
        return OUTCOME_OK;
    TRY(has_primary_key(session, &request->stage, &has, err));
    if (has)
        return OUTCOME_OK;
    str_add_text(&sql, "ALTER TABLE ");
    pgc_sql_table(&sql, session, &request->stage);
    str_add_text(&sql, " ADD PRIMARY KEY ");
    pgc_schema_key(&sql, request->columns, request->key, request->key_count);
    return pgc_query_do_str(session, &sql, err);
}

static enum outcome finish_in_transaction(struct session *session,
                                          const struct finish_request *request, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    bool finished = false;
    TRY(has_keys(session, &request->stage, &finished, err));
    if (finished)
        return OUTCOME_OK;
    if (request->like != NULL)
        TRY(copy_from_model(session, request, err));
    TRY(add_primary_key(session, request, err));
    if (request->like == NULL)
        pgc_schema_comments(&sql, session, &request->stage, request->comment, request->columns,
                            request->column_count);
    str_add_text(&sql, "; ANALYZE ");
    pgc_sql_table(&sql, session, &request->stage);
    return pgc_query_do_str(session, &sql, err);
}

/* The failures of building keys, in the words of what was asked for. */
static enum outcome explain(struct session *session, struct err *err)
{
    bool duplicate = strcmp(err->native, "23505") == 0;
    if (!duplicate && strcmp(err->native, "23502") != 0)
        return err->outcome;
    char native[sizeof err->native];
    text_copy(native, sizeof native, err->native);
    (void)FAIL(err, OUTCOME_PERMANENT, "target.key_not_unique", "%s: %s", session->subject,
               duplicate ? "two rows have the same key" : "a key column holds NULL");
    (void)err_hint(err, "choose key columns that are unique and never NULL in the source");
    return err_native(err, native);
}

enum outcome pgc_finish_table(struct session *session, const struct finish_request *request,
                              struct err *err)
{
    struct err own;
    err = err == NULL ? &own : err;
    pgc_session_does(session, SIDE_WRITE, "build the keys of", &request->stage);
    enum outcome outcome = pgc_query_do(session, "BEGIN", err);
    if (outcome == OUTCOME_OK)
        outcome = finish_in_transaction(session, request, err);
    if (outcome == OUTCOME_OK)
        outcome = pgc_query_do(session, "COMMIT", err);
    if (outcome == OUTCOME_OK)
        return OUTCOME_OK;
    (void)pgc_query_quiet(session, "ROLLBACK");
    return outcome == OUTCOME_PERMANENT ? explain(session, err) : outcome;
}
