/*
 * swap: a finished stage takes its target's place, in one transaction with the checkpoint.
 *
 * A target that nothing else depends on is dropped and the stage gets its name. Around any other
 * (views, foreign keys, triggers, policies, publications, an identity, another owner) the table
 * itself stays and its rows are replaced.
 */
#include "pg_private.h"

struct swap {
    struct session *session;
    const struct swap_request *request;
    bool exists, plain, referenced;
    char kind;
};

/* Plain: a rename loses nothing that table_finish has not copied. */
static const char ask_target[] =
    "SELECT c.relkind, c.relkind = 'r' AND NOT c.relispartition AND NOT c.relrowsecurity"
    " AND c.relreplident = 'd' AND c.relpersistence = 'p' AND pg_has_role(c.relowner, 'USAGE')"
    " AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_trigger WHERE tgrelid = c.oid"
    "  AND NOT tgisinternal)"
    " AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_rewrite WHERE ev_class = c.oid)"
    " AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_policy WHERE polrelid = c.oid)"
    " AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_publication_rel WHERE prrelid = c.oid)"
    " AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_inherits WHERE c.oid IN (inhrelid, inhparent))"
    " AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_attribute WHERE attrelid = c.oid"
    "  AND attidentity <> '' AND NOT attisdropped)"
    " AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class q"
    "  ON q.oid = d.objid AND q.relkind = 'S' WHERE d.refobjid = c.oid AND d.deptype = 'a'"
    "  AND d.classid = 'pg_catalog.pg_class'::regclass"
    "  AND d.refclassid = 'pg_catalog.pg_class'::regclass),"
    " EXISTS (SELECT 1 FROM pg_catalog.pg_constraint WHERE confrelid = c.oid AND contype = 'f')"
    " FROM pg_catalog.pg_class c WHERE c.oid = ";

static enum outcome look_at_target(struct swap *swap, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    RESULT_AUTO PGresult *result = NULL;
    str_add_text(&sql, ask_target);
    pgc_sql_regclass(&sql, swap->session, &swap->request->target);
    TRY(pgc_query_run_str(swap->session, &sql, &result, err));
    swap->exists = PQntuples(result) == 1;
    if (!swap->exists)
        return OUTCOME_OK;
    swap->kind = PQgetvalue(result, 0, 0)[0];
    swap->plain = pgc_result_bool(result, 0, 1);
    swap->referenced = pgc_result_bool(result, 0, 2);
    if (swap->kind == 'r' || swap->kind == 'p')
        return OUTCOME_OK;
    (void)FAIL(err, OUTCOME_PERMANENT, "target.kind", "%s: it is no table", swap->session->subject);
    return err_hint(err, "write into a table; a view or foreign table cannot be replaced");
}

/* "verb TABLE name rest" of the stage or the target. */
static enum outcome alter(const struct swap *swap, const char *verb, const struct stream_ref *table,
                          const char *rest, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    str_add_text(&sql, verb);
    pgc_sql_table(&sql, swap->session, table);
    str_add_text(&sql, rest);
    return pgc_query_do_str(swap->session, &sql, err);
}

/* ---- by name ---- */

static enum outcome rename_stage(const struct swap *swap, struct err *err)
{
    STR_AUTO struct str name = SQL_NEW, schema = SQL_NEW;
    const struct swap_request *request = swap->request;
    const char *to_schema = pgc_stream_schema(swap->session, &request->target);
    const char *from_schema = pgc_stream_schema(swap->session, &request->stage);
    struct stream_ref renamed = {from_schema, request->target.name, NULL};
    str_add_text(&name, " RENAME TO ");
    pgc_sql_ident(&name, request->target.name);
    TRY(alter(swap, "ALTER TABLE ", &request->stage, str_text(&name), err));
    if (strcmp(from_schema, to_schema) == 0)
        return OUTCOME_OK;
    str_add_text(&schema, " SET SCHEMA ");
    pgc_sql_ident(&schema, to_schema);
    return alter(swap, "ALTER TABLE ", &renamed, str_text(&schema), err);
}

static enum outcome rename_index(const struct swap *swap, const char *from, const char *to,
                                 struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    struct stream_ref index = {pgc_stream_schema(swap->session, &swap->request->target), from,
                               NULL};
    str_add_text(&sql, "ALTER INDEX IF EXISTS ");
    pgc_sql_table(&sql, swap->session, &index);
    str_add_text(&sql, " RENAME TO ");
    pgc_sql_ident(&sql, to);
    return pgc_query_do_str(swap->session, &sql, err);
}

/* Old numbers and names, asked for before the old table goes. */
static enum outcome list_indexes(const struct swap *swap, PGresult **ret_list, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    str_add_text(&sql,
                 "SELECT '" PGC_INDEX_PREFIX "' || c.oid, c.relname FROM pg_catalog.pg_index i"
                 " JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = ");
    pgc_sql_regclass(&sql, swap->session, &swap->request->target);
    return pgc_query_run_str(swap->session, &sql, ret_list, err);
}

