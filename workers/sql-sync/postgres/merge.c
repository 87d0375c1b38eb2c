/*
 * merge: chooses how rows get from the temporary table into the target, does it, and counts.
 */
#include "writer.h"

#include "base/num.h"

/* ---- choosing ---- */

/* Whether the target is an ordinary table, and whether a unique index holds just the key. */
static enum outcome look_at_table(struct writer *writer, bool *ret_has_unique, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    RESULT_AUTO PGresult *result = NULL;
    size_t key_count = writer->request.key_count;
    str_addf(&sql,
             "SELECT c.relkind = 'r', EXISTS (SELECT 1 FROM pg_catalog.pg_index i"
             " WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indimmediate"
             " AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indnkeyatts = %zu"
             " AND (SELECT count(*) FROM generate_series(0, i.indnkeyatts - 1) k"
             " JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[k]"
             " WHERE a.attname IN (''",
             key_count);
    for (size_t i = 0; i < key_count; i++) {
        str_add_text(&sql, ", ");
        pgc_sql_literal(&sql, writer->request.columns[writer->request.key[i]].name);
    }
    str_addf(&sql, ")) = %zu) FROM pg_catalog.pg_class c WHERE c.oid = ", key_count);
    pgc_sql_regclass(&sql, writer->session, &writer->request.table);
    TRY(pgc_query_run_str(writer->session, &sql, &result, err));
    if (PQntuples(result) != 1)
        return FAIL(err, OUTCOME_RETRY, "write.conflict", "%s: the table is gone",
                    writer->session->subject);
    writer->is_plain_table = pgc_result_bool(result, 0, 0);
    *ret_has_unique = pgc_result_bool(result, 0, 1);
    return OUTCOME_OK;
}

static enum merge_plan choose_insert(const struct writer *writer)
{
    for (size_t i = 0; i < writer->request.column_count; i++) {
        if (writer->natives[i] != NULL)
            return MERGE_INSERT;
    }
    return MERGE_NONE;
}

enum outcome pgc_merge_prepare(struct writer *writer, struct err *err)
{
    static const enum merge_plan plans[] = {
        [WRITE_MERGE] = MERGE_JOIN, [WRITE_HISTORY] = MERGE_HISTORY, [WRITE_DELETE] = MERGE_DELETE};
    bool has_unique = false;
    const struct write_request *request = &writer->request;
    if (request->how == WRITE_INSERT) {
        writer->plan = choose_insert(writer);
    } else if (request->key_count == 0) {
        return FAIL_BUG(err, "a write by key without a key");
    } else {
        TRY(look_at_table(writer, &has_unique, err));
        writer->plan =
            request->how == WRITE_MERGE && has_unique ? MERGE_CONFLICT : plans[request->how];
        TRY(pgc_merge_make_read_back(writer, err));
    }
    pgc_merge_make(writer);
    return OUTCOME_OK;
}

/* ---- running ---- */

static enum outcome run_counted(struct writer *writer, const struct str *sql, int64_t *ret_rows,
                                struct err *err)
{
    RESULT_AUTO PGresult *result = NULL;
    *ret_rows = 0;
    if (sql->len == 0)
        return OUTCOME_OK;
    TRY(pgc_query_run_str(writer->session, sql, &result, err));
    const char *rows = PQcmdTuples(result);
    return num_parse_i64(rows, strlen(rows), ret_rows)
               ? OUTCOME_OK
               : FAIL_BUG(err, "%s: the server counted no rows", writer->session->subject);
}

static enum outcome run_conflict(struct writer *writer, int64_t rows, struct write_counts *counts,
                                 struct err *err)
{
    RESULT_AUTO PGresult *existing = NULL;
    RESULT_AUTO PGresult *result = NULL;
    if (!writer->is_plain_table)
        TRY(pgc_query_run_str(writer->session, &writer->steps[0], &existing, err));
    TRY(pgc_query_run_str(writer->session, &writer->steps[1], &result, err));
    int64_t inserted = pgc_result_i64(result, 0, 0), updated = pgc_result_i64(result, 0, 1);
    if (!writer->is_plain_table) {
        int64_t written = inserted;
        inserted = rows - pgc_result_i64(existing, 0, 0);
        updated = written - inserted;
    }
    counts->inserted += inserted;
    counts->updated += updated;
    counts->unchanged += rows - inserted - updated;
    return OUTCOME_OK;
}

static enum outcome refuse_doubles(struct writer *writer, struct err *err)
{
    RESULT_AUTO PGresult *result = NULL;
    TRY(pgc_query_run_str(writer->session, &writer->steps[0], &result, err));
    if (!pgc_result_bool(result, 0, 0))
        return OUTCOME_OK;
    (void)FAIL(err, OUTCOME_PERMANENT, "target.key_not_unique",
               "%s: two rows of one batch have the same key", writer->session->subject);
    return err_hint(err, "choose key columns that are unique in the source");
}

static enum outcome run_join(struct writer *writer, int64_t rows, struct write_counts *counts,
                             struct err *err)
{
    int64_t updated = 0, inserted = 0;
    TRY(refuse_doubles(writer, err));
    TRY(run_counted(writer, &writer->steps[1], &updated, err));
    TRY(run_counted(writer, &writer->steps[2], &inserted, err));
    /* A version that was closed is followed by one that was inserted: that is one update. */
    if (writer->plan == MERGE_HISTORY)
        inserted -= updated;
    counts->inserted += inserted;
    counts->updated += updated;
    counts->unchanged += rows - inserted - updated;
    return OUTCOME_OK;
}

enum outcome pgc_merge_run(struct writer *writer, int64_t rows, struct write_counts *counts,
                           struct err *err)
{
    if (writer->plan == MERGE_CONFLICT)
        return run_conflict(writer, rows, counts, err);
    if (writer->plan == MERGE_JOIN || writer->plan == MERGE_HISTORY)
        return run_join(writer, rows, counts, err);
    int64_t done = 0;
    TRY(run_counted(writer, &writer->steps[0], &done, err));
    if (writer->plan == MERGE_DELETE)
        counts->deleted += done;
    else
        counts->inserted += done;
    return OUTCOME_OK;
}
