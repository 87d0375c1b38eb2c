/* jval: see jval.h. */
#include "base/jval.h"

const struct jval *jval_get(const struct jval *value, const char *name)
{
    if (value == NULL || value->type != JVAL_OBJECT)
        return NULL;
    for (size_t i = 0; i < value->object.count; i++) {
        if (text_eq(value->object.members[i].name, name))
            return &value->object.members[i].value;
    }
    return NULL;
}

static const struct jval *get_typed(const struct jval *object, const char *name,
                                    enum jval_type type)
{
    const struct jval *value = jval_get(object, name);
    return value != NULL && value->type == type ? value : NULL;
}

const char *jval_text(const struct jval *object, const char *name, const char *fallback)
{
    const struct jval *value = get_typed(object, name, JVAL_STRING);
    return value == NULL ? fallback : value->string.data;
}

int64_t jval_int(const struct jval *object, const char *name, int64_t fallback)
{
    const struct jval *value = get_typed(object, name, JVAL_INT);
    return value == NULL ? fallback : value->integer;
}

bool jval_bool(const struct jval *object, const char *name, bool fallback)
{
    const struct jval *value = get_typed(object, name, JVAL_BOOL);
    return value == NULL ? fallback : value->boolean;
}

const char *jval_type_name(enum jval_type type)
{
    static const char *const names[] = {
        [JVAL_NULL] = "null",     [JVAL_BOOL] = "boolean",  [JVAL_INT] = "integer",
        [JVAL_REAL] = "number",   [JVAL_STRING] = "string", [JVAL_ARRAY] = "array",
        [JVAL_OBJECT] = "object",
    };
    return (size_t)type < sizeof names / sizeof names[0] ? names[type] : "unknown";
}
