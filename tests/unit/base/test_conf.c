/* conf: variables, options, files of secrets, their order and errors; the printed texts. */
#include "base/conf.h"

#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct settings {
    const char *brokers;
    int64_t job_threads;
    bool verify;
    int level;
    double ratio;
    struct field_strings kinds;
    const char *hub_password;
    int64_t since_us;
};

static const char *const levels[] = {"debug", "info", NULL};
static const struct field settings_fields[] = {
    {.name = "brokers",
     .type = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct settings, brokers),
     .min = 1,
     .max = 100,
     .doc = "Kafka brokers to begin with, as host:port, separated by commas."},
    {.name = "job_threads",
     .type = FIELD_INT,
     .offset = offsetof(struct settings, job_threads),
     .min = 1,
     .max = 64,
     .default_text = "4",
     .doc = "Jobs that are done at the same time."},
    {.name = "verify",
     .type = FIELD_BOOL,
     .offset = offsetof(struct settings, verify),
     .default_text = "false"},
    {.name = "level",
     .type = FIELD_ENUM,
     .offset = offsetof(struct settings, level),
     .choices = levels,
     .default_text = "info",
     .doc = "The least level that is logged; debug tells each step, more than one wants to keep."},
    {.name = "ratio",
     .type = FIELD_REAL,
     .offset = offsetof(struct settings, ratio),
     .default_text = "0.5"},
    {.name = "kinds", .type = FIELD_STRINGS, .offset = offsetof(struct settings, kinds)},
    {.name = "hub_password",
     .type = FIELD_STRING,
     .flags = FIELD_SECRET,
     .offset = offsetof(struct settings, hub_password),
     .min = 3,
     .max = 64,
     .doc = "The hub's password."},
    {.name = "since", .type = FIELD_TIME, .offset = offsetof(struct settings, since_us)},
};
static const struct field_table table = {"settings", NULL, settings_fields,
                                         FIELDS_COUNT(settings_fields), sizeof(struct settings)};

#define WORDS_MAX 8
struct load_case {
    char *environ[WORDS_MAX], *argv[WORDS_MAX]; /* argv without the program */
    const char *code, *message, *hint;          /* NULL = accepted */
    const char *brokers;
    int64_t job_threads;
    bool verify;
    const char *password;
};

static enum outcome load(const struct load_case *given, struct arena *arena,
                         struct settings *ret_settings, struct err *err)
{
    static const char *const ignored[] = {"HAUL_TEST_TOP", NULL};
    char *argv[WORDS_MAX + 2] = {(char[]){"program"}}, *environ_copy[WORDS_MAX + 1] = {0};
    int argc = 1;
    for (size_t i = 0; i < WORDS_MAX && given->argv[i] != NULL; i++)
        argv[argc++] = given->argv[i];
    for (size_t i = 0; i < WORDS_MAX && given->environ[i] != NULL; i++)
        environ_copy[i] = given->environ[i];
    struct conf_source source = {argc, argv, environ_copy, ignored};
    return conf_load(&table, &source, arena, ret_settings, err);
}

static char secret_path[] = "/tmp/haul-conf-XXXXXX";
static char secret_variable[64], secret_option[64];
static char empty_variable[] = "HAUL_HUB_PASSWORD_FILE=/dev/null";

static void write_secret(const char *text)
{
    FILE *file = fopen(secret_path, "w");
    if (CHECK(file != NULL)) {
        (void)fputs(text, file);
        (void)fclose(file);
    }
}

#define W(text) ((char[]){text})
static const char required[] = "field \"brokers\" is missing: expected a string of 1 to 100 bytes";

