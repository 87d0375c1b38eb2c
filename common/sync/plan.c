/* plan: what is read and written, decided from both sides' descriptions before any row moves. */
#include "sync/internal.h"

#include "io/hash.h"

#include <string.h>

static struct mapping_item *spec_items(const struct sync_spec *spec, struct arena *arena)
{
    const struct sync_column *columns = spec->columns.items;
    struct mapping_item *items = ARENA_ARRAY(arena, struct mapping_item, spec->columns.count + 1);
    for (size_t i = 0; items != NULL && i < spec->columns.count; i++)
        items[i] = (struct mapping_item){.from = columns[i].from,
                                         .to = columns[i].to,
                                         .cast = columns[i].cast,
                                         .constant = columns[i].constant,
                                         .on_null = (enum mapping_on_null)columns[i].on_null,
                                         .default_text = columns[i].default_text};
    return items;
}

static int find_column(const struct column_spec *columns, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(columns[i].name, name) == 0)
            return (int)i;
    return -1;
}

static enum outcome compile(struct sync *sync, const struct mapping_item *items, size_t count,
                            struct err *err)
{
    struct sync_plan *plan = &sync->plan;
    TRY(mapping_compile(&plan->source, items, count, sync->arena, &plan->mapping, err));
    plan->columns = plan->mapping.outputs;
    plan->column_count = plan->mapping.output_count;
    return OUTCOME_OK;
}

/* The output that is made of a source column unchanged in kind; -1 when none is. */
static int output_of_source(const struct sync_plan *plan, size_t source_column)
{
    const char *name = plan->source.columns[source_column].name;
    for (size_t i = 0; i < plan->mapping.output_count; i++) {
        int input = plan->mapping.output_inputs[i];
        if (input >= 0 && strcmp(plan->mapping.inputs[input].name, name) == 0)
            return (int)i;
    }
    return -1;
}

static enum outcome key_from_spec(struct sync *sync, struct err *err)
{
    struct sync_plan *plan = &sync->plan;
    for (size_t i = 0; i < sync->spec->key.count; i++) {
        int column = find_column(plan->columns, plan->column_count, sync->spec->key.items[i]);
        if (column < 0) {
            FAIL(err, OUTCOME_PERMANENT, "sync.key",
                 "key column \"%s\" is not among the columns that are written",
                 sync->spec->key.items[i]);
            return err_hint(err, "name columns of the target, as `columns` renames them");
        }
        plan->key[plan->key_count++] = (size_t)column;
    }
    return OUTCOME_OK;
}

static void key_from_source(struct sync *sync)
{
    struct sync_plan *plan = &sync->plan;
    for (size_t i = 0; i < plan->source.key_count; i++) {
        int column = output_of_source(plan, plan->source.key[i]);
        if (column < 0) { /* part of the key is not taken: then there is none */
            plan->key_count = 0;
            return;
        }
        plan->key[plan->key_count++] = (size_t)column;
    }
}

static enum outcome choose_key(struct sync *sync, struct err *err)
{
    struct sync_plan *plan = &sync->plan;
    int mode = sync->spec->mode;
    plan->key_count = 0;
    plan->key = ARENA_ARRAY(sync->arena, size_t, plan->column_count + plan->source.key_count + 1);
    TRY_ALLOC(plan->key, err);
    if (sync->spec->key.count > 0)
        TRY(key_from_spec(sync, err));
    else
        key_from_source(sync);
    if (plan->key_count > 0 || mode == SYNC_FULL_REFRESH || mode == SYNC_APPEND)
        return OUTCOME_OK;
    FAIL(err, OUTCOME_PERMANENT, "sync.key_missing",
         "mode %s must know which row is which, and \"%s\" has no primary key or not-null unique "
         "index among the columns taken",
         sync_mode_name(mode), plan->source_ref.name);
    return err_hint(err, "name the columns in `key`, or use full_refresh or append");
}

/* Ranges of the key are read from the source and later from the target: only for a type whose
 * order is the same on both sides, and a column that is not cast. */
