/* contract: see contract.h. */
#include "contract.h"

#include "base/clock.h"
#include "base/num.h"
#include "io/json.h"
#include "registry.h"

#include <CUnit/TestRun.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CASES_MAX 128
#define TABLES_MAX 16
#define ARENA_BYTES ((size_t)64 << 20)

const struct connector *subject;
const void *subject_config;
struct arena case_arena;

static struct arena config_arena;
static const char *tables[TABLES_MAX];
static size_t table_count;
static unsigned printed;

/* ---- the subject ---- */

/* Where tools/servers puts each connector's server. */
static const struct {
    const char *connector, *prefix;
} servers[] = {{"postgres", "POSTGRES"}, {"mysql", "MARIADB"}};

static const char *server_variable(const char *connector, const char *suffix)
{
    char name[64];
    for (size_t i = 0; i < sizeof servers / sizeof *servers; i++) {
        if (strcmp(servers[i].connector, connector) != 0)
            continue;
        (void)snprintf(name, sizeof name, "%s_%s", servers[i].prefix, suffix);
        return getenv(name);
    }
    return NULL;
}

static bool config_of_environment(const char *connector, struct str *json)
{
    static const char *const names[] = {"HOST", "USER", "PASSWORD", "DATABASE"};
    const char *port = server_variable(connector, "PORT");
    if (port == NULL)
        return false;
    str_addf(json, "{\"port\":%s", port);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = server_variable(connector, names[i]);
        str_add_text(json, ",\"");
        for (const char *at = names[i]; *at != '\0'; at++)
            str_add_char(json, (char)tolower(*at));
        str_addf(json, "\":\"%s\"", value == NULL ? "" : value);
    }
    /* A schema of its own is what the connector's default names; MariaDB's is the database. */
    str_add_char(json, '}');
    return true;
}

static bool use_connector(const struct connector *connector)
{
    STR_AUTO struct str json = str_with_max(1 << 16);
    const struct jval *object = NULL;
    struct err err;
    const char *given = getenv("HAUL_CONTRACT_CONFIG");
    if (given != NULL)
        str_add_text(&json, given);
    else if (!config_of_environment(connector->name, &json)) {
        printf("# %s: the environment names no server\n", connector->name);
        return false;
    }
    arena_done(&config_arena);
    arena_init(&config_arena, ARENA_BYTES);
    void *config = arena_alloc(&config_arena, connector->config->struct_size);
    if (jread_object(str_slice(&json), &config_arena, &object, &err) != OUTCOME_OK ||
        fields_decode(connector->config, object, &config_arena, config, &err) != OUTCOME_OK) {
        printf("# %s: %s: %s\n", connector->name, err.code, err.message);
        return false;
    }
    subject = connector;
    subject_config = config;
    return true;
}

/* ---- running ---- */

static void drop_tables(void)
{
    struct session *session = table_count == 0 ? NULL : contract_open(false);
    for (size_t i = 0; session != NULL && i < table_count; i++) {
        struct stream_ref table = {NULL, tables[i], NULL};
        struct err err;
        CHECK_OK(subject->stage_drop(session, &table, &err), &err);
    }
    subject->close(session);
    table_count = 0;
}

static void begin_case(void)
{
    arena_init(&case_arena, ARENA_BYTES);
}

static void end_case(void)
{
    drop_tables();
    arena_done(&case_arena);
}

static void print_case(const CU_pTest test, const CU_pSuite suite, const CU_pFailureRecord failure)
{
    printf("%sok %u - %s: %s\n", failure == NULL ? "" : "not ", ++printed, suite->pName,
           test->pName);
    fflush(stdout);
}

static int next_connector(void)
{
    static size_t number;
    const char *only = getenv("HAUL_CONTRACT_CONNECTOR");
    while (number < sql_connectors.count) {
        const struct connector *connector = sql_connectors.items[number++];
        if (only == NULL || strcmp(only, connector->name) == 0)
            return use_connector(connector) ? 0 : 1;
    }
    return 1;
}

static void add_suite(const struct connector *connector, const struct contract_case *cases,
                      size_t count, const char *only_case)
{
    CU_pSuite suite = CU_add_suite_with_setup_and_teardown(connector->name, next_connector, NULL,
                                                           begin_case, end_case);
    for (size_t i = 0; suite != NULL && i < count; i++) {
        if (only_case != NULL && strcmp(only_case, cases[i].name) != 0)
            continue;
        if (connector_has(connector, cases[i].features))
            (void)CU_add_test(suite, cases[i].name, cases[i].run);
        else
            printf("ok %u - %s: %s # SKIP the connector lacks the feature\n", ++printed,
                   connector->name, cases[i].name);
    }
}

