/* mapping: see mapping.h. Compiling; casts are in mapping_cast.c, applying in mapping_apply.c. */
#include "model/mapping.h"
#include "model/mapping_private.h"

#define HINT_TYPES                                                                                 \
    "types: bool, int64, float64, decimal(p,s), text(n), bytes(n), date, time, timestamp, "        \
    "timestamptz, json, uuid"

struct compiling {
    const struct table_spec *source;
    struct arena *arena;
    struct column_spec *inputs, *outputs;
    struct mapping_step *steps;
    int *input_of;      /* a source column: its input's number; -1 = not taken */
    int *output_inputs; /* while compiling: the source column's number */
    size_t input_count;
};

static enum outcome no_column(const struct table_spec *source, const char *name, struct err *err)
{
    const char *nearest = NULL;
    unsigned least = 0;
    for (size_t i = 0; i < source->column_count; i++) {
        unsigned distance = text_distance(name, source->columns[i].name);
        if (nearest == NULL || distance < least) {
            nearest = source->columns[i].name;
            least = distance;
        }
    }
    enum outcome outcome = FAIL(err, OUTCOME_PERMANENT, "mapping.column",
                                "source \"%s\" has no column \"%s\"", source->name, name);
    if (nearest != NULL)
        (void)err_hint(err, "did you mean \"%s\"?", nearest);
    return outcome;
}

/* A value of a type from its text form, as a column of one row in the arena. */
static enum outcome make_scalar(const struct value_spec *spec, const char *text,
                                struct arena *arena, struct column *ret_scalar, bool *ret_ok,
                                struct err *err)
{
    struct column_spec column_spec = {.spec = *spec};
    struct batch *batch = batch_new(&column_spec, 1, 1, 0);
    TRY_ALLOC(batch, err);
    struct column *column = &batch->columns[0], scalar = *column;
    bool ok = column_add_text(batch, column, slice_of(text)), failed = batch->failed;
    if (ok && !failed) {
        scalar.count = 1;
        scalar.validity = arena_memdup(arena, column->validity, 1);
        failed = scalar.validity == NULL;
        if (column->offsets != NULL) {
            scalar.offsets = arena_memdup(arena, column->offsets, 2 * sizeof *column->offsets);
            scalar.bytes = arena_memdup(arena, column->bytes, (size_t)column->offsets[1]);
            failed |= scalar.offsets == NULL || scalar.bytes == NULL;
        } else {
            scalar.values =
                arena_memdup(arena, column->values, column->width == 0 ? 1 : column->width);
            failed |= scalar.values == NULL;
        }
    }
    batch_free(batch);
    if (failed)
        return FAIL_NO_MEMORY(err);
    *ret_ok = ok;
    if (ok)
        *ret_scalar = scalar;
    return OUTCOME_OK;
}

static enum outcome read_cast(const struct mapping_item *item, const char *name,
                              struct value_spec *spec, struct err *err)
{
    if (item->cast == NULL || value_spec_parse(item->cast, spec))
        return OUTCOME_OK;
    enum outcome outcome = FAIL(err, OUTCOME_PERMANENT, "mapping.cast",
                                "column \"%s\": there is no type \"%s\"", name, item->cast);
    (void)err_hint(err, HINT_TYPES);
    return outcome;
}

/* A source column that is taken and maybe cast. */
static enum outcome compile_taken(struct compiling *work, const struct mapping_item *item,
                                  size_t number, struct err *err)
{
    struct column_spec *output = &work->outputs[number];
    struct mapping_step *step = &work->steps[number];
    int source = table_spec_find(work->source, item->from);
    if (source < 0)
        return no_column(work->source, item->from, err);
    const struct column_spec *from = &work->source->columns[source];
    *output = *from;
    output->generated = false; /* a plain column where it is written */
    output->name = item->to == NULL ? from->name : item->to;
    TRY(read_cast(item, output->name, &output->spec, err));
    if (output->spec.type != from->spec.type) {
        const struct cast_way *way = cast_way_of(from->spec.type, output->spec.type);
        if (way->cast == NULL)
            return FAIL(err, OUTCOME_PERMANENT, "mapping.cast",
                        "column \"%s\": there is no way from %s to %s", output->name,
                        value_type_name(from->spec.type), value_type_name(output->spec.type));
        step->cast = way->cast;
        output->loss = way->loss != NULL ? way->loss : from->loss;
    }
    if (item->cast != NULL)
        output->native = NULL; /* the source's type says nothing about the new one */
    if (item->on_null != ON_NULL_KEEP)
        output->nullable = false;
    work->output_inputs[number] = source;
    work->input_of[source] = 0;
    return OUTCOME_OK;
}

