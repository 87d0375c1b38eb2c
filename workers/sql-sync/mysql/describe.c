/* describe: one table, view or query with its columns and key. */
#include "mysql/mysql_private.h"

#include <stdlib.h>
#include <string.h>

enum column_field {
    COLUMN_NAME,
    COLUMN_TYPE,
    COLUMN_NULLABLE,
    COLUMN_LENGTH,
    COLUMN_COMMENT,
    COLUMN_GENERATED,
    COLUMN_IS_JSON,
};

static int64_t number_or(const char *text, int64_t fallback)
{
    return text == NULL ? fallback : strtoll(text, NULL, 10);
}

static void add_where_table(struct str *sql, const char *schema, const char *name)
{
    str_add_text(sql, " WHERE TABLE_SCHEMA = ");
    mys_add_text(sql, slice_of(schema));
    str_add_text(sql, " AND TABLE_NAME = ");
    mys_add_text(sql, slice_of(name));
}

/* MariaDB's json is a longtext whose check says so. */
static void add_columns_query(struct str *sql, const struct session *session, const char *schema,
                              const char *name)
{
    str_add_text(sql, "SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, CHARACTER_MAXIMUM_LENGTH, "
                      "COLUMN_COMMENT, GENERATION_EXPRESSION <> '', ");
    if (session->is_mariadb) {
        str_add_text(sql, "COLUMN_NAME IN (SELECT SUBSTR(CHECK_CLAUSE, 13, "
                          "CHAR_LENGTH(CHECK_CLAUSE) - 14) FROM "
                          "information_schema.CHECK_CONSTRAINTS WHERE CHECK_CLAUSE LIKE "
                          "'json_valid(`%`)' AND CONSTRAINT_SCHEMA = ");
        mys_add_text(sql, slice_of(schema));
        str_add_text(sql, " AND TABLE_NAME = ");
        mys_add_text(sql, slice_of(name));
        str_add_text(sql, ")");
    } else {
        str_add_text(sql, "0");
    }
    str_add_text(sql, " FROM information_schema.COLUMNS");
    add_where_table(sql, schema, name);
    str_add_text(sql, " ORDER BY ORDINAL_POSITION");
}

static enum outcome take_column(const struct session *session, MYSQL_ROW row, struct arena *arena,
                                struct column_spec *column, struct err *err)
{
    struct mys_native native;
    mys_native_parse(row[COLUMN_TYPE], number_or(row[COLUMN_LENGTH], 0), &native);
    native.is_json = row[COLUMN_IS_JSON] != NULL && row[COLUMN_IS_JSON][0] == '1';
    mys_type_read(&native, session->config.tinyint1_as_bool, &column->spec, &column->loss);
    column->name = arena_strdup(arena, row[COLUMN_NAME]);
    column->native = arena_strdup(arena, native.is_json ? "json" : row[COLUMN_TYPE]);
    column->nullable = strcmp(row[COLUMN_NULLABLE], "YES") == 0;
    column->generated = row[COLUMN_GENERATED] != NULL && row[COLUMN_GENERATED][0] == '1';
    if (row[COLUMN_COMMENT] != NULL && row[COLUMN_COMMENT][0] != '\0')
        column->comment = arena_strdup(arena, row[COLUMN_COMMENT]);
    TRY_ALLOC(column->name, err);
    TRY_ALLOC(column->native, err);
    return OUTCOME_OK;
}

static enum outcome take_columns(struct session *session, struct arena *arena,
                                 struct table_spec *table, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    add_columns_query(&sql, session, table->schema, table->name);
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    TRY(mys_select(session, MYS_SOURCE, &sql, &result, err));
    table->column_count = (size_t)mysql_num_rows(result);
    table->columns = ARENA_ARRAY(arena, struct column_spec, table->column_count);
    TRY_ALLOC(table->columns, err);
    for (size_t i = 0; i < table->column_count; i++)
        TRY(take_column(session, mysql_fetch_row(result), arena, &table->columns[i], err));
    return OUTCOME_OK;
}

/* The primary key, else the smallest unique index without NULLs. Indexes on parts of values or on
 * expressions are no keys. */
static void add_key_query(struct str *sql, const char *schema, const char *name)
{
    str_add_text(sql, "SELECT INDEX_NAME FROM information_schema.STATISTICS");
    add_where_table(sql, schema, name);
    str_add_text(sql,
                 " AND NON_UNIQUE = 0 GROUP BY INDEX_NAME HAVING MAX(SUB_PART IS NOT NULL) = 0 "
                 "AND MAX(NULLABLE = 'YES') = 0 AND MAX(COLUMN_NAME IS NULL) = 0 "
                 "ORDER BY INDEX_NAME <> 'PRIMARY', COUNT(*), INDEX_NAME LIMIT 1");
}

static enum outcome find_key_index(struct session *session, const struct table_spec *table,
                                   struct arena *arena, const char **ret_index, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    add_key_query(&sql, table->schema, table->name);
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    TRY(mys_select(session, MYS_SOURCE, &sql, &result, err));
    MYSQL_ROW row = mysql_fetch_row(result);
    const char *index = NULL;
    if (row != NULL)
        TRY_ALLOC(index = arena_strdup(arena, row[0]), err);
    *ret_index = index;
    return OUTCOME_OK;
}

