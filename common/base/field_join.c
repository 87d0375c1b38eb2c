/* field_join: see field_join.h. */
#include "base/field_join.h"

#include <stdalign.h>

static size_t aligned(size_t size)
{
    size_t alignment = alignof(max_align_t);
    return (size + alignment - 1) / alignment * alignment;
}

static const struct field *find_common(const struct field_table *first,
                                       const struct field_table *second)
{
    for (size_t i = 0; i < first->count; i++) {
        for (size_t k = 0; k < second->count; k++) {
            if (strcmp(first->fields[i].name, second->fields[k].name) == 0)
                return &first->fields[i];
        }
    }
    return NULL;
}

enum outcome field_join_build(const struct field_table *first, const struct field_table *second,
                              struct arena *arena, struct field_join *ret_join, struct err *err)
{
    if (second == NULL) {
        *ret_join = (struct field_join){.table = *first, .second_offset = first->struct_size};
        return OUTCOME_OK;
    }
    const struct field *twice = find_common(first, second);
    if (twice != NULL)
        return FAIL_BUG(err, "field %s stands in both %s and %s", twice->name, first->name,
                        second->name);
    size_t offset = aligned(first->struct_size);
    struct field *fields = ARENA_ARRAY(arena, struct field, first->count + second->count);
    TRY_ALLOC(fields, err);
    memcpy(fields, first->fields, first->count * sizeof *fields);
    for (size_t i = 0; i < second->count; i++) {
        fields[first->count + i] = second->fields[i];
        fields[first->count + i].offset += offset;
    }
    *ret_join = (struct field_join){
        .table = {.name = second->name,
                  .doc = second->doc,
                  .fields = fields,
                  .count = first->count + second->count,
                  .struct_size = offset + second->struct_size},
        .second_offset = offset,
    };
    return OUTCOME_OK;
}
