/* cmd_source: a look into systems: discover, preview, types. */
#include "commands.h"
#include "registry.h"
#include "session.h"

#define PREVIEW_BATCH_BYTES ((size_t)8 << 20)

/* ---- discover ---- */

struct discover_options {
    bool columns;
};
static const struct field discover_fields[] = {
    {.name = "columns",
     .type = FIELD_BOOL,
     .default_text = "false",
     .offset = offsetof(struct discover_options, columns),
     .doc = "The columns of each, with haul's types and what is lost on the way."},
};
static const struct field_table discover_table = {"discover", NULL, discover_fields,
                                                  FIELDS_COUNT(discover_fields),
                                                  sizeof(struct discover_options)};

static const char *kind_name(enum table_kind kind)
{
    static const char *const names[] = {[TABLE_BASE] = "table",
                                        [TABLE_VIEW] = "view",
                                        [TABLE_PARTITIONED] = "partitioned",
                                        [TABLE_QUERY] = "query"};
    return names[kind];
}

static const char *estimate(int64_t value, char to[24])
{
    return value < 0 ? NULL : sheet_i64(value, to);
}

static void list_streams(const struct stream_list *streams, struct sheet *sheet)
{
    for (size_t i = 0; i < streams->count; i++) {
        const struct table_spec *stream = &streams->items[i];
        char rows[24], bytes[24];
        SHEET_ROW(sheet, stream->schema, stream->name, kind_name(stream->kind),
                  estimate(stream->rows_estimate, rows), estimate(stream->bytes_estimate, bytes),
                  stream->comment);
    }
}

static bool is_key(const struct table_spec *table, size_t column)
{
    for (size_t i = 0; i < table->key_count; i++) {
        if (table->key[i] == column)
            return true;
    }
    return false;
}

static void list_columns(const struct table_spec *table, struct sheet *sheet)
{
    for (size_t i = 0; i < table->column_count; i++) {
        const struct column_spec *column = &table->columns[i];
        STR_AUTO struct str type = str_with_max(256);
        value_spec_format(&column->spec, &type);
        SHEET_ROW(sheet, table->schema, table->name, column->name, column->native, str_text(&type),
                  column->nullable ? "true" : "false", is_key(table, i) ? "true" : "false",
                  column->generated ? "true" : "false", column->loss);
    }
}

static enum outcome describe_streams(struct cli *cli, const struct cli_session *session,
                                     const struct stream_list *streams, struct sheet *sheet,
                                     struct err *err)
{
    for (size_t i = 0; i < streams->count; i++) {
        const struct stream_ref ref = {streams->items[i].schema, streams->items[i].name, NULL};
        struct table_spec table = {0};
        TRY(session->connector->describe(session->session, &ref, &cli->arena, &table, err));
        list_columns(&table, sheet);
    }
    return OUTCOME_OK;
}

static enum outcome run_discover(struct cli *cli, struct err *err)
{
    static const struct sheet_column stream_columns[] = {
        {"schema", "SCHEMA", SHEET_TEXT},
        {"name", "NAME", SHEET_TEXT},
        {"kind", "KIND", SHEET_TEXT},
        {"rows_estimate", "ROWS, ABOUT", SHEET_INT},
        {"bytes_estimate", "BYTES, ABOUT", SHEET_INT},
        {"comment", "COMMENT", SHEET_TEXT},
    };
    static const struct sheet_column column_columns[] = {
        {"schema", "SCHEMA", SHEET_TEXT},     {"table", "TABLE", SHEET_TEXT},
        {"column", "COLUMN", SHEET_TEXT},     {"native", "TYPE", SHEET_TEXT},
        {"type", "HAUL TYPE", SHEET_TEXT},    {"nullable", "NULL", SHEET_BOOL},
        {"key", "KEY", SHEET_BOOL},           {"generated", "GENERATED", SHEET_BOOL},
        {"loss", "WHAT IS LOST", SHEET_TEXT},
    };
    bool with_columns = CLI_OPTIONS(struct discover_options, cli)->columns;
    CLI_SESSION_AUTO struct cli_session session = {0};
    struct stream_list streams = {0};
    TRY(cli_session_open(cli, cli->args[0], &session, err));
    TRY(session.connector->discover(session.session, cli->arg_count > 1 ? cli->args[1] : NULL,
                                    &cli->arena, &streams, err));
    struct sheet sheet =
        with_columns
            ? sheet_new(column_columns, FIELDS_COUNT(column_columns), "nothing", &cli->arena)
            : sheet_new(stream_columns, FIELDS_COUNT(stream_columns), "nothing", &cli->arena);
    if (with_columns)
        TRY(describe_streams(cli, &session, &streams, &sheet, err));
    else
        list_streams(&streams, &sheet);
    if (sheet.failed)
        return FAIL_NO_MEMORY(err);
    sheet_print(&sheet, &cli->out);
    return OUTCOME_OK;
}

