/* connector: the table of the postgres connector: configuration, features, functions. */
#include "connector.h"

#include "pg_private.h"

const char *const pgc_sslmodes[] = {"disable",   "prefer",      "require",
                                    "verify-ca", "verify-full", NULL};

#define AT(member) offsetof(struct pgc_config, member)

static const struct field fields[] = {
    {"host", FIELD_STRING, FIELD_REQUIRED, AT(host), 1, 1024, NULL, NULL, NULL, NULL,
     "Name or address of the server, or the folder of its socket."},
    {"port", FIELD_INT, 0, AT(port), 1, 65535, NULL, "5432", NULL, NULL, "Port of the server."},
    {"database", FIELD_STRING, FIELD_REQUIRED, AT(database), 1, 63, NULL, NULL, NULL, NULL,
     "Name of the database."},
    {"user", FIELD_STRING, FIELD_REQUIRED, AT(user), 1, 63, NULL, NULL, NULL, NULL,
     "User to connect as."},
    {"password", FIELD_STRING, FIELD_SECRET, AT(password), 0, 4096, NULL, NULL, NULL, NULL,
     "The user's password."},
    {"sslmode", FIELD_ENUM, 0, AT(sslmode), 0, 0, NULL, "prefer", pgc_sslmodes, NULL,
     "TLS: verify-full also checks the server's name."},
    {"sslrootcert", FIELD_STRING, 0, AT(sslrootcert), 1, 1 << 20, NULL, NULL, NULL, NULL,
     "Certificates of the authorities to trust: PEM text, or the path of a file."},
    {"sslcert", FIELD_STRING, 0, AT(sslcert), 1, 1 << 20, NULL, NULL, NULL, NULL,
     "The client's certificate: PEM text, or the path of a file."},
    {"sslkey", FIELD_STRING, FIELD_SECRET, AT(sslkey), 1, 1 << 20, NULL, NULL, NULL, NULL,
     "The client's private key: PEM text, or the path of a file."},
    {"connect_timeout_ms", FIELD_INT, 0, AT(connect_timeout_ms), 100, 600000, "ms", "10000", NULL,
     NULL, "How long to wait for a connection."},
    {"statement_timeout_ms", FIELD_INT, 0, AT(statement_timeout_ms), 0, 86400000, "ms", "0", NULL,
     NULL,
     "The longest that one statement may take, the read of a whole table too; 0 is no bound."},
    {"lock_timeout_ms", FIELD_INT, 0, AT(lock_timeout_ms), 0, 86400000, "ms", "30000", NULL, NULL,
     "How long to wait for another session's lock; 0 is no bound."},
    {"schema", FIELD_STRING, 0, AT(schema), 1, 63, NULL, "public", NULL, NULL,
     "Schema of the streams that name none."},
};

const struct field_table pgc_config_table = {
    .name = "postgres",
    .doc = "A PostgreSQL database, 12 or newer.",
    .fields = fields,
    .count = FIELDS_COUNT(fields),
    .struct_size = sizeof(struct pgc_config),
};

const struct connector connector_postgres = {
    .name = "postgres",
    .title = "PostgreSQL",
    .doc = "PostgreSQL 12 to 17, read and written by binary COPY.",
    .config = &pgc_config_table,
    .features = CONNECTOR_SOURCE | CONNECTOR_TARGET | CONNECTOR_QUERY | CONNECTOR_SNAPSHOT |
                CONNECTOR_SNAPSHOT_SHARE | CONNECTOR_CURSOR | CONNECTOR_CURSOR_HORIZON |
                CONNECTOR_UPSERT | CONNECTOR_DELETE | CONNECTOR_TRANSACTIONAL | CONNECTOR_SWAP |
                CONNECTOR_SCHEMA_CHANGE | CONNECTOR_READ_BACK,
    .types_read = pgc_types_read,
    .types_write = pgc_types_write,
    .limits = PGC_LIMITS,

    .open = pgc_session_open,
    .close = pgc_session_close,
    .interrupt = pgc_session_interrupt,
    .check = pgc_session_check,
    .discover = pgc_discover_streams,
    .describe = pgc_describe_stream,

    .read_begin = pgc_read_begin,
    .read_next = pgc_read_next,
    .read_end = pgc_read_end,
    .count = pgc_read_count,
    .snapshot_begin = pgc_snapshot_begin,
    .snapshot_export = pgc_snapshot_export,
    .snapshot_end = pgc_snapshot_end,
    .cursor_high = pgc_stats_cursor_high,
    .key_stats = pgc_stats_key,

    .table_create = pgc_schema_create,
    .table_change = pgc_schema_change,
    .table_finish = pgc_finish_table,
    .table_swap = pgc_swap_tables,
    .stage_drop = pgc_schema_drop_stage,
    .checkpoint_take = pgc_checkpoint_take,
    .checkpoint_drop = pgc_checkpoint_drop,
    .write_begin = pgc_write_begin,
    .write_batch = pgc_write_batch,
    .read_back = pgc_write_read_back,
    .write_commit = pgc_write_commit,
    .write_end = pgc_write_end,
};