static void choose_split(struct sync_plan *plan)
{
    plan->split_input = -1;
    if (plan->key_count == 0)
        return;
    int input = plan->mapping.output_inputs[plan->key[0]];
    if (input < 0)
        return;
    const struct column_spec *from = &plan->mapping.inputs[input];
    enum value_type type = from->spec.type;
    bool ordered = type == VALUE_INT64 || type == VALUE_DECIMAL || type == VALUE_DATE ||
                   type == VALUE_TIMESTAMP || type == VALUE_TIMESTAMPTZ;
    if (ordered && plan->columns[plan->key[0]].spec.type == type)
        plan->split_input = input;
}

static enum outcome choose_cursor(struct sync *sync, struct err *err)
{
    struct sync_plan *plan = &sync->plan;
    plan->cursor = plan->cursor_input = -1;
    if (sync->spec->cursor == NULL)
        return OUTCOME_OK;
    int column = table_spec_find(&plan->source, sync->spec->cursor);
    if (column < 0) {
        FAIL(err, OUTCOME_PERMANENT, "sync.cursor", "cursor column \"%s\" is not in \"%s\"",
             sync->spec->cursor, plan->source_ref.name);
        return err_hint(err, "see `haul discover` for the columns of the stream");
    }
    plan->cursor = output_of_source(plan, (size_t)column);
    if (plan->cursor < 0)
        return FAIL(err, OUTCOME_PERMANENT, "sync.cursor",
                    "cursor column \"%s\" must be among the columns taken", sync->spec->cursor);
    plan->cursor_input = plan->mapping.output_inputs[plan->cursor];
    enum value_type type = plan->mapping.inputs[plan->cursor_input].spec.type;
    if (!cursor_type_is_ordered(type))
        return FAIL(err, OUTCOME_PERMANENT, "sync.cursor",
                    "cursor column \"%s\" is of type %s: a cursor must be a number, date or "
                    "timestamp",
                    sync->spec->cursor, value_type_name(type));
    return OUTCOME_OK;
}

static void hash_text(struct str *text, char to[33])
{
    hash128_format(hash128_bytes(str_text(text), text->len), to);
    str_clear(text);
}

/* Another definition starts the sync anew; another shape starts a half-done load anew. */
static void identify(struct sync *sync)
{
    const struct sync_spec *spec = sync->spec;
    struct sync_plan *plan = &sync->plan;
    struct str text __attribute__((cleanup(str_done))) = str_with_max(STR_MAX_DEFAULT);
    str_addf(&text, "%s|%s|%s|%s|%s|%s|%s|%s|%s|%s", sync->checkpoint_id,
             spec->source.connection_id, spec->source.schema == NULL ? "" : spec->source.schema,
             spec->source.table, spec->source.query == NULL ? "" : spec->source.query,
             spec->target.connection_id, spec->target.schema == NULL ? "" : spec->target.schema,
             spec->target.table, sync_mode_name(spec->mode),
             spec->cursor == NULL ? "" : spec->cursor);
    hash_text(&text, plan->definition);
    for (size_t i = 0; i < plan->column_count; i++) {
        str_addf(&text, "%s ", plan->columns[i].name);
        value_spec_format(&plan->columns[i].spec, &text);
        str_add_char(&text, ';');
    }
    hash_text(&text, plan->shape);
}

static enum outcome describe_target(struct sync *sync, struct err *err)
{
    struct sync_plan *plan = &sync->plan;
    enum outcome outcome = sync_target(sync)->describe(sync->target, &plan->target_ref, sync->arena,
                                                       &plan->target, err);
    plan->target_exists = outcome == OUTCOME_OK;
    if (outcome == OUTCOME_PERMANENT && err != NULL && strcmp(err->code, "stream.missing") == 0) {
        err_clear(err);
        return OUTCOME_OK;
    }
    if (outcome != OUTCOME_OK || plan->target.kind != TABLE_VIEW)
        return outcome;
    FAIL(err, OUTCOME_PERMANENT, "target.is_view", "target \"%s\" is a view",
         plan->target_ref.name);
    return err_hint(err, "name a table, or one that does not exist yet");
}

/* Columns that the target computes itself are not written. */
static size_t omit_generated(const struct sync_plan *plan, bool *omitted)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->column_count; i++) {
        int column = table_spec_find(&plan->target, plan->columns[i].name);
        if (column >= 0 && plan->target.columns[column].generated) {
            omitted[i] = true;
            count++;
        }
    }
    return count;
}

