/*
 * merge_sql: the statements that bring rows from the temporary table into the target.
 *
 * A row that is equal already is not written. "Equal" is exact, which = is not: texts are compared
 * by their bytes, doubles by their bits, types without = (or with a lenient one) by their texts.
 */
#include "writer.h"

#define ALIAS_TARGET "t."
#define ALIAS_STAGE "s."

/* ---- pieces of statements ---- */

static const struct write_request *request_of(const struct writer *writer)
{
    return &writer->request;
}

static void add_target(const struct writer *writer, struct str *sql)
{
    pgc_sql_table(sql, writer->session, &writer->request.table);
}

static void add_name(const struct writer *writer, size_t column, const char *alias, struct str *sql)
{
    str_add_text(sql, alias);
    pgc_sql_ident(sql, request_of(writer)->columns[column].name);
}

/* A JSON array as one of the target's. Arrays in arrays are taken where they hold no texts: those
 * have brackets and escapes of their own. */
static void add_array(const struct writer *writer, size_t column, struct str *sql)
{
    STR_AUTO struct str name = SQL_NEW;
    const char *native = writer->natives[column];
    add_name(writer, column, ALIAS_STAGE, &name);
    const char *value = str_text(&name);
    str_addf(sql, "CASE WHEN %s ~ '^\\s*\\[\\s*\\[[^\"]*$' THEN translate(%s, '[]', '{}')::%s",
             value, value, native);
    str_addf(sql,
             " WHEN %s IS NOT NULL THEN ARRAY(SELECT json_array_elements_text(%s::json))::%s END",
             value, value, native);
    sql->failed |= name.failed;
}

/* The stage's value as the target's type. */
static void add_value(const struct writer *writer, size_t column, struct str *sql)
{
    const char *native = writer->natives[column];
    if (native == NULL) {
        add_name(writer, column, ALIAS_STAGE, sql);
        return;
    }
    if (writer->columns[column].is_array &&
        request_of(writer)->columns[column].spec.type == VALUE_JSON) {
        add_array(writer, column, sql);
        return;
    }
    add_name(writer, column, ALIAS_STAGE, sql);
    const struct pgc_type *type = pgc_type_of_oid(writer->columns[column].oid);
    bool is_number = type != NULL && (type->type == VALUE_INT64 || type->type == VALUE_DECIMAL);
    if (request_of(writer)->columns[column].spec.type == VALUE_BOOL && is_number)
        str_add_text(sql, "::boolean::integer"); /* the text "true" is no number */
    str_addf(sql, "::%s", native);
}

static bool is_key(const struct writer *writer, size_t column)
{
    for (size_t i = 0; i < request_of(writer)->key_count; i++) {
        if (request_of(writer)->key[i] == column)
            return true;
    }
    return false;
}

static void add_names(const struct writer *writer, const char *alias, struct str *sql)
{
    for (size_t i = 0; i < request_of(writer)->column_count; i++) {
        str_add_text(sql, i == 0 ? "" : ", ");
        add_name(writer, i, alias, sql);
    }
}

static void add_values(const struct writer *writer, struct str *sql)
{
    for (size_t i = 0; i < request_of(writer)->column_count; i++) {
        str_add_text(sql, i == 0 ? "" : ", ");
        add_value(writer, i, sql);
    }
}

static void add_key_names(const struct writer *writer, const char *alias, struct str *sql)
{
    for (size_t i = 0; i < request_of(writer)->key_count; i++) {
        str_add_text(sql, i == 0 ? "" : ", ");
        add_name(writer, request_of(writer)->key[i], alias, sql);
    }
}

static void add_same_key(const struct writer *writer, struct str *sql)
{
    for (size_t i = 0; i < request_of(writer)->key_count; i++) {
        str_add_text(sql, i == 0 ? "" : " AND ");
        add_name(writer, request_of(writer)->key[i], ALIAS_TARGET, sql);
        str_add_text(sql, " = ");
        add_value(writer, request_of(writer)->key[i], sql);
    }
}

static const struct {
    const char *before, *behind;
} comparisons[] = {
    [COMPARE_PLAIN] = {"", ""},
    [COMPARE_COLLATE_C] = {"", " COLLATE \"C\""},
    [COMPARE_FLOAT4] = {"float4send(", ")"},
    [COMPARE_FLOAT8] = {"float8send(", ")"},
    [COMPARE_TEXT] = {"(", ")::text COLLATE \"C\""},
};

/* The value that a statement would write: of the stage, or of what ON CONFLICT has excluded. */
static void add_new_value(const struct writer *writer, size_t column, bool excluded,
                          struct str *sql)
{
    if (excluded)
        add_name(writer, column, "excluded.", sql);
    else
        add_value(writer, column, sql);
}

