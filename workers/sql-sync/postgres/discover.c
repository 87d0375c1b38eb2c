/* discover: the tables and views of a database, without their columns. */
#include "pg_private.h"

/* A glob as a LIKE pattern: * is any text, ? any character. */
static void add_pattern(struct str *sql, const char *glob)
{
    STR_AUTO struct str pattern = SQL_NEW;
    for (const char *at = glob; *at != '\0'; at++) {
        if (*at == '*' || *at == '?') {
            str_add_char(&pattern, *at == '*' ? '%' : '_');
            continue;
        }
        if (*at == '%' || *at == '_' || *at == '\\')
            str_add_char(&pattern, '\\');
        str_add_char(&pattern, *at);
    }
    pgc_sql_literal(sql, str_text(&pattern));
    sql->failed |= pattern.failed;
}

static void add_condition(struct str *sql, const char *glob)
{
    if (glob == NULL)
        return;
    str_add_text(sql, " AND (c.relname LIKE ");
    add_pattern(sql, glob);
    str_add_text(sql, " OR n.nspname || '.' || c.relname LIKE ");
    add_pattern(sql, glob);
    str_add_char(sql, ')');
}

static enum table_kind kind_of(char relkind)
{
    return relkind == 'v' || relkind == 'm' ? TABLE_VIEW
           : relkind == 'p'                 ? TABLE_PARTITIONED
                                            : TABLE_BASE;
}

static struct table_spec take_row(const PGresult *result, int row, struct arena *arena)
{
    return (struct table_spec){
        .schema = arena_strdup(arena, PQgetvalue(result, row, 0)),
        .name = arena_strdup(arena, PQgetvalue(result, row, 1)),
        .kind = kind_of(PQgetvalue(result, row, 2)[0]),
        .comment = arena_strdup(arena, pgc_result_text(result, row, 3)),
        .rows_estimate = pgc_result_i64(result, row, 4),
        .bytes_estimate = pgc_result_i64(result, row, 5),
    };
}

enum outcome pgc_discover_streams(struct session *session, const char *glob, struct arena *arena,
                                  struct stream_list *ret_streams, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    RESULT_AUTO PGresult *result = NULL;
    pgc_session_does(session, SIDE_READ, "discover", NULL);
    str_add_text(&sql,
                 "SELECT n.nspname, c.relname, c.relkind, obj_description(c.oid, 'pg_class'),"
                 " CASE WHEN c.reltuples > 0 THEN c.reltuples::bigint"
                 "  WHEN c.relkind IN ('r', 'm') AND pg_relation_size(c.oid) = 0 THEN 0 ELSE -1"
                 " END, CASE WHEN c.relkind IN ('r', 'm') THEN pg_table_size(c.oid) ELSE -1 END"
                 " FROM pg_catalog.pg_class c"
                 " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
                 " WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition"
                 " AND c.relpersistence <> 't' AND n.nspname !~ '^pg_'"
                 " AND n.nspname <> 'information_schema' AND has_schema_privilege(n.oid, 'USAGE')"
                 " AND c.relname <> '" HAUL_CHECKPOINT_TABLE "'"
                 " AND c.relname NOT LIKE '\\_haul\\_stage\\_%'");
    add_condition(&sql, glob);
    str_add_text(&sql, " ORDER BY n.nspname COLLATE \"C\", c.relname COLLATE \"C\"");
    TRY(pgc_query_run_str(session, &sql, &result, err));
    size_t count = (size_t)PQntuples(result);
    struct table_spec *items = ARENA_ARRAY(arena, struct table_spec, count + 1);
    TRY_ALLOC(items, err);
    for (size_t i = 0; i < count; i++) {
        items[i] = take_row(result, (int)i, arena);
        if (items[i].schema == NULL || items[i].name == NULL)
            return FAIL_NO_MEMORY(err);
    }
    *ret_streams = (struct stream_list){count, items};
    return OUTCOME_OK;
}
