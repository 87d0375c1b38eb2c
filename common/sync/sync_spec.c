/* sync_spec: see sync_spec.h. The table is the documentation: the schema and docs are printed from
 * it. */
#include "sync/sync_spec.h"

#include "sync/connector.h"

#include <string.h>

static const char *const mode_names[] = {"full_refresh", "append",           "upsert",
                                         "mirror",       "snapshot_history", NULL};
static const char *const drift_names[] = {"evolve", "freeze", "fail", NULL};
static const char *const verify_names[] = {"count", "sample", "full", NULL};
static const char *const delete_names[] = {"soft", "hard", NULL};
static const char *const on_null_names[] = {"keep", "fail", "default", NULL};
static const char *const action_names[] = {"convert", "null", "quarantine", "fail", NULL};

static const struct field source_fields[] = {
    {.name = "connection_id",
     .type = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = 128,
     .offset = offsetof(struct sync_stream, connection_id),
     .doc = "The connection that is read from."},
    {.name = "schema",
     .type = FIELD_STRING,
     .min = 1,
     .max = 128,
     .offset = offsetof(struct sync_stream, schema),
     .doc = "Schema (MySQL: database) of the table; the connection's default when absent."},
    {.name = "table",
     .type = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = 128,
     .offset = offsetof(struct sync_stream, table),
     .doc = "Table or view; with a query, the name by which it goes."},
    {.name = "query",
     .type = FIELD_STRING,
     .min = 1,
     .max = 65536,
     .offset = offsetof(struct sync_stream, query),
     .doc = "One SELECT statement that is read in place of a table."},
};
static const struct field_table source_table = {"source", "What is read.", source_fields,
                                                FIELDS_COUNT(source_fields),
                                                sizeof(struct sync_stream)};

static const struct field target_fields[] = {
    {.name = "connection_id",
     .type = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = 128,
     .offset = offsetof(struct sync_stream, connection_id),
     .doc = "The connection that is written to."},
    {.name = "schema",
     .type = FIELD_STRING,
     .min = 1,
     .max = 128,
     .offset = offsetof(struct sync_stream, schema),
     .doc = "Schema (MySQL: database) of the table; the connection's default when absent."},
    {.name = "table",
     .type = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = 128,
     .offset = offsetof(struct sync_stream, table),
     .doc = "Table that is written; created when it does not exist."},
};
static const struct field_table target_table = {"target", "What is written.", target_fields,
                                                FIELDS_COUNT(target_fields),
                                                sizeof(struct sync_stream)};

static const struct field column_fields[] = {
    {.name = "from",
     .type = FIELD_STRING,
     .min = 1,
     .max = 128,
     .offset = offsetof(struct sync_column, from),
     .doc = "Column of the source."},
    {.name = "to",
     .type = FIELD_STRING,
     .min = 1,
     .max = 128,
     .offset = offsetof(struct sync_column, to),
     .doc = "Column of the target; the same name when absent."},
    {.name = "cast",
     .type = FIELD_STRING,
     .min = 1,
     .max = 64,
     .offset = offsetof(struct sync_column, cast),
     .doc = "haul type that the value is turned into, such as decimal(12,2) or text."},
    {.name = "constant",
     .type = FIELD_STRING,
     .max = 4096,
     .offset = offsetof(struct sync_column, constant),
     .doc = "A fixed value in place of a source column; needs `to` and `cast`."},
    {.name = "on_null",
     .type = FIELD_ENUM,
     .choices = on_null_names,
     .default_text = "keep",
     .offset = offsetof(struct sync_column, on_null),
     .doc = "NULL is kept, fails the row, or becomes `default`."},
    {.name = "default",
     .type = FIELD_STRING,
     .max = 4096,
     .offset = offsetof(struct sync_column, default_text),
     .doc = "What NULL becomes with on_null = default."},
};
static const struct field_table column_table = {"column", "One column of the mapping.",
                                                column_fields, FIELDS_COUNT(column_fields),
                                                sizeof(struct sync_column)};

