/* cli: settings, services, exit statuses; see cli.h. */
#include "cli.h"

#include "base/conf.h"
#include "registry.h"
#include "run/run_conf.h"

#include <ctype.h>
#include <stdio.h>
#include <unistd.h>

const struct exit_row command_exits[] = {
    {EXIT_DONE, "done"},
    {EXIT_FAILED, "the answer is no: the job failed, or a check found something"},
    {EXIT_USAGE, "the command line or the configuration is wrong"},
    {EXIT_MISSING, "there is no such job, dead letter, connection, sync or topic"},
    {EXIT_REFUSED, "refused, and will be refused again"},
    {EXIT_UNAVAILABLE, "something cannot be reached or took too long: try again"},
    {EXIT_CANCELLED, "the job was cancelled"},
    {EXIT_BUG, "a fault of haul itself"},
    {EXIT_DONE, NULL},
};

/* ---- preparing ---- */

/* What a command cannot do without, by name of the setting. */
static const struct {
    enum cli_need need;
    const char *setting;
    const char *option, *variable;
} needs[] = {
    {NEEDS_WORKSPACE, "workspace", "--workspace", "HAUL_WORKSPACE"},
    {NEEDS_HUB, "hub_url", "--hub-url", "HAUL_HUB_URL"},
    {NEEDS_KEYRING, "keyring_file", "--keyring-file", "HAUL_KEYRING_FILE"},
    {NEEDS_KAFKA, "kafka_brokers", "--kafka-brokers", "HAUL_KAFKA_BROKERS"},
    {NEEDS_REDIS, "redis_url", "--redis-url", "HAUL_REDIS_URL"},
};

static enum outcome check_needs(const struct cli *cli, struct err *err)
{
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++) {
        const struct field *field = fields_find(&cli_settings_table, needs[i].setting);
        if ((cli->command->needs & needs[i].need) == 0 || field == NULL)
            continue;
        const char *const *text =
            (const char *const *)(const void *)((const char *)&cli->settings + field->offset);
        if (*text != NULL)
            continue;
        (void)USAGE(err, "haul %s needs %s", cli->command->name, needs[i].option);
        return err_hint(err, "set %s or %s: %s", needs[i].variable, needs[i].option, field->doc);
    }
    return OUTCOME_OK;
}

/* Workers' variables, which may stand in the same environment, are not taken for typing errors. */
static enum outcome list_ignored(struct cli *cli, const char *const **ret_ignored, struct err *err)
{
    const char **names = ARENA_ARRAY(&cli->arena, const char *, run_conf_table.count + 1);
    size_t count = 0;
    TRY_ALLOC(names, err);
    for (size_t i = 0; i < run_conf_table.count; i++) {
        const char *name = run_conf_table.fields[i].name;
        if (fields_find(&cli_settings_table, name) != NULL)
            continue;
        char *variable = arena_printf(&cli->arena, "HAUL_%s", name);
        TRY_ALLOC(variable, err);
        for (char *at = variable; *at != '\0'; at++)
            *at = (char)toupper((unsigned char)*at);
        names[count++] = variable;
    }
    *ret_ignored = names;
    return OUTCOME_OK;
}

/* The settings' table with nothing required: what a command needs is checked by check_needs. */
static enum outcome load_settings(struct cli *cli, const struct cli_line *line, char **environ,
                                  struct err *err)
{
    struct field_table table = cli_settings_table;
    struct field *fields = ARENA_ARRAY(&cli->arena, struct field, table.count);
    TRY_ALLOC(fields, err);
    memcpy(fields, table.fields, table.count * sizeof *fields);
    for (size_t i = 0; i < table.count; i++)
        fields[i].flags &= ~(unsigned)FIELD_REQUIRED;
    table.fields = fields;
    struct conf_source source = {
        .argc = line->setting_argc, .argv = line->setting_argv, .environ = environ};
    TRY(list_ignored(cli, &source.ignored, err));
    return conf_load(&table, &source, &cli->arena, &cli->settings, err);
}

struct texts {
    const struct field_table *table;
    const char *const *texts;
};

static const char *text_of(void *ctx, const char *name)
{
    const struct texts *texts = ctx;
    const struct field *field = fields_find(texts->table, name);
    return texts->texts[field - texts->table->fields];
}

static enum outcome load_options(struct cli *cli, const struct cli_line *line, struct err *err)
{
    const struct field_table *table = cli->command->options;
    if (table == NULL)
        return OUTCOME_OK;
    void *options = arena_alloc(&cli->arena, table->struct_size);
    TRY_ALLOC(options, err);
    struct texts texts = {table, line->option_texts};
    TRY(fields_decode_texts(table, text_of, &texts, &cli->arena, options, err));
    cli->options = options;
    return OUTCOME_OK;
}

static enum outcome check_args(const struct cli *cli, struct err *err)
{
    const struct command *command = cli->command;
    int count = (int)cli->arg_count;
    if (count >= command->args_min && (command->args_max < 0 || count <= command->args_max))
        return OUTCOME_OK;
    (void)USAGE(err, "haul %s: %s", command->name,
                count < command->args_min ? "something is missing behind it" : "too many words");
    return err_hint(err, "usage: haul %s%s%s; haul %s --help", command->name,
                    command->args[0] == '\0' ? "" : " ", command->args, command->name);
}

