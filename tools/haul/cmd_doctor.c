/* cmd_doctor: is everything there, and what is to be done if not. */
#include "doctor.h"

#include <sys/stat.h>

struct doctor_options {
    bool connections;
};
static const struct field doctor_fields[] = {
    {.name = "connections",
     .type = FIELD_BOOL,
     .default_text = "false",
     .offset = offsetof(struct doctor_options, connections),
     .doc = "Opens every connection (of the workspace, when one is named) too."},
};
static const struct field_table doctor_table = {
    "doctor", NULL, doctor_fields, FIELDS_COUNT(doctor_fields), sizeof(struct doctor_options)};

static const char *const status_names[] = {
    [CHECK_OK] = "ok", [CHECK_WARN] = "warn", [CHECK_FAIL] = "fail", [CHECK_SKIP] = "skipped"};

void doctor_add(struct doctor *doctor, enum check_status status, const char *check,
                const char *detail, const char *hint)
{
    doctor->failed += status == CHECK_FAIL;
    doctor->warned += status == CHECK_WARN;
    SHEET_ROW(&doctor->sheet, status_names[status], check, detail, hint);
    if (hint != NULL && hint[0] != '\0' && status != CHECK_OK)
        str_addf(&doctor->hints, "%s: %s\n", check, hint);
}

void doctor_addf(struct doctor *doctor, enum check_status status, const char *check,
                 const char *hint, const char *fmt, ...)
{
    char detail[600];
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(detail, sizeof detail, fmt, args) < 0)
        detail[0] = '\0';
    va_end(args);
    doctor_add(doctor, status, check, detail, hint);
}

void doctor_add_err(struct doctor *doctor, const char *check, const struct err *err)
{
    doctor_add(doctor, CHECK_FAIL, check, err->message, err->hint);
}

void doctor_add_skew(struct doctor *doctor, const char *check, int64_t skew_us)
{
    int64_t size_us = skew_us < 0 ? -skew_us : skew_us;
    enum check_status status = size_us > DOCTOR_SKEW_FAIL_US   ? CHECK_FAIL
                               : size_us > DOCTOR_SKEW_WARN_US ? CHECK_WARN
                                                               : CHECK_OK;
    doctor_addf(doctor, status, check,
                "let both follow an NTP server: retries and leases go by "
                "the clock",
                "%+.3f s against ours", (double)skew_us / 1e6);
}

static void check_keyring(struct doctor *doctor)
{
    const struct cli *cli = doctor->cli;
    const struct keyring *keyring = NULL;
    struct err err = {0};
    struct stat info;
    if (cli->settings.keyring_file == NULL) {
        doctor_add(doctor, CHECK_WARN, "keyring", "none is configured",
                   "set HAUL_KEYRING_FILE; haul vault keygen makes a key");
        return;
    }
    if (cli_keyring(doctor->cli, &keyring, &err) != OUTCOME_OK) {
        doctor_add_err(doctor, "keyring", &err);
        return;
    }
    if (stat(cli->settings.keyring_file, &info) == 0 && (info.st_mode & 077) != 0)
        doctor_addf(doctor, CHECK_WARN, "keyring",
                    "chmod 600: whoever reads it and the hub has the secrets",
                    "seals with key %s; other users may read the file", keyring_active_id(keyring));
    else
        doctor_addf(doctor, CHECK_OK, "keyring", NULL, "seals with key %s",
                    keyring_active_id(keyring));
}

static void print_report(struct doctor *doctor)
{
    struct out *out = &doctor->cli->out;
    sheet_print(&doctor->sheet, out);
    if (doctor->hints.len > 0)
        out_addf(out, "\nwhat to do:\n%s", str_text(&doctor->hints));
    out_addf(out, "\n%zu failed, %zu to look at\n", doctor->failed, doctor->warned);
}

static enum outcome run_doctor(struct cli *cli, struct err *err)
{
    static const struct sheet_column columns[] = {
        {"status", "", SHEET_TEXT},
        {"check", "CHECK", SHEET_TEXT},
        {"detail", "FOUND", SHEET_TEXT},
        {"hint", "HINT", SHEET_MORE},
    };
    struct doctor doctor = {.cli = cli, .hints = str_with_max(STR_MAX_DEFAULT)};
    doctor.sheet = sheet_new(columns, FIELDS_COUNT(columns), "nothing", &cli->arena);
    doctor_addf(&doctor, CHECK_OK, "haul", NULL, "version %s, hub schema %d, librdkafka %s",
                HAUL_VERSION, HUB_VERSION, kafka_library_version());
    check_keyring(&doctor);
    doctor_check_hub(&doctor, CLI_OPTIONS(struct doctor_options, cli)->connections);
    doctor_check_kafka(&doctor);
    doctor_check_redis(&doctor);
    if (doctor.sheet.failed) {
        str_done(&doctor.hints);
        return FAIL_NO_MEMORY(err);
    }
    cli->exit_status = doctor.failed > 0 ? EXIT_FAILED : EXIT_DONE;
    print_report(&doctor);
    str_done(&doctor.hints);
    return OUTCOME_OK;
}

static const struct example doctor_examples[] = {
    {"haul doctor", "Is everything there that haul needs?"},
    {"haul doctor --connections -w acme --json", "And can its systems be reached?"},
    {NULL, NULL},
};

const struct command command_doctor = {
    .name = "doctor",
    .args = "",
    .summary = "check everything that haul depends on, and say what to do",
    .doc = "Looks at the keyring, the hub (reachable, version, rights, migrations, clock, sealed "
           "secrets), Kafka (reachable, topics and their layout, jobs that wait, dead letters) and "
           "Redis. Exit status 1 when a check failed.",
    .options = &doctor_table,
    .examples = doctor_examples,
    .run = run_doctor,
};
