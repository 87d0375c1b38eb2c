/* fan_out_child: the data of a child's record: whose part of what it is, and what it needs; see
 * fan_out.h, fan_out_record.h. */
#include "base/clock.h"
#include "base/jwrite.h"
#include "run/fan_out_record.h"
#include "run/job_private.h"

struct child_data {
    const char *parent_id;
    int64_t number;
    struct field_objects depends_on; /* struct job_dependency */
};

static const struct field dependency_fields[] = {
    {.name = "type",
     .type = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = BREAKER_NAME_MAX,
     .offset = offsetof(struct job_dependency, type),
     .doc = "What it is: connection."},
    {.name = "id",
     .type = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = BREAKER_NAME_MAX,
     .offset = offsetof(struct job_dependency, id),
     .doc = "Its name."},
    {.name = "is_everyones",
     .type = FIELD_BOOL,
     .offset = offsetof(struct job_dependency, is_everyones),
     .default_text = "false",
     .doc = "The name means the same thing in every workspace."},
};
static const struct field_table dependency_table = {
    "job_dependency", "Something that a job needs.", dependency_fields,
    FIELDS_COUNT(dependency_fields), sizeof(struct job_dependency)};

static const struct field child_fields[] = {
    {.name = "parent_id",
     .type = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = JOB_ID_MAX,
     .offset = offsetof(struct child_data, parent_id),
     .doc = "The job that it works for."},
    {.name = "number",
     .type = FIELD_INT,
     .flags = FIELD_REQUIRED,
     .min = 0,
     .max = INT64_C(1000000),
     .offset = offsetof(struct child_data, number),
     .doc = "Which part of the work it is."},
    {.name = "depends_on",
     .type = FIELD_OBJECTS,
     .object = &dependency_table,
     .max = DEPENDENCIES_MAX,
     .offset = offsetof(struct child_data, depends_on),
     .doc = "What its parent needs: a circuit breaker of these that is open has it wait."},
};
const struct field_table job_child_table = {"job_child", "A part of another job, made by it.",
                                            child_fields, FIELDS_COUNT(child_fields),
                                            sizeof(struct child_data)};

size_t job_child_dependencies(const void *payload, struct job_dependency ret_list[DEPENDENCIES_MAX])
{
    const struct field_objects *found = &((const struct child_data *)payload)->depends_on;
    const struct job_dependency *items = found->items;
    for (size_t i = 0; i < found->count && i < DEPENDENCIES_MAX; i++)
        ret_list[i] = items[i];
    return found->count;
}

/* ---- written ---- */

static void write_inherited(const struct jval *data, struct jwrite *w)
{
    static const char *const names[] = {"priority", "deadline", "max_attempts"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct jval *value = jval_get(data, names[i]);
        if (value == NULL)
            continue;
        jwrite_key(w, names[i]);
        jwrite_jval(w, value);
    }
}

static void write_dependencies(const struct attempt *parent, struct jwrite *w)
{
    struct job_dependency list[DEPENDENCIES_MAX] = {{0}};
    const struct job_kind *kind = parent->kind->kind;
    size_t count = kind->dependencies == NULL ? 0 : kind->dependencies(parent->data.payload, list);
    if (count == 0)
        return;
    jwrite_key(w, "depends_on");
    jwrite_open_array(w);
    for (size_t i = 0; i < count && i < DEPENDENCIES_MAX; i++) {
        jwrite_open_object(w);
        jwrite_member_text(w, "type", list[i].type);
        jwrite_member_text(w, "id", list[i].id);
        jwrite_member_bool(w, "is_everyones", list[i].is_everyones);
        jwrite_close_object(w);
    }
    jwrite_close_array(w);
}

void fan_out_write_child(const struct job_context *job, const char *kind,
                         const struct family_child *child, struct str *out)
{
    struct str type STR_AUTO = str_with_max(128);
    struct jwrite writer = jwrite_to(out), *w = &writer;
    char time[CLOCK_TEXT_SIZE];
    str_addf(&type, "%s%s%s", JOB_TYPE_PREFIX, kind, JOB_TYPE_SUFFIX);
    jwrite_open_object(w);
    jwrite_member_text(w, "specversion", "1.0");
    jwrite_member_text(w, "id", child->id);
    jwrite_member_text(w, "type", str_text(&type));
    jwrite_member_text(w, "source", "/haul/fan-out");
    jwrite_member_text(w, "subject", child->id);
    jwrite_member_text(w, "time",
                       clock_format(fleet_clock_us(&job->own->attempt->rt->clock), time));
    jwrite_member_text(w, "datacontenttype", "application/json");
    jwrite_member_text(w, "traceparent", job->traceparent);
    jwrite_key(w, "data");
    jwrite_open_object(w);
    jwrite_member_text(w, "workspace_id", job->workspace_id);
    write_inherited(job->data, w);
    jwrite_member_text(w, "parent_id", job->job_id);
    jwrite_member_int(w, "number", child->number);
    write_dependencies(job->own->attempt, w);
    jwrite_close_object(w);
    jwrite_close_object(w);
    out->failed |= type.failed;
}
