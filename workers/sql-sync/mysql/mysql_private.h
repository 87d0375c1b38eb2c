/*
 * mysql_private: what the files of this folder share; the one include of <mysql.h>.
 *
 * Is:      sessions, errors, SQL building, types and decoding of the mysql connector.
 * Is not:  for any file outside this folder.
 * Owns:    a session owns its MYSQL handle; a reader its result.
 * Threads: see sync/connector.h.
 */
#ifndef HAUL_SQL_SYNC_MYSQL_PRIVATE_H
#define HAUL_SQL_SYNC_MYSQL_PRIVATE_H

#include "mysql/connector.h"

#include <mysql.h>

#define MYS_NAME_MAX 64 /* characters of an identifier */
#define MYS_SQL_MAX ((size_t)1 << 30)

/* ---- errors (error.c) ---- */

/* What was being done: it decides code and class of an error number. */
enum mys_side {
    MYS_CONNECT,
    MYS_SOURCE,
    MYS_TARGET,
    MYS_ROWS, /* data goes into a target: a refused value is a row fault */
};

/* Fills `err` from a server's or the client's error; `text` is its message. */
enum outcome mys_error(enum mys_side side, unsigned number, const char *text, struct err *err);
/* True when the number says that a row's data was refused. */
bool mys_error_is_row_fault(unsigned number);

/* ---- sessions (session.c, wait.c, query.c) ---- */

struct session {
    MYSQL link;
    bool is_open; /* `link` is connected, or was */
    struct mys_config config;
    const char *application_name;
    struct arena arena; /* copies of the configuration */
    const volatile bool *cancelled;
    unsigned long thread_id;
    bool is_mariadb;
    unsigned long version; /* 101119 = 10.11.19 */
    bool read_only;
    int64_t kill_deadline_us; /* cancelled: until then the server may answer; 0 = not asked */
    size_t packet_max;        /* bytes of a statement that the server takes */
    bool in_snapshot;
    int64_t horizon_us;         /* taken with the snapshot; INT64_MIN = not known */
    const char *horizon_reason; /* why not */
};

/* Sends a statement; false leaves the reason to mys_last_error. */
bool mys_query(struct session *session, struct slice sql);
/* Runs a statement that gives no rows. */
enum outcome mys_run(struct session *session, enum mys_side side, const char *sql, struct err *err);
enum outcome mys_run_str(struct session *session, enum mys_side side, const struct str *sql,
                         struct err *err);
/* Runs a query and keeps its (small) result; freed by MYS_RES_AUTO. */
enum outcome mys_select(struct session *session, enum mys_side side, const struct str *sql,
                        MYSQL_RES **ret_result, struct err *err);
/* The error that the session's last call left. */
enum outcome mys_last_error(struct session *session, enum mys_side side, struct err *err);
/* CANCELLED when the caller's flag is set. */
enum outcome mys_check_cancelled(const struct session *session, struct err *err);
/* Calls of the library in this thread stop when that session is cancelled; gives the one before. */
struct session *mys_wait_as(struct session *session);
/* The library's callback for that, MARIADB_OPT_IO_WAIT. */
int mys_wait_io(my_socket handle, my_bool is_read, int timeout_ms);
/* KILL QUERY over a second connection; false when that failed. */
bool mys_kill_query(struct session *session);

void mys_res_free(MYSQL_RES **result);
#define MYS_RES_AUTO __attribute__((cleanup(mys_res_free)))

enum outcome mys_open(const struct session_request *request, struct session **ret_session,
                      struct err *err);
void mys_close(struct session *session);
void mys_interrupt(struct session *session);
enum outcome mys_check(struct session *session, struct arena *arena,
                       struct check_report *ret_report, struct err *err);

/* ---- SQL text (sql.c) ---- */