static struct load_case cases[] = {
    {.environ = {W("HAUL_BROKERS=a:1"), W("PATH=/bin"), W("HAUL_TEST_TOP=1")},
     .brokers = "a:1",
     .job_threads = 4},
    {.environ = {W("HAUL_BROKERS=a:1"), W("HAUL_JOB_THREADS=9")},
     .argv = {W("--job-threads"), W("7"), W("--verify")},
     .brokers = "a:1",
     .job_threads = 7,
     .verify = true},
    {.argv = {W("--brokers=b=2"), W("--job_threads=8"), W("--job-threads"), W("5")},
     .brokers = "b=2",
     .job_threads = 5},
    {.environ = {W("HAUL_BROKERS=a"), W("HAUL_VERIFY=true")},
     .argv = {W("--help"), W("--verify=no"), W("--check-config"), W("--version")},
     .brokers = "a",
     .job_threads = 4},
    {.environ = {W("HAUL_BROKERS=a"), W("HAUL_JOB_THREADS=")}, .brokers = "a", .job_threads = 4},
    {.environ = {W("HAUL_BROKERS=a"), W("HAUL_HUB_PASSWORD=hunter2")},
     .brokers = "a",
     .job_threads = 4,
     .password = "hunter2"},
    {.environ = {W("HAUL_BROKERS=a"), secret_variable},
     .brokers = "a",
     .job_threads = 4,
     .password = "hunter3"},
    {.environ = {W("HAUL_BROKERS=a"), W("HAUL_HUB_PASSWORD=hunter2")},
     .argv = {secret_option},
     .brokers = "a",
     .job_threads = 4,
     .password = "hunter3"},
    {.environ = {W("HAUL_BROKERS=a"), secret_variable},
     .argv = {W("--hub-password=hunter4")},
     .brokers = "a",
     .job_threads = 4,
     .password = "hunter4"},

    {.code = "fields.missing",
     .message = required,
     .hint = "set HAUL_BROKERS: Kafka brokers to begin with, as host:port, separated by commas."},
    {.environ = {W("HAUL_BROKERS=")},
     .code = "fields.missing",
     .message = required,
     .hint = "set HAUL_BROKERS: Kafka brokers to begin with, as host:port, separated by commas."},
    {.environ = {W("HAUL_BROKRES=a")},
     .code = "conf.unknown",
     .message = "unknown environment variable HAUL_BROKRES",
     .hint = "did you mean HAUL_BROKERS?"},
    {.environ = {W("HAUL_SOMETHING=a")},
     .code = "conf.unknown",
     .message = "unknown environment variable HAUL_SOMETHING",
     .hint = "--help lists the variables; unset this one"},
    {.environ = {W("HAUL_BROKERS_FILE=/x")},
     .code = "conf.unknown",
     .message = "unknown environment variable HAUL_BROKERS_FILE",
     .hint = "--help lists the variables; unset this one"},
    {.argv = {W("--job-thread=1")},
     .code = "conf.unknown",
     .message = "unknown option --job-thread",
     .hint = "did you mean --job-threads?"},
    {.argv = {W("--zzzzzzzz")},
     .code = "conf.unknown",
     .message = "unknown option --zzzzzzzz",
     .hint = "--help lists the options"},
    {.argv = {W("--job-threads")},
     .code = "conf.option",
     .message = "option --job-threads needs a value",
     .hint = ""},
    {.argv = {W("word")},
     .code = "conf.unknown",
     .message = "unexpected argument \"word\"",
     .hint = "settings are given as --name value; --help lists them"},
    {.argv = {W("--")},
     .code = "conf.unknown",
     .message = "unexpected argument \"--\"",
     .hint = "settings are given as --name value; --help lists them"},
    {.environ = {W("HAUL_BROKERS=a"), W("HAUL_JOB_THREADS=65")},
     .code = "fields.range",
     .message = "HAUL_JOB_THREADS: field \"job_threads\" is 65: expected an integer from 1 to 64",
     .hint = "job_threads: Jobs that are done at the same time."},
    {.argv = {W("--brokers=a"), W("--job-threads=x")},
     .code = "fields.type",
     .message = "--job-threads: field \"job_threads\" is \"x\": expected an integer from 1 to 64",
     .hint = "job_threads: Jobs that are done at the same time."},
    {.environ = {W("HAUL_BROKERS=a"), W("HAUL_HUB_PASSWORD=hunter2"), secret_variable},
     .code = "conf.file",
     .message = "both HAUL_HUB_PASSWORD and HAUL_HUB_PASSWORD_FILE are set",
     .hint = ""},
    {.environ = {W("HAUL_BROKERS=a"), W("HAUL_HUB_PASSWORD=xy")},
     .code = "fields.range",
     .message = "HAUL_HUB_PASSWORD: field \"hub_password\" holds a secret of another form: "
                "expected a string of 3 to 64 bytes",
     .hint = "hub_password: The hub's password."},
    {.environ = {W("HAUL_BROKERS=a"), empty_variable},
     .code = "conf.file",
     .message = "HAUL_HUB_PASSWORD_FILE: the first line of /dev/null is empty",
     .hint = ""},
    {.environ = {W("HAUL_BROKERS=a"), W("HAUL_HUB_PASSWORD_FILE=/no/such/file")},
     .code = "conf.file",
     .message = "HAUL_HUB_PASSWORD_FILE: cannot read /no/such/file: No such file or directory",
     .hint = "the file must exist and be readable by this user"},
};

