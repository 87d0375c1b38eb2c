/* cmd_dlq_show: all that is needed to decide what to do with one dead letter. */
#include "base/num.h"
#include "commands.h"
#include "dlq_scan.h"
#include "dlq_view.h"
#include "io/json.h"

#define POLL_MS 200

struct show_options {
    const char *worker;
    bool quarantined, raw;
    int64_t redrive_max;
};
static const struct field show_fields[] = {
    {.name = "worker",
     .type = FIELD_STRING,
     .default_text = "sql-sync",
     .offset = offsetof(struct show_options, worker),
     .doc = "Whose dead letters."},
    {.name = "quarantined",
     .type = FIELD_BOOL,
     .default_text = "false",
     .offset = offsetof(struct show_options, quarantined),
     .doc = "Of the quarantine."},
    {.name = "raw",
     .type = FIELD_BOOL,
     .default_text = "false",
     .offset = offsetof(struct show_options, raw),
     .doc = "The record's value too, byte for byte; without it only its shape is shown."},
    {.name = "redrive_max",
     .type = FIELD_INT,
     .min = 1,
     .max = 1000,
     .default_text = "3",
     .offset = offsetof(struct show_options, redrive_max),
     .doc = "What a replay with this maximum would do."},
};
static const struct field_table show_table = {
    "dlq show", NULL, show_fields, FIELDS_COUNT(show_fields), sizeof(struct show_options)};

/* Which letter is asked for: PARTITION:OFFSET, or a job's id (the last one of it is shown). */
struct showing {
    struct cli *cli;
    int64_t partition, offset; /* partition -1 = by job */
    struct dlq_view view;
};

/* ---- finding it ---- */

static void read_place(const char *text, struct showing *showing)
{
    const char *colon = strchr(text, ':');
    if (colon == NULL || !num_parse_i64(text, (size_t)(colon - text), &showing->partition) ||
        !num_parse_i64(colon + 1, strlen(colon + 1), &showing->offset))
        showing->partition = -1;
}

static enum outcome is_it(const struct showing *showing, const struct kafka_message *message,
                          bool *ret_is, struct err *err)
{
    struct dead_letter letter;
    ARENA_AUTO struct arena arena;
    arena_init(&arena, (size_t)32 << 20);
    if (showing->partition >= 0) {
        *ret_is = message->partition == showing->partition && message->offset == showing->offset;
        return OUTCOME_OK;
    }
    TRY(dead_letter_read(message, &arena, &letter, err));
    *ret_is = letter.job_id != NULL && strcmp(letter.job_id, showing->cli->args[0]) == 0;
    return OUTCOME_OK;
}

static enum outcome find(struct showing *showing, struct dlq_scan *scan, struct err *err)
{
    while (scan->left > 0) {
        struct kafka_message message = {0};
        bool is_wanted = false;
        TRY(dlq_scan_next(scan, POLL_MS, &message, err));
        if (message.native == NULL)
            continue;
        enum outcome outcome = is_it(showing, &message, &is_wanted, err);
        if (is_wanted) {
            kafka_message_done(&showing->view.found);
            showing->view.found = message;
            showing->view.letters++;
        } else {
            kafka_message_done(&message);
        }
        TRY(outcome);
        if (is_wanted && showing->partition >= 0)
            return OUTCOME_OK;
    }
    if (showing->view.letters > 0)
        return OUTCOME_OK;
    (void)FAIL(err, OUTCOME_PERMANENT, "dlq.missing", "no dead letter \"%s\" in %s",
               showing->cli->args[0], scan->topic);
    return err_hint(err, "haul dlq list shows places and jobs");
}

/* ---- what is known of it ---- */

static enum outcome ask_ledger(struct showing *showing, const struct hub *hub, struct err *err)
{
    struct cli *cli = showing->cli;
    struct err missing = {0};
    const char *job_id = showing->view.letter.job_id;
    if (job_id == NULL)
        return OUTCOME_OK;
    enum outcome outcome = ledger_get(hub->db, job_id, &cli->arena, &showing->view.job, &missing);
    showing->view.is_known = outcome == OUTCOME_OK;
    if (outcome != OUTCOME_OK && strcmp(missing.code, "ledger.missing") != 0) {
        *err = missing;
        return outcome;
    }
    const struct run_filter filter = {.job_id = job_id};
    return hub_run_list(hub, &filter, &cli->arena, &showing->view.runs, err);
}

static enum outcome learn(struct showing *showing, struct err *err)
{
    struct cli *cli = showing->cli;
    const struct hub *hub = NULL;
    const struct jval *value = NULL;
    TRY(dead_letter_read(&showing->view.found, &cli->arena, &showing->view.letter, err));
    showing->view.is_json =
        jread(showing->view.letter.value, &cli->arena, &value, NULL) == OUTCOME_OK;
    if (showing->view.is_json)
        payload_shape(value, &cli->arena, &showing->view.shape);
    TRY(cli_hub(cli, &hub, err));
    TRY(ask_ledger(showing, hub, err));
    const struct dlq_known known = {.state =
                                        showing->view.is_known ? showing->view.job.state : NULL,
                                    .redrive_count = showing->view.job.redrive_count};
    showing->view.fate = dlq_fate(&showing->view.letter, &known, showing->view.redrive_max);
    return cli->arena.overflowed ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
}

/* ---- the command ---- */

static enum outcome show(struct showing *showing, struct dlq_scan *scan, struct err *err)
{
    struct out *out = &showing->cli->out;
    TRY(find(showing, scan, err));
    TRY(learn(showing, err));
    if (!out->json) {
        dlq_view_add(&showing->view, out);
        return OUTCOME_OK;
    }
    struct jwrite w = out_json(out);
    dlq_view_write(&showing->view, &w);
    out_json_end(out);
    return out->text.failed ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
}

static enum outcome run_show(struct cli *cli, struct err *err)
{
    const struct show_options *options = cli->options;
    struct dlq_scan scan = {
        .cli = cli, .worker = options->worker, .quarantined = options->quarantined};
    struct showing *showing = ARENA_NEW(&cli->arena, struct showing);
    TRY_ALLOC(showing, err);
    showing->cli = cli;
    showing->partition = -1;
    showing->view.redrive_max = options->redrive_max;
    showing->view.is_raw = options->raw;
    read_place(cli->args[0], showing);
    TRY(dlq_scan_open(&scan, err));
    enum outcome outcome = show(showing, &scan, err);
    kafka_message_done(&showing->view.found);
    dlq_scan_close(&scan);
    return outcome;
}

static const struct example show_examples[] = {
    {"haul dlq show 0:42", "The letter at a place: why, since when, and what a replay would do"},
    {"haul dlq show 01JD7M8QK4T6W3X9ZB2C5F7H1N --raw", "The last one of a job, and its bytes"},
    {NULL, NULL},
};

const struct command command_dlq_show = {
    .name = "dlq show",
    .args = "PLACE|JOB",
    .args_min = 1,
    .args_max = 1,
    .needs = NEEDS_HUB | NEEDS_KAFKA,
    .summary = "show one dead letter: the reason, its history, what a replay would do",
    .doc = "The payload is shown by its shape: names, types, and the texts of ids and tables. "
           "--raw adds the record's bytes.",
    .options = &show_table,
    .examples = show_examples,
    .run = run_show,
};
