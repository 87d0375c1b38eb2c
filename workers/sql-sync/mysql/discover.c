/* discover: the tables and views that an account can see. */
#include "mysql/mysql_private.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* With a database configured only it is listed, unless the glob asks for other schemas. */
static void add_tables_query(struct str *sql, const struct session *session, const char *glob)
{
    str_add_text(sql, "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, TABLE_COMMENT, TABLE_ROWS, "
                      "DATA_LENGTH, CREATE_OPTIONS LIKE '%partitioned%' FROM "
                      "information_schema.TABLES WHERE TABLE_SCHEMA NOT IN ('information_schema', "
                      "'performance_schema', 'mysql', 'sys') AND TABLE_TYPE <> 'SEQUENCE' AND "
                      "TABLE_TYPE <> 'TEMPORARY'");
    if (session->config.database != NULL && (glob == NULL || strchr(glob, '.') == NULL)) {
        str_add_text(sql, " AND TABLE_SCHEMA = ");
        mys_add_text(sql, slice_of(session->config.database));
    }
    str_add_text(sql, " ORDER BY TABLE_SCHEMA, TABLE_NAME");
}

static bool is_wanted(const char *schema, const char *name, const char *glob, struct str *scratch)
{
    if (strcmp(name, HAUL_CHECKPOINT_TABLE) == 0 ||
        strncmp(name, HAUL_STAGE_PREFIX, strlen(HAUL_STAGE_PREFIX)) == 0)
        return false;
    if (glob == NULL || fnmatch(glob, name, 0) == 0)
        return true;
    str_clear(scratch);
    str_addf(scratch, "%s.%s", schema, name);
    return fnmatch(glob, str_text(scratch), 0) == 0;
}

static enum outcome take_table(MYSQL_ROW row, struct arena *arena, struct table_spec *table,
                               struct err *err)
{
    bool is_view = strstr(row[2], "VIEW") != NULL;
    bool is_partitioned = row[6] != NULL && row[6][0] == '1';
    TRY_ALLOC(table->schema = arena_strdup(arena, row[0]), err);
    TRY_ALLOC(table->name = arena_strdup(arena, row[1]), err);
    table->kind = is_view ? TABLE_VIEW : is_partitioned ? TABLE_PARTITIONED : TABLE_BASE;
    if (!is_view && row[3] != NULL && row[3][0] != '\0')
        TRY_ALLOC(table->comment = arena_strdup(arena, row[3]), err);
    table->rows_estimate = row[4] == NULL ? -1 : strtoll(row[4], NULL, 10);
    table->bytes_estimate = row[5] == NULL ? -1 : strtoll(row[5], NULL, 10);
    return OUTCOME_OK;
}

enum outcome mys_discover(struct session *session, const char *glob, struct arena *arena,
                          struct stream_list *ret_streams, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    STR_AUTO struct str scratch = str_with_max(STR_MAX_DEFAULT);
    add_tables_query(&sql, session, glob);
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    TRY(mys_select(session, MYS_SOURCE, &sql, &result, err));
    struct table_spec *items = ARENA_ARRAY(arena, struct table_spec, mysql_num_rows(result));
    TRY_ALLOC(items, err);
    size_t count = 0;
    for (MYSQL_ROW row = mysql_fetch_row(result); row != NULL; row = mysql_fetch_row(result)) {
        if (is_wanted(row[0], row[1], glob, &scratch))
            TRY(take_table(row, arena, &items[count++], err));
    }
    if (scratch.failed)
        return FAIL_NO_MEMORY(err);
    *ret_streams = (struct stream_list){.count = count, .items = items};
    return OUTCOME_OK;
}
