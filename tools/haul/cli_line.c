/* cli_line: argv taken apart by the tables; see cli.h. */
#include "cli.h"

#define SPELLING_SIZE 80

static const struct {
    char letter;
    const char *name;
} short_options[] = {{'h', "help"}, {'V', "version"}, {'w', "workspace"},
                     {'f', "file"}, {'n', "limit"},   {'j', "json"}};

struct reader {
    int argc, at;
    char **argv;
    struct arena *arena;
    struct cli_line *line;
    const char **words;
    const char **texts; /* line->option_texts */
    struct err *err;
};

/* An option as it stands on the command line. */
struct written {
    char name[SPELLING_SIZE]; /* as fields spell it */
    const char *text;         /* behind "="; NULL = none */
    const char *argument;
};

const struct command *command_find(const char *const *words, size_t count, size_t *ret_taken)
{
    for (size_t taken = count < 2 ? count : 2; taken > 0; taken--) {
        char name[SPELLING_SIZE] = "";
        for (size_t i = 0; i < taken; i++) {
            size_t len = strlen(name);
            if (len + strlen(words[i]) + 2 > sizeof name)
                return NULL;
            text_copy(name + len, sizeof name - len, i == 0 ? "" : " ");
            text_copy(name + strlen(name), sizeof name - strlen(name), words[i]);
        }
        for (const struct command *const *row = commands; *row != NULL; row++) {
            const struct command *command = *row;
            if (strcmp(command->name, name) == 0) {
                *ret_taken = taken;
                return command;
            }
        }
    }
    return NULL;
}

static bool read_short(const char *argument, struct written *ret_option)
{
    for (size_t i = 0; i < sizeof short_options / sizeof *short_options; i++) {
        if (argument[1] != short_options[i].letter)
            continue;
        text_copy(ret_option->name, sizeof ret_option->name, short_options[i].name);
        ret_option->text = argument[2] != '\0' ? argument + 2 : NULL;
        return true;
    }
    return false;
}

static bool read_option(const char *argument, struct written *ret_option)
{
    *ret_option = (struct written){.argument = argument};
    if (argument[1] != '-')
        return read_short(argument, ret_option);
    size_t len = strcspn(argument + 2, "=");
    if (len == 0 || len >= SPELLING_SIZE)
        return false;
    for (size_t i = 0; i < len; i++)
        ret_option->name[i] = (char)(argument[2 + i] == '-' ? '_' : argument[2 + i]);
    if (argument[2 + len] == '=')
        ret_option->text = argument + 2 + len + 1;
    return true;
}

/* The setting of a name; of a secret one also by NAME_file. */
static const struct field *find_setting(const char *name, bool *ret_is_flag)
{
    char plain[SPELLING_SIZE];
    text_copy(plain, sizeof plain, name);
    const struct field *field = fields_find(&cli_settings_table, plain);
    size_t len = strlen(plain);
    if (field == NULL && len > 5 && strcmp(plain + len - 5, "_file") == 0) {
        plain[len - 5] = '\0';
        field = fields_find(&cli_settings_table, plain);
        if (field != NULL && (field->flags & FIELD_SECRET) == 0)
            field = NULL;
    }
    *ret_is_flag = field != NULL && field->type == FIELD_BOOL;
    return field;
}

static enum outcome refuse_option(struct reader *r, const struct written *option)
{
    const char *near = NULL;
    const struct command *command = r->line->command;
    if (command != NULL && command->options != NULL)
        near = fields_nearest(command->options, option->name);
    if (near == NULL)
        near = fields_nearest(&cli_settings_table, option->name);
    (void)USAGE(r->err, "unknown option %.*s%s%s", (int)strcspn(option->argument, "="),
                option->argument, command == NULL ? "" : " of haul ",
                command == NULL ? "" : command->name);
    if (near == NULL)
        return err_hint(r->err, "haul %s--help lists the options",
                        command == NULL ? "" : "COMMAND ");
    char dashed[SPELLING_SIZE];
    text_copy(dashed, sizeof dashed, near);
    for (char *at = dashed; *at != '\0'; at++)
        *at = *at == '_' ? '-' : *at;
    return err_hint(r->err, "did you mean --%s?", dashed);
}

