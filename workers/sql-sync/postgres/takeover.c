/*
 * takeover: ends the sessions of a worker that sleeps.
 *
 * A fence makes a stale worker harmless, but not its open transaction: while the worker is stopped
 * or its network is gone the server keeps the transaction's locks, and whoever goes on would wait
 * for them until the server misses the client, which may take hours. So each session that writes
 * for a sync holds a shared advisory lock, named after the sync, from its fence on, and the next
 * worker with a greater fence ends those who hold it. It ends nobody once a greater one than its
 * own stands in the checkpoint.
 */
#include "pg_private.h"

static void add_key(struct str *sql, const struct session *session,
                    const struct checkpoint_ref *checkpoint)
{
    STR_AUTO struct str name = SQL_NEW;
    struct stream_ref table = {checkpoint->schema, HAUL_CHECKPOINT_TABLE, NULL};
    str_addf(&name, "haul %s.%s", pgc_stream_schema(session, &table), checkpoint->sync_id);
    str_add_text(sql, "hashtextextended(");
    pgc_sql_literal(sql, str_text(&name));
    str_add_text(sql, ", 0)");
    sql->failed |= name.failed;
}

enum outcome pgc_takeover_mark(struct session *session, const struct checkpoint_ref *checkpoint,
                               struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    str_add_text(&sql, "SELECT pg_advisory_lock_shared(");
    add_key(&sql, session, checkpoint);
    str_add_char(&sql, ')');
    return pgc_query_do_str(session, &sql, err);
}

enum outcome pgc_takeover_end_stale(struct session *session,
                                    const struct checkpoint_ref *checkpoint, struct err *err)
{
    STR_AUTO struct str sql = SQL_NEW;
    struct stream_ref table = {checkpoint->schema, HAUL_CHECKPOINT_TABLE, NULL};
    str_add_text(&sql, "SELECT pg_terminate_backend(l.pid) FROM pg_catalog.pg_locks l"
                       " JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid, ");
    add_key(&sql, session, checkpoint);
    str_add_text(&sql, " k(key) WHERE l.locktype = 'advisory' AND l.objsubid = 1"
                       " AND l.pid <> pg_backend_pid() AND a.usename = current_user"
                       " AND a.datid = l.database AND a.datname = current_database()"
                       " AND l.classid::bigint = (k.key >> 32) & 4294967295"
                       " AND l.objid::bigint = k.key & 4294967295"
                       " AND EXISTS (SELECT 1 FROM ");
    pgc_sql_table(&sql, session, &table);
    str_add_text(&sql, " c WHERE c.sync_id = ");
    pgc_sql_literal(&sql, checkpoint->sync_id);
    str_addf(&sql, " AND c.fence <= %lld)", (long long)checkpoint->fence);
    return pgc_query_do_str(session, &sql, err);
}
