/*
 * finish: what a loaded stage gets before it takes its target's place: key, indexes, foreign keys
 * and AUTO_INCREMENT of the table that stood there; statistics. Grants go by name in MySQL: they
 * need no copying.
 *
 * Names of foreign keys are one a schema, and the old table still has them: the server makes new
 * ones, and renames those with the table.
 */
#include "mysql/mysql_private.h"

#include <string.h>

struct alter {
    struct str sql;
    size_t count;
};

static void begin_clause(struct alter *alter)
{
    str_add_text(&alter->sql, alter->count++ == 0 ? " " : ", ");
}

static void add_foreign_key(struct alter *alter, struct slice line)
{
    const char *at = mys_ddl_find(line, " FOREIGN KEY ");
    begin_clause(alter);
    str_add_text(&alter->sql, "ADD");
    str_add(&alter->sql, at, line.len - (size_t)(at - line.data));
}

/* The next number is part of the table's options. */
static void add_auto_increment(struct alter *alter, struct slice line, struct slice tail)
{
    static const char option[] = " AUTO_INCREMENT=";
    begin_clause(alter);
    str_add_text(&alter->sql, "MODIFY COLUMN ");
    str_add_slice(&alter->sql, line);
    const char *at = mys_ddl_find(tail, option);
    if (at == NULL)
        return;
    at += strlen(option);
    begin_clause(alter);
    str_addf(&alter->sql, "AUTO_INCREMENT = %.*s", (int)strspn(at, "0123456789"), at);
}

static bool is_primary(struct slice line)
{
    return line.len > 11 && memcmp(line.data, "PRIMARY KEY", 11) == 0;
}

/* Keys first: an AUTO_INCREMENT column must have one. Says whether there is a primary key. */
static bool add_like(struct alter *alter, const struct mys_ddl *ddl)
{
    bool has_primary = false;
    for (size_t i = 0; i < ddl->count; i++) {
        if (ddl->kinds[i] == MYS_LINE_KEY) {
            has_primary |= is_primary(ddl->lines[i]);
            begin_clause(alter);
            str_add_text(&alter->sql, "ADD ");
            str_add_slice(&alter->sql, ddl->lines[i]);
        } else if (ddl->kinds[i] == MYS_LINE_FOREIGN_KEY) {
            add_foreign_key(alter, ddl->lines[i]);
        } else if (ddl->kinds[i] == MYS_LINE_COLUMN &&
                   mys_ddl_find(ddl->lines[i], " AUTO_INCREMENT") != NULL) {
            add_auto_increment(alter, ddl->lines[i], ddl->tail);
        }
    }
    return has_primary;
}

/* A text that had room without an index may need a narrower type in one. */
static void add_key_type(struct alter *alter, const struct finish_request *request, size_t number)
{
    STR_AUTO struct str plain = str_with_max(256), keyed = str_with_max(256);
    const struct column_spec *column = &request->columns[number];
    struct mys_type_request type = {.spec = &column->spec};
    mys_type_write(&type, &plain);
    type.key_bytes = mys_key_bytes(request->columns, request->key, request->key_count);
    mys_type_write(&type, &keyed);
    if (strcmp(str_text(&plain), str_text(&keyed)) == 0)
        return;
    begin_clause(alter);
    str_add_text(&alter->sql, "MODIFY COLUMN ");
    mys_add_name(&alter->sql, column->name);
    str_addf(&alter->sql, " %s NOT NULL", str_text(&keyed));
    if (column->comment != NULL) {
        str_add_text(&alter->sql, " COMMENT ");
        mys_add_text(&alter->sql, slice_of(column->comment));
    }
}

static void add_primary_key(struct alter *alter, const struct finish_request *request)
{
    if (request->like == NULL) {
        for (size_t i = 0; i < request->key_count; i++)
            add_key_type(alter, request, request->key[i]);
    }
    begin_clause(alter);
    str_add_text(&alter->sql, "ADD PRIMARY KEY (");
    for (size_t i = 0; i < request->key_count; i++) {
        str_add_text(&alter->sql, i == 0 ? "" : ", ");
        mys_add_name(&alter->sql, request->columns[request->key[i]].name);
    }
    str_add_char(&alter->sql, ')');
}

