/*
 * connector: what a kind of system (postgres, mysql, ...) must and may do; one const table each.
 *
 * Is:      the only way in which the pipeline, the command line and the contract tests speak to a
 *          system. Required functions first; optional ones are NULL and their feature bit is off.
 * Is not:  a place for modes, retries, policies, receipts or offsets: those stand above it, once.
 * Owns:    a session owns its network connection; a reader or writer belongs to its session.
 *          Results live in the arena that the caller gives.
 * Threads: a session belongs to one thread at a time; `interrupt` alone may come from another.
 *          A session has at most one open reader or writer.
 *
 * Errors: RETRY for whatever may pass (connection lost, deadlock, time-out, server starting);
 * PERMANENT with a hint for the rest; `row_fault` only when the system refused the data of a row
 * (PostgreSQL: SQLSTATE classes 22 and 23), never for an outage. Codes used by all connectors:
 *   connect.refused connect.auth connect.tls connect.database      the connection
 *   stream.missing stream.forbidden stream.query                   what is to be read
 *   target.missing target.exists target.forbidden target.columns target.key_not_unique target.full
 *   row.refused fenced read.lost write.lost statement.timeout
 */
#ifndef HAUL_SYNC_CONNECTOR_H
#define HAUL_SYNC_CONNECTOR_H

#include "base/fields.h"
#include "model/batch.h"
#include "model/drift.h"

enum connector_feature {
    CONNECTOR_SOURCE = 1 << 0,
    CONNECTOR_TARGET = 1 << 1,
    CONNECTOR_QUERY = 1 << 2,          /* a stream may be a query */
    CONNECTOR_SNAPSHOT = 1 << 3,       /* one consistent read in a session */
    CONNECTOR_SNAPSHOT_SHARE = 1 << 4, /* ... that other sessions can join */
    CONNECTOR_CURSOR = 1 << 5,         /* cursor_high */
    CONNECTOR_CURSOR_HORIZON = 1 << 6, /* ... capped at the oldest running transaction */
    CONNECTOR_UPSERT = 1 << 7,         /* WRITE_MERGE, WRITE_HISTORY */
    CONNECTOR_DELETE = 1 << 8,         /* WRITE_DELETE */
    CONNECTOR_TRANSACTIONAL = 1 << 9,  /* checkpoint and fence in the transaction of the data */
    CONNECTOR_SWAP = 1 << 10,          /* table_swap */
    CONNECTOR_SCHEMA_CHANGE = 1 << 11,
    CONNECTOR_READ_BACK = 1 << 12,
};

/* Columns that haul adds to targets. */
#define HAUL_COLUMN_DELETED_AT "_haul_deleted_at" /* timestamptz, mirror's soft delete */
#define HAUL_COLUMN_VALID_FROM "_haul_valid_from" /* timestamptz, snapshot_history */
#define HAUL_COLUMN_VALID_TO "_haul_valid_to"     /* timestamptz, NULL = still valid */
#define HAUL_COLUMN_IS_CURRENT "_haul_is_current" /* bool */
#define HAUL_CHECKPOINT_TABLE "_haul_checkpoint"
#define HAUL_STAGE_PREFIX "_haul_stage_" /* only tables named so are ever dropped */

struct session; /* a connector's own */
struct reader;
struct writer;

/* One row of a connector's type mapping, both ways; docs, `haul types` and tests are made of it. */
struct type_row {
    const char *native; /* "numeric(p,s)" */
    const char *haul;   /* "decimal(p,s)" */
    const char *loss;   /* NULL = nothing is lost */
    const char *note;   /* NULL = none */
};

struct session_request {
    const void *config;             /* the connector's config struct, decoded by its table */
    const char *application_name;   /* "haul sql-sync <sync_id>" */
    bool read_only;                 /* a source: the session refuses to write */
    const volatile bool *cancelled; /* NULL, or set by another thread: stop soon with CANCELLED */
};

struct stream_ref {
    const char *schema; /* NULL = the connection's default */
    const char *name;
    const char *query; /* a named query: `name` is only its label */
};

enum read_op {
    READ_EQ,
    READ_GE,
    READ_GT,
    READ_LE,
    READ_LT,
    READ_IS_NULL,
    READ_NOT_NULL,
    READ_IS_TRUE
};

/* `column op value`; with or_null also the rows where the column is NULL. */
struct read_filter {
    const char *column;
    enum read_op op;
    const char *value; /* text form of model/value of the column's type; compared as that type */
    bool or_null;
};