static enum outcome compile_constant(struct compiling *work, const struct mapping_item *item,
                                     size_t number, struct err *err)
{
    struct column_spec *output = &work->outputs[number];
    bool ok = false;
    if (item->to == NULL)
        return FAIL(err, OUTCOME_PERMANENT, "mapping.constant",
                    "column %zu of the mapping: a constant needs a target column", number + 1);
    *output = (struct column_spec){.name = item->to, .spec.type = VALUE_TEXT};
    TRY(read_cast(item, item->to, &output->spec, err));
    TRY(make_scalar(&output->spec, item->constant, work->arena, &work->steps[number].scalar, &ok,
                    err));
    if (!ok)
        return FAIL(err, OUTCOME_PERMANENT, "mapping.constant",
                    "column \"%s\": the constant is no %s", item->to,
                    value_type_name(output->spec.type));
    work->output_inputs[number] = -1;
    return OUTCOME_OK;
}

static enum outcome compile_default(struct compiling *work, const struct mapping_item *item,
                                    size_t number, struct err *err)
{
    const struct column_spec *output = &work->outputs[number];
    bool ok = false;
    work->steps[number].on_null = item->on_null;
    if (item->on_null != ON_NULL_DEFAULT)
        return OUTCOME_OK;
    if (item->default_text != NULL)
        TRY(make_scalar(&output->spec, item->default_text, work->arena, &work->steps[number].scalar,
                        &ok, err));
    if (!ok)
        return FAIL(err, OUTCOME_PERMANENT, "mapping.default", "column \"%s\": the default is %s%s",
                    output->name, item->default_text == NULL ? "missing" : "no ",
                    item->default_text == NULL ? "" : value_type_name(output->spec.type));
    return OUTCOME_OK;
}

static enum outcome compile_item(struct compiling *work, const struct mapping_item *item,
                                 size_t number, struct err *err)
{
    if ((item->from == NULL) == (item->constant == NULL))
        return FAIL(
            err, OUTCOME_PERMANENT, item->from == NULL ? "mapping.column" : "mapping.constant",
            "column %zu of the mapping needs either a source column or a constant", number + 1);
    if (item->constant != NULL)
        return compile_constant(work, item, number, err);
    TRY(compile_taken(work, item, number, err));
    return compile_default(work, item, number, err);
}

static enum outcome refuse_duplicates(const struct compiling *work, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (strcmp(work->outputs[i].name, work->outputs[k].name) == 0)
                return FAIL(err, OUTCOME_PERMANENT, "mapping.duplicate",
                            "two columns of the mapping write \"%s\"", work->outputs[i].name);
        }
    }
    return OUTCOME_OK;
}

/* Numbers the inputs in the source's order, and lets the steps point at them. */
static void number_inputs(struct compiling *work, size_t count)
{
    for (size_t i = 0; i < work->source->column_count; i++) {
        if (work->input_of[i] < 0)
            continue;
        work->inputs[work->input_count] = work->source->columns[i];
        work->input_of[i] = (int)work->input_count++;
    }
    for (size_t i = 0; i < count; i++) {
        int source = work->output_inputs[i];
        work->output_inputs[i] = source < 0 ? -1 : work->input_of[source];
        work->steps[i].input = work->output_inputs[i];
    }
}

static bool is_identity(const struct compiling *work, size_t count)
{
    bool identity = count == work->input_count;
    for (size_t i = 0; identity && i < count; i++)
        identity = work->steps[i].input == (int)i && work->steps[i].cast == NULL &&
                   work->steps[i].on_null == ON_NULL_KEEP;
    return identity;
}

static bool reserve(struct compiling *work, size_t count)
{
    size_t columns = work->source->column_count;
    work->inputs = ARENA_ARRAY(work->arena, struct column_spec, columns);
    work->outputs = ARENA_ARRAY(work->arena, struct column_spec, count);
    work->steps = ARENA_ARRAY(work->arena, struct mapping_step, count);
    work->input_of = ARENA_ARRAY(work->arena, int, columns);
    work->output_inputs = ARENA_ARRAY(work->arena, int, count);
    if (work->inputs == NULL || work->outputs == NULL || work->steps == NULL ||
        work->input_of == NULL || work->output_inputs == NULL)
        return false;
    for (size_t i = 0; i < columns; i++)
        work->input_of[i] = -1;
    return true;
}

enum outcome mapping_compile(const struct table_spec *source, const struct mapping_item *items,
                             size_t count, struct arena *arena, struct mapping *ret_mapping,
                             struct err *err)
{
    struct compiling work = {.source = source, .arena = arena};
    size_t outputs = count == 0 ? source->column_count : count;
    if (!reserve(&work, outputs))
        return FAIL_NO_MEMORY(err);
    for (size_t i = 0; i < outputs; i++) {
        struct mapping_item whole = {.from = count == 0 ? source->columns[i].name : NULL};
        TRY(compile_item(&work, count == 0 ? &whole : &items[i], i, err));
    }
    TRY(refuse_duplicates(&work, outputs, err));
    number_inputs(&work, outputs);
    *ret_mapping = (struct mapping){.input_count = work.input_count,
                                    .inputs = work.inputs,
                                    .output_count = outputs,
                                    .outputs = work.outputs,
                                    .output_inputs = work.output_inputs,
                                    .identity = is_identity(&work, outputs),
                                    .steps = work.steps};
    return OUTCOME_OK;
}
