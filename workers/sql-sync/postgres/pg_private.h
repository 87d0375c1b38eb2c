/*
 * pg_private: what the files of the postgres connector share. No file outside this folder but
 * its unit tests includes it; it alone includes libpq's header.
 *
 * Names begin with pgc_ (the connectors are linked together). The files: session (open, close,
 * check), query (send, wait, cancel), error (SQLSTATE -> outcome), sql (quoting), types (one table
 * of types), discover and describe, read and decode, stats, write, encode, merge, schema, finish,
 * swap, checkpoint.
 */
#ifndef HAUL_SQL_SYNC_POSTGRES_PG_PRIVATE_H
#define HAUL_SQL_SYNC_POSTGRES_PG_PRIVATE_H

#include "connector.h"

#include <libpq-fe.h>
#include <stdatomic.h>

/* ---- configuration of a connection ---- */

struct pgc_config {
    const char *host;
    int64_t port;
    const char *database, *user, *password;
    int sslmode; /* index into pgc_sslmodes */
    const char *sslrootcert, *sslcert, *sslkey;
    int64_t connect_timeout_ms, statement_timeout_ms, lock_timeout_ms;
    const char *schema;
};
extern const char *const pgc_sslmodes[];
extern const struct field_table pgc_config_table;

/* ---- session ---- */

/* Ends the application name of sources' sessions. */
#define PGC_READER_MARK " (reads)"

enum side { SIDE_READ, SIDE_WRITE };

/* Rows at or above `us` may still be committed after the snapshot; text is NULL or why not known.
 */
struct horizon {
    int64_t us;
    int64_t zone_us; /* the server's own time zone, east of UTC */
    const char *unknown;
};

struct session {
    PGconn *conn;
    PGcancel *cancel;
    const volatile bool *cancelled; /* NULL, or the caller's flag */
    atomic_bool interrupted;        /* another thread has asked the server to stop us */
    int64_t stop_deadline_us;       /* 0, or when a server that we asked to stop is given up */
    bool read_only;                 /* a source's */
    bool broken;      /* given up in the middle of something: nothing can be sent any more */
    bool check_utf8;  /* the database's encoding promises nothing */
    bool in_snapshot; /* a transaction of pgc_snapshot_begin is open */
    bool joined;      /* ... of another session's snapshot */
    bool in_write;    /* a writer's transaction is open */
    struct horizon horizon;
    char *schema; /* where a stream without one stands */

    /* what is being done, for error records */
    enum side side;
    bool row_data;     /* rows are being written: classes 22 and 23 are their fault */
    char subject[192]; /* "read \"public\".\"orders\"" */
};

/* Says what the session does from now on: side of the codes and the words before messages. */
void pgc_session_does(struct session *session, enum side side, const char *verb,
                      const struct stream_ref *stream);

MUST_USE enum outcome pgc_session_open(const struct session_request *request,
                                       struct session **ret_session, struct err *err);
void pgc_session_close(struct session *session);
void pgc_session_interrupt(struct session *session);
MUST_USE enum outcome pgc_session_check(struct session *session, struct arena *arena,
                                        struct check_report *ret_report, struct err *err);

/* ---- query ---- */

static inline void pgc_result_clear(PGresult **result)
{
    PQclear(*result);
}
#define RESULT_AUTO __attribute__((cleanup(pgc_result_clear)))

/* One or more statements, simple protocol. The last result; a COPY's as soon as it stands open. */
MUST_USE enum outcome pgc_query_run(struct session *session, const char *sql, PGresult **ret_result,
                                    struct err *err);
/* The same for callers that need no result. */
MUST_USE enum outcome pgc_query_do(struct session *session, const char *sql, struct err *err);
/* As pgc_query_do, of a text that was built: its sticky failure is a lack of memory. */
MUST_USE enum outcome pgc_query_do_str(struct session *session, const struct str *sql,
                                       struct err *err);
MUST_USE enum outcome pgc_query_run_str(struct session *session, const struct str *sql,
                                        PGresult **ret_result, struct err *err);
/* Exactly one statement (extended protocol): what a person's query may be part of. */
MUST_USE enum outcome pgc_query_one(struct session *session, const struct str *sql,
                                    PGresult **ret_result, struct err *err);