struct read_request {
    struct stream_ref stream;
    const struct column_spec *columns; /* by name, of the types that describe gave */
    size_t column_count;
    const struct read_filter *filters; /* all must hold; on columns that are read */
    size_t filter_count;
    const char *const *order_by; /* column names, ascending, NULLs first; none = any order */
    size_t order_count;
    int64_t limit; /* 0 = none */
};

struct cursor_high {
    const char *max;            /* greatest value not NULL in the snapshot; NULL = no rows */
    const char *horizon;        /* rows at or above may still be committed late; NULL = not known */
    const char *horizon_reason; /* why it isn't known; NULL when it is */
};

struct key_stats {
    const char *min, *max; /* text forms; NULL = no rows */
    int64_t rows_estimate;
};

enum write_how {
    WRITE_INSERT,  /* add rows as they are */
    WRITE_MERGE,   /* by key: update or insert; a row that is equal already is not written */
    WRITE_HISTORY, /* by key: close the current version if it differs, insert the new one */
    WRITE_DELETE,  /* the batch holds keys: mark (soft), close (history) or delete their rows */
};

struct checkpoint_ref {
    const char *schema; /* of the target; where HAUL_CHECKPOINT_TABLE stands */
    const char *sync_id;
    int64_t fence;
};

struct write_request {
    struct stream_ref table;
    const struct column_spec *columns; /* in the batch's order, by the target's names */
    size_t column_count;
    const size_t *key; /* numbers into columns; none for WRITE_INSERT */
    size_t key_count;
    enum write_how how;
    bool soft_delete; /* the table has HAUL_COLUMN_DELETED_AT: merge clears it, delete sets it */
    bool history;     /* the table has the history columns */
    int64_t now_us;   /* valid_from, valid_to and deleted_at of this run */
    struct checkpoint_ref checkpoint;
};

struct write_counts {
    int64_t inserted, updated, unchanged, deleted;
};

struct create_request {
    struct stream_ref table;
    const struct column_spec *columns;
    size_t column_count;
    const size_t *key; /* made the primary key at once (empty table); none for a stage */
    size_t key_count;
    const char *comment;
    const struct stream_ref
        *like; /* an existing target whose column definitions are kept; or NULL */
};

struct finish_request {
    struct stream_ref stage;
    const struct stream_ref *like; /* the existing target, whose indexes, constraints, defaults and
                                      grants the stage gets; or NULL */
    const struct column_spec *columns;
    size_t column_count;
    const size_t *key;
    size_t key_count;
    const char *comment;
};

struct swap_request {
    struct stream_ref stage, target;
    struct checkpoint_ref checkpoint;
    const char *state; /* the checkpoint's new state, JSON */
};

struct stream_list {
    size_t count;
    const struct table_spec *items; /* without columns unless asked for */
};

struct check_report {
    const char *server_version; /* "PostgreSQL 15.14" */
    const char *tls;            /* "TLSv1.3", NULL = plain */
    int64_t clock_skew_us;      /* server minus ours */
};

struct connector {
    const char *name; /* "postgres" */
    const char *title, *doc;
    const struct field_table *config; /* of a connection; secrets flagged */
    unsigned features;
    const struct type_row *types_read, *types_write; /* ended by native NULL */
    struct value_limits limits;                      /* as a target */

    /* ---- required ---- */
    MUST_USE enum outcome (*open)(const struct session_request *request,
                                  struct session **ret_session, struct err *err);
    void (*close)(struct session *session); /* takes NULL; rolls back */
    /* Stops what the session is doing, from any thread; best effort. */
    void (*interrupt)(struct session *session);
    MUST_USE enum outcome (*check)(struct session *session, struct arena *arena,
                                   struct check_report *ret_report, struct err *err);
    /* Tables and views whose "schema.name" or name matches the glob (NULL = all), by name. */
    MUST_USE enum outcome (*discover)(struct session *session, const char *glob,
                                      struct arena *arena, struct stream_list *ret_streams,
                                      struct err *err);
    /* One table, view or query with its columns and key. PERMANENT stream.missing, .forbidden. */
    MUST_USE enum outcome (*describe)(struct session *session, const struct stream_ref *stream,
                                      struct arena *arena, struct table_spec *ret_table,
                                      struct err *err);

