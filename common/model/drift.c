/* drift: see drift.h. The comparison; what fits into what is in drift_fit.c. */
#include "model/drift.h"

#define OWN_PREFIX "_haul_" /* columns that haul added to the target itself */

enum difference {
    DIFFERENCE_NONE,
    DIFFERENCE_NEW,
    DIFFERENCE_WIDER,
    DIFFERENCE_NULLS,
    DIFFERENCE_INCOMPATIBLE,
};

struct comparing {
    const struct table_spec *target;
    const struct value_limits *limits;
    enum drift_policy policy;
    struct arena *arena;
    struct schema_change *changes;
    const char **lines;
    bool *omitted;
    size_t change_count, line_count, omitted_count, refused_count, incompatible_count;
    bool failed; /* memory, sticky */
};

static const char *spec_text(struct comparing *work, const struct value_spec *spec)
{
    struct str STR_AUTO text = str_with_max(64);
    value_spec_format(spec, &text);
    const char *copy = arena_strdup(work->arena, str_text(&text));
    work->failed |= copy == NULL;
    return copy == NULL ? "" : copy;
}

static void add_line(struct comparing *work, const char *line)
{
    work->failed |= line == NULL;
    if (line != NULL)
        work->lines[work->line_count++] = line;
}

static void add_change(struct comparing *work, enum schema_change_kind kind,
                       const struct column_spec *column)
{
    work->changes[work->change_count++] = (struct schema_change){.kind = kind, .column = *column};
}

static bool is_key(const struct table_spec *table, size_t number)
{
    for (size_t i = 0; i < table->key_count; i++) {
        if (table->key[i] == number)
            return true;
    }
    return false;
}

/* What the wanted type is where the target's system has no type of its own for it. */
static struct value_spec stored_spec(const struct value_spec *wanted,
                                     const struct value_spec *existing,
                                     const struct value_limits *limits)
{
    if (wanted->type == VALUE_BOOL && !limits->bool_native && existing->type == VALUE_INT64)
        return (struct value_spec){.type = VALUE_INT64, .bits = 8};
    if (wanted->type == VALUE_UUID && !limits->uuid_native && existing->type == VALUE_TEXT)
        return (struct value_spec){.type = VALUE_TEXT, .length = 36};
    return *wanted;
}

/* A widened decimal must still be one that the target has. */
static bool target_has(const struct value_spec *spec, const struct value_limits *limits)
{
    if (spec->type != VALUE_DECIMAL || limits->decimal_precision == 0)
        return true;
    return spec->precision <= limits->decimal_precision && spec->scale <= limits->decimal_scale;
}

static void compare_missing(struct comparing *work, const struct column_spec *wanted, size_t number)
{
    const char *type = spec_text(work, &wanted->spec);
    struct column_spec added = *wanted;
    switch (work->policy) {
    case DRIFT_EVOLVE:
        added.nullable = true; /* rows that stand there already have no value for it */
        add_change(work, SCHEMA_ADD_COLUMN, &added);
        add_line(work, arena_printf(work->arena, "column \"%s\" %s is added to the target",
                                    wanted->name, type));
        return;
    case DRIFT_FREEZE:
        work->omitted[number] = true;
        work->omitted_count++;
        add_line(work,
                 arena_printf(work->arena, "column \"%s\" %s is new in the source and not written",
                              wanted->name, type));
        return;
    case DRIFT_FAIL:
        break;
    }
    work->refused_count++;
    add_line(work, arena_printf(work->arena, "column \"%s\" %s is missing in the target",
                                wanted->name, type));
}

static void refuse_type(struct comparing *work, const struct column_spec *wanted,
                        const struct column_spec *existing, const char *why)
{
    add_line(work,
             arena_printf(work->arena, "column \"%s\" is %s in the target, and %s %s", wanted->name,
                          spec_text(work, &existing->spec), spec_text(work, &wanted->spec), why));
}

/* Compares the types of a column that both have; `shape` becomes what it will be. */
static void compare_type(struct comparing *work, const struct column_spec *wanted,
                         struct column_spec *shape)
{
    const struct column_spec *existing = shape;
    struct value_spec stored = stored_spec(&wanted->spec, &existing->spec, work->limits), wider;
    if (drift_fits(&stored, &existing->spec))
        return;
    if (!drift_widen(&stored, &existing->spec, &wider) || !target_has(&wider, work->limits)) {
        work->incompatible_count++;
        refuse_type(work, wanted, existing, "cannot be brought together with it");
        return;
    }
    if (work->policy != DRIFT_EVOLVE) {
        work->refused_count++;
        refuse_type(work, wanted, existing, "does not fit into it");
        return;
    }
    add_line(work, arena_printf(work->arena, "column \"%s\" is widened from %s to %s", wanted->name,
                                spec_text(work, &existing->spec), spec_text(work, &wider)));
    shape->spec = wider;
    shape->native = NULL; /* the connector's choice for the new spec */
    add_change(work, SCHEMA_WIDEN_COLUMN, shape);
}

