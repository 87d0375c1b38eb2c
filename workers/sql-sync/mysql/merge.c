/*
 * merge: how a batch of keyed rows becomes what it should be in the target: through a temporary
 * stage of rows, by one or two statements whose counts are exact.
 *
 * INSERT ... ON DUPLICATE KEY UPDATE would take any unique index for the key, and overwrite another
 * row that happens to share an e-mail address, say: rows are joined by the sync's key instead, and
 * a clash in another index stays an error of the row.
 *
 * Texts are compared byte by byte, whatever the column's collation: 'a' that became 'A' has
 * changed.
 */
#include "mysql/mysql_private.h"

#include <string.h>

#define ROWS_STAGE HAUL_STAGE_PREFIX "rows"

/* ---- the stage of rows ---- */

static struct stream_ref stage_of(const struct writer *writer)
{
    return (struct stream_ref){writer->request.table.schema, ROWS_STAGE, NULL};
}

static void add_key_names(struct str *sql, const struct writer *writer)
{
    for (size_t i = 0; i < writer->request.key_count; i++) {
        str_add_text(sql, i == 0 ? "" : ", ");
        mys_add_name(sql, writer->request.columns[writer->request.key[i]].name);
    }
}

/* Made outside of the transaction: some servers with GTIDs take it only there. */
static enum outcome create_stage(struct writer *writer, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    const struct write_request *request = &writer->request;
    struct stream_ref stage = stage_of(writer);
    str_add_text(&sql, "CREATE TEMPORARY TABLE ");
    mys_add_table(&sql, writer->session, &stage);
    str_add_text(&sql, " (");
    for (size_t i = 0; i < request->column_count; i++) {
        bool in_key = mys_is_in_key(i, request->key, request->key_count);
        mys_add_name(&sql, request->columns[i].name);
        str_addf(&sql, " %s %s, ", writer->columns[i].definition, in_key ? "NOT NULL" : "NULL");
    }
    str_add_text(&sql, "PRIMARY KEY (");
    add_key_names(&sql, writer);
    str_add_text(&sql, ")) ENGINE = InnoDB");
    TRY(mys_run_str(writer->session, MYS_TARGET, &sql, err));
    writer->has_stage = true;
    return OUTCOME_OK;
}

/* ---- pieces of statements ---- */

static bool is_text(const struct writer *writer, size_t column)
{
    enum value_type type = writer->request.columns[column].spec.type;
    const char *base = writer->columns[column].native.base;
    bool is_parsed = base != NULL && strcmp(base, "json") == 0;
    return (type == VALUE_TEXT || type == VALUE_JSON) && !is_parsed;
}

static void add_pair(struct str *sql, const char *before, const char *name, const char *operator,
                     const char * behind)
{
    str_add_text(sql, before);
    str_add_text(sql, "t.");
    mys_add_name(sql, name);
    str_add_text(sql, operator);
    str_add_text(sql, "s.");
    mys_add_name(sql, name);
    str_add_text(sql, behind);
}

static void add_key_match(struct str *sql, const struct writer *writer)
{
    const struct write_request *request = &writer->request;
    for (size_t i = 0; i < request->key_count; i++)
        add_pair(sql, i == 0 ? " ON " : " AND ", request->columns[request->key[i]].name, " = ", "");
}

/* With an index on the key the stage goes first: the server's guess of its size may be old. */
static const char *join_word(const struct writer *writer)
{
    return writer->key_is_indexed ? " s STRAIGHT_JOIN " : " s JOIN ";
}

static void add_join(struct str *sql, const struct writer *writer, bool current_only)
{
    struct stream_ref stage = stage_of(writer);
    mys_add_table(sql, writer->session, &stage);
    str_add_text(sql, join_word(writer));
    mys_add_table(sql, writer->session, &writer->request.table);
    str_add_text(sql, " t");
    add_key_match(sql, writer);
    if (current_only)
        str_add_text(sql, " AND t." HAUL_COLUMN_IS_CURRENT " = 1");
}

/* Columns that an update of a matching row may have to change: keys only in their spelling. */
static bool may_differ(const struct writer *writer, size_t column)
{
    return !mys_is_in_key(column, writer->request.key, writer->request.key_count) ||
           is_text(writer, column);
}