    /* ---- source ---- */
    MUST_USE enum outcome (*read_begin)(struct session *session, const struct read_request *request,
                                        struct reader **ret_reader, struct err *err);
    /* Adds rows until the batch is full or the stream ends. Blocks. */
    MUST_USE enum outcome (*read_next)(struct reader *reader, struct batch *batch, bool *ret_end,
                                       struct err *err);
    void (*read_end)(struct reader *reader); /* also in the middle; takes NULL */
    MUST_USE enum outcome (*count)(struct session *session, const struct read_request *request,
                                   int64_t *ret_rows, struct err *err);
    /* Begins the session's read snapshot, or joins the one of that name. */
    MUST_USE enum outcome (*snapshot_begin)(struct session *session, const char *join,
                                            struct err *err);
    MUST_USE enum outcome (*snapshot_export)(struct session *session, struct arena *arena,
                                             const char **ret_name, struct err *err);
    void (*snapshot_end)(struct session *session);
    MUST_USE enum outcome (*cursor_high)(struct session *session, const struct stream_ref *stream,
                                         const struct column_spec *column, struct arena *arena,
                                         struct cursor_high *ret_high, struct err *err);
    MUST_USE enum outcome (*key_stats)(struct session *session, const struct stream_ref *stream,
                                       const struct column_spec *column, struct arena *arena,
                                       struct key_stats *ret_stats, struct err *err);

    /* ---- target ---- */
    /* RETRY target.exists when there is one already, which was not there a moment ago. */
    MUST_USE enum outcome (*table_create)(struct session *session,
                                          const struct create_request *request, struct err *err);
    MUST_USE enum outcome (*table_change)(struct session *session, const struct stream_ref *table,
                                          const struct schema_change *changes, size_t count,
                                          struct err *err);
    /* After the load: key, indexes, comments, statistics. PERMANENT target.key_not_unique. */
    MUST_USE enum outcome (*table_finish)(struct session *session,
                                          const struct finish_request *request, struct err *err);
    /* Puts the stage in the target's place and stores the checkpoint, readers seeing one or the
     * other and never neither. CANCELLED "fenced" when the fence has moved on. */
    MUST_USE enum outcome (*table_swap)(struct session *session, const struct swap_request *request,
                                        struct err *err);
    /* Drops a stage; OK when there is none. BUG for any other table. */
    MUST_USE enum outcome (*stage_drop)(struct session *session, const struct stream_ref *stage,
                                        struct err *err);

    /* Takes the sync's checkpoint for this fence: makes table and row when missing, gives the
     * state (NULL = none yet). CANCELLED "fenced" when a greater fence holds it. Ends, where the
     * system lets it, the sessions that have taken it or write for it with a smaller one: their
     * worker may be asleep, their locks would keep this one waiting, and what they do outside of a
     * commit (drop and create a stage) knows no fence. */
    MUST_USE enum outcome (*checkpoint_take)(struct session *session,
                                             const struct checkpoint_ref *checkpoint,
                                             struct arena *arena, const char **ret_state,
                                             struct err *err);
    /* Deletes the checkpoints whose sync_id begins with this one's, whatever their fence: whoever
     * holds one finds itself fenced off at its next commit. For those of a load's chunk jobs. */
    MUST_USE enum outcome (*checkpoint_drop)(struct session *session,
                                             const struct checkpoint_ref *checkpoint,
                                             struct err *err);
    MUST_USE enum outcome (*write_begin)(struct session *session,
                                         const struct write_request *request,
                                         struct writer **ret_writer, struct err *err);
    /* Writes rows first .. first + count - 1 in the writer's transaction (begun when there is
     * none). When a row is refused (err->row_fault) this call's rows are undone and the
     * transaction goes on; the caller narrows it down. Adds to the counts. */
    MUST_USE enum outcome (*write_batch)(struct writer *writer, const struct batch *batch,
                                         size_t first, size_t count, struct write_counts *counts,
                                         struct err *err);
    /* Reads what now stands in the target for the keys of the last write_batch, in the writer's
     * transaction; ended by read_end before the next call. Only with a key. */
    MUST_USE enum outcome (*read_back)(struct writer *writer, struct reader **ret_reader,
                                       struct err *err);
    /* Stores the checkpoint's state and commits with the data. CANCELLED "fenced", all undone. */
    MUST_USE enum outcome (*write_commit)(struct writer *writer, const char *state,
                                          struct err *err);
    void (*write_end)(struct writer *writer); /* rolls back what is not committed; takes NULL */
};

static inline bool connector_has(const struct connector *connector, unsigned features)
{
    return (connector->features & features) == features;
}

#endif