static void test_load(void)
{
    write_secret("hunter3\r\nsecond line\n");
    for (size_t i = 0; i < FIELDS_COUNT(cases); i++) {
        const struct load_case *want = &cases[i];
        ARENA_AUTO struct arena arena;
        arena_init(&arena, 1u << 20);
        struct settings settings = {.job_threads = 4242};
        struct err err = {0};
        enum outcome outcome = load(want, &arena, &settings, &err);
        if (!CHECK_OUTCOME(outcome, want->code == NULL ? OUTCOME_OK : OUTCOME_PERMANENT, &err))
            printf("# case %zu\n", i);
        if (want->code != NULL) {
            CHECK_TEXT(err.code, want->code);
            CHECK_TEXT(err.message, want->message);
            CHECK_TEXT(err.hint, want->hint);
            CHECK_INT(settings.job_threads, 4242);
        } else if (outcome == OUTCOME_OK) {
            CHECK_TEXT(settings.brokers, want->brokers);
            CHECK_INT(settings.job_threads, want->job_threads);
            CHECK_INT(settings.verify, want->verify);
            CHECK_TEXT(settings.hub_password, want->password);
        }
    }
}

static void test_load_torture(void)
{
    struct load_case given = {
        .environ = {W("HAUL_BROKERS=a"), W("HAUL_KINDS=a,b"), secret_variable},
        .argv = {W("--job-threads=3")}};
    write_secret("hunter3");
    for (uint64_t n = 1;; n++) {
        ARENA_AUTO struct arena arena;
        arena_init(&arena, 1u << 20);
        struct settings settings = {.job_threads = 4242};
        struct err err = {0};
        arena_fail_at(n);
        enum outcome outcome = load(&given, &arena, &settings, &err);
        arena_fail_at(0);
        if (outcome == OUTCOME_OK) {
            CHECK(n > 8);
            CHECK_TEXT(settings.hub_password, "hunter3");
            return;
        }
        if (!CHECK_OUTCOME(outcome, OUTCOME_RETRY, &err) ||
            !CHECK_INT(settings.job_threads, 4242) || !CHECK(n < 1000))
            return;
    }
}

static void test_secret_files(void)
{
    ARENA_AUTO struct arena arena;
    arena_init(&arena, 1u << 20);
    const char *text = NULL;
    struct err err = {0};
    write_secret("one\ntwo\n");
    CHECK_OK(conf_read_secret(secret_path, &arena, &text, &err), &err);
    CHECK_TEXT(text, "one");
    write_secret("no end");
    CHECK_OK(conf_read_secret(secret_path, &arena, &text, &err), &err);
    CHECK_TEXT(text, "no end");
    write_secret("\nsecond");
    CHECK_OUTCOME(conf_read_secret(secret_path, &arena, &text, &err), OUTCOME_PERMANENT, &err);
    CHECK_OUTCOME(conf_read_secret("/dev/zero", &arena, &text, &err), OUTCOME_PERMANENT, &err);
    CHECK_OUTCOME(conf_read_secret("/", &arena, &text, &err), OUTCOME_PERMANENT, &err);
    CHECK_TEXT(err.message, "cannot read /: Is a directory");
    char longer[20000];
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = '\0';
    write_secret(longer);
    CHECK_OUTCOME(conf_read_secret(secret_path, &arena, &text, &err), OUTCOME_PERMANENT, &err);
    CHECK(strstr(err.message, "is too long") != NULL);
    CHECK_TEXT(text, "no end");
}