static void add_differs(struct str *sql, const struct writer *writer)
{
    const struct write_request *request = &writer->request;
    const char *before = "NOT (";
    for (size_t i = 0; i < request->column_count; i++) {
        if (!may_differ(writer, i))
            continue;
        str_add_text(sql, before);
        before = " AND ";
        if (is_text(writer, i)) {
            str_add_text(sql, "CAST(t.");
            mys_add_name(sql, request->columns[i].name);
            str_add_text(sql, " AS BINARY) <=> CAST(s.");
            mys_add_name(sql, request->columns[i].name);
            str_add_text(sql, " AS BINARY)");
        } else {
            add_pair(sql, "", request->columns[i].name, " <=> ", "");
        }
    }
    str_add_text(sql, before[0] == 'N' ? "FALSE" : ")");
}

static void add_now(struct str *sql, const struct writer *writer)
{
    char text[40];
    size_t len = timestamp_format(writer->request.now_us, text);
    str_addf(sql, "TIMESTAMP'%.*s'", (int)len, text);
}

static void add_closing(struct str *sql, const struct writer *writer)
{
    str_add_text(sql, " SET t." HAUL_COLUMN_VALID_TO " = ");
    add_now(sql, writer);
    str_add_text(sql, ", t." HAUL_COLUMN_IS_CURRENT " = 0");
}

/* Adds the rows of the stage that have no (current) row in the target. */
static void add_insert_missing(struct str *sql, const struct writer *writer)
{
    const struct write_request *request = &writer->request;
    struct stream_ref stage = stage_of(writer);
    bool history = request->how == WRITE_HISTORY;
    str_add_text(sql, "INSERT INTO ");
    mys_add_table(sql, writer->session, &request->table);
    for (size_t i = 0; i < request->column_count; i++) {
        str_add_text(sql, i == 0 ? " (" : ", ");
        mys_add_name(sql, request->columns[i].name);
    }
    if (history)
        str_add_text(sql, ", " HAUL_COLUMN_VALID_FROM ", " HAUL_COLUMN_VALID_TO
                          ", " HAUL_COLUMN_IS_CURRENT);
    str_add_text(sql, ") SELECT ");
    for (size_t i = 0; i < request->column_count; i++) {
        str_add_text(sql, i == 0 ? "s." : ", s.");
        mys_add_name(sql, request->columns[i].name);
    }
    if (history) {
        str_add_text(sql, ", ");
        add_now(sql, writer);
        str_add_text(sql, ", NULL, 1");
    }
    str_add_text(sql, " FROM ");
    mys_add_table(sql, writer->session, &stage);
    str_add_text(sql, " s LEFT JOIN ");
    mys_add_table(sql, writer->session, &request->table);
    str_add_text(sql, " t");
    add_key_match(sql, writer);
    if (history)
        str_add_text(sql, " AND t." HAUL_COLUMN_IS_CURRENT " = 1");
    str_add_text(sql, " WHERE t.");
    mys_add_name(sql, request->columns[request->key[0]].name);
    str_add_text(sql, " IS NULL");
}

/* ---- the statements of each way to write ---- */

static void add_merge_update(struct str *sql, const struct writer *writer)
{
    const struct write_request *request = &writer->request;
    const char *before = " SET ";
    str_add_text(sql, "UPDATE ");
    add_join(sql, writer, false);
    for (size_t i = 0; i < request->column_count; i++) {
        if (!may_differ(writer, i))
            continue;
        add_pair(sql, before, request->columns[i].name, " = ", "");
        before = ", ";
    }
    if (request->soft_delete)
        str_addf(sql, "%st." HAUL_COLUMN_DELETED_AT " = NULL", before);
    str_add_text(sql, " WHERE ");
    add_differs(sql, writer);
    if (request->soft_delete)
        str_add_text(sql, " OR t." HAUL_COLUMN_DELETED_AT " IS NOT NULL");
}

static bool has_update(const struct writer *writer)
{
    for (size_t i = 0; i < writer->request.column_count; i++) {
        if (may_differ(writer, i))
            return true;
    }
    return writer->request.soft_delete;
}

static void add_history_update(struct str *sql, const struct writer *writer)
{
    str_add_text(sql, "UPDATE ");
    add_join(sql, writer, true);
    add_closing(sql, writer);
    str_add_text(sql, " WHERE ");
    add_differs(sql, writer);
}