static enum outcome rename_indexes(const struct swap *swap, const PGresult *list, struct err *err)
{
    for (int row = 0; row < PQntuples(list); row++)
        TRY(rename_index(swap, PQgetvalue(list, row, 0), PQgetvalue(list, row, 1), err));
    return OUTCOME_OK;
}

/* A key made for the stage is named after it: give it the name that one made here would have. */
static enum outcome rename_new_key(const struct swap *swap, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    RESULT_AUTO PGresult *result = NULL;
    const struct swap_request *request = swap->request;
    str_add_text(&sql,
                 "SELECT c.relname, k.wanted FROM pg_catalog.pg_index i"
                 " JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid, LATERAL (SELECT left(");
    pgc_sql_literal(&sql, request->target.name);
    str_add_text(&sql, ", 58) || '_pkey' AS wanted) k WHERE i.indisprimary AND c.relname LIKE"
                       " '\\_haul\\_stage\\_%' AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_class o"
                       " WHERE o.relnamespace = c.relnamespace AND o.relname = k.wanted)"
                       " AND i.indrelid = ");
    pgc_sql_regclass(&sql, swap->session, &request->target);
    TRY(pgc_query_run_str(swap->session, &sql, &result, err));
    return rename_indexes(swap, result, err);
}

static enum outcome replace_table(const struct swap *swap, struct err *err)
{
    RESULT_AUTO PGresult *indexes = NULL;
    TRY(list_indexes(swap, &indexes, err));
    TRY(alter(swap, "DROP TABLE ", &swap->request->target, "", err));
    TRY(rename_stage(swap, err));
    TRY(rename_indexes(swap, indexes, err));
    return rename_new_key(swap, err);
}

/* ---- by rows ---- */

/* What the stage has gained over the target: columns, wider types, NULLs. */
static enum outcome adapt_columns(const struct swap *swap, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW, target = SQL_NEW;
    RESULT_AUTO PGresult *made = NULL;
    pgc_sql_table(&target, swap->session, &swap->request->target);
    str_add_text(&sql, "SELECT format(concat_ws('; ', CASE WHEN t.attnum IS NULL THEN"
                       " 'ALTER TABLE %1$s ADD COLUMN %2$I %3$s' WHEN d.differs THEN"
                       " 'ALTER TABLE %1$s ALTER COLUMN %2$I TYPE %3$s USING %2$I::%3$s' END,"
                       " CASE WHEN d.loosened THEN"
                       " 'ALTER TABLE %1$s ALTER COLUMN %2$I DROP NOT NULL' END), ");
    pgc_sql_literal(&sql, str_text(&target));
    str_add_text(&sql, ", s.attname, format_type(s.atttypid, s.atttypmod))"
                       " FROM pg_catalog.pg_attribute s LEFT JOIN pg_catalog.pg_attribute t"
                       " ON t.attname = s.attname AND NOT t.attisdropped AND t.attrelid = ");
    pgc_sql_regclass(&sql, swap->session, &swap->request->target);
    str_add_text(&sql, ", LATERAL (SELECT (s.atttypid, s.atttypmod) IS DISTINCT FROM"
                       " (t.atttypid, t.atttypmod) AS differs, t.attnotnull AND NOT s.attnotnull"
                       " AS loosened) d WHERE s.attnum > 0 AND NOT s.attisdropped"
                       " AND (d.differs OR d.loosened) AND s.attrelid = ");
    pgc_sql_regclass(&sql, swap->session, &swap->request->stage);
    str_add_text(&sql, " ORDER BY s.attnum");
    TRY(pgc_query_run_str(swap->session, &sql, &made, err));
    for (int row = 0; row < PQntuples(made); row++)
        TRY(pgc_query_do(swap->session, PQgetvalue(made, row, 0), err));
    return OUTCOME_OK;
}

/* Lists of the target's columns that can be written, and of its primary key's, each quoted. */
static enum outcome list_columns(const struct swap *swap, PGresult **ret_lists, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    str_add_text(&sql,
                 "SELECT string_agg(n.name, ', ' ORDER BY a.attnum),"
                 " string_agg(n.name, ', ' ORDER BY a.attnum) FILTER (WHERE n.of_key),"
                 " string_agg(format('t.%1$s = s.%1$s', n.name), ' AND ') FILTER (WHERE n.of_key),"
                 " string_agg(format('%1$s = excluded.%1$s', n.name), ', ')"
                 "  FILTER (WHERE NOT n.of_key)"
                 " FROM pg_catalog.pg_attribute s JOIN pg_catalog.pg_attribute a"
                 " ON a.attname = s.attname AND NOT a.attisdropped AND a.attrelid = ");
    pgc_sql_regclass(&sql, swap->session, &swap->request->target);
    str_add_text(&sql, " LEFT JOIN pg_catalog.pg_index i ON i.indrelid = a.attrelid"
                       " AND i.indisprimary, LATERAL (SELECT quote_ident(a.attname) AS name,"
                       " coalesce(a.attnum = ANY (i.indkey), false) AS of_key) n"
                       " WHERE s.attnum > 0 AND NOT s.attisdropped AND a.attgenerated = ''"
                       " AND s.attrelid = ");
    pgc_sql_regclass(&sql, swap->session, &swap->request->stage);
    return pgc_query_run_str(swap->session, &sql, ret_lists, err);
}

