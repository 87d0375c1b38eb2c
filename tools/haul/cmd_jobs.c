/* cmd_jobs: the list of jobs, as the ledger knows them. */
#include "base/clock.h"
#include "commands.h"
#include "run/ledger.h"

#define MINUTES_MAX INT64_C(527040)

struct jobs_options {
    const char *kind, *state, *worker;
    int64_t minutes, limit;
};
static const struct field jobs_fields[] = {
    {.name = "kind",
     .type = FIELD_STRING,
     .offset = offsetof(struct jobs_options, kind),
     .doc = "Of this kind only."},
    {.name = "state",
     .type = FIELD_STRING,
     .offset = offsetof(struct jobs_options, state),
     .doc = "In this state only: running, waiting, succeeded, dead_lettered, cancelled."},
    {.name = "worker",
     .type = FIELD_STRING,
     .offset = offsetof(struct jobs_options, worker),
     .doc = "Of this worker only."},
    {.name = "minutes",
     .type = FIELD_INT,
     .min = 0,
     .max = MINUTES_MAX,
     .unit = "min",
     .default_text = "0",
     .offset = offsetof(struct jobs_options, minutes),
     .doc = "Changed in the last minutes only; 0 = any."},
    {.name = "limit",
     .type = FIELD_INT,
     .min = 1,
     .max = 100000,
     .default_text = "50",
     .offset = offsetof(struct jobs_options, limit),
     .doc = "At most so many. Short: -n."},
};
static const struct field_table jobs_table = {"jobs", NULL, jobs_fields, FIELDS_COUNT(jobs_fields),
                                              sizeof(struct jobs_options)};

static enum outcome check_state(const char *state, struct err *err)
{
    static const char *const states[] = {"running", "waiting", "succeeded", "dead_lettered",
                                         "cancelled"};
    for (size_t i = 0; i < FIELDS_COUNT(states); i++) {
        if (state == NULL || strcmp(states[i], state) == 0)
            return OUTCOME_OK;
    }
    return USAGE(err, "no state \"%s\": running, waiting, succeeded, dead_lettered, cancelled",
                 state);
}

static enum outcome run_jobs(struct cli *cli, struct err *err)
{
    static const struct sheet_column columns[] = {
        {"job_id", "JOB", SHEET_TEXT},
        {"workspace_id", "WORKSPACE", SHEET_TEXT},
        {"kind", "KIND", SHEET_TEXT},
        {"subject", "SUBJECT", SHEET_TEXT},
        {"state", "STATE", SHEET_TEXT},
        {"attempt", "TRY", SHEET_INT},
        {"updated_at", "UPDATED", SHEET_TIME},
        {"created_at", "CREATED", SHEET_MORE},
        {"finished_at", "FINISHED", SHEET_MORE},
        {"error_code", "ERROR", SHEET_TEXT},
    };
    const struct jobs_options *options = cli->options;
    const struct hub *hub = NULL;
    struct ledger_rows rows = {0};
    TRY(check_state(options->state, err));
    TRY(cli_hub(cli, &hub, err));
    const struct ledger_filter filter = {
        .workspace_id = cli->settings.workspace,
        .kind = options->kind,
        .state = options->state,
        .worker = options->worker,
        .since_us = options->minutes == 0 ? 0 : clock_wall_us() - options->minutes * 60 * US_PER_S,
        .limit = options->limit,
    };
    TRY(ledger_list(hub->db, &filter, &cli->arena, &rows, err));
    struct sheet sheet = sheet_new(columns, FIELDS_COUNT(columns), "no jobs", &cli->arena);
    for (size_t i = 0; i < rows.count; i++) {
        const struct ledger_row *row = &rows.items[i];
        SHEET_ROW(&sheet, row->job_id, row->workspace_id, row->kind, row->subject, row->state,
                  SHEET_I64(row->attempt), SHEET_US(row->updated_us), SHEET_US(row->created_us),
                  SHEET_US(row->finished_us), row->error.code[0] == '\0' ? NULL : row->error.code);
    }
    if (sheet.failed)
        return FAIL_NO_MEMORY(err);
    sheet_print(&sheet, &cli->out);
    return OUTCOME_OK;
}

static const struct example jobs_examples[] = {
    {"haul jobs -w acme --state dead_lettered", "What was given up?"},
    {"haul jobs --minutes 60 --json", "The last hour, for a program"},
    {NULL, NULL},
};

const struct command command_jobs = {
    .name = "jobs",
    .args = "",
    .needs = NEEDS_HUB,
    .summary = "list jobs, the last changed first",
    .doc = "Jobs that no worker has taken yet are in their topic only: haul doctor shows how many.",
    .options = &jobs_table,
    .examples = jobs_examples,
    .run = run_jobs,
};