void mys_add_name(struct str *sql, const char *name); /* `name` */
void mys_add_table(struct str *sql, const struct session *session, const struct stream_ref *table);
void mys_add_text(struct str *sql, struct slice text);    /* 'text', escaped */
void mys_add_escaped(struct str *sql, struct slice text); /* what stands between the quotes */
/* The database of a stream; NULL when neither it nor the connection names one. */
const char *mys_schema_of(const struct session *session, const struct stream_ref *stream);

/* ---- types (types.c) ---- */

enum mys_form {
    MYS_PLAIN,
    MYS_BIT,
    MYS_FLOAT,    /* prints 6 digits unless it is made a double */
    MYS_DOUBLE,   /* may have a number of decimals of its own */
    MYS_GEOMETRY, /* read as well-known text */
    MYS_CHOICE,   /* enum and set: ordered by number, compared by text */
};

/* A column's type as the server names it. */
struct mys_native {
    const char *base; /* "varchar": of the type table; NULL = unknown to it */
    enum mys_form form;
    bool is_unsigned;
    bool is_json;   /* longtext that must be JSON */
    int args[2];    /* as in (10,2); 0 = none */
    int64_t length; /* characters or bytes; 0 = none */
};

/* Reads "decimal(10,2) unsigned"; `length` is information_schema's CHARACTER_MAXIMUM_LENGTH. */
void mys_native_parse(const char *column_type, int64_t length, struct mys_native *ret_native);
void mys_native_of_field(const MYSQL_FIELD *field, struct mys_native *ret_native);
/* The type's text, for columns of queries. */
const char *mys_native_format(const struct mys_native *native, struct arena *arena);
void mys_type_read(const struct mys_native *native, bool tinyint1_as_bool,
                   struct value_spec *ret_spec, const char **ret_loss);
/* Adds the type that a target's column gets; key columns get one that can be indexed, with at most
 * `key_bytes` bytes. */
struct mys_type_request {
    const struct value_spec *spec;
    size_t key_bytes; /* 0 = no key */
    bool off_page;    /* the row has too many wide columns: text goes beside it */
};
void mys_type_write(const struct mys_type_request *request, struct str *sql);
extern const struct type_row mys_types_read[], mys_types_write[];

/* ---- what stands in a system (discover.c, describe.c) ---- */

enum outcome mys_discover(struct session *session, const char *glob, struct arena *arena,
                          struct stream_list *ret_streams, struct err *err);
enum outcome mys_describe(struct session *session, const struct stream_ref *stream,
                          struct arena *arena, struct table_spec *ret_table, struct err *err);

/* ---- reading (select.c, read.c, decode.c, cursor.c) ---- */

typedef void mys_decode(struct batch *batch, struct column *column, const char *text, size_t len);

/* The decoder of a column of this native type that is wanted as `spec`; NULL when that is not its
 * mapping. */
mys_decode *mys_decoder(const struct mys_native *native, const struct value_spec *spec);

/* What a select list holds, and how its columns are decoded. */
struct mys_plan {
    size_t count;
    const struct column_spec *columns;
    struct mys_native *natives;
    mys_decode **decoders;
};

/* Asks the server for the columns' types now; PERMANENT stream.changed when they are others. */
enum outcome mys_plan_make(struct session *session, const struct read_request *request,
                           struct arena *arena, struct mys_plan *ret_plan, struct err *err);
/* Adds "FROM ..." of a stream; a query in brackets. */
void mys_add_from(struct str *sql, const struct session *session, const struct stream_ref *stream);
/* Adds the expression by which a column is read, of the table alias (NULL = none). */
void mys_add_select_column(struct str *sql, const char *alias, const char *name,
                           const struct mys_native *native);
enum outcome mys_add_where(struct str *sql, const struct read_request *request, struct err *err);
/* Adds a value's text form as a literal of the type; false when it is none. */
bool mys_add_literal(struct str *sql, enum value_type type, const char *text);

struct reader {
    struct session *session;
    struct arena arena;
    struct mys_plan plan;
    MYSQL_RES *result;
    bool at_end;
    enum mys_side side;
};

