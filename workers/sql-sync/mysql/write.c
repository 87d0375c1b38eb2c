/*
 * write: a writer: one transaction after another, each ended by the checkpoint's update.
 *
 * A call of write_batch stands behind a savepoint: when a row of it is refused, the call is undone
 * and the transaction goes on.
 */
#include "mysql/mysql_private.h"

#include <stdlib.h>
#include <string.h>

#define WRITER_MAX ((size_t)16 << 20)

static enum outcome prepare(struct writer *writer, struct err *err)
{
    const struct write_request *request = &writer->request;
    size_t count = request->column_count;
    writer->columns = ARENA_ARRAY(&writer->arena, struct mys_column, count);
    writer->encoders = ARENA_ARRAY(&writer->arena, mys_encode *, count);
    writer->plan = (struct mys_plan){.count = count, .columns = request->columns};
    writer->plan.natives = ARENA_ARRAY(&writer->arena, struct mys_native, count);
    writer->plan.decoders = ARENA_ARRAY(&writer->arena, mys_decode *, count);
    if (writer->arena.overflowed)
        return FAIL_NO_MEMORY(err);
    if (request->how != WRITE_INSERT && request->key_count == 0)
        return FAIL_BUG(err, "mysql: rows can't be merged without a key");
    TRY(mys_takeover_mark(writer->session, &request->checkpoint, err));
    return mys_merge_prepare(writer, err);
}

enum outcome mys_write_begin(struct session *session, const struct write_request *request,
                             struct writer **ret_writer, struct err *err)
{
    struct writer *writer = calloc(1, sizeof *writer);
    TRY_ALLOC(writer, err);
    arena_init(&writer->arena, WRITER_MAX);
    writer->session = session;
    writer->request = *request;
    if (request->how == WRITE_INSERT)
        writer->request.key_count = 0;
    writer->head = str_with_max(STR_MAX_DEFAULT);
    writer->sql = str_with_max(2 * session->packet_max);
    enum outcome outcome = prepare(writer, err);
    if (outcome != OUTCOME_OK) {
        mys_write_end(writer);
        return outcome;
    }
    *ret_writer = writer;
    return OUTCOME_OK;
}

static enum outcome begin_transaction(struct writer *writer, struct err *err)
{
    if (writer->in_transaction)
        return OUTCOME_OK;
    TRY(mys_run(writer->session, MYS_TARGET, "START TRANSACTION", err));
    writer->in_transaction = true;
    return OUTCOME_OK;
}

/* Two rows of a batch with one key meet in the stage already: that is no fault of either. */
static enum outcome explain_duplicate(const struct writer *writer, struct err *err)
{
    (void)FAIL(err, OUTCOME_PERMANENT, "target.key_not_unique",
               "mysql: two rows of one batch for %s have the same key", writer->request.table.name);
    (void)err_hint(err, "choose key columns that are unique in the source, or full_refresh or "
                        "append without a key");
    return err_native(err, "1062");
}

static enum outcome write_rows(struct writer *writer, const struct batch *batch, size_t first,
                               size_t count, struct err *err)
{
    if (writer->clear != NULL)
        TRY(mys_run(writer->session, MYS_TARGET, writer->clear, err));
    enum outcome outcome = mys_insert_rows(writer, batch, first, count, err);
    if (outcome != OUTCOME_OK && writer->clear != NULL &&
        mysql_errno(&writer->session->link) == 1062)
        return explain_duplicate(writer, err);
    return outcome;
}

static enum outcome write_counted(struct writer *writer, const struct batch *batch, size_t first,
                                  size_t count, struct write_counts *counts, struct err *err)
{
    struct write_counts added = {0};
    TRY(write_rows(writer, batch, first, count, err));
    if (writer->request.key_count > 0)
        TRY(mys_merge_apply(writer, count, &added, err));
    else
        added.inserted = (int64_t)count;
    counts->inserted += added.inserted;
    counts->updated += added.updated;
    counts->unchanged += added.unchanged;
    counts->deleted += added.deleted;
    return OUTCOME_OK;
}

enum outcome mys_write_batch(struct writer *writer, const struct batch *batch, size_t first,
                             size_t count, struct write_counts *counts, struct err *err)
{
    struct err own, undo;
    err = err == NULL ? &own : err;
    TRY(begin_transaction(writer, err));
    TRY(mys_run(writer->session, MYS_TARGET, "SAVEPOINT haul", err));
    enum outcome outcome = write_counted(writer, batch, first, count, counts, err);
    if (outcome == OUTCOME_OK || !err->row_fault)
        return outcome;
    if (mys_run(writer->session, MYS_TARGET, "ROLLBACK TO SAVEPOINT haul", &undo) != OUTCOME_OK) {
        *err = undo;
        return undo.outcome;
    }
    return outcome;
}

enum outcome mys_read_back(struct writer *writer, struct reader **ret_reader, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    if (writer->back == NULL)
        return FAIL_BUG(err, "mysql: rows without a key can't be read back");
    struct reader *reader = mys_reader_new(writer->session, MYS_TARGET);
    TRY_ALLOC(reader, err);
    reader->plan = writer->plan;
    str_add_text(&sql, writer->back);
    enum outcome outcome = mys_reader_start(reader, &sql, err);
    if (outcome != OUTCOME_OK) {
        mys_read_end(reader);
        return outcome;
    }
    *ret_reader = reader;
    return OUTCOME_OK;
}

enum outcome mys_write_commit(struct writer *writer, const char *state, struct err *err)
{
    struct session *session = writer->session;
    TRY(begin_transaction(writer, err));
    enum outcome outcome = mys_checkpoint_store(session, &writer->request.checkpoint, state, err);
    if (outcome == OUTCOME_OK)
        outcome = mys_run(session, MYS_TARGET, "COMMIT", err);
    /* What is left open here the next START TRANSACTION would commit. */
    if (outcome != OUTCOME_OK)
        (void)mysql_query(&session->link, "ROLLBACK");
    writer->in_transaction = false;
    return outcome;
}

void mys_write_end(struct writer *writer)
{
    if (writer == NULL)
        return;
    MYSQL *link = &writer->session->link;
    if (writer->in_transaction)
        (void)mysql_query(link, "ROLLBACK");
    if (writer->has_stage) {
        STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
        struct stream_ref stage = {writer->request.table.schema, HAUL_STAGE_PREFIX "rows", NULL};
        str_add_text(&sql, "DROP TEMPORARY TABLE ");
        mys_add_table(&sql, writer->session, &stage);
        if (!sql.failed)
            (void)mysql_real_query(link, sql.data, sql.len);
    }
    str_done(&writer->head);
    str_done(&writer->sql);
    arena_done(&writer->arena);
    free(writer);
}
