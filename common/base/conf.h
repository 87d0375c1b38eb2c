/*
 * conf: the configuration of a process from its table: HAUL_<NAME> in the environment or --name.
 *
 * Is:      the command line and environment read into a struct by a field table; --help and
 *          --check-config for free. The command line wins over the environment.
 * Is not:  a file format. A secret may be given as HAUL_<NAME>_FILE: the file's first line.
 * Owns:    nothing; texts live in the caller's arena.
 * Threads: call it once, before any thread is started.
 *
 * An unknown HAUL_ variable or option is an error that names the nearest known one. An empty
 * variable counts as not set. Of an option that is given twice the last holds; batch_rows is
 * --batch-rows.
 */
#ifndef HAUL_BASE_CONF_H
#define HAUL_BASE_CONF_H

#include "base/fields.h"

struct conf_source {
    int argc;
    char **argv; /* --name value, --name=value, --flag for a bool; argv[0] is skipped */
    char **environ;
    const char *const *ignored; /* others' HAUL_ variables; NULL at the end; may be NULL */
};

/* PERMANENT "conf.unknown", "conf.option", "conf.file" and what fields_decode_texts gives. Options
 * that are not in the table (and every word without --) are errors, but for --help, --version and
 * --check-config, which are passed over: see conf_asks. */
MUST_USE enum outcome conf_load(const struct field_table *table, const struct conf_source *source,
                                struct arena *arena, void *ret_struct, struct err *err);

/* True when the command line holds the flag ("help": --help): one for main to act on. */
bool conf_asks(const struct conf_source *source, const char *flag);

/* The first line of a file that holds a secret, without its end; at most 16 KiB. PERMANENT
 * "conf.file". */
MUST_USE enum outcome conf_read_secret(const char *path, struct arena *arena, const char **ret_text,
                                       struct err *err);

/* What --help shows: a line or two a field: option, variable, type, unit, default, doc. */
void conf_print_help(const struct field_table *table, struct str *out);

/* The effective configuration as lines NAME=value, secrets as "(set)" or "(not set)". */
void conf_print_effective(const struct field_table *table, const void *values, struct str *out);

#endif
