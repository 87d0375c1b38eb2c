/*
 * command: one row a command of `haul`: from it are made its parsing, --help, completion, manual.
 *
 * Is:      the table's types, and what a command's `run` is given.
 * Owns:    a cli its services, its arena and its output; cli_done gives all of it back.
 * Threads: one.
 */
#ifndef HAUL_TOOL_COMMAND_H
#define HAUL_TOOL_COMMAND_H

#include "io/kafka_admin.h"
#include "io/redis.h"
#include "out.h"
#include "sync/hub.h"

/* Exit statuses; in command_exits with their words. */
enum cli_exit {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,      /* the answer is no: a job that failed, a check that found something */
    EXIT_USAGE = 2,       /* the command line or the configuration is wrong */
    EXIT_MISSING = 3,     /* no such job, dead letter, connection, sync, topic */
    EXIT_REFUSED = 4,     /* will be refused again */
    EXIT_UNAVAILABLE = 5, /* may pass: try again */
    EXIT_CANCELLED = 6,   /* the job was cancelled */
    EXIT_BUG = 70,
};

struct exit_row {
    enum cli_exit status;
    const char *doc;
};
extern const struct exit_row command_exits[]; /* doc NULL at the end */

/* What all commands can be told, by option or HAUL_ variable. */
struct cli_settings {
    bool json;
    const char *workspace;
    const char *keyring_file;
    const char *topic_prefix;
    int64_t timeout_ms;
    struct pgsql_conf hub;
    struct kafka_conf kafka;
    struct rconn_conf redis;
};
extern const struct field_table cli_settings_table;

struct cli {
    const struct command *command;
    struct cli_settings settings;
    const void *options;     /* the command's struct */
    const char *const *args; /* words that are no options */
    size_t arg_count;
    struct arena arena;
    struct out out;
    int exit_status; /* of a run that ends in OK */
    /* services, opened when first asked for */
    struct hub hub;
    struct keyring *keyring;
    struct kafka_admin *admin;
    char actor[160];
};

enum cli_need {
    NEEDS_WORKSPACE = 1 << 0,
    NEEDS_HUB = 1 << 1,
    NEEDS_KEYRING = 1 << 2,
    NEEDS_KAFKA = 1 << 3,
    NEEDS_REDIS = 1 << 4,
};

struct example {
    const char *line, *doc;
};

struct command {
    const char *name;                  /* one or two words: "connection add" */
    const char *args;                  /* "ID CONNECTOR FIELD=VALUE..." */
    int args_min, args_max;            /* -1 = any number */
    unsigned needs;                    /* settings that must be there */
    const char *summary;               /* one line, no full stop */
    const char *doc;                   /* more; paragraphs apart by an empty line; NULL = none */
    const struct field_table *options; /* NULL = none */
    const struct example *examples;    /* line NULL at the end */
    enum outcome (*run)(struct cli *cli, struct err *err);
};

/* All commands, in the order in which the help shows them; NULL at the end. */
extern const struct command *const commands[];

/* The command whose name the words begin with; how many words its name takes. NULL = none. */
const struct command *command_find(const char *const *words, size_t count, size_t *ret_taken);

/* ---- services: opened once, closed by the main ---- */

/* The hub, migrated, with the keyring when one is configured. */
MUST_USE enum outcome cli_hub(struct cli *cli, const struct hub **ret_hub, struct err *err);
/* The hub as it is, migrated or not. */
MUST_USE enum outcome cli_hub_raw(struct cli *cli, const struct hub **ret_hub, struct err *err);
MUST_USE enum outcome cli_keyring(struct cli *cli, const struct keyring **ret_keyring,
                                  struct err *err);
MUST_USE enum outcome cli_admin(struct cli *cli, struct kafka_admin **ret_admin, struct err *err);

/* A wrong command line: exit status 2. */
#define USAGE(err, ...) FAIL((err), OUTCOME_PERMANENT, "usage", __VA_ARGS__)

/* The options of a command, as its struct. */
#define CLI_OPTIONS(type, cli) ((const type *)(cli)->options)

#endif
