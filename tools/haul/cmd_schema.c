/* cmd_schema: JSON Schemas of jobs and connections, from the tables they are decoded by. */
#include "base/field_join.h"
#include "commands.h"
#include "files.h"
#include "io/json.h"
#include "kinds.h"
#include "model/job.h"
#include "registry.h"

#include <errno.h>
#include <sys/stat.h>

#define SCHEMA_MAX_BYTES ((size_t)8 << 20)
#define DIALECT "https://json-schema.org/draft/2020-12/schema"

struct schema_options {
    const char *write;
};
static const struct field schema_fields[] = {
    {.name = "write",
     .type = FIELD_STRING,
     .offset = offsetof(struct schema_options, write),
     .doc = "Writes all schemas into this folder, in place of those there."},
};
static const struct field_table schema_table = {
    "schema", NULL, schema_fields, FIELDS_COUNT(schema_fields), sizeof(struct schema_options)};

/* A schema that the program can print. */
struct schema {
    char name[128]; /* "job.sql_sync", "connection.mysql" */
    const char *doc;
    const struct kind *kind;           /* of a job's; else NULL */
    const struct connector *connector; /* of a connection's; else NULL */
};

#define SCHEMAS_MAX 64
static size_t list_schemas(struct schema schemas[SCHEMAS_MAX])
{
    size_t count = 0;
    for (const struct kind *kind = kinds; kind->name != NULL && count < SCHEMAS_MAX; kind++) {
        struct schema *schema = &schemas[count++];
        *schema = (struct schema){.doc = kind->payload->doc, .kind = kind};
        text_copy(schema->name, sizeof schema->name, "job.");
        text_copy(schema->name + 4, sizeof schema->name - 4, kind->name);
    }
    for (size_t i = 0; i < sql_connectors.count && count < SCHEMAS_MAX; i++) {
        struct schema *schema = &schemas[count++];
        *schema = (struct schema){.doc = sql_connectors.items[i]->doc,
                                  .connector = sql_connectors.items[i]};
        text_copy(schema->name, sizeof schema->name, "connection.");
        text_copy(schema->name + 11, sizeof schema->name - 11, sql_connectors.items[i]->name);
    }
    return count;
}

/* ---- one schema ---- */

/* What a whole job must be beyond the envelope's own fields: its type, and its data. */
static enum outcome write_job(struct cli *cli, const struct kind *kind, struct jwrite *w,
                              struct err *err)
{
    struct field_join join = {0};
    TRY(job_data_table(kind->payload, &cli->arena, &join, err));
    jwrite_member_text(w, "$schema", DIALECT);
    STR_AUTO struct str type = str_with_max(128);
    str_addf(&type, JOB_TYPE_PREFIX "%s" JOB_TYPE_SUFFIX, kind->name);
    jwrite_member_text(w, "title", str_text(&type));
    jwrite_key(w, "allOf");
    jwrite_open_array(w);
    fields_write_schema(&job_envelope_table, w);
    jwrite_open_object(w);
    jwrite_key(w, "properties");
    jwrite_open_object(w);
    jwrite_key(w, "specversion");
    jwrite_open_object(w);
    jwrite_member_text(w, "const", "1.0");
    jwrite_close_object(w);
    jwrite_key(w, "id");
    jwrite_open_object(w);
    jwrite_member_text(w, "pattern", "^[!-~]+$");
    jwrite_close_object(w);
    jwrite_key(w, "type");
    jwrite_open_object(w);
    jwrite_member_text(w, "const", str_text(&type));
    jwrite_close_object(w);
    jwrite_key(w, "data");
    fields_write_schema(&join.table, w);
    jwrite_close_object(w);
    jwrite_close_object(w);
    jwrite_close_array(w);
    return OUTCOME_OK;
}

/* The table's own schema, with the dialect in front. */
static enum outcome write_connection(struct cli *cli, const struct connector *connector,
                                     struct jwrite *w, struct err *err)
{
    STR_AUTO struct str text = str_with_max(SCHEMA_MAX_BYTES);
    struct jwrite inner = jwrite_to(&text);
    const struct jval *schema = NULL;
    fields_write_schema(connector->config, &inner);
    TRY(jread_object(str_slice(&text), &cli->arena, &schema, err));
    jwrite_member_text(w, "$schema", DIALECT);
    for (size_t i = 0; i < schema->object.count; i++) {
        if (strcmp(schema->object.members[i].name, "$schema") == 0)
            continue;
        jwrite_key(w, schema->object.members[i].name);
        jwrite_jval(w, &schema->object.members[i].value);
    }
    return OUTCOME_OK;
}

static bool is_open(char c)
{
    return c == '{' || c == '[';
}

static bool is_close(char c)
{
    return c == '}' || c == ']';
}

