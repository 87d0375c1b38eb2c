/* split: see split.h. */
#include "split.h"

#include "applied.h"
#include "base/jwrite.h"
#include "run/fan_out.h"

#define PARTS_MAX 100

struct split {
    int64_t parts;
    const struct jval *part;
};

static const struct field fields[] = {
    {.name = "parts",
     .type = FIELD_INT,
     .offset = offsetof(struct split, parts),
     .min = 1,
     .max = PARTS_MAX,
     .default_text = "2",
     .doc = "How many there are."},
    {.name = "part",
     .type = FIELD_JSON,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct split, part),
     .doc = "What each of them does: as the payload of apply."},
};
const struct field_table split_payload = {"split", "A row in the hub for each part, and one.",
                                          fields, FIELDS_COUNT(fields), sizeof(struct split)};

static enum outcome hand_out(struct job_context *job, const struct split *split, struct err *err)
{
    struct str part STR_AUTO = str_with_max(STR_MAX_DEFAULT);
    struct jwrite w = jwrite_to(&part);
    struct family_child children[PARTS_MAX];
    jwrite_jval(&w, split->part);
    if (part.failed)
        return FAIL_NO_MEMORY(err);
    for (int64_t i = 0; i < split->parts; i++)
        children[i] = (struct family_child){.number = i, .payload = str_text(&part)};
    struct job_spawn spawn = {.kind = "part",
                              .plan = "the only one",
                              .children = {children, (size_t)split->parts},
                              .rows_total = split->parts};
    TRY(job_children_spawn(job, &spawn, err));
    return job_children_wait(job, err);
}

static enum outcome write_parts(const struct family_results *results, struct str *out,
                                struct err *err)
{
    struct jwrite w = jwrite_to(out);
    jwrite_open_array(&w);
    for (size_t i = 0; i < results->count; i++)
        jwrite_raw(&w, slice_of(results->items[i].result));
    jwrite_close_array(&w);
    return out->failed ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
}

static enum outcome join(struct job_context *job, bool is_applied, struct err *err)
{
    struct str parts STR_AUTO = str_with_max(STR_MAX_DEFAULT);
    struct family_results results = {0};
    TRY(job_children_results(job, &results, err));
    TRY(write_parts(&results, &parts, err));
    if (!is_applied)
        TRY(applied_apply(job, str_text(&parts), err));
    return job_children_close(job, err);
}

static enum outcome fail_with(struct job_context *job, const struct family_look *look,
                              struct err *err)
{
    TRY(job_children_close(job, err));
    if (look->failure.code[0] == '\0')
        return FAIL(err, OUTCOME_PERMANENT, "job.child_lost", "part %lld came to nothing",
                    (long long)look->failed_number);
    *err = look->failure;
    err->outcome = OUTCOME_PERMANENT;
    return OUTCOME_PERMANENT;
}

enum outcome split_run(struct job_context *job, const void *payload_struct, struct err *err)
{
    int64_t starts = 0;
    bool is_applied = false;
    struct family_look look = {0};
    enum fan_in_verdict verdict = FAN_IN_PLAN;
    TRY(job_children_look(job, &verdict, &look, err));
    if (verdict == FAN_IN_WAIT)
        return job_children_wait(job, err);
    if (verdict == FAN_IN_FAIL)
        return fail_with(job, &look, err);
    TRY(applied_take(job, &starts, &is_applied, err));
    if (verdict == FAN_IN_JOIN)
        TRY(join(job, is_applied, err));
    else if (!is_applied) /* else it died between the last word to its children and its end */
        return hand_out(job, payload_struct, err);
    return job_set_result(job, slice_of("{\"joined\":1}"), err);
}

static enum outcome do_part(struct job_context *job, const struct job_child *child, struct err *err)
{
    const struct field_table *table = &applied_payload;
    void *applied = arena_alloc(job->arena, table->struct_size);
    TRY_ALLOC(applied, err);
    TRY(fields_decode(table, child->payload, job->arena, applied, err));
    return applied_run(job, applied, err);
}

enum outcome part_run(struct job_context *job, const void *payload_struct, struct err *err)
{
    struct str result STR_AUTO = str_with_max(STR_MAX_DEFAULT);
    struct jwrite w = jwrite_to(&result);
    struct job_child child;
    (void)payload_struct;
    TRY(job_child_begin(job, &child, err));
    jwrite_text(&w, job->job_id);
    struct job_child_end end = {.outcome = child.is_done ? OUTCOME_OK : do_part(job, &child, err),
                                .rows_done = 1,
                                .result = str_text(&result)};
    return result.failed ? FAIL_NO_MEMORY(err) : job_child_end(job, &end, err);
}