static void add_delete(struct str *sql, const struct writer *writer)
{
    const struct write_request *request = &writer->request;
    bool keeps = request->history || request->soft_delete;
    str_add_text(sql, keeps ? "UPDATE " : "DELETE t FROM ");
    add_join(sql, writer, request->history);
    if (request->history) {
        add_closing(sql, writer);
    } else if (request->soft_delete) {
        str_add_text(sql, " SET t." HAUL_COLUMN_DELETED_AT " = ");
        add_now(sql, writer);
        str_add_text(sql, " WHERE t." HAUL_COLUMN_DELETED_AT " IS NULL");
    }
}

static void add_read_back(struct str *sql, const struct writer *writer)
{
    const struct write_request *request = &writer->request;
    str_add_text(sql, "SELECT ");
    for (size_t i = 0; i < request->column_count; i++) {
        str_add_text(sql, i == 0 ? "" : ", ");
        mys_add_select_column(sql, "t", request->columns[i].name, &writer->columns[i].native);
    }
    str_add_text(sql, " FROM ");
    add_join(sql, writer, request->history);
}

static enum outcome keep(struct writer *writer, struct str *sql, const char **ret_sql,
                         struct err *err)
{
    const char *copy = sql->failed ? NULL : arena_strdup(&writer->arena, str_text(sql));
    TRY_ALLOC(copy, err);
    str_clear(sql);
    *ret_sql = copy;
    return OUTCOME_OK;
}

static enum outcome make_statements(struct writer *writer, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    enum write_how how = writer->request.how;
    struct stream_ref stage = stage_of(writer);
    if (how == WRITE_DELETE)
        add_delete(&sql, writer);
    else if (how == WRITE_HISTORY)
        add_history_update(&sql, writer);
    else if (has_update(writer))
        add_merge_update(&sql, writer);
    if (sql.len > 0)
        TRY(keep(writer, &sql, &writer->first, err));
    if (how != WRITE_DELETE) {
        add_insert_missing(&sql, writer);
        TRY(keep(writer, &sql, &writer->second, err));
    }
    add_read_back(&sql, writer);
    TRY(keep(writer, &sql, &writer->back, err));
    str_add_text(&sql, "DELETE FROM ");
    mys_add_table(&sql, writer->session, &stage);
    return keep(writer, &sql, &writer->clear, err);
}

static enum outcome make_head(struct writer *writer, struct err *err)
{
    const struct write_request *request = &writer->request;
    struct stream_ref into = request->key_count > 0 ? stage_of(writer) : request->table;
    struct str *head = &writer->head;
    str_add_text(head, "INSERT INTO ");
    mys_add_table(head, writer->session, &into);
    for (size_t i = 0; i < request->column_count; i++) {
        str_add_text(head, i == 0 ? " (" : ", ");
        mys_add_name(head, request->columns[i].name);
    }
    str_add_text(head, ") VALUES");
    return head->failed ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
}

enum outcome mys_merge_prepare(struct writer *writer, struct err *err)
{
    TRY(mys_target_learn(writer, err));
    TRY(make_head(writer, err));
    if (writer->request.key_count == 0)
        return OUTCOME_OK;
    TRY(make_statements(writer, err));
    return create_stage(writer, err);
}

/* ---- a batch ---- */

static enum outcome run_counted(struct writer *writer, const char *sql, int64_t *ret_rows,
                                struct err *err)
{
    *ret_rows = 0;
    if (sql == NULL)
        return OUTCOME_OK;
    TRY(mys_run(writer->session, MYS_ROWS, sql, err));
    int64_t rows = (int64_t)mysql_affected_rows(&writer->session->link);
    TRY(mys_check_warnings(writer->session, err));
    *ret_rows = rows;
    return OUTCOME_OK;
}

enum outcome mys_merge_apply(struct writer *writer, size_t count, struct write_counts *counts,
                             struct err *err)
{
    int64_t first = 0, second = 0;
    TRY(run_counted(writer, writer->first, &first, err));
    TRY(run_counted(writer, writer->second, &second, err));
    switch (writer->request.how) {
    case WRITE_DELETE:
        counts->deleted += first;
        break;
    case WRITE_HISTORY: /* a row that changed was closed and inserted */
        counts->updated += first;
        counts->inserted += second - first;
        counts->unchanged += (int64_t)count - second;
        break;
    case WRITE_MERGE:
        counts->updated += first;
        counts->inserted += second;
        counts->unchanged += (int64_t)count - first - second;
        break;
    case WRITE_INSERT:
        break;
    }
    return OUTCOME_OK;
}