int contract_main(const char *program, const struct contract_case *cases, size_t count, int argc,
                  char **argv)
{
    const char *only = getenv("HAUL_CONTRACT_CONNECTOR");
    if (CU_initialize_registry() != CUE_SUCCESS)
        return EXIT_FAILURE;
    printf("# contract/%s\n", program);
    for (size_t i = 0; i < sql_connectors.count; i++) {
        if (only == NULL || strcmp(only, sql_connectors.items[i]->name) == 0)
            add_suite(sql_connectors.items[i], cases, count, argc > 1 ? argv[1] : NULL);
    }
    CU_set_test_complete_handler(print_case);
    CU_run_all_tests();
    unsigned failed = CU_get_number_of_tests_failed() + CU_get_number_of_failures() +
                      CU_get_number_of_suites_failed();
    if (CU_get_number_of_suites_failed() > 0)
        printf("not ok %u - a connector without a server\n", ++printed);
    printf("1..%u\n", printed);
    CU_cleanup_registry();
    arena_done(&config_arena);
    return failed == 0 && printed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- sessions and tables ---- */

struct session *contract_open(bool read_only)
{
    struct session_request request = {
        .config = subject_config, .application_name = "haul contract", .read_only = read_only};
    struct session *session = NULL;
    struct err err;
    CHECK_OK(subject->open(&request, &session, &err), &err);
    return session;
}

struct stream_ref contract_target(const char *name)
{
    static unsigned number;
    return (struct stream_ref){
        NULL,
        arena_printf(&case_arena, "contract_%s_%ld_%u", name, (long)clock_wall_us(), number++),
        NULL};
}

struct stream_ref contract_table(const char *name)
{
    const char *full = arena_printf(&case_arena, HAUL_STAGE_PREFIX "%s_%d", name, (int)getpid());
    if (table_count < TABLES_MAX)
        tables[table_count++] = full;
    return (struct stream_ref){NULL, full, NULL};
}

/* ---- columns and rows ---- */

static bool take_word(const char **text, const char *word)
{
    size_t len = strlen(word);
    if (strncmp(*text, word, len) != 0)
        return false;
    *text += len;
    return true;
}

/* "name spec [not null]": a name with blanks stands in double quotes. */
static void parse_column(const char *text, size_t len, struct column_spec *column)
{
    char *copy = arena_strndup(&case_arena, text, len);
    bool quoted = copy[0] == '"';
    char *name = copy + quoted, *end = name + strcspn(name, quoted ? "\"" : " ");
    char *spec = end + 1 + quoted, *behind = spec + strcspn(spec, " ");
    *end = '\0';
    column->nullable = strcmp(behind, " not null") != 0;
    *behind = '\0';
    column->name = name;
    if (!value_spec_parse(spec, &column->spec))
        printf("# no type: %s\n", spec);
}

struct columns contract_columns(const char *text)
{
    struct columns columns = {0, ARENA_ARRAY(&case_arena, struct column_spec, 64)};
    while (*text != '\0') {
        size_t len = 0, depth = 0;
        for (; text[len] != '\0' && (text[len] != ',' || depth > 0); len++)
            depth += text[len] == '(' ? 1 : text[len] == ')' ? -(size_t)1 : 0;
        parse_column(text, len, &columns.specs[columns.count++]);
        text += len;
        if (!take_word(&text, ", "))
            break;
    }
    return columns;
}

static void add_cell(struct batch *batch, size_t column, const char *cell, size_t len)
{
    struct column *to = &batch->columns[column];
    if (len == 4 && memcmp(cell, "NULL", 4) == 0)
        column_add_null(to);
    else if (!column_add_text(batch, to, (struct slice){cell, len})) {
        CHECK(false);
        printf("# column %zu takes no \"%.*s\"\n", column, (int)len, cell);
        column_add_null(to);
    }
}

struct batch *contract_batch(const struct columns *columns, const char *rows)
{
    struct batch *batch = batch_new(columns->specs, columns->count, 65536, (size_t)1 << 30);
    while (batch != NULL && *rows != '\0') {
        for (size_t i = 0; i < columns->count; i++) {
            size_t len = strcspn(rows, i + 1 == columns->count ? "\n" : "|");
            add_cell(batch, i, rows, len);
            rows += len + (rows[len] != '\0');
        }
        CHECK(batch_end_row(batch));
    }
    return batch;
}

static void print_rows(const struct batch *batch, struct str *out)
{
    for (size_t row = 0; row < batch->row_count; row++) {
        for (size_t i = 0; i < batch->column_count; i++) {
            str_add_text(out, i == 0 ? "" : "|");
            if (!column_format(&batch->columns[i], row, out))
                str_add_text(out, "NULL");
        }
        str_add_char(out, '\n');
    }
    for (size_t i = 0; i < batch->fault_count; i++)
        str_addf(out, "fault %d in column %zu\n", (int)batch->faults[i].fault,
                 batch->faults[i].column);
}

const char *contract_rows(struct reader *reader, const struct columns *columns)
{
    STR_AUTO struct str out = str_with_max(ARENA_BYTES);
    struct batch *batch = batch_new(columns->specs, columns->count, 64, 1 << 20);
    struct err err = {0};
    bool end = false, ok = batch != NULL;
    while (ok && !end) {
        batch_clear(batch);
        ok = CHECK_OK(subject->read_next(reader, batch, &end, &err), &err);
        print_rows(batch, &out);
    }
    batch_free(batch);
    return ok ? arena_strdup(&case_arena, str_text(&out)) : NULL;
}

const char *contract_read(struct session *session, const struct read_request *request)
{
    struct columns columns = {request->column_count,
                              arena_memdup(&case_arena, request->columns,
                                           request->column_count * sizeof *request->columns)};
    struct reader *reader = NULL;
    struct err err;
    if (!CHECK_OK(subject->read_begin(session, request, &reader, &err), &err))
        return NULL;
    const char *rows = contract_rows(reader, &columns);
    subject->read_end(reader);
    return rows;
}

const char *contract_read_table(struct session *session, const struct stream_ref *table,
                                const struct columns *columns)
{
    struct read_request request = {.stream = *table,
                                   .columns = columns->specs,
                                   .column_count = columns->count,
                                   .order_by = &columns->specs[0].name,
                                   .order_count = 1};
    return contract_read(session, &request);
}

/* ---- writing ---- */

static const char *sync_id(void)
{
    return arena_printf(&case_arena, "contract-%d", (int)getpid());
}

bool contract_take(struct session *session, struct checkpoint_ref *ret_checkpoint)
{
    static int64_t fence;
    const char *state = NULL;
    struct err err;
    *ret_checkpoint = (struct checkpoint_ref){NULL, sync_id(), ++fence};
    return CHECK_OK(subject->checkpoint_take(session, ret_checkpoint, &case_arena, &state, &err),
                    &err);
}

static const size_t first_columns[] = {0, 1, 2, 3};

struct write_request contract_write_request(const struct contract_write *write)
{
    return (struct write_request){.table = write->table,
                                  .columns = write->columns->specs,
                                  .column_count = write->columns->count,
                                  .key = first_columns,
                                  .key_count = write->key_count,
                                  .how = write->how,
                                  .soft_delete = write->soft_delete,
                                  .history = write->history,
                                  .now_us = write->now_us};
}

bool contract_write(struct session *session, const struct contract_write *write,
                    struct write_counts *ret_counts)
{
    struct write_request request = contract_write_request(write);
    struct write_counts counts = {0};
    struct writer *writer = NULL;
    struct err err;
    if (!contract_take(session, &request.checkpoint) ||
        !CHECK_OK(subject->write_begin(session, &request, &writer, &err), &err))
        return false;
    struct batch *batch = contract_batch(write->columns, write->rows);
    bool ok =
        CHECK_OK(subject->write_batch(writer, batch, 0, batch->row_count, &counts, &err), &err) &&
        CHECK_OK(subject->write_commit(writer, "{\"n\":1}", &err), &err);
    subject->write_end(writer);
    batch_free(batch);
    if (ret_counts != NULL)
        *ret_counts = counts;
    return ok;
}

bool contract_create(struct session *session, struct stream_ref table,
                     const struct columns *columns, size_t key_count)
{
    struct create_request request = {.table = table,
                                     .columns = columns->specs,
                                     .column_count = columns->count,
                                     .key = first_columns,
                                     .key_count = key_count};
    struct err err;
    if (strncmp(table.name, HAUL_STAGE_PREFIX, sizeof HAUL_STAGE_PREFIX - 1) == 0 &&
        !CHECK_OK(subject->stage_drop(session, &table, &err), &err))
        return false;
    return CHECK_OK(subject->table_create(session, &request, &err), &err);
}