static void add_insert(struct str *sql, const struct swap *swap, const char *columns)
{
    str_add_text(sql, "INSERT INTO ");
    pgc_sql_table(sql, swap->session, &swap->request->target);
    str_addf(sql, " (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM ", columns, columns);
    pgc_sql_table(sql, swap->session, &swap->request->stage);
}

/* Other tables' rows point here: only rows that vanished are deleted, with what follows of that. */
static enum outcome merge_rows(const struct swap *swap, const PGresult *lists, struct err *err)
{
    STR_AUTO struct str remove = SQL_NEW, insert = SQL_NEW;
    const char *key = pgc_result_text(lists, 0, 1), *others = pgc_result_text(lists, 0, 3);
    if (key == NULL) {
        (void)FAIL(err, OUTCOME_PERMANENT, "target.dependents",
                   "%s: foreign keys refer to it and it has no primary key",
                   swap->session->subject);
        return err_hint(err, "give the target a primary key");
    }
    str_add_text(&remove, "DELETE FROM ");
    pgc_sql_table(&remove, swap->session, &swap->request->target);
    str_add_text(&remove, " t WHERE NOT EXISTS (SELECT 1 FROM ");
    pgc_sql_table(&remove, swap->session, &swap->request->stage);
    str_addf(&remove, " s WHERE %s)", pgc_result_text(lists, 0, 2));
    TRY(pgc_query_do_str(swap->session, &remove, err));
    add_insert(&insert, swap, pgc_result_text(lists, 0, 0));
    str_addf(&insert, " ON CONFLICT (%s) DO ", key);
    if (others == NULL)
        str_add_text(&insert, "NOTHING");
    else
        str_addf(&insert, "UPDATE SET %s", others);
    return pgc_query_do_str(swap->session, &insert, err);
}

static enum outcome replace_rows(const struct swap *swap, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    RESULT_AUTO PGresult *lists = NULL;
    TRY(adapt_columns(swap, err));
    TRY(list_columns(swap, &lists, err));
    if (swap->referenced) {
        TRY(merge_rows(swap, lists, err));
    } else {
        TRY(alter(swap, "TRUNCATE TABLE ", &swap->request->target, "", err));
        add_insert(&sql, swap, pgc_result_text(lists, 0, 0));
        TRY(pgc_query_do_str(swap->session, &sql, err));
    }
    return alter(swap, "DROP TABLE ", &swap->request->stage, "", err);
}

/* ---- the transaction ---- */

/* 2BP01: something depends on the table that only an attempt to drop it finds, a view first. */
static enum outcome replace_plain(const struct swap *swap, struct err *err)
{
    TRY(pgc_query_do(swap->session, "SAVEPOINT haul_swap", err));
    enum outcome outcome = replace_table(swap, err);
    if (outcome != OUTCOME_PERMANENT || strcmp(err->native, "2BP01") != 0)
        return outcome;
    err_clear(err);
    TRY(pgc_query_do(swap->session, "ROLLBACK TO SAVEPOINT haul_swap", err));
    return replace_rows(swap, err);
}

static enum outcome swap_in_transaction(struct swap *swap, struct err *err)
{
    TRY(pgc_checkpoint_store(swap->session, &swap->request->checkpoint, swap->request->state, err));
    TRY(look_at_target(swap, err));
    if (!swap->exists) {
        TRY(rename_stage(swap, err));
        return rename_new_key(swap, err);
    }
    TRY(alter(swap, "LOCK TABLE ", &swap->request->target, " IN ACCESS EXCLUSIVE MODE", err));
    return swap->plain && !swap->referenced ? replace_plain(swap, err) : replace_rows(swap, err);
}

enum outcome pgc_swap_tables(struct session *session, const struct swap_request *request,
                             struct err *err)
{
    struct swap swap = {.session = session, .request = request};
    struct err own;
    err = err == NULL ? &own : err;
    pgc_session_does(session, SIDE_WRITE, "replace", &request->target);
    enum outcome outcome = pgc_query_do(session, "BEGIN", err);
    if (outcome == OUTCOME_OK)
        outcome = swap_in_transaction(&swap, err);
    if (outcome == OUTCOME_OK)
        outcome = pgc_query_do(session, "COMMIT", err);
    if (outcome != OUTCOME_OK)
        (void)pgc_query_quiet(session, "ROLLBACK");
    return outcome;
}