#define VALUE_FIELD(member, text)                                                                  \
    {                                                                                              \
        .name = #member, .type = FIELD_ENUM, .choices = action_names,                              \
        .default_text = "quarantine", .offset = offsetof(struct sync_values, member), .doc = text  \
    }
static const struct field values_fields[] = {
    VALUE_FIELD(zero_date, "0000-00-00 and dates with a month or day of zero."),
    VALUE_FIELD(infinity, "Infinite dates, where the target has none."),
    VALUE_FIELD(nan, "NaN and infinite numbers, where the target has none."),
    VALUE_FIELD(nul_byte, "A NUL byte in text, where the target's text cannot hold it."),
    VALUE_FIELD(invalid_utf8, "Text that is not UTF-8."),
    VALUE_FIELD(time_range,
                "A time below 0 or beyond 24 hours, where the target has a time of day."),
    VALUE_FIELD(out_of_range, "A value beyond what the target's column holds."),
    VALUE_FIELD(invalid_cast, "A value that the mapping's cast cannot read."),
};
static const struct field_table values_table = {
    "values", "What is done with values that the target cannot hold.", values_fields,
    FIELDS_COUNT(values_fields), sizeof(struct sync_values)};

#define SPEC(member) .offset = offsetof(struct sync_spec, member)
static const struct field spec_fields[] = {
    {.name = "sync_id",
     .type = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = 128,
     SPEC(sync_id),
     .doc = "Names the sync; its checkpoint is kept under it."},
    {.name = "source",
     .type = FIELD_OBJECT,
     .flags = FIELD_REQUIRED,
     .object = &source_table,
     SPEC(source),
     .doc = "What is read."},
    {.name = "target",
     .type = FIELD_OBJECT,
     .flags = FIELD_REQUIRED,
     .object = &target_table,
     SPEC(target),
     .doc = "What is written."},
    {.name = "mode",
     .type = FIELD_ENUM,
     .choices = mode_names,
     .default_text = "full_refresh",
     SPEC(mode),
     .doc =
         "full_refresh replaces the table; append adds new rows; upsert adds and updates by key; "
         "mirror deletes too; snapshot_history keeps every version."},
    {.name = "key",
     .type = FIELD_STRINGS,
     .max = 32,
     SPEC(key),
     .doc = "Target columns that identify a row; the source's primary key when absent."},
    {.name = "cursor",
     .type = FIELD_STRING,
     .min = 1,
     .max = 128,
     SPEC(cursor),
     .doc = "Source column that grows with every change, such as updated_at."},
    {.name = "lookback",
     .type = FIELD_INT,
     .min = 0,
     .max = INT64_C(31536000),
     .default_text = "0",
     SPEC(lookback),
     .doc = "How far behind the cursor to read again for late commits: seconds for a time, units "
            "for a number."},
    {.name = "columns",
     .type = FIELD_OBJECTS,
     .object = &column_table,
     .max = 1600,
     SPEC(columns),
     .doc = "Columns to take, in order; all of them as they are when absent."},
    {.name = "values",
     .type = FIELD_OBJECT,
     .flags = FIELD_PRESENT,
     .object = &values_table,
     SPEC(values),
     .doc = "What is done with values that the target cannot hold."},
    {.name = "drift",
     .type = FIELD_ENUM,
     .choices = drift_names,
     .default_text = "evolve",
     SPEC(drift),
     .doc = "When the source's columns change: evolve adds and widens, freeze ignores new ones, "
            "fail stops."},
    {.name = "verify",
     .type = FIELD_ENUM,
     .choices = verify_names,
     .default_text = "sample",
     SPEC(verify),
     .doc = "How the target is proved: count, sample (at least 1 chunk in 64 read back, small "
            "tables wholly) or full."},
    {.name = "delete_mode",
     .type = FIELD_ENUM,
     .choices = delete_names,
     .default_text = "soft",
     SPEC(delete_mode),
     .doc = "mirror: rows that vanished are marked in _haul_deleted_at (soft) or deleted (hard)."},
    {.name = "max_bad_rows",
     .type = FIELD_INT,
     .min = 0,
     .max = INT64_C(1000000),
     .default_text = "0",
     .unit = "rows",
     SPEC(max_bad_rows),
     .doc = "Rows that may go to quarantine before the sync fails."},
    {.name = "max_delete_percent",
     .type = FIELD_INT,
     .min = 0,
     .max = 100,
     .default_text = "10",
     .unit = "percent",
     SPEC(max_delete_percent),
     .doc = "mirror: refuses when more of the target's rows than this would vanish."},
    {.name = "parallel",
     .type = FIELD_INT,
     .min = 1,
     .max = 32,
     .default_text = "1",
     .unit = "lanes",
     SPEC(parallel),
     .doc = "Readers and writers at a time, for a first or full load of a table with a key."},
    {.name = "chunk_rows",
     .type = FIELD_INT,
     .min = 1000,
     .max = INT64_C(10000000),
     .default_text = "65536",
     .unit = "rows",
     SPEC(chunk_rows),
     .doc =
         "Rows between two durable points, about; grows so that a table has at most 1024 chunks."},
    {.name = "fan_out_rows",
     .type = FIELD_INT,
     .min = 0,
     .max = INT64_C(1000000000),
     .default_text = "0",
     .unit = "rows",
     SPEC(fan_out_rows),
     .doc =
         "A first or full load of a table with more rows than this becomes chunk jobs of about "
         "so many rows, which any worker of the fleet takes, each with a snapshot of its own; 0: "
         "one job loads it all."},
};

