/* fields: structs from JSON objects and from texts; see fields.h. */
#include "base/fields_private.h"

#include <math.h>
#include <stdio.h>

#define FEW_FIELDS 32 /* of a table: room for them is on the stack */
/* Doubles up to here that are whole are integers beyond doubt. */
#define WHOLE_MAX 9007199254740992.0

static enum outcome refuse_type(const struct fields_decoder *d, const struct fields_path *path,
                                const struct jval *value)
{
    char got[32];
    (void)snprintf(got, sizeof got, "is of type %s", jval_type_name(value->type));
    return fields_refuse(d, path, "fields.type", got);
}

static enum outcome take_string(const struct fields_decoder *d, const struct fields_path *path,
                                const struct jval *value, void *at)
{
    if (value->type != JVAL_STRING)
        return refuse_type(d, path, value);
    return fields_put_string(d, path, value->string, at);
}

/* 5.0 is an integer, as JSON Schema has it. */
static enum outcome take_int(const struct fields_decoder *d, const struct fields_path *path,
                             const struct jval *value, void *at)
{
    if (value->type == JVAL_INT)
        return fields_put_int(d, path, value->integer, at);
    if (value->type != JVAL_REAL || !(fabs(value->real) <= WHOLE_MAX) ||
        trunc(value->real) != value->real)
        return refuse_type(d, path, value);
    return fields_put_int(d, path, (int64_t)value->real, at);
}

static enum outcome take_bool(const struct fields_decoder *d, const struct fields_path *path,
                              const struct jval *value, void *at)
{
    if (value->type != JVAL_BOOL)
        return refuse_type(d, path, value);
    *(bool *)at = value->boolean;
    return OUTCOME_OK;
}

static enum outcome take_enum(const struct fields_decoder *d, const struct fields_path *path,
                              const struct jval *value, void *at)
{
    if (value->type != JVAL_STRING)
        return refuse_type(d, path, value);
    return fields_put_enum(d, path, value->string.data, at);
}

static enum outcome take_real(const struct fields_decoder *d, const struct fields_path *path,
                              const struct jval *value, void *at)
{
    if (value->type != JVAL_REAL && value->type != JVAL_INT)
        return refuse_type(d, path, value);
    double real = value->type == JVAL_INT ? (double)value->integer : value->real;
    return fields_put_real(d, path, real, at);
}

static enum outcome take_time(const struct fields_decoder *d, const struct fields_path *path,
                              const struct jval *value, void *at)
{
    if (value->type != JVAL_STRING)
        return refuse_type(d, path, value);
    return fields_put_time(d, path, value->string.data, at);
}

static struct fields_path path_to_items(const struct fields_path *path)
{
    return (struct fields_path){
        .up = path, .field = path->field, .is_item = true, .is_secret = path->is_secret};
}

static enum outcome take_strings(const struct fields_decoder *d, const struct fields_path *path,
                                 const struct jval *value, void *at)
{
    if (value->type != JVAL_ARRAY)
        return refuse_type(d, path, value);
    size_t count = value->array.count;
    TRY(fields_check_count(d, path, count));
    const char **items = ARENA_ARRAY(d->arena, const char *, count);
    TRY_ALLOC(items, d->err);
    struct fields_path item = path_to_items(path);
    for (; item.index < count; item.index++)
        TRY(take_string(d, &item, &value->array.items[item.index], &items[item.index]));
    *(struct field_strings *)at = (struct field_strings){count, items};
    return OUTCOME_OK;
}

static enum outcome decode_object(const struct fields_decoder *d, const struct field_table *table,
                                  const struct fields_path *path, const struct jval *object,
                                  void *base);

static enum outcome take_object(const struct fields_decoder *d, const struct fields_path *path,
                                const struct jval *value, void *at)
{
    if (value->type != JVAL_OBJECT)
        return refuse_type(d, path, value);
    TRY(decode_object(d, path->field->object, path, value, at));
    if ((path->field->flags & FIELD_PRESENT) != 0)
        *(bool *)at = true;
    return OUTCOME_OK;
}

static enum outcome take_objects(const struct fields_decoder *d, const struct fields_path *path,
                                 const struct jval *value, void *at)
{
    if (value->type != JVAL_ARRAY)
        return refuse_type(d, path, value);
    const struct field_table *table = path->field->object;
    size_t count = value->array.count;
    TRY(fields_check_count(d, path, count));
    unsigned char *items = arena_array(d->arena, count, table->struct_size);
    TRY_ALLOC(items, d->err);
    struct fields_path item = path_to_items(path);
    for (; item.index < count; item.index++) {
        const struct jval *object = &value->array.items[item.index];
        if (object->type != JVAL_OBJECT)
            return refuse_type(d, &item, object);
        TRY(decode_object(d, table, &item, object, items + item.index * table->struct_size));
    }
    *(struct field_objects *)at = (struct field_objects){count, items};
    return OUTCOME_OK;
}

