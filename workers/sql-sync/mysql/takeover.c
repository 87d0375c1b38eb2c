/*
 * takeover: ends the connections of a worker that sleeps.
 *
 * A fence makes a stale worker harmless, but not its open transaction: while the worker is stopped
 * or its network is gone the server keeps the transaction's locks, and whoever goes on would wait
 * for them until the server misses the client, which may take hours. So each connection that writes
 * for a sync holds a lock of the server, one of WRITERS_MAX named after the sync, from its fence
 * on, and the next worker with a greater fence ends those who hold one. It ends nobody once a
 * greater one than its own stands in the checkpoint.
 */
#include "mysql/mysql_private.h"

#include <stdio.h>
#include <string.h>

#define WRITERS_MAX 33 /* the lanes of a sync, and the connection that takes its checkpoint */

static void add_name(struct str *sql, const struct session *session,
                     const struct checkpoint_ref *checkpoint, int number)
{
    str_add_text(sql, "CONCAT(");
    mys_checkpoint_lock_name(sql, session, checkpoint);
    str_addf(sql, ", '.w%d')", number);
}

static enum outcome try_lock(struct session *session, const struct checkpoint_ref *checkpoint,
                             int number, bool *ret_taken, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    str_add_text(&sql, "SELECT GET_LOCK(");
    add_name(&sql, session, checkpoint, number);
    str_add_text(&sql, ", 0)");
    TRY(mys_select(session, MYS_TARGET, &sql, &result, err));
    MYSQL_ROW row = mysql_fetch_row(result);
    *ret_taken = row != NULL && row[0] != NULL && row[0][0] == '1';
    return OUTCOME_OK;
}

/* A connection that has one already gets the same again. None free: it goes without. */
enum outcome mys_takeover_mark(struct session *session, const struct checkpoint_ref *checkpoint,
                               struct err *err)
{
    bool taken = false;
    for (int i = 0; i < WRITERS_MAX && !taken; i++)
        TRY(try_lock(session, checkpoint, i, &taken, err));
    return OUTCOME_OK;
}

/* What another user holds, or nobody any more, can't be ended: then it is waited for. */
static void end_connection(struct session *session, const char *id)
{
    char sql[64];
    (void)snprintf(sql, sizeof sql, "KILL CONNECTION %.20s", id);
    (void)mys_query(session, slice_of(sql));
}

enum outcome mys_takeover_end_stale(struct session *session,
                                    const struct checkpoint_ref *checkpoint, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    struct stream_ref table = {checkpoint->schema, HAUL_CHECKPOINT_TABLE, NULL};
    str_add_text(&sql, "SELECT CONNECTION_ID()");
    for (int i = 0; i < WRITERS_MAX; i++) {
        str_add_text(&sql, ", IS_USED_LOCK(");
        add_name(&sql, session, checkpoint, i);
        str_add_char(&sql, ')');
    }
    str_add_text(&sql, " FROM ");
    mys_add_table(&sql, session, &table);
    str_add_text(&sql, " WHERE sync_id = ");
    mys_add_text(&sql, slice_of(checkpoint->sync_id));
    str_addf(&sql, " AND fence <= %lld", (long long)checkpoint->fence);
    TRY(mys_select(session, MYS_TARGET, &sql, &result, err));
    MYSQL_ROW row = mysql_fetch_row(result);
    for (int i = 1; row != NULL && i <= WRITERS_MAX; i++) {
        if (row[i] != NULL && strcmp(row[i], row[0]) != 0)
            end_connection(session, row[i]);
    }
    return OUTCOME_OK;
}
