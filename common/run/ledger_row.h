/*
 * ledger_row: a row of haul.ledger as SQL columns and as a struct; for the ledger's own files.
 */
#ifndef HAUL_RUN_LEDGER_ROW_H
#define HAUL_RUN_LEDGER_ROW_H

#include "run/ledger.h"

#define LEDGER_TIME(row, column)                                                                   \
    "(extract(epoch FROM " row "." column ") * 1000000)::bigint AS " column
/* `row` is a table's alias, or a composite in parentheses. Order: as ledger_row_read reads. */
#define LEDGER_COLUMNS(row)                                                                        \
    row ".job_id, " row ".workspace_id, " row ".kind, " row ".subject, " row ".worker, " row       \
        ".owner, " row ".state, " row ".attempt, " row ".starts, " row ".redrive_count, " row      \
        ".fence, " row ".sequence, " row ".due_us, " row ".error_class, " row ".error_code, " row  \
        ".error_native, " row ".error_message, " row ".error_hint, " row ".result, " row           \
        ".first_topic, " row ".first_partition, " row                                              \
        ".first_offset, " LEDGER_TIME(row, "created_at") ", " LEDGER_TIME(                         \
            row, "started_at") ", " LEDGER_TIME(row, "updated_at") ", " LEDGER_TIME(row,           \
                                                                                    "finished_at")
#define LEDGER_COLUMN_COUNT 26

/* Copies the row that begins at `column` into the arena. A row of NULLs has job_id NULL. */
MUST_USE enum outcome ledger_row_read(const struct pgsql_result *result, size_t row, size_t column,
                                      struct arena *arena, struct ledger_row *ret_row,
                                      struct err *err);

/* Class, code, native, message and hint, that begin at `column`. */
void ledger_error_read(const struct pgsql_result *result, size_t row, size_t column,
                       struct err *to);

#endif