static void compare_nulls(struct comparing *work, const struct column_spec *wanted,
                          struct column_spec *shape)
{
    if (!wanted->nullable || shape->nullable)
        return;
    if (work->policy == DRIFT_EVOLVE) {
        shape->nullable = true;
        add_change(work, SCHEMA_DROP_NOT_NULL, shape);
        add_line(work,
                 arena_printf(work->arena, "column \"%s\" takes NULL from now on", wanted->name));
        return;
    }
    work->refused_count += work->policy == DRIFT_FAIL;
    add_line(work,
             arena_printf(work->arena,
                          "column \"%s\" may be NULL in the source, and the target takes none",
                          wanted->name));
}

static void compare_column(struct comparing *work, const struct column_spec *wanted, size_t number)
{
    int found = table_spec_find(work->target, wanted->name);
    if (found < 0) {
        compare_missing(work, wanted, number);
        return;
    }
    const struct column_spec *existing = &work->target->columns[found];
    if (existing->generated) {
        add_line(work, arena_printf(work->arena,
                                    "column \"%s\" is generated in the target and not written",
                                    wanted->name));
        return;
    }
    struct column_spec shape = *existing;
    compare_type(work, wanted, &shape);
    if (!is_key(work->target, (size_t)found)) /* keys of views never say that they take no NULL */
        compare_nulls(work, wanted, &shape);
}

/* A word on columns of the target that get no value and take no NULL: they may have a default. */
static void tell_unwritten(struct comparing *work, const struct column_spec *wanted, size_t count)
{
    for (size_t i = 0; i < work->target->column_count; i++) {
        const struct column_spec *existing = &work->target->columns[i];
        size_t at = 0;
        while (at < count && strcmp(wanted[at].name, existing->name) != 0)
            at++;
        if (at < count || existing->nullable || existing->generated ||
            strncmp(existing->name, OWN_PREFIX, strlen(OWN_PREFIX)) == 0)
            continue;
        add_line(work, arena_printf(work->arena,
                                    "column \"%s\" of the target is not written and takes no NULL: "
                                    "it needs a default",
                                    existing->name));
    }
}

static enum outcome refuse(const struct comparing *work, struct err *err)
{
    struct str STR_AUTO all = str_with_max(STR_MAX_DEFAULT);
    size_t refused = work->refused_count + work->incompatible_count;
    for (size_t i = 0; i < work->line_count; i++)
        str_addf(&all, "%s%s", i == 0 ? "" : "; ", work->lines[i]);
    bool evolve = work->policy == DRIFT_EVOLVE;
    enum outcome outcome =
        FAIL(err, OUTCOME_PERMANENT, evolve ? "drift.incompatible" : "drift.changed",
             "the target table \"%s\" differs in %zu way%s: %s", work->target->name, refused,
             refused == 1 ? "" : "s", str_text(&all));
    (void)err_hint(err, evolve ? "cast the column in the sync's mapping, or change the target"
                               : "set the sync's drift policy to evolve, or change the target");
    return outcome;
}

enum outcome drift_compare(const struct column_spec *wanted, size_t wanted_count,
                           const struct table_spec *target, const struct value_limits *limits,
                           enum drift_policy policy, struct arena *arena,
                           struct drift_report *ret_report, struct err *err)
{
    struct comparing work = {.target = target, .limits = limits, .policy = policy, .arena = arena};
    size_t lines = 2 * wanted_count + target->column_count;
    work.changes = ARENA_ARRAY(arena, struct schema_change, 2 * wanted_count);
    work.lines = ARENA_ARRAY(arena, const char *, lines);
    work.omitted = ARENA_ARRAY(arena, bool, wanted_count);
    if (work.changes == NULL || work.lines == NULL || work.omitted == NULL)
        return FAIL_NO_MEMORY(err);
    for (size_t i = 0; i < wanted_count; i++)
        compare_column(&work, &wanted[i], i);
    tell_unwritten(&work, wanted, wanted_count);
    if (work.failed)
        return FAIL_NO_MEMORY(err);
    if (work.refused_count + work.incompatible_count > 0)
        return refuse(&work, err);
    *ret_report = (struct drift_report){.change_count = work.change_count,
                                        .changes = work.changes,
                                        .omitted = work.omitted,
                                        .omitted_count = work.omitted_count,
                                        .line_count = work.line_count,
                                        .lines = work.lines};
    return OUTCOME_OK;
}
