/* insert: rows of a batch by INSERT ... VALUES of many rows, in statements of about 1 MB. */
#include "mysql/mysql_private.h"

#include <stdlib.h>
#include <string.h>

#define STATEMENT_BYTES ((size_t)1 << 20)

/* Warnings that say nothing of a value: deprecated syntax, statements unsafe for the binary log. */
static const unsigned harmless[] = {1287, 1592, 1681, 1831, 3719, 3720, 3778};

static bool is_harmless(unsigned number)
{
    for (size_t i = 0; i < sizeof harmless / sizeof harmless[0]; i++) {
        if (harmless[i] == number)
            return true;
    }
    return false;
}

enum outcome mys_check_warnings(struct session *session, struct err *err)
{
    if (mysql_warning_count(&session->link) == 0)
        return OUTCOME_OK;
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    str_add_text(&sql, "SHOW WARNINGS");
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    TRY(mys_select(session, MYS_TARGET, &sql, &result, err));
    for (MYSQL_ROW row = mysql_fetch_row(result); row != NULL; row = mysql_fetch_row(result)) {
        unsigned number = (unsigned)strtoul(row[1], NULL, 10);
        if (mys_error_is_row_fault(number))
            return mys_error(MYS_ROWS, number, row[2], err);
        if (is_harmless(number))
            continue;
        (void)FAIL(err, OUTCOME_PERMANENT, "target.warning",
                   "mysql: the server took the rows with warning %u", number);
        return err_hint(err, "run the statement by hand to see what the server warns of");
    }
    return OUTCOME_OK;
}

static enum outcome refuse(const struct writer *writer, size_t column, const char *what,
                           struct err *err)
{
    const char *name = writer->columns[column].name;
    (void)FAIL(err, OUTCOME_PERMANENT, "row.refused", "column %s: %s", name, what);
    if (err != NULL) {
        err->row_fault = true;
        text_copy(err->column, sizeof err->column, name);
    }
    return OUTCOME_PERMANENT;
}

static enum outcome add_row(struct writer *writer, const struct batch *batch, size_t row,
                            struct err *err)
{
    struct str *sql = &writer->sql;
    str_add(sql, ",(", 2);
    for (size_t i = 0; i < writer->request.column_count; i++) {
        const struct column *column = &batch->columns[i];
        if (i > 0)
            str_add_char(sql, ',');
        if (!column_is_null(column, row)) {
            if (!writer->encoders[i](sql, &writer->columns[i], column, row))
                return refuse(writer, i, "the column can't hold the value exactly", err);
        } else if (writer->columns[i].nullable) {
            str_add(sql, "NULL", 4);
        } else {
            /* The server would take it for "now" or "next number" in some columns. */
            (void)refuse(writer, i, "NULL in a column that must have a value", err);
            return err_native(err, "1048");
        }
    }
    str_add_char(sql, ')');
    return OUTCOME_OK;
}

static enum outcome refuse_long_row(struct err *err)
{
    (void)FAIL(err, OUTCOME_PERMANENT, "row.refused",
               "the row is longer than the server's max_allowed_packet");
    if (err != NULL)
        err->row_fault = true;
    (void)err_hint(err, "raise max_allowed_packet on the server");
    return err_native(err, "1153");
}

/* Sends what stands before `end`; what is behind moves to the front. */
static enum outcome flush(struct writer *writer, size_t end, struct err *err)
{
    struct str *sql = &writer->sql;
    struct slice statement = {sql->data, end};
    size_t head = writer->head.len;
    TRY(mys_check_cancelled(writer->session, err));
    /* The comma in front of the first row. */
    sql->data[head] = ' ';
    if (!mys_query(writer->session, statement))
        return mys_last_error(writer->session, MYS_ROWS, err);
    TRY(mys_check_warnings(writer->session, err));
    memmove(sql->data + head, sql->data + end, sql->len - end);
    sql->len -= end - head;
    sql->data[sql->len] = '\0';
    return OUTCOME_OK;
}

enum outcome mys_insert_rows(struct writer *writer, const struct batch *batch, size_t first,
                             size_t count, struct err *err)
{
    struct str *sql = &writer->sql;
    size_t head = writer->head.len, packet_max = writer->session->packet_max;
    str_clear(sql);
    str_add_slice(sql, str_slice(&writer->head));
    for (size_t row = first; row < first + count; row++) {
        size_t begin = sql->len;
        TRY(add_row(writer, batch, row, err));
        if (sql->failed)
            return refuse_long_row(err);
        if (sql->len > packet_max && begin > head)
            TRY(flush(writer, begin, err));
        if (sql->len > packet_max)
            return refuse_long_row(err);
        if (sql->len >= STATEMENT_BYTES)
            TRY(flush(writer, sql->len, err));
    }
    return sql->len > head ? flush(writer, sql->len, err) : OUTCOME_OK;
}
