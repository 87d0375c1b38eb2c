/*
 * swap: a finished stage takes its target's place.
 *
 * RENAME TABLE commits by itself, so it cannot stand in one transaction with the checkpoint. What
 * makes both one:
 *
 *   1. GET_LOCK of the sync. Fences are taken under the same lock, and the lock belongs to the
 *      connection that will rename: while that may still happen, nobody can take the sync over. A
 *      row lock of a second connection would not do: it could be lost while the rename still waits.
 *   2. The checkpoint notes stage, target and the state to come, if the fence is ours; committed.
 *   3. RENAME TABLE target TO old, stage TO target. Readers see one or the other.
 *   4. The checkpoint's state becomes the one to come; the note goes.
 *   5. The old table is dropped.
 *
 * A worker that dies behind 2 leaves the note; the next checkpoint_take repairs, under the lock:
 *   the stage stands and the target too:  the rename did not happen: the note is forgotten;
 *   no stage, the target stands:          it did: 4 and 5 are made up for;
 *   the stage stands, the target doesn't: it was the first load, not yet renamed (then there is no
 *      old table: forgotten), or a server without atomic renames died half-way (then there is: the
 *      stage is renamed now, and 4 and 5 follow).
 * The stage is a sure sign: between 2 and the repair nothing but the rename makes it vanish, as all
 * who drop stages take the fence first.
 *
 * A rename would leave triggers with the old table and turn the foreign keys of others towards it:
 * such targets are refused before anything is done.
 */
#include "mysql/mysql_private.h"

#include <string.h>

#define OLD_NAME_SIZE 64

/* A name that may be dropped, one a target: FNV-1a, 64 bits. */
static void old_name(const struct stream_ref *target, char to[OLD_NAME_SIZE])
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (const char *at = target->name; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
    STR_AUTO struct str name = str_with_max(OLD_NAME_SIZE - 1);
    str_addf(&name, HAUL_STAGE_PREFIX "old_%016llx", (unsigned long long)hash);
    text_copy(to, OLD_NAME_SIZE, str_text(&name));
}

static void add_clause(struct str *sql, const struct session *session,
                       const struct stream_ref *from, const struct stream_ref *to)
{
    mys_add_table(sql, session, from);
    str_add_text(sql, " TO ");
    mys_add_table(sql, session, to);
}

static enum outcome rename_tables(struct session *session, const struct mys_swap *swap,
                                  bool target_exists, struct err *err)
{
    STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
    char name[OLD_NAME_SIZE];
    old_name(&swap->target, name);
    struct stream_ref old = {swap->target.schema, name, NULL};
    str_add_text(&sql, "RENAME TABLE ");
    if (target_exists) {
        add_clause(&sql, session, &swap->target, &old);
        str_add_text(&sql, ", ");
    }
    add_clause(&sql, session, &swap->stage, &swap->target);
    return mys_run_str(session, MYS_TARGET, &sql, err);
}

static enum outcome drop_old(struct session *session, const struct mys_swap *swap, struct err *err)
{
    char name[OLD_NAME_SIZE];
    old_name(&swap->target, name);
    struct stream_ref old = {swap->target.schema, name, NULL};
    return mys_stage_drop(session, &old, err);
}

/* ---- what a rename would break ---- */

static enum outcome count_of(struct session *session, const struct str *sql, int64_t *ret_count,
                             struct err *err)
{
    MYS_RES_AUTO MYSQL_RES *result = NULL;
    TRY(mys_select(session, MYS_TARGET, sql, &result, err));
    *ret_count = (int64_t)mysql_num_rows(result);
    return OUTCOME_OK;
}

static enum outcome refuse_dependents(struct session *session, const struct mys_swap *swap,
                                      struct err *err)
{
    static const struct {
        const char *query, *what, *hint;
    } dependents[] = {
        {"SELECT 1 FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = %s AND "
         "EVENT_OBJECT_TABLE = ",
         "it has triggers, which a swap would leave behind",
         "drop the triggers, or use mode upsert or mirror"},
        {"SELECT 1 FROM information_schema.REFERENTIAL_CONSTRAINTS WHERE UNIQUE_CONSTRAINT_SCHEMA "
         "= %s AND REFERENCED_TABLE_NAME = ",
         "foreign keys point to it, which a swap would turn to the old table",
         "drop the foreign keys, or use mode upsert or mirror"},
    };
    const char *schema = mys_schema_of(session, &swap->target);
    for (size_t i = 0; i < sizeof dependents / sizeof dependents[0]; i++) {
        STR_AUTO struct str sql = str_with_max(STR_MAX_DEFAULT);
        const char *place = strstr(dependents[i].query, "%s");
        int64_t count;
        str_add(&sql, dependents[i].query, (size_t)(place - dependents[i].query));
        mys_add_text(&sql, slice_of(schema == NULL ? "" : schema));
        str_add_text(&sql, place + 2);
        mys_add_text(&sql, slice_of(swap->target.name));
        str_add_text(&sql, " LIMIT 1");
        TRY(count_of(session, &sql, &count, err));
        if (count == 0)
            continue;
        (void)FAIL(err, OUTCOME_PERMANENT, "target.dependents", "mysql: %s can't be replaced: %s",
                   swap->target.name, dependents[i].what);
        return err_hint(err, "%s", dependents[i].hint);
    }
    return OUTCOME_OK;
}

