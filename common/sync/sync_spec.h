/*
 * sync_spec: what a sync is asked to do: the payload of a `sql_sync` job, beside the fields that
 * every job has (model/job.h).
 *
 * Is:      the struct, the field table that it is decoded and documented by, and the rules between
 *          its fields.
 * Is not:  checked against real tables: the pipeline does that when it has described them.
 * Owns:    nothing; texts live in the arena it was decoded into.
 * Threads: any, once decoded.
 */
#ifndef HAUL_SYNC_SYNC_SPEC_H
#define HAUL_SYNC_SYNC_SPEC_H

#include "base/fields.h"

enum sync_mode { SYNC_FULL_REFRESH, SYNC_APPEND, SYNC_UPSERT, SYNC_MIRROR, SYNC_SNAPSHOT_HISTORY };
enum sync_drift { SYNC_DRIFT_EVOLVE, SYNC_DRIFT_FREEZE, SYNC_DRIFT_FAIL };
enum sync_verify { SYNC_VERIFY_COUNT, SYNC_VERIFY_SAMPLE, SYNC_VERIFY_FULL };
enum sync_delete { SYNC_DELETE_SOFT, SYNC_DELETE_HARD };

struct sync_stream {
    const char *connection_id;
    const char *schema; /* NULL = the connection's default */
    const char *table;  /* of a query: its label */
    const char *query;  /* source only; NULL = the table */
};

struct sync_column {
    const char *from; /* NULL with a constant */
    const char *to;   /* NULL = as `from` */
    const char *cast; /* "decimal(12,2)"; NULL = as it comes */
    const char *constant;
    int on_null; /* enum mapping_on_null */
    const char *default_text;
};

/* What is done with a value that the target cannot hold: enum value_action a fault. */
struct sync_values {
    bool present;
    int zero_date, infinity, nan, nul_byte, invalid_utf8, time_range, out_of_range, invalid_cast;
};

struct sync_spec {
    const char *sync_id;
    struct sync_stream source, target;
    int mode;                 /* enum sync_mode */
    struct field_strings key; /* empty = the source's own */
    const char *cursor;
    int64_t lookback;             /* of the cursor: seconds for times, units for numbers */
    struct field_objects columns; /* struct sync_column; empty = all, as they are */
    struct sync_values values;
    int drift, verify, delete_mode;
    int64_t max_bad_rows;
    int64_t max_delete_percent;
    int64_t parallel;
    int64_t chunk_rows;
    int64_t fan_out_rows; /* a chunk job; 0 = one job loads it all */
};

extern const struct field_table sync_spec_table;

/* The rules between fields: a cursor where the mode needs one, no query as a target, names that
 * haul keeps for itself. PERMANENT "sync.spec", naming the field. */
MUST_USE enum outcome sync_spec_check(const struct sync_spec *spec, struct err *err);

const char *sync_mode_name(int mode);     /* "full_refresh" */
const char *sync_verify_name(int verify); /* "sample" */

#endif
