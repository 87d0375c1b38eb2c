/* migrations: see migrations.h. */
#include "migrations.h"

#include "base/num.h"

#define LOCK_KEY INT64_C(0x6861756c01) /* "haul", 1 */
#define LOCK_TIMEOUT_MS 60000

static const struct migration *find(int64_t version)
{
    for (const struct migration *m = hub_migrations; m->name != NULL; m++) {
        if (m->version == version)
            return m;
    }
    return NULL;
}

static enum outcome check_applied(const struct pgsql_result *applied, size_t row, struct err *err)
{
    int64_t version = pgsql_i64(applied, row, 0, 0);
    const char *name = pgsql_text(applied, row, 1);
    const struct migration *known = find(version);
    if (known == NULL) {
        FAIL(err, OUTCOME_PERMANENT, "migrate.newer",
             "the hub has migration %s, which this program does not know", name);
        return err_hint(err, "use the newest haul that has worked on this hub");
    }
    if (strcmp(known->checksum, pgsql_text(applied, row, 2)) == 0)
        return OUTCOME_OK;
    FAIL(err, OUTCOME_PERMANENT, "migrate.changed",
         "migration %s was applied as another text than this program's", known->name);
    return err_hint(err, "an applied file is never edited: add a new one");
}

enum outcome migrations_check(const struct hub *hub, struct migrate_report *ret_report,
                              struct err *err)
{
    struct migrate_report report = {0};
    TRY(hub_version(hub, &report.before, err));
    report.after = report.before;
    for (const struct migration *m = hub_migrations; m->name != NULL; m++)
        report.missing++;
    if (report.before > 0) {
        PGSQL_RESULT_AUTO struct pgsql_result *applied = NULL;
        TRY(pgsql_query(hub->db,
                        "SELECT version, name, checksum FROM haul.migrations ORDER BY version",
                        PGSQL_NONE, &applied, err));
        for (size_t i = 0; i < pgsql_rows(applied); i++)
            TRY(check_applied(applied, i, err));
        report.missing -= (int64_t)pgsql_rows(applied);
    }
    *ret_report = report;
    return OUTCOME_OK;
}

/* The first file makes the role that owns everything; the later ones run as it. */
static enum outcome apply_one(const struct hub *hub, const struct migration *migration,
                              struct err *err)
{
    PGSQL_TX_AUTO struct pgsql_tx tx = {0};
    TRY(pgsql_begin(hub->db, &tx, err));
    if (migration->version > 1)
        TRY(pgsql_script(hub->db, "SET LOCAL ROLE haul_owner", err));
    TRY(pgsql_script(hub->db, migration->sql, err));
    TRY(pgsql_run(hub->db,
                  "INSERT INTO haul.migrations (version, name, checksum)"
                  " VALUES ($1::integer, $2, $3)",
                  PGSQL_PARAMS(PGSQL_INT(migration->version), migration->name, migration->checksum),
                  NULL, err));
    return pgsql_commit(&tx, err);
}

static enum outcome is_applied(const struct hub *hub, const struct migration *migration,
                               bool *ret_is_applied, struct err *err)
{
    int64_t rows = 0;
    TRY(pgsql_run(hub->db, "SELECT FROM haul.migrations WHERE version = $1::integer",
                  PGSQL_PARAMS(PGSQL_INT(migration->version)), &rows, err));
    *ret_is_applied = rows > 0;
    return OUTCOME_OK;
}

/* Not only what is newer than the newest: two branches may have landed in either order. */
static enum outcome apply_missing(const struct hub *hub, struct migrate_report *report,
                                  struct err *err)
{
    for (const struct migration *m = hub_migrations; m->name != NULL; m++) {
        bool is_there = false;
        if (m->version <= report->before)
            TRY(is_applied(hub, m, &is_there, err));
        if (is_there)
            continue;
        if (apply_one(hub, m, err) != OUTCOME_OK)
            return err_prefix(err, "migration %s", m->name);
        report->after = num_max_i64(report->after, m->version);
        report->applied++;
        report->missing--;
    }
    return OUTCOME_OK;
}

enum outcome migrations_apply(const struct hub *hub, struct migrate_report *ret_report,
                              struct err *err)
{
    struct migrate_report report = {0};
    TRY(pgsql_lock(hub->db, LOCK_KEY, LOCK_TIMEOUT_MS, err));
    enum outcome outcome = migrations_check(hub, &report, err);
    if (outcome == OUTCOME_OK)
        outcome = apply_missing(hub, &report, err);
    pgsql_unlock(hub->db, LOCK_KEY);
    if (outcome == OUTCOME_OK)
        *ret_report = report;
    return outcome;
}
