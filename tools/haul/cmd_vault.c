/* cmd_vault: keys, and sealing again with the newest. */
#include "base/clock.h"
#include "commands.h"
#include "sync/hub_connection.h"

static enum outcome run_keygen(struct cli *cli, struct err *err)
{
    char id[ULID_TEXT_SIZE];
    STR_AUTO struct str line = str_with_max(4096);
    const char *name =
        cli->arg_count > 0 ? cli->args[0] : ulid_format(clock_wall_us() / US_PER_MS, id);
    TRY(keyring_add_line(name, &line, err));
    /* A keyring's line is the same text with --json: it is made to be appended to a file. */
    str_add_slice(&cli->out.text, str_slice(&line));
    wipe_bytes(line.data, line.len);
    out_flush(&cli->out);
    return OUTCOME_OK;
}

static enum outcome run_rotate(struct cli *cli, struct err *err)
{
    const struct hub *hub = NULL;
    struct vault_report report = {0};
    TRY(cli_hub(cli, &hub, err));
    TRY(hub_vault_rotate(hub, &report, err));
    if (cli->out.json) {
        struct jwrite w = out_json(&cli->out);
        jwrite_open_object(&w);
        jwrite_member_text(&w, "key_id", keyring_active_id(hub->keyring));
        jwrite_member_int(&w, "connections", report.connections);
        jwrite_member_int(&w, "connections_resealed", report.connections_resealed);
        jwrite_member_int(&w, "rows", report.rows);
        jwrite_member_int(&w, "rows_resealed", report.rows_resealed);
        jwrite_close_object(&w);
        out_json_end(&cli->out);
        return OUTCOME_OK;
    }
    char done[HUMAN_SIZE], all[HUMAN_SIZE];
    out_addf(&cli->out, "connections: %s of %s sealed again with key %s\n",
             human_count(report.connections_resealed, done), human_count(report.connections, all),
             keyring_active_id(hub->keyring));
    out_addf(&cli->out, "quarantined rows: %s of %s\n", human_count(report.rows_resealed, done),
             human_count(report.rows, all));
    out_addf(&cli->out, "the other keys are not needed by this hub any more\n");
    return OUTCOME_OK;
}

static const struct example keygen_examples[] = {
    {"(umask 077; haul vault keygen >keyring)", "The first key"},
    {"(umask 077; haul vault keygen >new; cat keyring >>new; mv new keyring); haul vault rotate",
     "A new one in front, then everything sealed with it"},
    {NULL, NULL},
};
static const struct example rotate_examples[] = {
    {"haul vault rotate --keyring-file keyring", "After a new first line in the keyring"},
    {NULL, NULL},
};

const struct command command_vault_keygen = {
    .name = "vault keygen",
    .args = "[ID]",
    .args_max = 1,
    .summary = "print a keyring's line with a new key",
    .doc = "A keyring is a file of such lines; the first key seals, all of them open. Whoever has "
           "the file and a dump of the hub has the secrets: keep them apart.",
    .examples = keygen_examples,
    .run = run_keygen,
};
const struct command command_vault_rotate = {
    .name = "vault rotate",
    .args = "",
    .needs = NEEDS_HUB | NEEDS_KEYRING,
    .summary = "seal all secrets again with the keyring's first key",
    .doc = "Give every program the keyring with the new key first, old keys behind it; then "
           "rotate; then take the old keys out. It can be stopped and begun again.",
    .examples = rotate_examples,
    .run = run_rotate,
};