/* ---- preview ---- */

struct preview_options {
    const char *schema, *query;
    int64_t limit;
};
static const struct field preview_fields[] = {
    {.name = "schema",
     .type = FIELD_STRING,
     .offset = offsetof(struct preview_options, schema),
     .doc = "Of the table; the connection's default when absent."},
    {.name = "query",
     .type = FIELD_STRING,
     .offset = offsetof(struct preview_options, query),
     .doc = "One SELECT statement in place of a table; TABLE is then its label."},
    {.name = "limit",
     .type = FIELD_INT,
     .min = 1,
     .max = 1000,
     .default_text = "10",
     .offset = offsetof(struct preview_options, limit),
     .doc = "Rows to show. Short: -n."},
};
static const struct field_table preview_table = {
    "preview", NULL, preview_fields, FIELDS_COUNT(preview_fields), sizeof(struct preview_options)};

static enum outcome add_row(const struct batch *batch, size_t row, struct sheet *sheet,
                            struct err *err)
{
    const char **cells = ARENA_ARRAY(sheet->arena, const char *, batch->column_count);
    TRY_ALLOC(cells, err);
    for (size_t i = 0; i < batch->column_count; i++) {
        STR_AUTO struct str text = str_with_max(PREVIEW_BATCH_BYTES * 4);
        if (!column_format(&batch->columns[i], row, &text))
            continue;
        cells[i] = arena_strndup(sheet->arena, str_text(&text), text.len);
        TRY_ALLOC(cells[i], err);
    }
    sheet_add(sheet, cells);
    return OUTCOME_OK;
}

static enum outcome read_rows(const struct cli_session *session, struct reader *reader,
                              struct batch *batch, struct sheet *sheet, struct err *err)
{
    for (bool end = false; !end;) {
        batch_clear(batch);
        TRY(session->connector->read_next(reader, batch, &end, err));
        if (batch->failed)
            return FAIL_NO_MEMORY(err);
        for (size_t row = 0; row < batch->row_count; row++)
            TRY(add_row(batch, row, sheet, err));
    }
    return OUTCOME_OK;
}

static enum outcome read_sheet(const struct cli_session *session,
                               const struct read_request *request, struct sheet *sheet,
                               struct err *err)
{
    struct reader *reader = NULL;
    struct batch *batch = batch_new(request->columns, request->column_count, (size_t)request->limit,
                                    PREVIEW_BATCH_BYTES);
    TRY_ALLOC(batch, err);
    enum outcome outcome = session->connector->read_begin(session->session, request, &reader, err);
    if (outcome == OUTCOME_OK) {
        outcome = read_rows(session, reader, batch, sheet, err);
        session->connector->read_end(reader);
    }
    batch_free(batch);
    return outcome;
}

