/* sync/hub_* against a real PostgreSQL: POSTGRES_ADMIN_URL names it; a database of its own. */
#include "base/clock.h"
#include "base/jwrite.h"
#include "check.h"
#include "io/json.h"
#include "registry.h"
#include "sync/hub_connection.h"
#include "sync/hub_quarantine.h"
#include "sync/hub_run.h"
#include "sync/hub_text.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ARENA_BYTES ((size_t)64 << 20)
#define SECRET_LEN 32
#define MAPPING_MAX (1ul << 30)

static struct hub hub;
static struct keyring *keyring;
static struct arena arena;
static struct err err;
static char database[64];

/* ---- a hub of its own ---- */

static bool open_database(const char *name, struct pgsql **ret_db)
{
    static char uri[1024];
    const char *admin = getenv("POSTGRES_ADMIN_URL");
    if (!CHECK(admin != NULL))
        return false;
    const char *slash = strrchr(admin, '/');
    (void)snprintf(uri, sizeof uri, "%.*s/%s", (int)(slash - admin), admin, name);
    struct pgsql_conf conf = {.uri = uri,
                              .connect_timeout_ms = 5000,
                              .statement_timeout_ms = 30000,
                              .application_name = "haul-test"};
    return CHECK_OK(pgsql_open(&conf, ret_db, &err), &err);
}

static bool run_admin(const char *fmt)
{
    struct pgsql *db = NULL;
    char sql[256];
    (void)snprintf(sql, sizeof sql, "%s %s", fmt, database);
    bool done = open_database("postgres", &db) && CHECK_OK(pgsql_script(db, sql, &err), &err);
    pgsql_close(db);
    return done;
}

static bool run_file(const char *path)
{
    STR_AUTO struct str sql = str_with_max(1u << 20);
    FILE *file = fopen(path, "r");
    if (!CHECK(file != NULL))
        return false;
    for (int c = fgetc(file); c != EOF; c = fgetc(file))
        str_add_char(&sql, (char)c);
    (void)fclose(file);
    PGSQL_TX_AUTO struct pgsql_tx tx = {0};
    return CHECK_OK(pgsql_begin(hub.db, &tx, &err), &err) &&
           CHECK_OK(pgsql_script(hub.db, str_text(&sql), &err), &err) &&
           CHECK_OK(pgsql_commit(&tx, &err), &err);
}

static bool make_keyring(const char *first, const char *second, struct keyring **ret_keyring)
{
    static char lines[2][256];
    STR_AUTO struct str text = str_with_max(4096);
    /* The second key is that of the call before: what it sealed still opens. */
    if (second != NULL)
        memcpy(lines[1], lines[0], sizeof lines[0]);
    STR_AUTO struct str line = str_with_max(4096);
    if (!CHECK_OK(keyring_add_line(first, &line, &err), &err))
        return false;
    text_copy(lines[0], sizeof lines[0], str_text(&line));
    str_addf(&text, "%s%s", lines[0], second == NULL ? "" : lines[1]);
    return CHECK_OK(keyring_open(str_slice(&text), ret_keyring, &err), &err);
}

static bool setup(void)
{
    err_clear(&err);
    arena_init(&arena, ARENA_BYTES);
    (void)snprintf(database, sizeof database, "haul_contract_hub_%d", (int)getpid());
    if (!run_admin("DROP DATABASE IF EXISTS") || !run_admin("CREATE DATABASE") ||
        !open_database(database, &hub.db) || !make_keyring("k1", NULL, &keyring))
        return false;
    hub.keyring = keyring;
    hub.connectors = &sql_connectors;
    hub.actor = "test";
    return true;
}

/* All of them, in order; as many as the programs are made for. */
static bool run_migrations(void)
{
    glob_t files = {0};
    bool is_ok = CHECK_INT(glob(HAUL_SOURCE_FOLDER "/schemas/hub/*.sql", 0, NULL, &files), 0) &&
                 CHECK_INT(files.gl_pathc, HUB_VERSION);
    for (size_t i = 0; is_ok && i < files.gl_pathc; i++)
        is_ok = run_file(files.gl_pathv[i]);
    globfree(&files);
    return is_ok;
}