struct reader *mys_reader_new(struct session *session, enum mys_side side); /* by mys_read_end */
/* Begins to stream the query's rows. */
enum outcome mys_reader_start(struct reader *reader, const struct str *sql, struct err *err);
enum outcome mys_read_begin(struct session *session, const struct read_request *request,
                            struct reader **ret_reader, struct err *err);
enum outcome mys_read_next(struct reader *reader, struct batch *batch, bool *ret_end,
                           struct err *err);
void mys_read_end(struct reader *reader);
enum outcome mys_count(struct session *session, const struct read_request *request,
                       int64_t *ret_rows, struct err *err);
enum outcome mys_snapshot_begin(struct session *session, const char *join, struct err *err);
void mys_snapshot_end(struct session *session);
enum outcome mys_cursor_high(struct session *session, const struct stream_ref *stream,
                             const struct column_spec *column, struct arena *arena,
                             struct cursor_high *ret_high, struct err *err);
enum outcome mys_key_stats(struct session *session, const struct stream_ref *stream,
                           const struct column_spec *column, struct arena *arena,
                           struct key_stats *ret_stats, struct err *err);

/* ---- target: schema (ddl.c, schema.c, finish.c) ---- */

enum mys_line {
    MYS_LINE_COLUMN,
    MYS_LINE_KEY, /* primary, unique, fulltext, ... */
    MYS_LINE_FOREIGN_KEY,
    MYS_LINE_CHECK,
    MYS_LINE_OTHER,
};

/* A table's definition as SHOW CREATE TABLE prints it, by lines without their commas. */
struct mys_ddl {
    size_t count;
    struct slice *lines;
    enum mys_line *kinds;
    struct slice tail; /* from ")" on: options, partitions */
};

enum outcome mys_ddl_read(struct session *session, const struct stream_ref *table,
                          struct arena *arena, struct mys_ddl *ret_ddl, struct err *err);
/* Where the token begins outside of quotes; NULL when it is not there. */
const char *mys_ddl_find(struct slice text, const char *token);
/* The column's line; an empty slice when there is none. */
struct slice mys_ddl_column(const struct mys_ddl *ddl, const char *name);
/* A column's line in three: its quoted name, its type, and the rest. */
void mys_ddl_split_column(struct slice line, struct slice *ret_name, struct slice *ret_type,
                          struct slice *ret_rest);
/* Adds the text without "token" and, when `with_digits`, the digits behind it. */
void mys_ddl_add_without(struct str *sql, struct slice text, const char *token, bool with_digits);

/* Bytes that each text or bytes column of a key may have. */
size_t mys_key_bytes(const struct column_spec *columns, const size_t *key, size_t key_count);
bool mys_is_in_key(size_t column, const size_t *key, size_t key_count);
enum outcome mys_table_exists(struct session *session, const struct stream_ref *table,
                              bool *ret_exists, struct err *err);
enum outcome mys_table_create(struct session *session, const struct create_request *request,
                              struct err *err);
enum outcome mys_table_change(struct session *session, const struct stream_ref *table,
                              const struct schema_change *changes, size_t count, struct err *err);
enum outcome mys_table_finish(struct session *session, const struct finish_request *request,
                              struct err *err);
enum outcome mys_stage_drop(struct session *session, const struct stream_ref *stage,
                            struct err *err);

/* ---- target: checkpoints and swap (checkpoint.c, takeover.c, swap.c) ---- */

enum outcome mys_checkpoint_drop(struct session *session, const struct checkpoint_ref *checkpoint,
                                 struct err *err);
enum outcome mys_checkpoint_take(struct session *session, const struct checkpoint_ref *checkpoint,
                                 struct arena *arena, const char **ret_state, struct err *err);
/* In the transaction of the data; CANCELLED "fenced". */
enum outcome mys_checkpoint_store(struct session *session, const struct checkpoint_ref *checkpoint,
                                  const char *state, struct err *err);