/* A text with its quotes; gives where it ends. */
static size_t add_text_token(struct slice json, size_t at, struct str *out)
{
    size_t end = at + 1;
    while (json.data[end] != '"')
        end += json.data[end] == '\\' ? 2 : 1;
    str_add(out, json.data + at, end + 1 - at);
    return end;
}

/* Compact JSON with line breaks and two spaces a level, so that a change is seen in a diff. */
static void add_pretty(struct slice json, struct str *out)
{
    int depth = 0;
    for (size_t i = 0; i < json.len; i++) {
        char c = json.data[i];
        if (c == '"') {
            i = add_text_token(json, i, out);
            continue;
        }
        depth += is_open(c) ? 1 : is_close(c) ? -1 : 0;
        if (is_close(c) && !is_open(json.data[i - 1]))
            str_addf(out, "\n%*s", 2 * depth, "");
        str_add_char(out, c);
        if (c == ':')
            str_add_char(out, ' ');
        if (c == ',' || (is_open(c) && !is_close(json.data[i + 1])))
            str_addf(out, "\n%*s", 2 * depth, "");
    }
    str_add_char(out, '\n');
}

static enum outcome print_schema(struct cli *cli, const struct schema *schema, struct str *out,
                                 struct err *err)
{
    STR_AUTO struct str json = str_with_max(SCHEMA_MAX_BYTES);
    struct jwrite w = jwrite_to(&json);
    jwrite_open_object(&w);
    if (schema->kind != NULL)
        TRY(write_job(cli, schema->kind, &w, err));
    else
        TRY(write_connection(cli, schema->connector, &w, err));
    jwrite_close_object(&w);
    if (json.failed)
        return FAIL_NO_MEMORY(err);
    add_pretty(str_slice(&json), out);
    return OUTCOME_OK;
}

/* ---- the command ---- */

static enum outcome write_all(struct cli *cli, const char *folder, struct err *err)
{
    struct schema schemas[SCHEMAS_MAX];
    size_t count = list_schemas(schemas);
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return USAGE(err, "%s cannot be made: %s", folder, strerror(errno));
    for (size_t i = 0; i < count; i++) {
        STR_AUTO struct str text = str_with_max(SCHEMA_MAX_BYTES);
        const char *path = arena_printf(&cli->arena, "%s/%s.json", folder, schemas[i].name);
        TRY_ALLOC(path, err);
        TRY(print_schema(cli, &schemas[i], &text, err));
        TRY(file_write(path, str_slice(&text), err));
        out_addf(&cli->out, "%s\n", path);
    }
    return OUTCOME_OK;
}

static enum outcome print_named(struct cli *cli, const char *name, struct err *err)
{
    struct schema schemas[SCHEMAS_MAX];
    size_t count = list_schemas(schemas);
    for (size_t i = 0; i < count; i++) {
        const char *dot = strchr(schemas[i].name, '.');
        if (strcmp(schemas[i].name, name) == 0 || strcmp(dot + 1, name) == 0)
            return print_schema(cli, &schemas[i], &cli->out.text, err);
    }
    (void)FAIL(err, OUTCOME_PERMANENT, "schema.missing", "there is no schema \"%s\"", name);
    return err_hint(err, "haul schema lists them");
}

static enum outcome run_schema(struct cli *cli, struct err *err)
{
    static const struct sheet_column columns[] = {
        {"schema", "SCHEMA", SHEET_TEXT},
        {"worker", "WORKER", SHEET_TEXT},
        {"doc", "WHAT", SHEET_TEXT},
    };
    const char *folder = CLI_OPTIONS(struct schema_options, cli)->write;
    if (folder != NULL)
        return write_all(cli, folder, err);
    if (cli->arg_count > 0)
        return print_named(cli, cli->args[0], err);
    struct schema schemas[SCHEMAS_MAX];
    size_t count = list_schemas(schemas);
    struct sheet sheet = sheet_new(columns, FIELDS_COUNT(columns), "none", &cli->arena);
    for (size_t i = 0; i < count; i++)
        SHEET_ROW(&sheet, schemas[i].name, schemas[i].kind == NULL ? NULL : schemas[i].kind->worker,
                  schemas[i].doc);
    if (sheet.failed)
        return FAIL_NO_MEMORY(err);
    sheet_print(&sheet, &cli->out);
    return OUTCOME_OK;
}

static const struct example schema_examples[] = {
    {"haul schema", "Which are there?"},
    {"haul schema job.sql_sync", "One of a job, for an editor or a validator"},
    {"haul schema --write schemas", "All of them, as the repository keeps them"},
    {NULL, NULL},
};

const struct command command_schema = {
    .name = "schema",
    .args = "[NAME]",
    .args_max = 1,
    .summary = "print the JSON Schemas of jobs and connections",
    .doc = "They are made from the very tables that programs decode by. A rule between fields "
           "(an append needs a cursor) is not in them: haul enqueue --dry-run checks it.",
    .options = &schema_table,
    .examples = schema_examples,
    .run = run_schema,
};