/* The result columns of a statement, which is not run: names, types, modifiers. */
MUST_USE enum outcome pgc_query_columns(struct session *session, const struct str *sql,
                                        PGresult **ret_result, struct err *err);
/* Like pgc_query_do, but says nothing of a failure: for rolling back. False when it failed. */
bool pgc_query_quiet(struct session *session, const char *sql);

/* The next piece of an open COPY TO: free it with PQfreemem; NULL at the end. */
MUST_USE enum outcome pgc_query_copy_get(struct session *session, char **ret_bytes, size_t *ret_len,
                                         struct err *err);
/* Sends a piece of an open COPY FROM. */
MUST_USE enum outcome pgc_query_copy_put(struct session *session, const char *bytes, size_t len,
                                         struct err *err);
/* Ends it; gives the number of rows that the server counted. */
MUST_USE enum outcome pgc_query_copy_end(struct session *session, int64_t *ret_rows,
                                         struct err *err);
/* Gives an open COPY FROM up. */
void pgc_query_copy_abort(struct session *session);
/* Stops whatever runs and throws its results away. */
void pgc_query_stop(struct session *session);

int64_t pgc_result_i64(const PGresult *result, int row, int column);
const char *pgc_result_text(const PGresult *result, int row, int column); /* NULL = null */
bool pgc_result_bool(const PGresult *result, int row, int column);

/* ---- error ---- */

/* Fills the record from a result, or from the connection when it is NULL; returns the class. */
enum outcome pgc_error_set(struct session *session, const PGresult *result, struct err *err);
/* The same of a connection that could not be opened. */
enum outcome pgc_error_set_connect(PGconn *conn, struct err *err);
/* A row fault that we found before the server did. */
enum outcome pgc_error_row_fault(struct session *session, const char *sqlstate, const char *column,
                                 struct err *err);

/* ---- sql ---- */

#define SQL_MAX ((size_t)32 << 20)
#define SQL_NEW str_with_max(SQL_MAX)

void pgc_sql_ident(struct str *sql, const char *name);
void pgc_sql_literal(struct str *sql, const char *text);
void pgc_sql_table(struct str *sql, const struct session *session, const struct stream_ref *table);
/* What a SELECT takes its rows from: the table, or the query in brackets. Its columns are named
 * with PGC_ROW in front: a bare name in ORDER BY would mean the select's own, cast column. */
#define PGC_ROW "haul_row."
void pgc_sql_source(struct str *sql, const struct session *session,
                    const struct stream_ref *stream);
/* "WHERE ..." for filters, nothing without any; `columns` may be NULL. */
void pgc_sql_filters(struct str *sql, const struct read_request *request);
const char *pgc_stream_schema(const struct session *session, const struct stream_ref *stream);
/* The name as a literal fit for to_regclass. */
void pgc_sql_regclass(struct str *sql, const struct session *session,
                      const struct stream_ref *table);

/* ---- types ---- */

struct encode_column;
/* Adds a field's bytes to the column; false when they are not of the type's form. */
typedef bool pgc_decode(struct batch *batch, struct column *column, const char *bytes, size_t len);
/* Adds a field (length and bytes) of a value that is not NULL; NULL, or the SQLSTATE of a fault. */
typedef const char *pgc_encode(const struct encode_column *to, const struct column *column,
                               size_t row, struct str *out);

/* How two values of a type are told apart exactly, where = is too lenient or absent. */
enum compare { COMPARE_PLAIN, COMPARE_COLLATE_C, COMPARE_FLOAT4, COMPARE_FLOAT8, COMPARE_TEXT };

struct pgc_type {
    Oid oid;
    enum value_type type;
    int bits;
    pgc_decode *decode; /* NULL = read through a cast */
    pgc_encode *encode; /* NULL = written as text and cast */
    enum compare compare;
};

/* A column as it stands in the database, domains resolved to what they are made of. */
struct pgc_column {
    const char *name;
    Oid oid;
    int typmod;
    bool is_array, is_enum;
};

