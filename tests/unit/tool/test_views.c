/* tools/haul: receipts for people; the command line's words; migrations; the help. */
#include "check.h"
#include "cli.h"
#include "io/json.h"
#include "migrations.h"
#include "receipt_view.h"

static void test_receipt(void)
{
    static const struct {
        const char *json, *want;
    } cases[] = {
        {"{}", ""},
        {"{\"mode\":\"append\",\"path\":\"load\"}", "  mode         append (load)\n"},
        {"{\"rows_read\":3,\"rows_written\":2,\"rows_rejected\":1,\"rows_updated\":0}",
         "  rows         3 read, 2 written, 1 rejected\n"},
        {"{\"verification\":{\"level\":\"full\",\"rows\":2,\"chunks\":1,\"source_hash\":\"a\","
         "\"target_hash\":\"a\"}}",
         "  verified     full: 2 rows in 1 chunk read back, hashes agree\n"},
        {"{\"verification\":{\"level\":\"full\",\"rows\":2,\"chunks\":1,\"source_hash\":\"a\","
         "\"target_hash\":\"b\"}}",
         "  verified     full: 2 rows in 1 chunk read back, hashes DIFFER\n"},
        {"{\"values\":{\"nan\":{\"converted\":0,\"nulled\":2,\"quarantined\":1}}}",
         "  values       nan: 2 made NULL, 1 quarantined\n"},
        {"{\"checkpoint_before\":null,\"checkpoint_after\":\"9\"}", "  checkpoint   (none) -> 9\n"},
        {"{\"duration_ms\":1500,\"stages_ms\":{\"read\":1000,\"write\":0,\"verify\":20}}",
         "  time         1.5 s\n  stages       read 1.0 s, verify 20 ms\n"},
        {"{\"notes\":[\"one\",\"two\"]}", "  note         one\n  note         two\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ARENA_AUTO struct arena arena;
        STR_AUTO struct str out = str_with_max(1u << 20);
        const struct jval *receipt = NULL;
        struct err err = {0};
        arena_init(&arena, 1u << 20);
        CHECK_OK(jread_object(slice_of(cases[i].json), &arena, &receipt, &err), &err);
        receipt_view(receipt, "  ", &out);
        CHECK_TEXT(str_text(&out), cases[i].want);
    }
}

/* The command, its words and the settings that are found, as "name|words|settings". */
static void test_command_lines(void)
{
    static const struct {
        const char *argv[8];
        const char *want;
    } cases[] = {
        {{"haul", NULL}, "||"},
        {{"haul", "jobs", NULL}, "jobs||"},
        {{"haul", "connection", NULL}, "|connection |"},
        {{"haul", "connection", "add", "c", "pg", "a=b", NULL}, "connection add|c pg a=b |"},
        {{"haul", "--json", "show", "J", NULL}, "show|J |--json=true "},
        {{"haul", "show", "-w", "acme", "J", NULL}, "show|J |--workspace=acme "},
        {{"haul", "show", "-wacme", "--", "-J", NULL}, "show|-J |--workspace=acme "},
        {{"haul", "jobs", "--limit", "5", "--hub-url=x", NULL}, "jobs||--hub_url=x "},
        {{"haul", "--hub-url", "x", "jobs", "-n5", NULL}, "jobs||--hub_url=x "},
        {{"haul", "jobs", "--kafka-password-file", "f", NULL}, "jobs||--kafka_password_file=f "},
        {{"haul", "enqueue", "k", "-f", "-", NULL}, "enqueue|k |"},
        {{"haul", "jibs", NULL}, "|jibs |"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ARENA_AUTO struct arena arena;
        STR_AUTO struct str out = str_with_max(1u << 20);
        struct cli_line line = {0};
        struct err err = {0};
        char *argv[8];
        int argc = 0;
        arena_init(&arena, 1u << 20);
        for (; cases[i].argv[argc] != NULL; argc++)
            argv[argc] = arena_strdup(&arena, cases[i].argv[argc]);
        CHECK_OK(cli_line_read(argc, argv, &arena, &line, &err), &err);
        str_addf(&out, "%s|", line.command == NULL ? "" : line.command->name);
        for (size_t k = line.name_words; k < line.word_count; k++)
            str_addf(&out, "%s ", line.words[k]);
        str_add_char(&out, '|');
        for (int k = 1; k < line.setting_argc; k++)
            str_addf(&out, "%s ", line.setting_argv[k]);
        CHECK_TEXT(str_text(&out), cases[i].want);
    }
}

static void test_wrong_options(void)
{
    static const struct {
        const char *argv[4];
        const char *hint;
    } cases[] = {
        {{"jobs", "--limt", "3", NULL}, "did you mean --limit?"},
        {{"jobs", "--hub-uri", "3", NULL}, "did you mean --hub-url?"},
        {{"jobs", "--nonsense", NULL}, "haul COMMAND --help lists the options"},
        {{"jobs", "--limit", NULL}, ""},
        {{"jobs", "-z", NULL}, ""},
        {{"--limit", "3", "jobs", NULL}, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ARENA_AUTO struct arena arena;
        struct cli_line line = {0};
        struct err err = {0};
        char *argv[8] = {NULL};
        int argc = 1;
        arena_init(&arena, 1u << 20);
        argv[0] = arena_strdup(&arena, "haul");
        for (; cases[i].argv[argc - 1] != NULL; argc++)
            argv[argc] = arena_strdup(&arena, cases[i].argv[argc - 1]);
        CHECK_OUTCOME(cli_line_read(argc, argv, &arena, &line, &err), OUTCOME_PERMANENT, &err);
        CHECK_TEXT(err.code, "usage");
        if (cases[i].hint[0] != '\0')
            CHECK_TEXT(err.hint, cases[i].hint);
    }
}

static void test_exit_statuses(void)
{
    static const struct {
        enum outcome outcome;
        const char *code;
        int want;
    } cases[] = {
        {OUTCOME_RETRY, "hub.unreachable", EXIT_UNAVAILABLE},
        {OUTCOME_THROTTLED, "x", EXIT_UNAVAILABLE},
        {OUTCOME_PERMANENT, "usage", EXIT_USAGE},
        {OUTCOME_PERMANENT, "conf.unknown", EXIT_USAGE},
        {OUTCOME_PERMANENT, "fields.range", EXIT_USAGE},
        {OUTCOME_PERMANENT, "keyring.syntax", EXIT_USAGE},
        {OUTCOME_PERMANENT, "connection.missing", EXIT_MISSING},
        {OUTCOME_PERMANENT, "kafka.topic_missing", EXIT_MISSING},
        {OUTCOME_PERMANENT, "seal.key_missing", EXIT_REFUSED},
        {OUTCOME_PERMANENT, "connection.in_use", EXIT_REFUSED},
        {OUTCOME_POISON, "job.type", EXIT_REFUSED},
        {OUTCOME_CANCELLED, "fenced", EXIT_CANCELLED},
        {OUTCOME_BUG, "bug", EXIT_BUG},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err = {0};
        (void)FAIL(&err, cases[i].outcome, cases[i].code, "x");
        CHECK_INT(cli_exit_status(&err), cases[i].want);
    }
}

/* HUB_VERSION is what programs ask a hub for: it must be the last migration. */
static void test_migrations_are_those_of_the_version(void)
{
    int64_t version = 0;
    for (const struct migration *m = hub_migrations; m->name != NULL; m++) {
        CHECK(m->version > version);
        CHECK_INT(strlen(m->checksum), 64);
        CHECK(strlen(m->sql) > 100);
        version = m->version;
    }
    CHECK_INT(version, HUB_VERSION);
}

static void test_commands_are_whole(void)
{
    for (const struct command *const *row = commands; *row != NULL; row++) {
        const struct command *command = *row;
        size_t taken = 0;
        STR_AUTO struct str help = str_with_max(1u << 20);
        CHECK(command->run != NULL && command->summary != NULL && command->args != NULL);
        CHECK(command->args_max < 0 || command->args_max >= command->args_min);
        CHECK(command->summary[strlen(command->summary) - 1] != '.');
        for (size_t i = 0; command->options != NULL && i < command->options->count; i++)
            CHECK(fields_find(&cli_settings_table, command->options->fields[i].name) == NULL);
        help_command(command, &help);
        CHECK(strstr(str_text(&help), command->name) != NULL);
        const char *words[2] = {command->name, NULL};
        if (strchr(command->name, ' ') == NULL)
            CHECK(command_find(words, 1, &taken) == command && taken == 1);
    }
}

static CU_TestInfo tests[] = {
    {"a receipt for people", test_receipt},
    {"command lines", test_command_lines},
    {"wrong options", test_wrong_options},
    {"exit statuses", test_exit_statuses},
    {"the hub's version is the last migration", test_migrations_are_those_of_the_version},
    {"every command is whole", test_commands_are_whole},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("tool/views", tests)
