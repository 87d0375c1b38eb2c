/* cmd_dlq: dead letters, listed and shown. (cmd_dlq_replay.c puts them back.) */
#include "base/clock.h"
#include "base/num.h"
#include "commands.h"
#include "dlq_scan.h"

/* ---- list ---- */

struct list_options {
    struct dlq_filter filter;
    int64_t limit;
};
static const struct field list_fields[] = {
    DLQ_FILTER_FIELDS(struct list_options, filter),
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
    const struct cli *cli;
    struct sheet sheet;
};

static enum outcome list_letter(void *ctx, const struct kafka_message *message,
                                const struct dead_letter *letter, bool *stop, struct err *err)
{
    struct listing *listing = ctx;
    const struct list_options *options = listing->cli->options;
    if (!dlq_filter_holds(listing->cli, &options->filter, letter))
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
    struct dlq_scan scan = {.cli = cli, .worker = options->filter.worker};
    struct listing listing = {.cli = cli};
    listing.sheet = sheet_new(columns, FIELDS_COUNT(columns), "no dead letters", &cli->arena);
    TRY(dlq_scan_open(&scan, err));
    enum outcome outcome = dlq_scan_run(&scan, list_letter, &listing, err);
    dlq_scan_close(&scan);
    TRY(outcome);
    sheet_print(&listing.sheet, &cli->out);
    return OUTCOME_OK;
}

/* ---- show ---- */

struct show_options {
    const char *worker;
};
static const struct field show_fields[] = {
    {.name = "worker",
     .type = FIELD_STRING,
     .default_text = "sql-sync",
     .offset = offsetof(struct show_options, worker),
     .doc = "Whose dead letters."},
};
static const struct field_table show_table = {
    "dlq show", NULL, show_fields, FIELDS_COUNT(show_fields), sizeof(struct show_options)};

/* Which letter is asked for: PARTITION:OFFSET, or a job's id (the last one of it is shown). */
struct showing {
    struct cli *cli;
    const char *job_id;
    int64_t partition, offset; /* -1 = by job */
    struct str text;           /* what was found last */
};

static void write_headers(const struct kafka_message *message, struct jwrite *w)
{
    struct kafka_header header;
    jwrite_key(w, "headers");
    jwrite_open_object(w);
    for (size_t i = 0; kafka_message_header(message, i, &header); i++) {
        jwrite_key(w, header.name);
        jwrite_slice(w, header.value);
    }
    jwrite_close_object(w);
}

static void write_letter(const struct kafka_message *message, const struct dead_letter *letter,
                         struct str *out)
{
    char time[CLOCK_TEXT_SIZE];
    struct jwrite w = jwrite_to(out);
    jwrite_open_object(&w);
    jwrite_member_text(&w, "topic", message->topic);
    jwrite_member_int(&w, "partition", message->partition);
    jwrite_member_int(&w, "offset", message->offset);
    jwrite_member_text(&w, "given_up_at",
                       letter->time_us == 0 ? NULL : clock_format(letter->time_us, time));
    jwrite_member_text(&w, "job_id", letter->job_id);
    jwrite_member_bool(&w, "is_job", letter->is_job);
    write_headers(message, &w);
    jwrite_key(&w, "key");
    if (letter->key.data == NULL)
        jwrite_null(&w);
    else
        jwrite_slice(&w, letter->key);
    jwrite_key(&w, "value");
    if (letter->is_job)
        jwrite_raw(&w, letter->value);
    else
        jwrite_slice(&w, letter->value);
    jwrite_close_object(&w);
    str_add_char(out, '\n');
}

static void add_letter(const struct kafka_message *message, const struct dead_letter *letter,
                       struct str *out)
{
    char time[CLOCK_TEXT_SIZE];
    struct kafka_header header;
    str_addf(out, "place        %s %d:%lld\n", message->topic, (int)message->partition,
             (long long)message->offset);
    str_addf(out, "job          %s\n", letter->job_id == NULL ? "(none)" : letter->job_id);
    if (letter->time_us != 0)
        str_addf(out, "given up     %s\n", clock_format(letter->time_us, time));
    str_add_text(out, "headers\n");
    for (size_t i = 0; kafka_message_header(message, i, &header); i++)
        str_addf(out, "  %-24s %.*s\n", header.name, (int)header.value.len,
                 header.value.data == NULL ? "" : header.value.data);
    str_add_text(out, "value\n  ");
    str_add_slice(out, letter->value);
    str_add_char(out, '\n');
}

static enum outcome show_letter(void *ctx, const struct kafka_message *message,
                                const struct dead_letter *letter, bool *stop, struct err *err)
{
    struct showing *showing = ctx;
    bool is_it =
        showing->partition < 0
            ? letter->job_id != NULL && strcmp(letter->job_id, showing->job_id) == 0
            : message->partition == showing->partition && message->offset == showing->offset;
    if (!is_it)
        return OUTCOME_OK;
    str_clear(&showing->text);
    if (showing->cli->out.json)
        write_letter(message, letter, &showing->text);
    else
        add_letter(message, letter, &showing->text);
    *stop = showing->partition >= 0;
    return showing->text.failed ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
}

static void read_place(const char *text, struct showing *showing)
{
    const char *colon = strchr(text, ':');
    if (colon == NULL || !num_parse_i64(text, (size_t)(colon - text), &showing->partition) ||
        !num_parse_i64(colon + 1, strlen(colon + 1), &showing->offset))
        showing->partition = -1;
}

static enum outcome run_show(struct cli *cli, struct err *err)
{
    struct dlq_scan scan = {.cli = cli, .worker = CLI_OPTIONS(struct show_options, cli)->worker};
    struct showing showing = {
        .cli = cli, .job_id = cli->args[0], .partition = -1, .text = str_with_max(STR_MAX_DEFAULT)};
    read_place(cli->args[0], &showing);
    TRY(dlq_scan_open(&scan, err));
    enum outcome outcome = dlq_scan_run(&scan, show_letter, &showing, err);
    dlq_scan_close(&scan);
    if (outcome == OUTCOME_OK && showing.text.len == 0) {
        outcome = FAIL(err, OUTCOME_PERMANENT, "dlq.missing", "no dead letter \"%s\" in %s",
                       cli->args[0], scan.topic);
        (void)err_hint(err, "haul dlq list shows places and jobs");
    }
    str_add_slice(&cli->out.text, str_slice(&showing.text));
    str_done(&showing.text);
    return outcome;
}

static const struct example list_examples[] = {
    {"haul dlq list -w acme --code 'connect.*'", "Given up for want of a connection"},
    {"haul dlq list --since 2026-11-21T00:00:00Z --json", "Since a time, for a program"},
    {NULL, NULL},
};
static const struct example show_examples[] = {
    {"haul dlq show 0:42", "The record at a place, with its headers"},
    {"haul dlq show 01JD7M8QK4T6W3X9ZB2C5F7H1N", "The last one of a job"},
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
const struct command command_dlq_show = {
    .name = "dlq show",
    .args = "PLACE|JOB",
    .args_min = 1,
    .args_max = 1,
    .needs = NEEDS_KAFKA,
    .summary = "show one dead letter whole",
    .options = &show_table,
    .examples = show_examples,
    .run = run_show,
};