static enum outcome run_preview(struct cli *cli, struct err *err)
{
    const struct preview_options *options = cli->options;
    CLI_SESSION_AUTO struct cli_session session = {0};
    struct table_spec table = {0};
    const struct stream_ref stream = {options->schema, cli->args[1], options->query};
    TRY(cli_session_open(cli, cli->args[0], &session, err));
    TRY(session.connector->describe(session.session, &stream, &cli->arena, &table, err));
    struct sheet_column *columns =
        ARENA_ARRAY(&cli->arena, struct sheet_column, table.column_count);
    TRY_ALLOC(columns, err);
    for (size_t i = 0; i < table.column_count; i++)
        columns[i] =
            (struct sheet_column){table.columns[i].name, table.columns[i].name, SHEET_TEXT};
    struct sheet sheet = sheet_new(columns, table.column_count, "no rows", &cli->arena);
    const struct read_request request = {
        .stream = stream,
        .columns = table.columns,
        .column_count = table.column_count,
        .limit = options->limit,
    };
    TRY(read_sheet(&session, &request, &sheet, err));
    if (sheet.failed)
        return FAIL_NO_MEMORY(err);
    sheet_print(&sheet, &cli->out);
    return OUTCOME_OK;
}

/* ---- types ---- */

static void list_types(const struct type_row *rows, const char *direction, struct sheet *sheet)
{
    for (; rows != NULL && rows->native != NULL; rows++) {
        bool reads = direction[0] == 'r';
        SHEET_ROW(sheet, direction, reads ? rows->native : rows->haul,
                  reads ? rows->haul : rows->native, rows->loss == NULL ? "nothing" : rows->loss,
                  rows->note);
    }
}

static enum outcome run_types(struct cli *cli, struct err *err)
{
    static const struct sheet_column columns[] = {
        {"direction", "", SHEET_TEXT}, {"from", "FROM", SHEET_TEXT}, {"to", "TO", SHEET_TEXT},
        {"loss", "LOST", SHEET_TEXT},  {"note", "NOTE", SHEET_TEXT},
    };
    const struct connector *connector = NULL;
    TRY(registry_get(&sql_connectors, cli->args[0], &connector, err));
    struct sheet sheet = sheet_new(columns, FIELDS_COUNT(columns), "none", &cli->arena);
    list_types(connector->types_read, "read", &sheet);
    list_types(connector->types_write, "write", &sheet);
    if (sheet.failed)
        return FAIL_NO_MEMORY(err);
    sheet_print(&sheet, &cli->out);
    return OUTCOME_OK;
}

static const struct example discover_examples[] = {
    {"haul discover shop -w acme", "What is there?"},
    {"haul discover shop 'order*' -w acme --columns", "And in these?"},
    {NULL, NULL},
};
static const struct example preview_examples[] = {
    {"haul preview shop orders -w acme -n 5", "The first rows, in haul's types"},
    {"haul preview shop paid -w acme --query 'SELECT id, total FROM orders WHERE paid'",
     "Of a query"},
    {NULL, NULL},
};
static const struct example types_examples[] = {
    {"haul types mysql", "What becomes of each type, both ways"},
    {NULL, NULL},
};

const struct command command_discover = {
    .name = "discover",
    .args = "CONNECTION [GLOB]",
    .args_min = 1,
    .args_max = 2,
    .needs = NEEDS_WORKSPACE | NEEDS_HUB,
    .summary = "list the tables and views of a connection",
    .options = &discover_table,
    .examples = discover_examples,
    .run = run_discover,
};
const struct command command_preview = {
    .name = "preview",
    .args = "CONNECTION TABLE",
    .args_min = 2,
    .args_max = 2,
    .needs = NEEDS_WORKSPACE | NEEDS_HUB,
    .summary = "show some rows of a table, view or query",
    .doc = "Values are in haul's text forms, bytes as \\x hexadecimal. Rows come in no particular "
           "order.",
    .options = &preview_table,
    .examples = preview_examples,
    .run = run_preview,
};
const struct command command_types = {
    .name = "types",
    .args = "CONNECTOR",
    .args_min = 1,
    .args_max = 1,
    .summary = "print a connector's type mapping, both ways",
    .examples = types_examples,
    .run = run_types,
};
