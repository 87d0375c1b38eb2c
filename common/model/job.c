/* job: see job.h. */
#include "model/job.h"

#include "base/clock.h"
#include "base/num.h"

/* ---- the envelope ---- */

struct envelope {
    const char *specversion, *id, *type, *source, *subject, *datacontenttype, *dataschema;
    const char *traceparent, *tracestate, *partitionkey;
    int64_t time_us;
    const struct jval *data;
};

static const struct field envelope_fields[] = {
    {.name = "specversion",
     .type = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct envelope, specversion),
     .doc = "Version of CloudEvents: 1.0."},
    {.name = "id",
     .type = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = JOB_ID_MAX,
     .offset = offsetof(struct envelope, id),
     .doc = "The job's id and idempotency key: visible ASCII, a ULID for choice."},
    {.name = "type",
     .type = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = 128,
     .offset = offsetof(struct envelope, type),
     .doc = "haul.job.<kind>.v1."},
    {.name = "source",
     .type = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = 1024,
     .offset = offsetof(struct envelope, source),
     .doc = "Who asks: a URI or a path of the application."},
    {.name = "subject",
     .type = FIELD_STRING,
     .min = 1,
     .max = JOB_SUBJECT_MAX,
     .offset = offsetof(struct envelope, subject),
     .doc = "The order key, also the record's Kafka key; the id when absent."},
    {.name = "time",
     .type = FIELD_TIME,
     .offset = offsetof(struct envelope, time_us),
     .doc = "When the job was asked for (RFC 3339)."},
    {.name = "datacontenttype",
     .type = FIELD_STRING,
     .offset = offsetof(struct envelope, datacontenttype),
     .doc = "application/json."},
    {.name = "dataschema",
     .type = FIELD_STRING,
     .offset = offsetof(struct envelope, dataschema),
     .doc = "Where the schema of data is found; not read."},
    {.name = "data",
     .type = FIELD_JSON,
     .flags = FIELD_REQUIRED,
     .offset = offsetof(struct envelope, data),
     .doc = "The payload, an object."},
    {.name = "traceparent",
     .type = FIELD_STRING,
     .max = 256,
     .offset = offsetof(struct envelope, traceparent),
     .doc = "W3C trace context; the record's header of this name wins."},
    {.name = "tracestate",
     .type = FIELD_STRING,
     .max = 512,
     .offset = offsetof(struct envelope, tracestate),
     .doc = "W3C trace state; not read."},
    {.name = "partitionkey",
     .type = FIELD_STRING,
     .max = 512,
     .offset = offsetof(struct envelope, partitionkey),
     .doc = "CloudEvents' extension for the Kafka key; not read."},
};
const struct field_table job_envelope_table = {
    .name = "job",
    .doc = "A job, as a CloudEvents 1.0 event in structured mode.",
    .fields = envelope_fields,
    .count = FIELDS_COUNT(envelope_fields),
    .struct_size = sizeof(struct envelope),
};

/* "haul.job.sql_sync.v1" -> "sql_sync" */
static enum outcome decode_type(const char *type, struct arena *arena, const char **ret_kind,
                                struct err *err)
{
    size_t prefix = strlen(JOB_TYPE_PREFIX), suffix = strlen(JOB_TYPE_SUFFIX);
    size_t len = strlen(type);
    if (strncmp(type, JOB_TYPE_PREFIX, prefix) != 0)
        return FAIL(err, OUTCOME_POISON, "job.type", "type is not " JOB_TYPE_PREFIX "<kind>.v1");
    const char *dot = strrchr(type + prefix, '.');
    if (dot == NULL || dot == type + prefix)
        return FAIL(err, OUTCOME_POISON, "job.type", "type has no kind or no version");
    if (len < prefix + suffix || strcmp(dot, JOB_TYPE_SUFFIX) != 0)
        return FAIL(err, OUTCOME_POISON, "job.version",
                    "the version at the end of the type is not v1");
    char *kind = arena_strndup(arena, type + prefix, len - prefix - suffix);
    TRY_ALLOC(kind, err);
    *ret_kind = kind;
    return OUTCOME_OK;
}

bool job_is_id(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '!' || text.data[i] > '~')
            return false;
    }
    return text.len > 0 && text.len <= JOB_ID_MAX;
}

static enum outcome check_envelope(const struct envelope *envelope, struct err *err)
{
    if (strcmp(envelope->specversion, "1.0") != 0)
        return FAIL(err, OUTCOME_POISON, "job.envelope", "specversion is not 1.0");
    if (!job_is_id(slice_of(envelope->id)))
        return FAIL(err, OUTCOME_POISON, "job.id", "id has characters beyond visible ASCII");
    if (envelope->datacontenttype != NULL &&
        strncmp(envelope->datacontenttype, "application/json", 16) != 0)
        return FAIL(err, OUTCOME_POISON, "job.envelope", "datacontenttype is no application/json");
    if (envelope->data->type != JVAL_OBJECT)
        return FAIL(err, OUTCOME_POISON, "job.envelope", "data: expected an object, found %s",
                    jval_type_name(envelope->data->type));
    return OUTCOME_OK;
}