/* NULL when haul reads and writes the type as text. */
const struct pgc_type *pgc_type_of_oid(Oid oid);
/* The type that a haul value is best carried in; never NULL. */
const struct pgc_type *pgc_type_of_value(enum value_type type);
extern const struct type_row pgc_types_read[], pgc_types_write[];

/* What the server can hold; days and microseconds count from 1970. */
#define PGC_LIMITS                                                                                 \
    {                                                                                              \
        .infinity = true, .decimal_nan = true, .float_nan = true, .uuid_native = true,             \
        .bool_native = true, .time_min_us = 0, .time_max_us = INT64_C(86400000000),                \
        .date_min = -2440588 /* 4714-11-24 BC */, .date_max = 2145042905,                          \
        .timestamp_min_us = INT64_C(-210866803200000000), .timestamp_max_us = INT64_MAX - 1,       \
        .timestamptz_min_us = INT64_C(-210866803200000000), .timestamptz_max_us = INT64_MAX - 1,   \
        .decimal_precision = 147455, .decimal_scale = 16383, .name_max = 63,                       \
    }

/* What haul makes of a column by itself, and what it loses (NULL = nothing). */
struct value_spec pgc_type_spec(const struct pgc_column *column);
const char *pgc_type_loss(const struct pgc_column *column);
/* Adds the type of a column that is made for these values: "numeric(12,2)". */
void pgc_type_ddl(const struct value_spec *spec, struct str *sql);

/* The select expression that gives `wanted` of a column, and its decoder. */
pgc_decode *pgc_type_select(const struct session *session, const struct pgc_column *column,
                            enum value_type wanted, const char *alias, struct str *sql);

/* The columns of a statement's result. */
MUST_USE enum outcome pgc_columns_of(struct session *session, const struct str *sql,
                                     struct arena *arena, struct pgc_column **ret_columns,
                                     size_t *ret_count, struct err *err);

/* ---- decode, encode ---- */

pgc_decode pgc_decode_bool, pgc_decode_int2, pgc_decode_int4, pgc_decode_int8, pgc_decode_oid,
    pgc_decode_float4, pgc_decode_float8, pgc_decode_numeric, pgc_decode_text,
    pgc_decode_text_checked, pgc_decode_bpchar, pgc_decode_bytes, pgc_decode_date, pgc_decode_time,
    pgc_decode_timestamp, pgc_decode_jsonb, pgc_decode_uuid;

struct encode_column {
    pgc_encode *encode;
    int typmod;
    const char *name;
};
pgc_encode pgc_encode_bool, pgc_encode_int2, pgc_encode_int4, pgc_encode_int8, pgc_encode_oid,
    pgc_encode_float4, pgc_encode_float8, pgc_encode_numeric, pgc_encode_bytes, pgc_encode_date,
    pgc_encode_time, pgc_encode_timestamp, pgc_encode_jsonb, pgc_encode_uuid, pgc_encode_text_form;

/* ---- read ---- */

MUST_USE enum outcome pgc_read_begin(struct session *session, const struct read_request *request,
                                     struct reader **ret_reader, struct err *err);
MUST_USE enum outcome pgc_read_next(struct reader *reader, struct batch *batch, bool *ret_end,
                                    struct err *err);
void pgc_read_end(struct reader *reader);
/* Of one row at most: the least or greatest value of the request's only column. */
MUST_USE enum outcome pgc_read_begin_end(struct session *session,
                                         const struct read_request *request, bool greatest,
                                         struct reader **ret_reader, struct err *err);
/* A reader of any SELECT, its result being of `decoders`. */
MUST_USE enum outcome pgc_read_begin_select(struct session *session, const struct str *select,
                                            pgc_decode *const *decoders, size_t count,
                                            struct reader **ret_reader, struct err *err);
MUST_USE enum outcome pgc_read_count(struct session *session, const struct read_request *request,
                                     int64_t *ret_rows, struct err *err);

/* ---- snapshot, statistics ---- */

MUST_USE enum outcome pgc_snapshot_begin(struct session *session, const char *join,
                                         struct err *err);
MUST_USE enum outcome pgc_snapshot_export(struct session *session, struct arena *arena,
                                          const char **ret_name, struct err *err);
