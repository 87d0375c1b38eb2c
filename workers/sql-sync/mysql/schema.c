/*
 * schema: tables of a target: made, changed, dropped.
 *
 * Text gets a binary collation that pads nothing, where the server has one: keys that differ in the
 * source must differ here. Where the row would be too wide for its page, text goes beside it.
 */
#include "mysql/mysql_private.h"

#include <string.h>

#define INDEX_BYTES 3072    /* InnoDB, a whole index */
#define FIXED_KEY_BYTES 32  /* more than any column of fixed width takes */
#define ROW_BYTES_MAX 60000 /* of the server's 65535, leaving room for what has fixed width */
#define COLUMN_COMMENT_MAX 1024
#define TABLE_COMMENT_MAX 2048

static bool is_variable(const struct column_spec *column)
{
    return column->spec.type == VALUE_TEXT || column->spec.type == VALUE_BYTES;
}

bool mys_is_in_key(size_t column, const size_t *key, size_t key_count)
{
    for (size_t i = 0; i < key_count; i++) {
        if (key[i] == column)
            return true;
    }
    return false;
}

size_t mys_key_bytes(const struct column_spec *columns, const size_t *key, size_t key_count)
{
    size_t variable = 0;
    for (size_t i = 0; i < key_count; i++)
        variable += is_variable(&columns[key[i]]);
    size_t fixed = FIXED_KEY_BYTES * (key_count - variable);
    return variable == 0 || fixed >= INDEX_BYTES ? INDEX_BYTES : (INDEX_BYTES - fixed) / variable;
}

/* Characters of at most `max`, as a literal; nothing when there is no comment. */
static void add_comment(struct str *sql, const char *before, const char *comment, size_t max)
{
    char cut[TABLE_COMMENT_MAX + 1];
    if (comment == NULL)
        return;
    text_copy(cut, max + 1, comment);
    str_add_text(sql, before);
    mys_add_text(sql, slice_of(cut));
}

/* A TIMESTAMP that must have a value would, on older servers, be set to the time of each update. */
static void add_null(struct str *sql, const struct column_spec *column)
{
    if (column->nullable)
        str_add_text(sql, " NULL");
    else if (column->spec.type != VALUE_TIMESTAMPTZ)
        str_add_text(sql, " NOT NULL");
    else
        str_add_text(sql, " NOT NULL DEFAULT '1970-01-01 00:00:01'");
}

static void add_column(struct str *sql, const struct column_spec *column,
                       const struct mys_type_request *type)
{
    mys_add_name(sql, column->name);
    str_add_char(sql, ' ');
    mys_type_write(type, sql);
    add_null(sql, column);
    add_comment(sql, " COMMENT ", column->comment, COLUMN_COMMENT_MAX);
}

static bool is_too_wide(const struct create_request *request)
{
    int64_t bytes = 0;
    for (size_t i = 0; i < request->column_count; i++) {
        const struct value_spec *spec = &request->columns[i].spec;
        if (is_variable(&request->columns[i]) && spec->length > 0 && spec->length <= 768)
            bytes += spec->length * (spec->type == VALUE_TEXT ? 4 : 1) + 2;
    }
    return bytes > ROW_BYTES_MAX;
}

static void add_key(struct str *sql, const struct create_request *request)
{
    for (size_t i = 0; i < request->key_count; i++) {
        str_add_text(sql, i == 0 ? ", PRIMARY KEY (" : ", ");
        mys_add_name(sql, request->columns[request->key[i]].name);
    }
    str_add_text(sql, request->key_count > 0 ? ")" : "");
}

static const char *collation_of(const struct session *session)
{
    if (session->is_mariadb)
        return "utf8mb4_nopad_bin";
    return session->version >= 80017 ? "utf8mb4_0900_bin" : "utf8mb4_bin";
}

static enum outcome create_plain(struct session *session, const struct create_request *request,
                                 struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    bool off_page = is_too_wide(request);
    size_t key_bytes = mys_key_bytes(request->columns, request->key, request->key_count);
    str_add_text(&sql, "CREATE TABLE ");
    mys_add_table(&sql, session, &request->table);
    str_add_text(&sql, " (");
    for (size_t i = 0; i < request->column_count; i++) {
        bool in_key = mys_is_in_key(i, request->key, request->key_count);
        struct mys_type_request type = {.spec = &request->columns[i].spec,
                                        .key_bytes = in_key ? key_bytes : 0,
                                        .off_page = off_page};
        str_add_text(&sql, i == 0 ? "" : ", ");
        add_column(&sql, &request->columns[i], &type);
    }
    add_key(&sql, request);
    str_addf(&sql,
             ") ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE %s",
             collation_of(session));
    add_comment(&sql, " COMMENT = ", request->comment, TABLE_COMMENT_MAX);
    return mys_run_str(session, MYS_TARGET, &sql, err);
}

/* MySQL's names of checks are one a schema: it makes a new one where none is given. */
static void add_check(struct str *sql, const struct session *session, struct slice line)
{
    const char *check = session->is_mariadb ? NULL : mys_ddl_find(line, " CHECK ");
    size_t skip = check == NULL ? 0 : (size_t)(check - line.data) + 1;
    str_add(sql, line.data + skip, line.len - skip);
}