enum outcome job_decode(const struct jval *envelope, struct arena *arena, struct job *ret_job,
                        struct err *err)
{
    struct envelope it;
    const char *kind = NULL;
    enum outcome outcome = fields_decode(&job_envelope_table, envelope, arena, &it, err);
    if (outcome == OUTCOME_PERMANENT) {
        /* The field's own message tells what is wrong; what it means for the record is ours. */
        struct err found = *err;
        (void)FAIL(err, OUTCOME_POISON, "job.envelope", "%s", found.message);
        return found.hint[0] == '\0' ? OUTCOME_POISON : err_hint(err, "%s", found.hint);
    }
    TRY(outcome);
    TRY(check_envelope(&it, err));
    TRY(decode_type(it.type, arena, &kind, err));
    *ret_job = (struct job){.id = it.id,
                            .kind = kind,
                            .source = it.source,
                            .subject = it.subject == NULL ? it.id : it.subject,
                            .time_us = it.time_us,
                            .traceparent = it.traceparent,
                            .data = it.data};
    return OUTCOME_OK;
}

const char *job_peek_id(const struct jval *envelope)
{
    const char *id = jval_text(envelope, "id", "");
    return job_is_id(slice_of(id)) ? id : NULL;
}

/* ---- the payload ---- */

const char *const job_priority_names[] = {"interactive", "default", "bulk", NULL};

static const struct field common_fields[] = {
    {.name = "workspace_id",
     .type = FIELD_STRING,
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = JOB_WORKSPACE_MAX,
     .offset = offsetof(struct job_common, workspace_id),
     .doc = "The workspace that the job works for."},
    {.name = "priority",
     .type = FIELD_ENUM,
     .offset = offsetof(struct job_common, priority),
     .default_text = "default",
     .choices = job_priority_names,
     .doc = "Interactive jobs go before default ones, and those before bulk; as its topic's when "
            "default."},
    {.name = "deadline",
     .type = FIELD_TIME,
     .offset = offsetof(struct job_common, deadline_us),
     .doc = "When the job is of no use any more: it is stopped and given up, not tried again."},
    {.name = "not_before",
     .type = FIELD_TIME,
     .offset = offsetof(struct job_common, not_before_us),
     .doc = "When the job may begin; it waits until then and no attempt is counted."},
    {.name = "dedupe_key",
     .type = FIELD_STRING,
     .min = 1,
     .max = 256,
     .offset = offsetof(struct job_common, dedupe_key),
     .doc = "Of a workspace's jobs with the same key the first one runs; the others end as "
            "cancelled, code job.duplicate. The key is free again when the job comes to nothing."},
    {.name = "dedupe_window_s",
     .type = FIELD_INT,
     .min = 1,
     .max = 2592000,
     .unit = "s",
     .offset = offsetof(struct job_common, dedupe_window_s),
     .default_text = "86400",
     .doc = "How long the key stands for the first job, from its first claim."},
    {.name = "max_attempts",
     .type = FIELD_INT,
     .min = 1,
     .max = 100,
     .offset = offsetof(struct job_common, max_attempts),
     .doc = "Attempts before the job is given up; as its kind says when absent."},
};
const struct field_table job_common_table = {
    .name = "job_common",
    .doc = "What every job's data may have.",
    .fields = common_fields,
    .count = FIELDS_COUNT(common_fields),
    .struct_size = sizeof(struct job_common),
};

enum outcome job_data_table(const struct field_table *payload, struct arena *arena,
                            struct field_join *ret_table, struct err *err)
{
    return field_join_build(&job_common_table, payload, arena, ret_table, err);
}

enum outcome job_decode_data(const struct job *job, const struct field_join *table,
                             struct arena *arena, struct job_data *ret_data, struct err *err)
{
    char *decoded = arena_alloc(arena, table->table.struct_size);
    TRY_ALLOC(decoded, err);
    TRY(fields_decode(&table->table, job->data, arena, decoded, err));
    const struct job_common *common = (const struct job_common *)(const void *)decoded;
    if (common->deadline_us != 0 && job->time_us != 0 && common->deadline_us <= job->time_us)
        return FAIL(err, OUTCOME_PERMANENT, "job.deadline",
                    "data.deadline is not after the job's time");
    *ret_data = (struct job_data){.common = common, .payload = decoded + table->second_offset};
    return OUTCOME_OK;
}