static bool setup_migrated(void)
{
    return setup() && run_migrations() &&
           CHECK_OK(pgsql_run(hub.db,
                              "INSERT INTO haul.migrations (version, name, checksum)"
                              " SELECT g, 'm' || g, 'c' FROM generate_series(1, $1::int) g",
                              PGSQL_PARAMS(PGSQL_INT(HUB_VERSION)), NULL, &err),
                    &err) &&
           CHECK_OK(pgsql_script(hub.db, "INSERT INTO haul.workspaces VALUES ('w')", &err), &err);
}

static void teardown(void)
{
    pgsql_close(hub.db);
    keyring_close(keyring);
    keyring = NULL;
    hub = (struct hub){0};
    arena_done(&arena);
    (void)run_admin("DROP DATABASE IF EXISTS");
}

static int64_t number(const char *sql)
{
    PGSQL_RESULT_AUTO struct pgsql_result *result = NULL;
    if (!CHECK_OK(pgsql_query(hub.db, sql, PGSQL_NONE, &result, &err), &err))
        return -1;
    return pgsql_rows(result) == 0 ? -2 : pgsql_i64(result, 0, 0, -3);
}

/* ---- version ---- */

static void test_version(void)
{
    int64_t version = -1;
    if (!setup())
        return;
    CHECK_OUTCOME(hub_check_version(&hub, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "hub.not_migrated");
    CHECK_OK(hub_version(&hub, &version, &err), &err);
    CHECK_INT(version, 0);
    teardown();
    if (!setup_migrated())
        return;
    CHECK_OK(hub_check_version(&hub, &err), &err);
    teardown();
}

/* ---- connections ---- */

/* A config object for the postgres connector; `password` NULL = none. */
static const struct jval *make_config(const char *password)
{
    STR_AUTO struct str text = str_with_max(4096);
    struct jwrite w = jwrite_to(&text);
    const struct jval *config = NULL;
    jwrite_open_object(&w);
    jwrite_member_text(&w, "host", "db.example");
    jwrite_member_text(&w, "user", "u");
    jwrite_member_text(&w, "database", "d");
    if (password != NULL)
        jwrite_member_text(&w, "password", password);
    jwrite_close_object(&w);
    CHECK_OK(jread_object(str_slice(&text), &arena, &config, &err), &err);
    if (text.data != NULL)
        wipe_bytes(text.data, text.cap);
    return config;
}

static enum outcome add(const char *id, const struct jval *config)
{
    const struct connection_draft draft = {
        .workspace_id = "w",
        .connection_id = id,
        .connector = registry_find(&sql_connectors, "postgres"),
        .config = config,
    };
    return hub_connection_add(&hub, &draft, &err);
}

static const char *password_of(const struct connection *connection)
{
    const struct field *field = fields_find(connection->connector->config, "password");
    const char *password = NULL;
    memcpy(&password, (const char *)connection->config + field->offset, sizeof password);
    return password;
}

static void test_connection_round_trip(void)
{
    struct connection connection = {0};
    if (!setup_migrated())
        return;
    CHECK_OK(add("c", make_config("pass\"word\xc3\xa4")), &err);
    CHECK_OK(hub_connection_load(&hub, "w", "c", &arena, &connection, &err), &err);
    CHECK_TEXT(connection.connector->name, "postgres");
    CHECK_TEXT(password_of(&connection), "pass\"word\xc3\xa4");
    CHECK(password_of(&connection) == connection.secrets[0].text);
    hub_connection_done(&connection);
    hub_connection_done(&connection);
    CHECK_OUTCOME(add("c", make_config(NULL)), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "connection.exists");
    CHECK_OUTCOME(hub_connection_load(&hub, "w", "d", &arena, &connection, &err), OUTCOME_PERMANENT,
                  &err);
    CHECK_TEXT(err.code, "connection.missing");
    CHECK_TEXT(err.hint, "known are: c");
    CHECK_OK(pgsql_script(hub.db, "UPDATE haul.connections SET connector = 'oracle'", &err), &err);
    CHECK_OUTCOME(hub_connection_load(&hub, "w", "c", &arena, &connection, &err), OUTCOME_PERMANENT,
                  &err);
    CHECK_TEXT(err.code, "connection.connector");
    teardown();
}

/* The config can change under a connection's feet: a field that is no more, a missing one. */
static void test_stored_config_is_checked(void)
{
    struct connection connection = {0};
    if (!setup_migrated())
        return;
    CHECK_OK(add("c", make_config("x")), &err);
    CHECK_OK(pgsql_script(hub.db, "UPDATE haul.connections SET config = config || '{\"hots\": 1}'",
                          &err),
             &err);
    CHECK_OUTCOME(hub_connection_load(&hub, "w", "c", &arena, &connection, &err), OUTCOME_PERMANENT,
                  &err);
    CHECK_TEXT(err.code, "connection.config");
    CHECK_INT(connection.secret_count, 0);
    hub.keyring = NULL;
    CHECK_OUTCOME(hub_connection_load(&hub, "w", "c", &arena, &connection, &err), OUTCOME_PERMANENT,
                  &err);
    CHECK_TEXT(err.code, "hub.keyring");
    CHECK_OUTCOME(add("d", make_config("x")), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "hub.keyring");
    CHECK_OK(add("d", make_config(NULL)), &err);
    teardown();
}

/* How often the bytes that `masked` hides stand in this process' writable memory. */
static int count_in_memory(const uint8_t masked[SECRET_LEN])
{
    FILE *maps = fopen("/proc/self/maps", "r");
    int memory_fd = fileno(fopen("/proc/self/mem", "rb"));
    static uint8_t piece[1u << 16];
    char line[512];
    int found = 0;
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long from = 0, to = 0;
        char rights[8] = "";
        /* What is larger is a sanitizer's shadow: terabytes that nobody has written to. */
        if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) != 3 || rights[1] != 'w' ||
            strstr(line, "[v") != NULL || to - from > MAPPING_MAX)
            continue;
        for (unsigned long at = from; at < to; at += sizeof piece - SECRET_LEN) {
            size_t want = to - at < sizeof piece ? to - at : sizeof piece;
            ssize_t got = pread(memory_fd, piece, want, (off_t)at);
            for (ssize_t i = 0; i + SECRET_LEN <= got; i++) {
                /* The piece itself is memory, too. */
                bool is_own = at + (unsigned long)i >= (unsigned long)piece &&
                              at + (unsigned long)i < (unsigned long)piece + sizeof piece;
                size_t n = 0;
                while (!is_own && n < SECRET_LEN && (piece[i + (ssize_t)n] ^ 0x5a) == masked[n])
                    n++;
                found += n == SECRET_LEN;
            }
        }
    }
    (void)fclose(maps);
    (void)close(memory_fd);
    return found;
}

