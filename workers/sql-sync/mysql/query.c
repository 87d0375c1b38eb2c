/* query: statements over a session's connection, and their errors. */
#include "mysql/mysql_private.h"

void mys_res_free(MYSQL_RES **result)
{
    if (*result != NULL)
        mysql_free_result(*result);
    *result = NULL;
}

enum outcome mys_check_cancelled(const struct session *session, struct err *err)
{
    if (session->cancelled != NULL && *session->cancelled)
        return FAIL(err, OUTCOME_CANCELLED, "cancelled", "mysql: cancelled");
    return OUTCOME_OK;
}

enum outcome mys_last_error(struct session *session, enum mys_side side, struct err *err)
{
    /* Whatever interrupt() made fail is what was asked for. */
    TRY(mys_check_cancelled(session, err));
    unsigned number = mysql_errno(&session->link);
    if (number == 0)
        return FAIL_BUG(err, "mysql: a call failed without an error");
    return mys_error(side, number, mysql_error(&session->link), err);
}

bool mys_query(struct session *session, struct slice sql)
{
    struct session *before = mys_wait_as(session);
    bool ok = mysql_real_query(&session->link, sql.data, sql.len) == 0;
    (void)mys_wait_as(before);
    return ok;
}

static enum outcome run(struct session *session, enum mys_side side, struct slice sql,
                        struct err *err)
{
    TRY(mys_check_cancelled(session, err));
    if (!mys_query(session, sql))
        return mys_last_error(session, side, err);
    return OUTCOME_OK;
}

enum outcome mys_run(struct session *session, enum mys_side side, const char *sql, struct err *err)
{
    return run(session, side, slice_of(sql), err);
}

enum outcome mys_run_str(struct session *session, enum mys_side side, const struct str *sql,
                         struct err *err)
{
    if (sql->failed)
        return FAIL_NO_MEMORY(err);
    return run(session, side, str_slice(sql), err);
}

enum outcome mys_select(struct session *session, enum mys_side side, const struct str *sql,
                        MYSQL_RES **ret_result, struct err *err)
{
    TRY(mys_run_str(session, side, sql, err));
    struct session *before = mys_wait_as(session);
    MYSQL_RES *result = mysql_store_result(&session->link);
    (void)mys_wait_as(before);
    if (result == NULL)
        return mys_last_error(session, side, err);
    *ret_result = result;
    return OUTCOME_OK;
}