static void name_actor(struct cli *cli)
{
    char host[64] = "?";
    const char *user = getlogin();
    (void)gethostname(host, sizeof host - 1);
    (void)snprintf(cli->actor, sizeof cli->actor, "cli %s@%s", user == NULL ? "?" : user, host);
}

enum outcome cli_prepare(struct cli *cli, const struct cli_line *line, char **environ,
                         struct err *err)
{
    cli->command = line->command;
    cli->args = line->words + line->name_words;
    cli->arg_count = line->word_count - line->name_words;
    TRY(load_settings(cli, line, environ, err));
    cli->out.json = cli->settings.json;
    TRY(load_options(cli, line, err));
    TRY(check_args(cli, err));
    name_actor(cli);
    return check_needs(cli, err);
}

/* ---- services ---- */

enum outcome cli_keyring(struct cli *cli, const struct keyring **ret_keyring, struct err *err)
{
    if (cli->keyring == NULL) {
        if (cli->settings.keyring_file == NULL) {
            (void)FAIL(err, OUTCOME_PERMANENT, "hub.keyring", "no keyring is configured");
            return err_hint(err, "set HAUL_KEYRING_FILE; haul vault keygen makes a key");
        }
        TRY(keyring_open_file(cli->settings.keyring_file, &cli->keyring, err));
    }
    *ret_keyring = cli->keyring;
    return OUTCOME_OK;
}

enum outcome cli_hub_raw(struct cli *cli, const struct hub **ret_hub, struct err *err)
{
    if (cli->hub.db == NULL) {
        const struct keyring *keyring = NULL;
        if (cli->settings.keyring_file != NULL)
            TRY(cli_keyring(cli, &keyring, err));
        cli->settings.hub.application_name = "haul";
        TRY(pgsql_open(&cli->settings.hub, &cli->hub.db, err));
        cli->hub.keyring = keyring;
        cli->hub.connectors = &sql_connectors;
        cli->hub.actor = cli->actor;
    }
    *ret_hub = &cli->hub;
    return OUTCOME_OK;
}

enum outcome cli_hub(struct cli *cli, const struct hub **ret_hub, struct err *err)
{
    const struct hub *hub = NULL;
    bool is_new = cli->hub.db == NULL;
    TRY(cli_hub_raw(cli, &hub, err));
    if (is_new)
        TRY(hub_check_version(hub, err));
    *ret_hub = hub;
    return OUTCOME_OK;
}

enum outcome cli_admin(struct cli *cli, struct kafka_admin **ret_admin, struct err *err)
{
    if (cli->admin == NULL)
        TRY(kafka_admin_open(&cli->settings.kafka, &cli->admin, err));
    *ret_admin = cli->admin;
    return OUTCOME_OK;
}

void cli_done(struct cli *cli)
{
    kafka_admin_close(cli->admin);
    pgsql_close(cli->hub.db);
    keyring_close(cli->keyring);
    out_done(&cli->out);
    arena_done(&cli->arena);
}

/* ---- errors ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

static bool begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

int cli_exit_status(const struct err *err)
{
    static const enum cli_exit statuses[OUTCOME_COUNT] = {
        [OUTCOME_RETRY] = EXIT_UNAVAILABLE,   [OUTCOME_THROTTLED] = EXIT_UNAVAILABLE,
        [OUTCOME_PERMANENT] = EXIT_REFUSED,   [OUTCOME_POISON] = EXIT_REFUSED,
        [OUTCOME_CANCELLED] = EXIT_CANCELLED, [OUTCOME_BUG] = EXIT_BUG,
    };
    if (err->outcome == OUTCOME_PERMANENT) {
        if (strcmp(err->code, "usage") == 0 || begins_with(err->code, "conf.") ||
            begins_with(err->code, "fields.") || begins_with(err->code, "keyring."))
            return EXIT_USAGE;
        if (ends_with(err->code, "missing") && strcmp(err->code, "seal.key_missing") != 0)
            return EXIT_MISSING;
    }
    return (int)statuses[err->outcome];
}

static void write_error(struct jwrite *w, const struct err *err)
{
    jwrite_open_object(w);
    jwrite_key(w, "error");
    jwrite_open_object(w);
    jwrite_member_text(w, "class", outcome_name(err->outcome));
    jwrite_member_text(w, "code", err->code);
    jwrite_member_text(w, "native", err->native[0] == '\0' ? NULL : err->native);
    jwrite_member_text(w, "message", err->message);
    jwrite_member_text(w, "hint", err->hint[0] == '\0' ? NULL : err->hint);
    jwrite_close_object(w);
    jwrite_close_object(w);
}

void cli_print_error(struct cli *cli, const struct err *err)
{
    if (cli->out.json) {
        struct jwrite w = out_json(&cli->out);
        write_error(&w, err);
        out_json_end(&cli->out);
        return;
    }
    const char *native = err->native;
    out_note(&cli->out, "haul: %s%s%s%s", err->message, native[0] == '\0' ? "" : " (", native,
             native[0] == '\0' ? "" : ")");
    if (err->hint[0] != '\0')
        out_note(&cli->out, "hint: %s", err->hint);
}