static enum outcome take_json(const struct fields_decoder *d, const struct fields_path *path,
                              const struct jval *value, void *at)
{
    (void)d;
    (void)path;
    *(const struct jval **)at = value;
    return OUTCOME_OK;
}

typedef enum outcome take_value(const struct fields_decoder *d, const struct fields_path *path,
                                const struct jval *value, void *at);

static take_value *const takers[] = {
    [FIELD_STRING] = take_string,   [FIELD_INT] = take_int,       [FIELD_BOOL] = take_bool,
    [FIELD_ENUM] = take_enum,       [FIELD_REAL] = take_real,     [FIELD_TIME] = take_time,
    [FIELD_STRINGS] = take_strings, [FIELD_OBJECT] = take_object, [FIELD_OBJECTS] = take_objects,
    [FIELD_JSON] = take_json,
};

/* An object that is absent but has to be there is one without members: its defaults hold, and what
 * it requires is missing by its full name. */
static enum outcome take_absent(const struct fields_decoder *d, const struct fields_path *path,
                                void *at)
{
    static const struct jval no_members = {.type = JVAL_OBJECT};
    const struct field *field = path->field;
    if ((field->flags & FIELD_REQUIRED) != 0)
        return fields_refuse(d, path, "fields.missing", "is missing");
    if (field->type == FIELD_OBJECT && (field->flags & FIELD_PRESENT) == 0)
        return decode_object(d, field->object, path, &no_members, at);
    return fields_put_default(d, path, at);
}

static enum outcome decode_object(const struct fields_decoder *d, const struct field_table *table,
                                  const struct fields_path *path, const struct jval *object,
                                  void *base)
{
    const struct jval *few[FEW_FIELDS] = {NULL}, **values = few;
    if (table->count > FEW_FIELDS)
        values = ARENA_ARRAY(d->arena, const struct jval *, table->count);
    TRY_ALLOC(values, d->err);
    for (size_t i = 0; i < object->object.count; i++) {
        const struct jval_member *member = &object->object.members[i];
        const struct field *field = fields_find(table, member->name);
        if (field == NULL)
            return fields_refuse_unknown(d, path, table, member->name);
        size_t place = (size_t)(field - table->fields);
        if (values[place] == NULL)
            values[place] = &member->value;
    }
    for (size_t i = 0; i < table->count; i++) {
        const struct field *field = &table->fields[i];
        struct fields_path here = fields_path_to(path, field);
        const struct jval *value = values[i];
        unsigned char *at = (unsigned char *)base + field->offset;
        if (value == NULL)
            TRY(take_absent(d, &here, at));
        else
            TRY(takers[field->type](d, &here, value, at));
    }
    return OUTCOME_OK;
}

/* Decoding goes into memory of its own, so that a failure leaves the caller's struct alone. */
enum outcome fields_decode(const struct field_table *table, const struct jval *object,
                           struct arena *arena, void *ret_struct, struct err *err)
{
    struct fields_decoder d = {arena, err};
    if (object == NULL || object->type != JVAL_OBJECT)
        return FAIL(err, OUTCOME_PERMANENT, "fields.type", "%s is of type %s: expected an object",
                    table->name, object == NULL ? "nothing" : jval_type_name(object->type));
    void *base = arena_alloc(arena, table->struct_size);
    TRY_ALLOC(base, err);
    TRY(decode_object(&d, table, NULL, object, base));
    memcpy(ret_struct, base, table->struct_size);
    return OUTCOME_OK;
}

enum outcome fields_decode_texts(const struct field_table *table, field_lookup *lookup, void *ctx,
                                 struct arena *arena, void *ret_struct, struct err *err)
{
    struct fields_decoder d = {arena, err};
    unsigned char *base = arena_alloc(arena, table->struct_size);
    TRY_ALLOC(base, err);
    for (size_t i = 0; i < table->count; i++) {
        const struct field *field = &table->fields[i];
        struct fields_path path = fields_path_to(NULL, field);
        const char *text = lookup(ctx, field->name);
        if (text != NULL)
            TRY(fields_parse_text(&d, &path, text, base + field->offset));
        else
            TRY(take_absent(&d, &path, base + field->offset));
    }
    memcpy(ret_struct, base, table->struct_size);
    return OUTCOME_OK;
}