/* The option's value: behind "=", or the next argument; "true" of a flag. */
static enum outcome take_value(struct reader *r, const struct written *option, bool is_flag,
                               const char **ret_text)
{
    if (option->text != NULL)
        *ret_text = option->text;
    else if (is_flag)
        *ret_text = "true";
    else if (r->at + 1 < r->argc)
        *ret_text = r->argv[++r->at];
    else
        return USAGE(r->err, "option %s needs a value", option->argument);
    return OUTCOME_OK;
}

/* The command's name may be complete since the last word: then its options are known. */
static enum outcome learn_command(struct reader *r)
{
    struct cli_line *line = r->line;
    if (line->command != NULL)
        return OUTCOME_OK;
    line->command = command_find(r->words, line->word_count, &line->name_words);
    if (line->command == NULL || line->command->options == NULL)
        return OUTCOME_OK;
    r->texts = ARENA_ARRAY(r->arena, const char *, line->command->options->count);
    TRY_ALLOC(r->texts, r->err);
    line->option_texts = r->texts;
    return OUTCOME_OK;
}

static enum outcome add_setting(struct reader *r, const char *name, const char *text)
{
    char *argument = arena_printf(r->arena, "--%s=%s", name, text);
    TRY_ALLOC(argument, r->err);
    r->line->setting_argv[r->line->setting_argc++] = argument;
    return OUTCOME_OK;
}

static enum outcome take_option(struct reader *r)
{
    struct written option;
    if (!read_option(r->argv[r->at], &option))
        return USAGE(r->err, "unknown option %s", r->argv[r->at]);
    if (strcmp(option.name, "help") == 0 || strcmp(option.name, "version") == 0) {
        *(option.name[0] == 'h' ? &r->line->help : &r->line->version) = true;
        return OUTCOME_OK;
    }
    TRY(learn_command(r));
    const struct field_table *own = r->line->command == NULL ? NULL : r->line->command->options;
    const struct field *field = own == NULL ? NULL : fields_find(own, option.name);
    const char *text = NULL;
    if (field != NULL) {
        TRY(take_value(r, &option, field->type == FIELD_BOOL, &text));
        r->texts[field - own->fields] = text;
        return OUTCOME_OK;
    }
    bool is_flag = false;
    if (find_setting(option.name, &is_flag) == NULL)
        return refuse_option(r, &option);
    TRY(take_value(r, &option, is_flag, &text));
    return add_setting(r, option.name, text);
}

static enum outcome read_arguments(struct reader *r)
{
    bool only_words = false;
    for (r->at = 1; r->at < r->argc; r->at++) {
        const char *argument = r->argv[r->at];
        if (!only_words && strcmp(argument, "--") == 0)
            only_words = true;
        else if (!only_words && argument[0] == '-' && argument[1] != '\0')
            TRY(take_option(r));
        else
            r->words[r->line->word_count++] = argument;
    }
    return learn_command(r);
}

enum outcome cli_line_read(int argc, char **argv, struct arena *arena, struct cli_line *ret_line,
                           struct err *err)
{
    struct cli_line line = {.setting_argc = 1};
    size_t count = (size_t)argc + 1;
    struct reader r = {.argc = argc, .argv = argv, .arena = arena, .line = &line, .err = err};
    r.words = ARENA_ARRAY(arena, const char *, count);
    line.setting_argv = ARENA_ARRAY(arena, char *, count);
    TRY_ALLOC(r.words, err);
    TRY_ALLOC(line.setting_argv, err);
    line.setting_argv[0] = argv[0];
    TRY(read_arguments(&r));
    line.words = r.words;
    *ret_line = line;
    return OUTCOME_OK;
}