/* The columns, checks and options of a table; its indexes come back behind the load. */
static enum outcome create_like(struct session *session, const struct create_request *request,
                                struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    ARENA_AUTO struct arena scratch;
    arena_init(&scratch, STR_MAX_DEFAULT);
    struct mys_ddl ddl;
    TRY(mys_ddl_read(session, request->like, &scratch, &ddl, err));
    str_add_text(&sql, "CREATE TABLE ");
    mys_add_table(&sql, session, &request->table);
    const char *before = " (";
    for (size_t i = 0; i < ddl.count; i++) {
        if (ddl.kinds[i] != MYS_LINE_COLUMN && ddl.kinds[i] != MYS_LINE_CHECK)
            continue;
        str_add_text(&sql, before);
        before = ", ";
        if (ddl.kinds[i] == MYS_LINE_COLUMN)
            mys_ddl_add_without(&sql, ddl.lines[i], " AUTO_INCREMENT", false);
        else
            add_check(&sql, session, ddl.lines[i]);
    }
    mys_ddl_add_without(&sql, ddl.tail, " AUTO_INCREMENT=", true);
    return mys_run_str(session, MYS_TARGET, &sql, err);
}

enum outcome mys_table_create(struct session *session, const struct create_request *request,
                              struct err *err)
{
    struct err first = {0};
    enum outcome outcome = request->like != NULL ? create_like(session, request, &first)
                                                 : create_plain(session, request, &first);
    if (outcome == OUTCOME_OK)
        return OUTCOME_OK;
    if (err != NULL)
        *err = first;
    if (strcmp(first.code, "target.exists") != 0)
        return outcome;
    FAIL(err, OUTCOME_RETRY, "target.exists", "mysql: table %s has just come into being",
         request->table.name);
    return err_hint(err, "the next attempt looks again");
}

static enum outcome add_change(struct str *sql, const struct mys_ddl *ddl,
                               const struct schema_change *change, struct err *err)
{
    struct mys_type_request type = {.spec = &change->column.spec};
    struct column_spec column = change->column;
    if (change->kind == SCHEMA_ADD_COLUMN) {
        column.nullable = true; /* rows that stand there have no value for it */
        str_add_text(sql, "ADD COLUMN ");
        add_column(sql, &column, &type);
        return OUTCOME_OK;
    }
    struct slice line = mys_ddl_column(ddl, column.name), name, old, rest;
    if (line.len == 0)
        return FAIL(err, OUTCOME_PERMANENT, "target.columns", "mysql: the target has no column %s",
                    column.name);
    mys_ddl_split_column(line, &name, &old, &rest);
    str_add_text(sql, "MODIFY COLUMN ");
    str_add_slice(sql, name);
    str_add_char(sql, ' ');
    if (change->kind == SCHEMA_WIDEN_COLUMN) {
        mys_type_write(&type, sql);
        str_add_slice(sql, rest);
        return OUTCOME_OK;
    }
    str_add_slice(sql, old);
    str_add_text(sql, " NULL");
    mys_ddl_add_without(sql, rest, " NOT NULL", false);
    return OUTCOME_OK;
}

static enum outcome change_one(struct session *session, const struct stream_ref *table,
                               const struct schema_change *change, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    ARENA_AUTO struct arena scratch;
    arena_init(&scratch, STR_MAX_DEFAULT);
    struct mys_ddl ddl;
    TRY(mys_ddl_read(session, table, &scratch, &ddl, err));
    str_add_text(&sql, "ALTER TABLE ");
    mys_add_table(&sql, session, table);
    str_add_char(&sql, ' ');
    TRY(add_change(&sql, &ddl, change, err));
    return mys_run_str(session, MYS_TARGET, &sql, err);
}

/* One after the other: two changes may be of one column, whose definition is read each time. */
enum outcome mys_table_change(struct session *session, const struct stream_ref *table,
                              const struct schema_change *changes, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++)
        TRY(change_one(session, table, &changes[i], err));
    return OUTCOME_OK;
}

enum outcome mys_stage_drop(struct session *session, const struct stream_ref *stage,
                            struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    if (strncmp(stage->name, HAUL_STAGE_PREFIX, strlen(HAUL_STAGE_PREFIX)) != 0)
        return FAIL_BUG(err, "mysql: %s is no stage: it will not be dropped", stage->name);
    str_add_text(&sql, "DROP TABLE IF EXISTS ");
    mys_add_table(&sql, session, stage);
    return mys_run_str(session, MYS_TARGET, &sql, err);
}

enum outcome mys_table_exists(struct session *session, const struct stream_ref *table,
                              bool *ret_exists, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    const char *schema = mys_schema_of(session, table);
    str_add_text(&sql, "SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = ");
    mys_add_text(&sql, slice_of(schema == NULL ? "" : schema));
    str_add_text(&sql, " AND TABLE_NAME = ");
    mys_add_text(&sql, slice_of(table->name));
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    TRY(mys_select(session, MYS_TARGET, &sql, &result, err));
    *ret_exists = mysql_num_rows(result) > 0;
    return OUTCOME_OK;
}
