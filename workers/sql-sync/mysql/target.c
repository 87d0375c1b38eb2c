/* target: what a writer must know of the table that it writes to. */
#include "mysql/mysql_private.h"

#include <stdlib.h>
#include <string.h>

static const char *type_definition(MYSQL_ROW row, struct arena *arena)
{
    if (row[2] == NULL || row[3] == NULL)
        return arena_strdup(arena, row[1]);
    return arena_printf(arena, "%s CHARACTER SET %s COLLATE %s", row[1], row[2], row[3]);
}

static int64_t grain_of(const struct mys_native *native)
{
    int64_t grain = 1;
    for (int digits = native->args[0]; digits < 6; digits++)
        grain *= 10;
    return grain;
}

static enum outcome fail_columns(const struct writer *writer, const char *column, const char *what,
                                 struct err *err)
{
    (void)FAIL(err, OUTCOME_PERMANENT, "target.columns", "mysql: column %s of %s %s", column,
               writer->request.table.name, what);
    return err_hint(err, "change the mapping, or the target's column");
}

static enum outcome take_column(struct writer *writer, size_t number, MYSQL_ROW row,
                                struct err *err)
{
    const struct column_spec *spec = &writer->request.columns[number];
    struct mys_column *column = &writer->columns[number];
    mys_native_parse(row[1], row[4] == NULL ? 0 : strtoll(row[4], NULL, 10), &column->native);
    column->nullable = strcmp(row[5], "YES") == 0;
    column->grain_us = grain_of(&column->native);
    TRY_ALLOC(column->definition = type_definition(row, &writer->arena), err);
    writer->encoders[number] = mys_encoder(spec->spec.type);
    writer->plan.natives[number] = column->native;
    writer->plan.decoders[number] = mys_decoder(&column->native, &spec->spec);
    if (row[6] != NULL && row[6][0] == '1')
        return fail_columns(writer, spec->name, "is generated and can't be written", err);
    if (column->native.form == MYS_GEOMETRY)
        return fail_columns(writer, spec->name, "is a geometry, which haul only reads", err);
    if (writer->plan.decoders[number] == NULL)
        return fail_columns(writer, spec->name, "has a type that does not hold the sync's", err);
    return OUTCOME_OK;
}

static enum outcome fetch_columns(struct writer *writer, MYSQL_RES **ret_result, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    const char *schema = mys_schema_of(writer->session, &writer->request.table);
    str_add_text(&sql, "SELECT COLUMN_NAME, COLUMN_TYPE, CHARACTER_SET_NAME, COLLATION_NAME, "
                       "CHARACTER_MAXIMUM_LENGTH, IS_NULLABLE, GENERATION_EXPRESSION <> '' "
                       "FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ");
    mys_add_text(&sql, slice_of(schema == NULL ? "" : schema));
    str_add_text(&sql, " AND TABLE_NAME = ");
    mys_add_text(&sql, slice_of(writer->request.table.name));
    return mys_select(writer->session, MYS_TARGET, &sql, ret_result, err);
}

static enum outcome take_columns(struct writer *writer, struct err *err)
{
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    TRY(fetch_columns(writer, &result, err));
    if (mysql_num_rows(result) == 0)
        return FAIL(err, OUTCOME_PERMANENT, "target.missing", "mysql: there is no table %s",
                    writer->request.table.name);
    for (size_t i = 0; i < writer->request.column_count; i++) {
        const char *name = writer->request.columns[i].name;
        MYSQL_ROW row;
        writer->columns[i].name = name;
        mysql_data_seek(result, 0);
        do
            row = mysql_fetch_row(result);
        while (row != NULL && strcasecmp(row[0], name) != 0);
        if (row == NULL)
            return fail_columns(writer, name, "does not exist", err);
        TRY(take_column(writer, i, row, err));
    }
    return OUTCOME_OK;
}

/* Without transactions nothing could be undone. */
static enum outcome check_engine(struct writer *writer, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    const char *schema = mys_schema_of(writer->session, &writer->request.table);
    str_add_text(&sql, "SELECT e.TRANSACTIONS, t.ENGINE FROM information_schema.TABLES t JOIN "
                       "information_schema.ENGINES e ON e.ENGINE = t.ENGINE "
                       "WHERE t.TABLE_SCHEMA = ");
    mys_add_text(&sql, slice_of(schema == NULL ? "" : schema));
    str_add_text(&sql, " AND t.TABLE_NAME = ");
    mys_add_text(&sql, slice_of(writer->request.table.name));
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    TRY(mys_select(writer->session, MYS_TARGET, &sql, &result, err));
    MYSQL_ROW row = mysql_fetch_row(result);
    if (row == NULL || row[0] == NULL || strcmp(row[0], "YES") == 0)
        return OUTCOME_OK;
    (void)FAIL(err, OUTCOME_PERMANENT, "target.engine",
               "mysql: %s is kept by %s, which has no transactions", writer->request.table.name,
               row[1]);
    return err_hint(err, "ALTER TABLE ... ENGINE = InnoDB");
}

/* True when the first columns of some index are the key's, in any order. */
static enum outcome find_key_index(struct writer *writer, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    const char *schema = mys_schema_of(writer->session, &writer->request.table);
    str_add_text(&sql, "SELECT 1 FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ");
    mys_add_text(&sql, slice_of(schema == NULL ? "" : schema));
    str_add_text(&sql, " AND TABLE_NAME = ");
    mys_add_text(&sql, slice_of(writer->request.table.name));
    str_addf(&sql, " AND SEQ_IN_INDEX <= %zu AND COLUMN_NAME IN (", writer->request.key_count);
    for (size_t i = 0; i < writer->request.key_count; i++) {
        str_add_text(&sql, i == 0 ? "" : ", ");
        mys_add_text(&sql, slice_of(writer->request.columns[writer->request.key[i]].name));
    }
    str_addf(&sql, ") GROUP BY INDEX_NAME HAVING COUNT(*) = %zu", writer->request.key_count);
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    TRY(mys_select(writer->session, MYS_TARGET, &sql, &result, err));
    writer->key_is_indexed = mysql_num_rows(result) > 0;
    return OUTCOME_OK;
}

enum outcome mys_target_learn(struct writer *writer, struct err *err)
{
    TRY(take_columns(writer, err));
    TRY(check_engine(writer, err));
    return writer->request.key_count == 0 ? OUTCOME_OK : find_key_index(writer, err);
}