static void add_differs(const struct writer *writer, bool excluded, struct str *sql)
{
    bool first = true;
    for (size_t i = 0; i < request_of(writer)->column_count; i++) {
        if (is_key(writer, i))
            continue;
        const struct pgc_type *type = pgc_type_of_oid(writer->columns[i].oid);
        enum compare compare = type == NULL ? COMPARE_TEXT : type->compare;
        str_add_text(sql, first ? "(" : " OR ");
        str_add_text(sql, comparisons[compare].before);
        add_name(writer, i, ALIAS_TARGET, sql);
        str_add_text(sql, comparisons[compare].behind);
        str_add_text(sql, " IS DISTINCT FROM ");
        str_add_text(sql, comparisons[compare].before);
        add_new_value(writer, i, excluded, sql);
        str_add_text(sql, comparisons[compare].behind);
        first = false;
    }
    if (request_of(writer)->soft_delete)
        str_add_text(sql, first ? "(t.\"" HAUL_COLUMN_DELETED_AT "\" IS NOT NULL"
                                : " OR t.\"" HAUL_COLUMN_DELETED_AT "\" IS NOT NULL");
    str_add_text(sql, first && !request_of(writer)->soft_delete ? "false" : ")");
}

/* False when there is nothing that could be set. */
static bool add_sets(const struct writer *writer, bool excluded, struct str *sql)
{
    bool any = false;
    for (size_t i = 0; i < request_of(writer)->column_count; i++) {
        if (is_key(writer, i))
            continue;
        str_add_text(sql, any ? ", " : "");
        add_name(writer, i, "", sql);
        str_add_text(sql, " = ");
        add_new_value(writer, i, excluded, sql);
        any = true;
    }
    if (request_of(writer)->soft_delete)
        str_addf(sql, "%s\"" HAUL_COLUMN_DELETED_AT "\" = NULL", any ? ", " : "");
    return any || request_of(writer)->soft_delete;
}

static void add_now(const struct writer *writer, struct str *sql)
{
    char text[40];
    size_t len = timestamptz_format(request_of(writer)->now_us, text);
    str_addf(sql, "'%.*s'::timestamptz", (int)len, text);
}

static void add_insert(const struct writer *writer, const char *more_names, struct str *sql)
{
    str_add_text(sql, "INSERT INTO ");
    add_target(writer, sql);
    str_add_text(sql, " AS t (");
    add_names(writer, "", sql);
    str_addf(sql, "%s) OVERRIDING SYSTEM VALUE SELECT ", more_names);
    add_values(writer, sql);
}

/* ---- statements of the plans ---- */

static void make_insert(struct writer *writer)
{
    add_insert(writer, "", &writer->steps[0]);
    str_add_text(&writer->steps[0], " FROM " PGC_STAGE " s");
}

/* Step 0 counts the keys that exist already where the rows cannot tell (partitioned tables). */
static void make_conflict(struct writer *writer)
{
    struct str *count = &writer->steps[0], *sql = &writer->steps[1];
    STR_AUTO struct str sets = SQL_NEW;
    str_add_text(count, "SELECT count(*) FROM ");
    add_target(writer, count);
    str_add_text(count, " t JOIN " PGC_STAGE " s ON ");
    add_same_key(writer, count);

    str_add_text(sql, "WITH merged AS (");
    add_insert(writer, "", sql);
    str_add_text(sql, " FROM " PGC_STAGE " s ON CONFLICT (");
    add_key_names(writer, "", sql);
    if (add_sets(writer, true, &sets)) {
        str_addf(sql, ") DO UPDATE SET %s WHERE ", str_text(&sets));
        add_differs(writer, true, sql);
    } else {
        str_add_text(sql, ") DO NOTHING");
    }
    str_addf(sql,
             " RETURNING %s AS inserted) SELECT count(*) FILTER (WHERE inserted),"
             " count(*) FILTER (WHERE NOT inserted) FROM merged",
             writer->is_plain_table ? "t.xmax = 0" : "true");
    sql->failed |= sets.failed;
}

static void make_lock_and_doubles(struct writer *writer, struct str *sql)
{
    str_add_text(sql, "LOCK TABLE ");
    add_target(writer, sql);
    str_add_text(sql, " IN SHARE ROW EXCLUSIVE MODE; SELECT EXISTS (SELECT 1 FROM " PGC_STAGE
                      " s GROUP BY ");
    add_key_names(writer, ALIAS_STAGE, sql);
    str_add_text(sql, " HAVING count(*) > 1)");
}