/* After hub_connection_done the secret stands nowhere in the process. */
static void test_secrets_are_wiped(void)
{
    struct connection connection = {0};
    uint8_t masked[SECRET_LEN];
    char secret[SECRET_LEN + 1] = "";
    if (!setup_migrated())
        return;
    for (size_t i = 0; i < SECRET_LEN; i++) {
        secret[i] = (char)('a' + (int)random_below(26));
        masked[i] = (uint8_t)secret[i] ^ 0x5a;
    }
    const struct jval *config = make_config(secret);
    wipe_bytes(secret, sizeof secret);
    CHECK_OK(add("c", config), &err);
    char *given = NULL;
    const struct jval *password = jval_get(config, "password");
    memcpy(&given, &password->string.data, sizeof given);
    CHECK_INT(count_in_memory(masked), 1);
    wipe_bytes(given, SECRET_LEN);
    CHECK_INT(count_in_memory(masked), 0);
    CHECK_OK(hub_connection_load(&hub, "w", "c", &arena, &connection, &err), &err);
    CHECK_INT(count_in_memory(masked), 1);
    hub_connection_done(&connection);
    CHECK_INT(count_in_memory(masked), 0);
    teardown();
}

static void test_rotation(void)
{
    struct vault_report report = {0};
    struct connection connection = {0};
    struct keyring *newer = NULL;
    if (!setup_migrated())
        return;
    CHECK_OK(add("a", make_config("one")), &err);
    CHECK_OK(add("b", make_config(NULL)), &err);
    if (!make_keyring("k2", "k1", &newer))
        return;
    hub.keyring = newer;
    CHECK_OK(hub_vault_rotate(&hub, &report, &err), &err);
    CHECK_INT(report.connections, 1);
    CHECK_INT(report.connections_resealed, 1);
    CHECK_INT(number("SELECT count(*) FROM haul.connections WHERE key_ids = '{k2}'"), 1);
    CHECK_OK(hub_connection_load(&hub, "w", "a", &arena, &connection, &err), &err);
    CHECK_TEXT(password_of(&connection), "one");
    hub_connection_done(&connection);
    hub.keyring = keyring; /* the old one alone */
    CHECK_OUTCOME(hub_connection_load(&hub, "w", "a", &arena, &connection, &err), OUTCOME_PERMANENT,
                  &err);
    CHECK_TEXT(err.code, "seal.key_missing");
    keyring_close(newer);
    teardown();
}