const struct field_table sync_spec_table = {
    "sql_sync", "Copies or incrementally syncs one table, view or query into a table.", spec_fields,
    FIELDS_COUNT(spec_fields), sizeof(struct sync_spec)};

const char *sync_mode_name(int mode)
{
    return mode_names[mode];
}

const char *sync_verify_name(int verify)
{
    return verify_names[verify];
}

static enum outcome check_columns(const struct sync_spec *spec, struct err *err)
{
    const struct sync_column *columns = spec->columns.items;
    for (size_t i = 0; i < spec->columns.count; i++) {
        const struct sync_column *column = &columns[i];
        const char *to = column->to != NULL ? column->to : column->from;
        if ((column->from == NULL) == (column->constant == NULL))
            return FAIL(err, OUTCOME_PERMANENT, "sync.spec",
                        "columns[%zu]: needs either `from` or `constant`", i);
        if (column->constant != NULL && (column->to == NULL || column->cast == NULL))
            return FAIL(err, OUTCOME_PERMANENT, "sync.spec",
                        "columns[%zu]: a constant needs `to` and `cast`", i);
        if (to != NULL && strncmp(to, "_haul_", 6) == 0)
            return FAIL(err, OUTCOME_PERMANENT, "sync.spec",
                        "columns[%zu]: names that begin with _haul_ are haul's own: \"%s\"", i, to);
    }
    return OUTCOME_OK;
}

enum outcome sync_spec_check(const struct sync_spec *spec, struct err *err)
{
    if (spec->mode == SYNC_APPEND && spec->cursor == NULL) {
        FAIL(err, OUTCOME_PERMANENT, "sync.spec", "mode append needs a cursor: field \"cursor\"");
        return err_hint(err, "name a source column that only grows, such as an id or created_at; "
                             "without one use full_refresh");
    }
    if (spec->mode == SYNC_FULL_REFRESH && spec->cursor != NULL) {
        FAIL(err, OUTCOME_PERMANENT, "sync.spec",
             "mode full_refresh reads everything and takes no cursor: field \"cursor\"");
        return err_hint(err, "use upsert or append with a cursor, or leave it out");
    }
    if (strncmp(spec->target.table, "_haul_", 6) == 0)
        return FAIL(err, OUTCOME_PERMANENT, "sync.spec",
                    "target.table: names that begin with _haul_ are haul's own: \"%s\"",
                    spec->target.table);
    return check_columns(spec, err);
}
