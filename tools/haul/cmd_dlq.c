/* cmd_dlq: dead letters, listed. (cmd_dlq_show.c shows one, cmd_dlq_replay.c puts them back.) */
#include "base/clock.h"
#include "commands.h"
#include "dlq_known.h"
#include "dlq_scan.h"

/* ---- list ---- */

struct list_options {
    struct dlq_filter filter;
    bool open;
    int64_t limit;
};
static const struct field list_fields[] = {
    DLQ_FILTER_FIELDS(struct list_options, filter),
    {.name = "open",
     .type = FIELD_BOOL,
     .default_text = "false",
     .offset = offsetof(struct list_options, open),
     .doc = "Only those that a replay would still do something with; asks the hub."},
    {.name = "limit",
     .type = FIELD_INT,
     .min = 1,
     .max = 1000000,
     .default_text = "100",
     .offset = offsetof(struct list_options, limit),
     .doc = "At most so many. Short: -n."},
};
static const struct field_table list_table = {
    "dlq list", NULL, list_fields, FIELDS_COUNT(list_fields), sizeof(struct list_options)};

struct listing {
    struct cli *cli;
    const struct hub *hub; /* NULL: it is not asked */
    struct sheet sheet;
};

static enum outcome is_open(const struct listing *listing, const struct dead_letter *letter,
                            bool *ret_open, struct err *err)
{
    struct dlq_known known = {0};
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1u << 16);
    if (listing->hub != NULL && letter->job_id != NULL)
        TRY(dlq_known_ask(listing->hub->db, letter, 1, &arena, &known, err));
    enum fate fate = listing->hub == NULL ? FATE_SENT : dlq_fate(letter, &known, INT64_MAX);
    *ret_open = fate == FATE_SENT || fate == FATE_LATE;
    return OUTCOME_OK;
}

static enum outcome list_letter(void *ctx, const struct kafka_message *message,
                                const struct dead_letter *letter, bool *stop, struct err *err)
{
    struct listing *listing = ctx;
    const struct list_options *options = listing->cli->options;
    bool is_wanted = dlq_filter_holds(listing->cli, &options->filter, letter);
    if (is_wanted)
        TRY(is_open(listing, letter, &is_wanted, err));
    if (!is_wanted)
        return OUTCOME_OK;
    STR_AUTO struct str place = str_with_max(64);
    str_addf(&place, "%d:%lld", (int)message->partition, (long long)message->offset);
    SHEET_ROW(&listing->sheet, str_text(&place), letter->job_id, letter->kind, letter->workspace_id,
              SHEET_US(letter->time_us), letter->trail.error_class, letter->trail.error_code,
              SHEET_I64(letter->trail.redrive_count), SHEET_I64(letter->trail.attempt),
              letter->trail.first_topic, letter->trail.error_message);
    *stop = (int64_t)listing->sheet.row_count >= options->limit;
    return listing->sheet.failed ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
}

static enum outcome run_list(struct cli *cli, struct err *err)
{
    static const struct sheet_column columns[] = {
        {"place", "PLACE", SHEET_TEXT},
        {"job_id", "JOB", SHEET_TEXT},
        {"kind", "KIND", SHEET_TEXT},
        {"workspace_id", "WORKSPACE", SHEET_TEXT},
        {"given_up_at", "GIVEN UP", SHEET_TIME},
        {"class", "CLASS", SHEET_TEXT},
        {"code", "CODE", SHEET_TEXT},
        {"redrive_count", "REDRIVEN", SHEET_INT},
        {"attempt", "ATTEMPT", SHEET_MORE_INT},
        {"first_topic", "FIRST TOPIC", SHEET_MORE},
        {"message", "MESSAGE", SHEET_TEXT},
    };
    const struct list_options *options = cli->options;
    struct dlq_scan scan = {
        .cli = cli, .worker = options->filter.worker, .quarantined = options->filter.quarantined};
    struct listing listing = {.cli = cli};
    if (options->open)
        TRY(cli_hub(cli, &listing.hub, err));
    listing.sheet = sheet_new(columns, FIELDS_COUNT(columns), "no dead letters", &cli->arena);
    TRY(dlq_scan_open(&scan, err));
    enum outcome outcome = dlq_scan_run(&scan, list_letter, &listing, err);
    dlq_scan_close(&scan);
    TRY(outcome);
    sheet_print(&listing.sheet, &cli->out);
    return OUTCOME_OK;
}

static const struct example list_examples[] = {
    {"haul dlq list -w acme --code 'connect.*'", "Given up for want of a connection"},
    {"haul dlq list --quarantined", "Those that were put back too often"},
    {"haul dlq list --since 2026-11-21T00:00:00Z --json", "Since a time, for a program"},
    {NULL, NULL},
};

const struct command command_dlq_list = {
    .name = "dlq list",
    .args = "",
    .needs = NEEDS_KAFKA,
    .summary = "list jobs that were given up, with the reason",
    .options = &list_table,
    .examples = list_examples,
    .run = run_list,
};