static void make_join(struct writer *writer)
{
    STR_AUTO struct str sets = SQL_NEW;
    struct str *update = &writer->steps[1], *insert = &writer->steps[2];
    make_lock_and_doubles(writer, &writer->steps[0]);
    if (add_sets(writer, false, &sets)) {
        str_add_text(update, "UPDATE ");
        add_target(writer, update);
        str_addf(update, " t SET %s FROM " PGC_STAGE " s WHERE ", str_text(&sets));
        add_same_key(writer, update);
        str_add_text(update, " AND ");
        add_differs(writer, false, update);
    }
    add_insert(writer, "", insert);
    str_add_text(insert, " FROM " PGC_STAGE " s WHERE NOT EXISTS (SELECT 1 FROM ");
    add_target(writer, insert);
    str_add_text(insert, " t WHERE ");
    add_same_key(writer, insert);
    str_add_char(insert, ')');
    update->failed |= sets.failed;
}

static void add_close_version(const struct writer *writer, struct str *sql)
{
    str_add_text(sql, "UPDATE ");
    add_target(writer, sql);
    str_add_text(sql,
                 " t SET \"" HAUL_COLUMN_IS_CURRENT "\" = false, \"" HAUL_COLUMN_VALID_TO "\" = ");
    add_now(writer, sql);
    str_add_text(sql, " FROM " PGC_STAGE " s WHERE t.\"" HAUL_COLUMN_IS_CURRENT "\" AND ");
    add_same_key(writer, sql);
}

static void make_history(struct writer *writer)
{
    struct str *close = &writer->steps[1], *insert = &writer->steps[2];
    make_lock_and_doubles(writer, &writer->steps[0]);
    add_close_version(writer, close);
    str_add_text(close, " AND ");
    add_differs(writer, false, close);
    add_insert(writer,
               ", \"" HAUL_COLUMN_VALID_FROM "\", \"" HAUL_COLUMN_VALID_TO
               "\", \"" HAUL_COLUMN_IS_CURRENT "\"",
               insert);
    str_add_text(insert, ", ");
    add_now(writer, insert);
    str_add_text(insert, ", NULL, true FROM " PGC_STAGE " s WHERE NOT EXISTS (SELECT 1 FROM ");
    add_target(writer, insert);
    str_add_text(insert, " t WHERE t.\"" HAUL_COLUMN_IS_CURRENT "\" AND ");
    add_same_key(writer, insert);
    str_add_char(insert, ')');
}

static void make_delete(struct writer *writer)
{
    struct str *sql = &writer->steps[0];
    if (request_of(writer)->history) {
        add_close_version(writer, sql);
        return;
    }
    if (request_of(writer)->soft_delete) {
        str_add_text(sql, "UPDATE ");
        add_target(writer, sql);
        str_add_text(sql, " t SET \"" HAUL_COLUMN_DELETED_AT "\" = ");
        add_now(writer, sql);
        str_add_text(sql,
                     " FROM " PGC_STAGE " s WHERE t.\"" HAUL_COLUMN_DELETED_AT "\" IS NULL AND ");
    } else {
        str_add_text(sql, "DELETE FROM ");
        add_target(writer, sql);
        str_add_text(sql, " t USING " PGC_STAGE " s WHERE ");
    }
    add_same_key(writer, sql);
}

enum outcome pgc_merge_make_read_back(struct writer *writer, struct err *err)
{
    struct str *sql = &writer->read_back;
    size_t count = request_of(writer)->column_count;
    writer->decoders = ARENA_ARRAY(&writer->arena, pgc_decode *, count);
    TRY_ALLOC(writer->decoders, err);
    str_add_text(sql, "SELECT ");
    for (size_t i = 0; i < count; i++) {
        str_add_text(sql, i == 0 ? "" : ", ");
        writer->decoders[i] =
            pgc_type_select(writer->session, &writer->columns[i],
                            request_of(writer)->columns[i].spec.type, ALIAS_TARGET, sql);
    }
    str_add_text(sql, " FROM ");
    add_target(writer, sql);
    str_add_text(sql, " t JOIN " PGC_STAGE " s ON ");
    add_same_key(writer, sql);
    if (request_of(writer)->history)
        str_add_text(sql, " WHERE t.\"" HAUL_COLUMN_IS_CURRENT "\"");
    else if (request_of(writer)->soft_delete)
        str_add_text(sql, " WHERE t.\"" HAUL_COLUMN_DELETED_AT "\" IS NULL");
    return OUTCOME_OK;
}

void pgc_merge_make(struct writer *writer)
{
    static void (*const makers[])(struct writer *) = {
        [MERGE_INSERT] = make_insert,   [MERGE_CONFLICT] = make_conflict, [MERGE_JOIN] = make_join,
        [MERGE_HISTORY] = make_history, [MERGE_DELETE] = make_delete,
    };
    if (writer->plan != MERGE_NONE)
        makers[writer->plan](writer);
}