/* "UPDATE checkpoint SET what WHERE it is still ours": CANCELLED "fenced" when no row was. */
enum outcome mys_checkpoint_update(struct session *session, const struct checkpoint_ref *checkpoint,
                                   const struct str *what, struct err *err);
/* The server-wide lock under which a fence is taken and a swap done; held by this connection. */
enum outcome mys_checkpoint_lock(struct session *session, const struct checkpoint_ref *checkpoint,
                                 struct err *err);
void mys_checkpoint_unlock(struct session *session, const struct checkpoint_ref *checkpoint);
/* Adds an expression: the name of that lock. */
void mys_checkpoint_lock_name(struct str *sql, const struct session *session,
                              const struct checkpoint_ref *checkpoint);
/* Ends the connections that write for the sync with a smaller fence than this one (takeover.c). */
enum outcome mys_takeover_end_stale(struct session *session,
                                    const struct checkpoint_ref *checkpoint, struct err *err);
/* Marks this connection as one that writes for the sync; its fence is in the checkpoint already. */
enum outcome mys_takeover_mark(struct session *session, const struct checkpoint_ref *checkpoint,
                               struct err *err);
enum outcome mys_table_swap(struct session *session, const struct swap_request *request,
                            struct err *err);
/* The swap that a dead worker had begun, found in the checkpoint. */
struct mys_swap {
    struct stream_ref stage, target;
    const char *state;
};
/* Finishes or forgets it; says whether its state holds. Under the checkpoint's lock. */
enum outcome mys_swap_repair(struct session *session, const struct checkpoint_ref *checkpoint,
                             const struct mys_swap *swap, bool *ret_done, struct err *err);

/* ---- target: rows (write.c, target.c, encode.c, insert.c, merge.c) ---- */

/* A target's column as rows are written to it. */
struct mys_column {
    const char *name;
    struct mys_native native;
    bool nullable;
    const char *definition; /* of the column in the stage of rows */
    int64_t grain_us;       /* what its fraction digits can't hold is refused */
};

typedef bool mys_encode(struct str *sql, const struct mys_column *to, const struct column *from,
                        size_t row);
mys_encode *mys_encoder(enum value_type type);

struct writer {
    struct session *session;
    struct arena arena;
    struct write_request request;
    struct mys_column *columns;
    mys_encode **encoders;
    struct mys_plan plan; /* of read_back */
    bool key_is_indexed;  /* the server can look rows up by it */
    bool in_transaction;
    bool has_stage;
    struct str head, sql;                      /* the INSERT of values; the statement under way */
    const char *first, *second, *clear, *back; /* SQL of a batch; NULL = none */
};

enum outcome mys_write_begin(struct session *session, const struct write_request *request,
                             struct writer **ret_writer, struct err *err);
enum outcome mys_write_batch(struct writer *writer, const struct batch *batch, size_t first,
                             size_t count, struct write_counts *counts, struct err *err);
enum outcome mys_read_back(struct writer *writer, struct reader **ret_reader, struct err *err);
enum outcome mys_write_commit(struct writer *writer, const char *state, struct err *err);
void mys_write_end(struct writer *writer);

/* Learns the target's columns, engine and whether its key is indexed; refuses what can't be
 * written to. */
enum outcome mys_target_learn(struct writer *writer, struct err *err);
/* Learns the target, makes the stage of rows and the SQL of a batch. */
enum outcome mys_merge_prepare(struct writer *writer, struct err *err);
/* After a batch stands in the stage: brings it into the target, adds to the counts. */
enum outcome mys_merge_apply(struct writer *writer, size_t count, struct write_counts *counts,
                             struct err *err);
/* Inserts the rows by as few statements as the packet size lets it. */
enum outcome mys_insert_rows(struct writer *writer, const struct batch *batch, size_t first,
                             size_t count, struct err *err);
/* A statement's warnings are silent conversions: a row fault. */
enum outcome mys_check_warnings(struct session *session, struct err *err);

#endif