static enum outcome take_key(struct session *session, struct arena *arena, struct table_spec *table,
                             struct err *err)
{
    const char *index = NULL;
    TRY(find_key_index(session, table, arena, &index, err));
    if (index == NULL)
        return OUTCOME_OK;
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    str_add_text(&sql, "SELECT COLUMN_NAME FROM information_schema.STATISTICS");
    add_where_table(&sql, table->schema, table->name);
    str_add_text(&sql, " AND INDEX_NAME = ");
    mys_add_text(&sql, slice_of(index));
    str_add_text(&sql, " ORDER BY SEQ_IN_INDEX");
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    TRY(mys_select(session, MYS_SOURCE, &sql, &result, err));
    size_t count = (size_t)mysql_num_rows(result);
    size_t *key = ARENA_ARRAY(arena, size_t, count);
    TRY_ALLOC(key, err);
    for (size_t i = 0; i < count; i++) {
        int number = table_spec_find(table, mysql_fetch_row(result)[0]);
        if (number < 0)
            return OUTCOME_OK; /* a column that this account may not see */
        key[i] = (size_t)number;
    }
    table->key = key;
    table->key_count = count;
    return OUTCOME_OK;
}

/* information_schema hides what may not be seen: the table itself says which it is. */
static enum outcome explain_missing(struct session *session, const struct stream_ref *stream,
                                    struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    str_add_text(&sql, "SELECT 1 FROM ");
    mys_add_table(&sql, session, stream);
    str_add_text(&sql, " LIMIT 0");
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    TRY(mys_select(session, MYS_SOURCE, &sql, &result, err));
    return FAIL(err, OUTCOME_PERMANENT, "stream.forbidden",
                "mysql: the columns of %s can't be seen by this account", stream->name);
}

static enum outcome describe_table(struct session *session, const struct stream_ref *stream,
                                   struct arena *arena, struct table_spec *table, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    str_add_text(&sql, "SELECT TABLE_TYPE, TABLE_COMMENT, TABLE_ROWS, DATA_LENGTH, "
                       "CREATE_OPTIONS LIKE '%partitioned%' FROM information_schema.TABLES");
    add_where_table(&sql, table->schema, stream->name);
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    TRY(mys_select(session, MYS_SOURCE, &sql, &result, err));
    MYSQL_ROW row = mysql_fetch_row(result);
    if (row == NULL)
        return explain_missing(session, stream, err);
    bool is_view = row[0] != NULL && strstr(row[0], "VIEW") != NULL;
    bool is_partitioned = row[4] != NULL && row[4][0] == '1';
    table->kind = is_view ? TABLE_VIEW : is_partitioned ? TABLE_PARTITIONED : TABLE_BASE;
    if (!is_view && row[1] != NULL && row[1][0] != '\0')
        TRY_ALLOC(table->comment = arena_strdup(arena, row[1]), err);
    table->rows_estimate = number_or(row[2], -1);
    table->bytes_estimate = number_or(row[3], -1);
    TRY(take_columns(session, arena, table, err));
    if (table->column_count == 0)
        return explain_missing(session, stream, err);
    return take_key(session, arena, table, err);
}

static enum outcome take_query_column(const struct session *session, const MYSQL_FIELD *field,
                                      struct arena *arena, struct column_spec *column,
                                      struct err *err)
{
    struct mys_native native;
    mys_native_of_field(field, &native);
    mys_type_read(&native, session->config.tinyint1_as_bool, &column->spec, &column->loss);
    column->nullable = (field->flags & NOT_NULL_FLAG) == 0;
    TRY_ALLOC(column->name = arena_strdup(arena, field->name), err);
    TRY_ALLOC(column->native = mys_native_format(&native, arena), err);
    return OUTCOME_OK;
}

static enum outcome describe_query(struct session *session, const struct stream_ref *stream,
                                   struct arena *arena, struct table_spec *table, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    str_add_text(&sql, "SELECT * ");
    mys_add_from(&sql, session, stream);
    str_add_text(&sql, " LIMIT 0");
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    TRY(mys_select(session, MYS_SOURCE, &sql, &result, err));
    table->kind = TABLE_QUERY;
    table->rows_estimate = table->bytes_estimate = -1;
    table->column_count = mysql_num_fields(result);
    table->columns = ARENA_ARRAY(arena, struct column_spec, table->column_count);
    TRY_ALLOC(table->columns, err);
    for (size_t i = 0; i < table->column_count; i++)
        TRY(take_query_column(session, mysql_fetch_field_direct(result, (unsigned)i), arena,
                              &table->columns[i], err));
    return OUTCOME_OK;
}

enum outcome mys_describe(struct session *session, const struct stream_ref *stream,
                          struct arena *arena, struct table_spec *ret_table, struct err *err)
{
    struct table_spec table = {0};
    TRY_ALLOC(table.name = arena_strdup(arena, stream->name), err);
    if (stream->query != NULL) {
        TRY(describe_query(session, stream, arena, &table, err));
        *ret_table = table;
        return OUTCOME_OK;
    }
    const char *schema = mys_schema_of(session, stream);
    if (schema == NULL) {
        (void)FAIL(err, OUTCOME_PERMANENT, "stream.missing", "mysql: no schema for table %s",
                   stream->name);
        return err_hint(err, "name the table as schema.table, or set the connection's database");
    }
    TRY_ALLOC(table.schema = arena_strdup(arena, schema), err);
    TRY(describe_table(session, stream, arena, &table, err));
    *ret_table = table;
    return OUTCOME_OK;
}