/* ---- syncs, checkpoints, runs ---- */

static const struct sync_ref sync_s = {"w", "s"};

static void test_syncs(void)
{
    struct sync_row row = {0};
    struct sync_rows rows = {0};
    if (!setup_migrated())
        return;
    CHECK_OK(hub_sync_save(&hub, &sync_s, "sql_sync", slice_of("{\"a\": 1}"), &err), &err);
    CHECK_OK(hub_sync_save(&hub, &sync_s, "sql_sync", slice_of("{\"a\": 2}"), &err), &err);
    CHECK_OK(hub_sync_load(&hub, &sync_s, &arena, &row, &err), &err);
    CHECK_TEXT(row.definition, "{\"a\": 2}");
    CHECK(row.last_run_at == NULL);
    CHECK_OK(hub_sync_list(&hub, NULL, &arena, &rows, &err), &err);
    CHECK_INT(rows.count, 1);
    CHECK_OK(hub_sync_list(&hub, "other", &arena, &rows, &err), &err);
    CHECK_INT(rows.count, 0);
    const struct sync_ref near = {"w", "t"}, nowhere = {"x", "s"};
    CHECK_OUTCOME(hub_sync_load(&hub, &near, &arena, &row, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "sync.missing");
    CHECK_OUTCOME(hub_sync_save(&hub, &nowhere, "sql_sync", slice_of("{}"), &err),
                  OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "workspace.missing");
    teardown();
}

static void test_checkpoint_mirror(void)
{
    struct checkpoint_row row = {.fence = -1};
    if (!setup_migrated())
        return;
    CHECK_OK(hub_checkpoint_load(&hub, &sync_s, &arena, &row, &err), &err);
    CHECK(row.state == NULL);
    CHECK_OK(hub_checkpoint_save(&hub, &sync_s, 5, "{\"n\":1}", &err), &err);
    CHECK_OK(hub_checkpoint_save(&hub, &sync_s, 5, "{\"n\":2}", &err), &err);
    CHECK_OK(hub_checkpoint_save(&hub, &sync_s, 7, "{\"n\":3}", &err), &err);
    CHECK_OUTCOME(hub_checkpoint_save(&hub, &sync_s, 6, "{\"n\":4}", &err), OUTCOME_CANCELLED,
                  &err);
    CHECK_TEXT(err.code, "fenced");
    CHECK_OK(hub_checkpoint_load(&hub, &sync_s, &arena, &row, &err), &err);
    CHECK_INT(row.fence, 7);
    CHECK_TEXT(row.state, "{\"n\":3}");
    teardown();
}

static bool begin_run(int64_t attempt, int64_t fence, char run_id[RUN_ID_SIZE])
{
    const struct run_begin begin = {sync_s, "job-1", attempt, fence, "upsert", "host/1"};
    return CHECK_OK(hub_run_begin(&hub, &begin, run_id, &err), &err);
}

static void test_runs(void)
{
    char first[RUN_ID_SIZE], second[RUN_ID_SIZE];
    struct run_rows rows = {0};
    struct err failure = {0};
    if (!setup_migrated() || !begin_run(1, 3, first) || !begin_run(2, 4, second))
        return;
    (void)FAIL(&failure, OUTCOME_RETRY, "read.lost", "the source went away");
    const struct run_end lost = {.outcome = OUTCOME_RETRY, .failure = &failure, .rows_read = 7};
    const struct run_end done = {
        .outcome = OUTCOME_OK, .receipt = "{\"rows\": 9}", .rows_read = 9, .rows_written = 8};
    const struct run_end late = {.outcome = OUTCOME_BUG, .receipt = "{}", .rows_read = 1};
    CHECK_OK(hub_run_finish(&hub, first, &lost, &err), &err);
    CHECK_OK(hub_run_finish(&hub, second, &done, &err), &err);
    CHECK_OK(hub_run_finish(&hub, second, &late, &err), &err);
    const struct run_filter filter = {.job_id = "job-1", .with_receipt = true};
    CHECK_OK(hub_run_list(&hub, &filter, &arena, &rows, &err), &err);
    if (!CHECK_INT(rows.count, 2))
        return;
    CHECK_TEXT(rows.items[0].run_id, second);
    CHECK_TEXT(rows.items[0].outcome, "ok");
    CHECK_TEXT(rows.items[0].receipt, "{\"rows\": 9}");
    CHECK_INT(rows.items[0].rows_read, 9);
    CHECK(rows.items[0].error_code == NULL);
    CHECK_TEXT(rows.items[1].error_code, "read.lost");
    CHECK_INT(rows.items[1].fence, 3);
    CHECK(rows.items[1].receipt == NULL);
    teardown();
}

/* ---- quarantine ---- */

struct seen {
    struct str rows; /* "chunk/row=json;" */
    size_t stop_after;
};

static enum outcome see(void *ctx, const struct quarantine_row *row, struct err *error)
{
    struct seen *seen = ctx;
    str_addf(&seen->rows, "%lld/%lld=", (long long)row->entry.chunk,
             (long long)row->entry.row_number);
    str_add(&seen->rows, row->entry.row.data == NULL ? "" : row->entry.row.data,
            row->entry.row.len);
    str_add_char(&seen->rows, ';');
    if (seen->stop_after > 0 && --seen->stop_after == 0)
        return FAIL(error, OUTCOME_CANCELLED, "enough", "enough");
    return OUTCOME_OK;
}

static struct quarantine_entry entry_of(int64_t chunk, int64_t number_in_chunk, const char *row)
{
    return (struct quarantine_entry){.chunk = chunk,
                                     .row_number = number_in_chunk,
                                     .column = "c",
                                     .code = "row.refused",
                                     .native = "22003",
                                     .message = "too large",
                                     .row = slice_of(row)};
}

static void check_listed(const struct quarantine_filter *filter, const char *want)
{
    struct seen seen = {.rows = str_with_max(1u << 20)};
    CHECK_OK(hub_quarantine_list(&hub, filter, see, &seen, &err), &err);
    CHECK_TEXT(str_text(&seen.rows), want);
    str_done(&seen.rows);
}

/* Of a chunk that two attempts read, the later one's entries count; of other chunks all. */
static void test_quarantine_counts_the_last_attempt(void)
{
    char first[RUN_ID_SIZE], second[RUN_ID_SIZE];
    if (!setup_migrated() || !begin_run(1, 3, first) || !begin_run(2, 4, second))
        return;
    const struct quarantine_entry early[] = {entry_of(0, 1, "{\"a\":1}"), entry_of(1, 1, "{}"),
                                             entry_of(1, 2, "{}")};
    const struct quarantine_entry late[] = {entry_of(1, 1, "{\"b\":2}")};
    CHECK_OK(hub_quarantine_add(&hub, &sync_s, first, early, 3, &err), &err);
    CHECK_OK(hub_quarantine_add(&hub, &sync_s, second, late, 1, &err), &err);
    CHECK_OK(hub_quarantine_add(&hub, &sync_s, second, late, 1, &err), &err); /* again */
    CHECK_INT(number("SELECT count(*) FROM haul.quarantine"), 4);
    check_listed(&(struct quarantine_filter){.with_row = true}, "0/1={\"a\":1};1/1={\"b\":2};");
    check_listed(&(struct quarantine_filter){.limit = 1}, "0/1=;");
    check_listed(&(struct quarantine_filter){.sync_id = "other"}, "");
    check_listed(&(struct quarantine_filter){.code = "row.refused", .job_id = "job-1"},
                 "0/1=;1/1=;");
    struct seen seen = {.rows = str_with_max(4096), .stop_after = 1};
    CHECK_OUTCOME(hub_quarantine_list(&hub, &(struct quarantine_filter){0}, see, &seen, &err),
                  OUTCOME_CANCELLED, &err);
    str_done(&seen.rows);
    CHECK_OUTCOME(hub_quarantine_add(&hub, &sync_s, "no-such-run", late, 1, &err),
                  OUTCOME_PERMANENT, &err);
    teardown();
}

static void test_quarantine_pages_and_rotation(void)
{
    char run[RUN_ID_SIZE];
    struct vault_report report = {0};
    struct keyring *newer = NULL;
    enum { COUNT = 450 };
    if (!setup_migrated() || !begin_run(1, 1, run))
        return;
    struct quarantine_entry *entries = ARENA_ARRAY(&arena, struct quarantine_entry, COUNT);
    STR_AUTO struct str want = str_with_max(1u << 20);
    for (int64_t i = 0; i < COUNT; i++) {
        const char *row = arena_printf(&arena, "{\"n\":%d}", (int)i);
        entries[i] = entry_of(i / 100, i % 100, row);
        str_addf(&want, "%d/%d=%s;", (int)(i / 100), (int)(i % 100), row);
    }
    CHECK_OK(hub_quarantine_add(&hub, &sync_s, run, entries, COUNT, &err), &err);
    check_listed(&(struct quarantine_filter){.with_row = true}, str_text(&want));
    if (!make_keyring("k2", "k1", &newer))
        return;
    hub.keyring = newer;
    CHECK_OK(hub_vault_rotate(&hub, &report, &err), &err);
    CHECK_INT(report.rows_resealed, COUNT);
    CHECK_INT(number("SELECT count(*) FROM haul.quarantine WHERE key_id = 'k2'"), COUNT);
    check_listed(&(struct quarantine_filter){.with_row = true}, str_text(&want));
    CHECK_INT(number("SELECT count(*) FROM haul.quarantine WHERE row_sealed LIKE '%\"n\"%'"), 0);
    /* Bound to its place: another row's seal does not open here. */
    CHECK_OK(pgsql_script(hub.db,
                          "UPDATE haul.quarantine SET row_sealed = (SELECT row_sealed FROM"
                          " haul.quarantine WHERE chunk = 0 AND row_number = 1)"
                          " WHERE chunk = 0 AND row_number = 0",
                          &err),
             &err);
    struct seen seen = {.rows = str_with_max(4096)};
    CHECK_OUTCOME(
        hub_quarantine_list(&hub, &(struct quarantine_filter){.with_row = true}, see, &seen, &err),
        OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.code, "seal.broken");
    str_done(&seen.rows);
    keyring_close(newer);
    teardown();
}

static CU_TestInfo tests[] = {
    {"the version is known before and after", test_version},
    {"a connection comes back as it went in", test_connection_round_trip},
    {"a stored configuration is checked again", test_stored_config_is_checked},
    {"secrets are wiped from memory", test_secrets_are_wiped},
    {"rotation seals with the first key", test_rotation},
    {"syncs are stored and found", test_syncs},
    {"an older fence does not move the checkpoint", test_checkpoint_mirror},
    {"a run ends once", test_runs},
    {"of a chunk the last attempt's rows are in quarantine",
     test_quarantine_counts_the_last_attempt},
    {"quarantine goes by pages and is rotated", test_quarantine_pages_and_rotation},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("contract/hub", tests)