static enum outcome explain(struct session *session, const struct finish_request *request,
                            struct err *err)
{
    unsigned number = mysql_errno(&session->link);
    switch (number) {
    case 1062:
    case 1586:
        (void)FAIL(err, OUTCOME_PERMANENT, "target.key_not_unique",
                   "mysql: rows for %s have the same key or the same value in a unique index",
                   request->stage.name);
        (void)err_hint(err, "choose key columns that are unique in the source, or full_refresh or "
                            "append without a key");
        return err_native(err, "1062");
    case 1048:
    case 1138:
    case 1171:
    case 1265:
        (void)FAIL(err, OUTCOME_PERMANENT, "target.key_not_unique",
                   "mysql: rows for %s have NULL in a key column", request->stage.name);
        return err_hint(err, "choose key columns that always have a value");
    case 1406:
        (void)FAIL(err, OUTCOME_PERMANENT, "target.columns",
                   "mysql: a text in a key column of %s is too long for an index",
                   request->stage.name);
        return err_hint(err, "a key of InnoDB has at most 3072 bytes");
    case 1452:
        (void)FAIL(err, OUTCOME_PERMANENT, "target.constraint",
                   "mysql: rows for %s point to rows that do not exist", request->stage.name);
        return err_hint(err, "load the referenced table first, or drop the foreign key");
    default:
        return mys_last_error(session, MYS_TARGET, err);
    }
}

static enum outcome analyze(struct session *session, const struct stream_ref *table,
                            struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    str_add_text(&sql, "ANALYZE TABLE ");
    mys_add_table(&sql, session, table);
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    return mys_select(session, MYS_TARGET, &sql, &result, err);
}

static enum outcome build(struct session *session, const struct finish_request *request,
                          struct alter *alter, struct err *err)
{
    ARENA_AUTO struct arena scratch;
    arena_init(&scratch, STR_MAX_DEFAULT);
    struct mys_ddl ddl;
    bool has_primary = false;
    str_add_text(&alter->sql, "ALTER TABLE ");
    mys_add_table(&alter->sql, session, &request->stage);
    if (request->like != NULL) {
        TRY(mys_ddl_read(session, request->like, &scratch, &ddl, err));
        has_primary = add_like(alter, &ddl);
    }
    if (!has_primary && request->key_count > 0)
        add_primary_key(alter, request);
    return OUTCOME_OK;
}

/* All is built by one statement: with one index the stage has them all. */
static enum outcome is_built(struct session *session, const struct stream_ref *stage,
                             bool *ret_built, struct err *err)
{
    ARENA_AUTO struct arena scratch;
    arena_init(&scratch, STR_MAX_DEFAULT);
    struct mys_ddl ddl;
    TRY(mys_ddl_read(session, stage, &scratch, &ddl, err));
    bool built = false;
    for (size_t i = 0; i < ddl.count; i++)
        built |= ddl.kinds[i] == MYS_LINE_KEY;
    *ret_built = built;
    return OUTCOME_OK;
}

static enum outcome alter_stage(struct session *session, const struct finish_request *request,
                                struct alter *alter, struct err *err)
{
    bool built = false;
    TRY(is_built(session, &request->stage, &built, err));
    if (built)
        return OUTCOME_OK; /* by a worker that died before the swap */
    TRY(build(session, request, alter, err));
    if (alter->sql.failed)
        return FAIL_NO_MEMORY(err);
    if (alter->count == 0)
        return OUTCOME_OK;
    TRY(mys_check_cancelled(session, err));
    if (!mys_query(session, str_slice(&alter->sql)))
        return explain(session, request, err);
    return OUTCOME_OK;
}

enum outcome mys_table_finish(struct session *session, const struct finish_request *request,
                              struct err *err)
{
    struct alter alter = {.sql = str_with_max(STR_MAX_DEFAULT)};
    enum outcome outcome = alter_stage(session, request, &alter, err);
    str_done(&alter.sql);
    TRY(outcome);
    return analyze(session, &request->stage, err);
}