/* ---- the note ---- */

static enum outcome write_note(struct session *session, const struct checkpoint_ref *checkpoint,
                               const struct mys_swap *swap, struct err *err)
{
    STR_AUTO struct str what = str_with_max(MYS_SQL_MAX);
    const char *schema = mys_schema_of(session, &swap->target);
    str_add_text(&what, "swap_state = ");
    mys_add_text(&what, slice_of(swap->state));
    str_add_text(&what, ", swap_stage = ");
    mys_add_text(&what, slice_of(swap->stage.name));
    str_add_text(&what, ", swap_target = ");
    mys_add_text(&what, slice_of(swap->target.name));
    str_add_text(&what, ", swap_schema = ");
    mys_add_text(&what, slice_of(schema == NULL ? "" : schema));
    return mys_checkpoint_update(session, checkpoint, &what, err);
}

static enum outcome end_note(struct session *session, const struct checkpoint_ref *checkpoint,
                             bool is_done, struct err *err)
{
    STR_AUTO struct str what = str_with_max(STR_MAX_DEFAULT);
    str_add_text(&what, is_done ? "state = swap_state, " : "");
    str_add_text(&what,
                 "swap_state = NULL, swap_stage = NULL, swap_target = NULL, swap_schema = NULL");
    return mys_checkpoint_update(session, checkpoint, &what, err);
}

enum outcome mys_swap_repair(struct session *session, const struct checkpoint_ref *checkpoint,
                             const struct mys_swap *swap, bool *ret_done, struct err *err)
{
    char name[OLD_NAME_SIZE];
    old_name(&swap->target, name);
    struct stream_ref old = {swap->target.schema, name, NULL};
    bool has_stage, has_target, has_old;
    TRY(mys_table_exists(session, &swap->stage, &has_stage, err));
    TRY(mys_table_exists(session, &swap->target, &has_target, err));
    TRY(mys_table_exists(session, &old, &has_old, err));
    bool half_way = has_stage && !has_target && has_old;
    if (half_way)
        TRY(rename_tables(session, swap, false, err));
    bool done = half_way || (!has_stage && has_target);
    TRY(end_note(session, checkpoint, done, err));
    if (done)
        TRY(drop_old(session, swap, err));
    *ret_done = done;
    return OUTCOME_OK;
}

/* ---- the swap ---- */

static enum outcome swap_locked(struct session *session, const struct checkpoint_ref *checkpoint,
                                const struct mys_swap *swap, struct err *err)
{
    bool target_exists;
    TRY(write_note(session, checkpoint, swap, err));
    TRY(drop_old(session, swap, err)); /* a worker that died behind 4 left it */
    TRY(mys_table_exists(session, &swap->target, &target_exists, err));
    enum outcome outcome = rename_tables(session, swap, target_exists, err);
    if (outcome != OUTCOME_OK) {
        struct err ignored; /* a connection that is gone leaves the note to the repair */
        (void)end_note(session, checkpoint, false, &ignored);
        return outcome;
    }
    TRY(end_note(session, checkpoint, true, err));
    struct err ignored; /* the swap holds; the next one drops what is left */
    (void)drop_old(session, swap, &ignored);
    return OUTCOME_OK;
}

enum outcome mys_table_swap(struct session *session, const struct swap_request *request,
                            struct err *err)
{
    const struct mys_swap swap = {request->stage, request->target, request->state};
    TRY(refuse_dependents(session, &swap, err));
    TRY(mys_checkpoint_lock(session, &request->checkpoint, err));
    enum outcome outcome = swap_locked(session, &request->checkpoint, &swap, err);
    mys_checkpoint_unlock(session, &request->checkpoint);
    return outcome;
}