/* Compiles the mapping again without the columns that are left out. */
static enum outcome compile_without(struct sync *sync, const bool *omitted, struct err *err)
{
    struct sync_plan *plan = &sync->plan;
    size_t spec_count = sync->spec->columns.count, count = 0;
    struct mapping_item *all = spec_items(sync->spec, sync->arena);
    struct mapping_item *items =
        ARENA_ARRAY(sync->arena, struct mapping_item, plan->column_count + 1);
    TRY_ALLOC(all, err);
    TRY_ALLOC(items, err);
    for (size_t i = 0; i < plan->column_count; i++) {
        if (omitted[i])
            continue;
        items[count++] =
            spec_count > 0 ? all[i] : (struct mapping_item){.from = plan->columns[i].name};
    }
    if (count == 0)
        return FAIL(err, OUTCOME_PERMANENT, "target.columns",
                    "target \"%s\" has none of the columns to write", plan->target_ref.name);
    return compile(sync, items, count, err);
}

static enum outcome compare_target(struct sync *sync, struct err *err)
{
    struct sync_plan *plan = &sync->plan;
    enum outcome outcome =
        drift_compare(plan->columns, plan->column_count, &plan->target, &sync_target(sync)->limits,
                      (enum drift_policy)sync->spec->drift, sync->arena, &plan->drift, err);
    if (outcome != OUTCOME_OK)
        return err_prefix(err, "target \"%s\"", plan->target_ref.name);
    for (size_t i = 0; i < plan->drift.line_count; i++)
        receipt_note(sync->receipt, "drift: %s", plan->drift.lines[i]);
    bool *omitted = ARENA_ARRAY(sync->arena, bool, plan->column_count + 1);
    TRY_ALLOC(omitted, err);
    if (plan->drift.omitted != NULL)
        memcpy(omitted, plan->drift.omitted, plan->column_count * sizeof *omitted);
    if (omit_generated(plan, omitted) + plan->drift.omitted_count == 0)
        return OUTCOME_OK;
    return compile_without(sync, omitted, err);
}

enum outcome plan_source(struct sync *sync, struct err *err)
{
    const struct sync_spec *spec = sync->spec;
    struct sync_plan *plan = &sync->plan;
    plan->source_ref =
        (struct stream_ref){spec->source.schema, spec->source.table, spec->source.query};
    plan->target_ref = (struct stream_ref){spec->target.schema, spec->target.table, NULL};
    TRY(sync_source(sync)->describe(sync->source, &plan->source_ref, sync->arena, &plan->source,
                                    err));
    struct mapping_item *items = spec_items(spec, sync->arena);
    TRY_ALLOC(items, err);
    return compile(sync, items, spec->columns.count, err);
}

enum outcome plan_target(struct sync *sync, struct err *err)
{
    struct sync_plan *plan = &sync->plan;
    TRY(describe_target(sync, err));
    if (plan->target_exists)
        TRY(compare_target(sync, err));
    TRY(choose_key(sync, err));
    TRY(choose_cursor(sync, err));
    choose_split(plan);
    identify(sync);
    return OUTCOME_OK;
}

enum outcome plan_make(struct sync *sync, struct err *err)
{
    TRY(plan_source(sync, err));
    return plan_target(sync, err);
}

enum outcome plan_read_back(struct sync *sync, const struct table_spec *table,
                            struct mapping *ret_mapping, struct err *err)
{
    const struct sync_plan *plan = &sync->plan;
    struct mapping_item *items =
        ARENA_ARRAY(sync->arena, struct mapping_item, plan->column_count + 1);
    TRY_ALLOC(items, err);
    for (size_t i = 0; i < plan->column_count; i++) {
        struct str cast __attribute__((cleanup(str_done))) = str_with_max(128);
        value_spec_format(&plan->columns[i].spec, &cast);
        items[i].from = plan->columns[i].name;
        items[i].cast = arena_strdup(sync->arena, str_text(&cast));
    }
    if (mapping_compile(table, items, plan->column_count, sync->arena, ret_mapping, err) !=
        OUTCOME_OK)
        return err_prefix(err, "reading \"%s\" back", table->name);
    return OUTCOME_OK;
}