void pgc_snapshot_end(struct session *session);
MUST_USE enum outcome pgc_stats_cursor_high(struct session *session,
                                            const struct stream_ref *stream,
                                            const struct column_spec *column, struct arena *arena,
                                            struct cursor_high *ret_high, struct err *err);
MUST_USE enum outcome pgc_stats_key(struct session *session, const struct stream_ref *stream,
                                    const struct column_spec *column, struct arena *arena,
                                    struct key_stats *ret_stats, struct err *err);
/* The planner's idea of the rows of any source; -1 when it has none. */
MUST_USE enum outcome pgc_stats_rows(struct session *session, const struct stream_ref *stream,
                                     int64_t *ret_rows, struct err *err);

/* ---- discover, describe ---- */

MUST_USE enum outcome pgc_discover_streams(struct session *session, const char *glob,
                                           struct arena *arena, struct stream_list *ret_streams,
                                           struct err *err);
MUST_USE enum outcome pgc_describe_stream(struct session *session, const struct stream_ref *stream,
                                          struct arena *arena, struct table_spec *ret_table,
                                          struct err *err);

/* ---- write ---- */

MUST_USE enum outcome pgc_write_begin(struct session *session, const struct write_request *request,
                                      struct writer **ret_writer, struct err *err);
MUST_USE enum outcome pgc_write_batch(struct writer *writer, const struct batch *batch,
                                      size_t first, size_t count, struct write_counts *counts,
                                      struct err *err);
MUST_USE enum outcome pgc_write_read_back(struct writer *writer, struct reader **ret_reader,
                                          struct err *err);
MUST_USE enum outcome pgc_write_commit(struct writer *writer, const char *state, struct err *err);
void pgc_write_end(struct writer *writer);

/* ---- schema, finish, swap, checkpoint ---- */

/* Names of a stage's indexes: this, and the number of the index that each is a copy of. */
#define PGC_INDEX_PREFIX "_haul_index_"

/* The text between BEGIN and COMMIT, or nothing of it. */
MUST_USE enum outcome pgc_schema_transaction(struct session *session, const struct str *sql,
                                             struct err *err);
void pgc_schema_key(struct str *sql, const struct column_spec *columns, const size_t *key,
                    size_t key_count);
/* Adds "; COMMENT ON ..." for the table and each column that has one. */
void pgc_schema_comments(struct str *sql, const struct session *session,
                         const struct stream_ref *table, const char *comment,
                         const struct column_spec *columns, size_t count);

MUST_USE enum outcome pgc_schema_create(struct session *session,
                                        const struct create_request *request, struct err *err);
MUST_USE enum outcome pgc_schema_change(struct session *session, const struct stream_ref *table,
                                        const struct schema_change *changes, size_t count,
                                        struct err *err);
MUST_USE enum outcome pgc_schema_drop_stage(struct session *session, const struct stream_ref *stage,
                                            struct err *err);
MUST_USE enum outcome pgc_finish_table(struct session *session,
                                       const struct finish_request *request, struct err *err);
MUST_USE enum outcome pgc_swap_tables(struct session *session, const struct swap_request *request,
                                      struct err *err);
MUST_USE enum outcome pgc_checkpoint_drop(struct session *session,
                                          const struct checkpoint_ref *checkpoint, struct err *err);
MUST_USE enum outcome pgc_checkpoint_take(struct session *session,
                                          const struct checkpoint_ref *checkpoint,
                                          struct arena *arena, const char **ret_state,
                                          struct err *err);
/* Stores the state in the open transaction. CANCELLED "fenced" unless exactly one row changed. */
MUST_USE enum outcome pgc_checkpoint_store(struct session *session,
                                           const struct checkpoint_ref *checkpoint,
                                           const char *state, struct err *err);
/* Ends the sessions that write for the sync with a smaller fence than this one. */
MUST_USE enum outcome pgc_takeover_end_stale(struct session *session,
                                             const struct checkpoint_ref *checkpoint,
                                             struct err *err);
/* Marks this session as one that writes for the sync; its fence is in the checkpoint already. */
MUST_USE enum outcome pgc_takeover_mark(struct session *session,
                                        const struct checkpoint_ref *checkpoint, struct err *err);

#endif