static void test_asks(void)
{
    char *argv[] = {W("program"), W("--brokers=a"), W("--help")};
    struct conf_source source = {.argc = 3, .argv = argv};
    CHECK(conf_asks(&source, "help"));
    CHECK(!conf_asks(&source, "version"));
    CHECK(!conf_asks(&source, "program"));
}

static void test_help(void)
{
    STR_AUTO struct str out = str_with_max(STR_MAX_DEFAULT);
    conf_print_help(&table, &out);
    CHECK(!out.failed);
    static const char *const parts[] = {
        "  --brokers TEXT                      HAUL_BROKERS\n",
        "      Kafka brokers to begin with, as host:port, separated by commas. [required]\n",
        "  --job-threads N                     HAUL_JOB_THREADS\n",
        "      Jobs that are done at the same time. [1 to 64, default 4]\n",
        "  --hub-password TEXT                 HAUL_HUB_PASSWORD, or its file: ..._FILE\n",
        "      The least level that is logged; debug tells each step, more than one wants to\n",
        "\n      keep. [debug|info, default info]\n",
    };
    for (size_t i = 0; i < FIELDS_COUNT(parts); i++) {
        if (!CHECK(strstr(str_text(&out), parts[i]) != NULL))
            printf("# no:\n%s\n# in:\n%s\n", parts[i], str_text(&out));
    }
    for (const char *line = str_text(&out); *line != '\0'; line += strcspn(line, "\n") + 1)
        CHECK(strcspn(line, "\n") <= 88);
}

static void test_effective(void)
{
    static const char *const kinds[] = {"a", "b"};
    struct settings settings = {.brokers = "a:1",
                                .job_threads = 4,
                                .level = 1,
                                .ratio = 0.25,
                                .kinds = {2, kinds},
                                .hub_password = "hunter2"};
    STR_AUTO struct str out = str_with_max(STR_MAX_DEFAULT);
    conf_print_effective(&table, &settings, &out);
    CHECK_TEXT(str_text(&out), "HAUL_BROKERS=a:1\nHAUL_JOB_THREADS=4\nHAUL_VERIFY=false\n"
                               "HAUL_LEVEL=info\nHAUL_RATIO=0.25\nHAUL_KINDS=a,b\n"
                               "HAUL_HUB_PASSWORD=(set)\nHAUL_SINCE=(not set)\n");
    settings = (struct settings){.verify = true, .since_us = 1};
    str_clear(&out);
    conf_print_effective(&table, &settings, &out);
    CHECK_TEXT(str_text(&out), "HAUL_BROKERS=(not set)\nHAUL_JOB_THREADS=0\nHAUL_VERIFY=true\n"
                               "HAUL_LEVEL=debug\nHAUL_RATIO=0\nHAUL_KINDS=\n"
                               "HAUL_HUB_PASSWORD=(not set)\n"
                               "HAUL_SINCE=1970-01-01T00:00:00.000001Z\n");
}

static CU_TestInfo tests[] = {
    {"load", test_load},
    {"load torture", test_load_torture},
    {"secret files", test_secret_files},
    {"asks", test_asks},
    {"help", test_help},
    {"effective", test_effective},
    CU_TEST_INFO_NULL,
};

int main(int argc, char **argv)
{
    int fd = mkstemp(secret_path);
    if (fd < 0)
        return EXIT_FAILURE;
    (void)close(fd);
    (void)snprintf(secret_variable, sizeof secret_variable, "HAUL_HUB_PASSWORD_FILE=%s",
                   secret_path);
    (void)snprintf(secret_option, sizeof secret_option, "--hub-password-file=%s", secret_path);
    int status = check_main("base/conf", tests, argc, argv);
    (void)unlink(secret_path);
    return status;
}
