/* job_trail: the runtime's headers; see job.h. */
#include "model/job.h"

#include "base/clock.h"
#include "base/num.h"

#define REDRIVE_MAX 1000000
#define PARTITION_MAX INT32_MAX
#define TRACEPARENT_LEN 55 /* 00-<32>-<16>-<2> */

enum trail_type { TRAIL_INT, TRAIL_INT64, TRAIL_NUMBER, TRAIL_TIME, TRAIL_TEXT };

/* One row a header: where it stands in the trail, and what it may be. */
static const struct trail_field {
    const char *name;
    enum trail_type type;
    size_t offset;
    int64_t min, max; /* numbers: values; TEXT: bytes that are kept */
} trail_fields[] = {
    {JOB_HEADER_ATTEMPT, TRAIL_INT, offsetof(struct job_trail, attempt), 1, JOB_ATTEMPT_MAX},
    {JOB_HEADER_NOT_BEFORE, TRAIL_TIME, offsetof(struct job_trail, not_before_us), 0, 0},
    {JOB_HEADER_FIRST_TOPIC, TRAIL_TEXT, offsetof(struct job_trail, first_topic), 0, 249},
    {JOB_HEADER_FIRST_PARTITION, TRAIL_INT64, offsetof(struct job_trail, first_partition), 0,
     PARTITION_MAX},
    {JOB_HEADER_FIRST_OFFSET, TRAIL_INT64, offsetof(struct job_trail, first_offset), 0, INT64_MAX},
    {JOB_HEADER_ERROR_CLASS, TRAIL_TEXT, offsetof(struct job_trail, error_class), 0, 32},
    {JOB_HEADER_ERROR_CODE, TRAIL_TEXT, offsetof(struct job_trail, error_code), 0, 128},
    {JOB_HEADER_ERROR_MESSAGE, TRAIL_TEXT, offsetof(struct job_trail, error_message), 0,
     JOB_ERROR_MESSAGE_MAX},
    {JOB_HEADER_REDRIVE_COUNT, TRAIL_INT, offsetof(struct job_trail, redrive_count), 0,
     REDRIVE_MAX},
    {JOB_HEADER_WAIT_FENCE, TRAIL_NUMBER, offsetof(struct job_trail, wait_fence), 1, INT64_MAX},
    {JOB_HEADER_PLACE, TRAIL_NUMBER, offsetof(struct job_trail, place), 1, INT64_MAX},
    {JOB_HEADER_TRACEPARENT, TRAIL_TEXT, offsetof(struct job_trail, traceparent), 0, 256},
};
#define TRAIL_COUNT (sizeof trail_fields / sizeof trail_fields[0])

static void *at(void *trail, const struct trail_field *field)
{
    return (char *)trail + field->offset;
}

static const void *at_const(const void *trail, const struct trail_field *field)
{
    return (const char *)trail + field->offset;
}

static const struct trail_field *find_field(const char *name)
{
    for (size_t i = 0; i < TRAIL_COUNT; i++) {
        if (strcmp(trail_fields[i].name, name) == 0)
            return &trail_fields[i];
    }
    return NULL;
}

static void read_number(const struct trail_field *field, struct slice value, void *ret_trail)
{
    int64_t number;
    if (!num_parse_i64(value.data, value.len, &number) || number < field->min)
        return;
    number = num_min_i64(number, field->max);
    if (field->type == TRAIL_INT)
        *(int *)at(ret_trail, field) = (int)number;
    else
        *(int64_t *)at(ret_trail, field) = number;
}

/* Bytes that are no text (a NUL, no UTF-8) count as no value. */
static enum outcome read_text(const struct trail_field *field, struct slice value,
                              struct arena *arena, void *ret_trail, struct err *err)
{
    if (value.len == 0 || memchr(value.data, '\0', value.len) != NULL ||
        !utf8_is_valid(value.data, value.len))
        return OUTCOME_OK;
    char *copy = arena_strndup(arena, value.data, value.len);
    TRY_ALLOC(copy, err);
    if (field->type == TRAIL_TIME) {
        int64_t wall_us;
        if (clock_parse(copy, &wall_us) && wall_us > 0)
            *(int64_t *)at(ret_trail, field) = wall_us;
        return OUTCOME_OK;
    }
    if (value.len > (size_t)field->max)
        text_copy(copy, (size_t)field->max + 1, copy);
    *(const char **)at(ret_trail, field) = copy;
    return OUTCOME_OK;
}

enum outcome job_trail_read(const struct job_header *headers, size_t count, struct arena *arena,
                            struct job_trail *ret_trail, struct err *err)
{
    struct job_trail trail = {.attempt = 1};
    for (size_t i = 0; i < count; i++) {
        const struct trail_field *field = find_field(headers[i].name);
        if (field == NULL || headers[i].value.data == NULL)
            continue;
        if (field->type == TRAIL_TIME || field->type == TRAIL_TEXT)
            TRY(read_text(field, headers[i].value, arena, &trail, err));
        else
            read_number(field, headers[i].value, &trail);
    }
    *ret_trail = trail;
    return OUTCOME_OK;
}

/* What is not said is not written. */
static bool is_written(const struct job_trail *trail, const struct trail_field *field)
{
    switch (field->type) {
    case TRAIL_INT:
        return *(const int *)at_const(trail, field) > 0;
    case TRAIL_INT64:
        return trail->first_topic != NULL;
    case TRAIL_NUMBER:
    case TRAIL_TIME:
        return *(const int64_t *)at_const(trail, field) > 0;
    case TRAIL_TEXT:
        return *(const char *const *)at_const(trail, field) != NULL;
    }
    return false;
}

static const char *format_field(const struct job_trail *trail, const struct trail_field *field,
                                struct arena *arena)
{
    const void *value = at_const(trail, field);
    char digits[CLOCK_TEXT_SIZE];
    switch (field->type) {
    case TRAIL_INT:
        return arena_printf(arena, "%d", *(const int *)value);
    case TRAIL_INT64:
    case TRAIL_NUMBER:
        return arena_strndup(arena, digits, num_format_i64(*(const int64_t *)value, digits));
    case TRAIL_TIME:
        return arena_strdup(arena, clock_format(*(const int64_t *)value, digits));
    case TRAIL_TEXT:
        break;
    }
    char *copy = arena_alloc(arena, (size_t)field->max + 1);
    if (copy != NULL)
        text_copy(copy, (size_t)field->max + 1, *(const char *const *)value);
    return copy;
}

static bool is_ours(const char *name)
{
    return strncmp(name, JOB_HEADER_PREFIX, strlen(JOB_HEADER_PREFIX)) == 0 ||
           strcmp(name, JOB_HEADER_TRACEPARENT) == 0;
}

enum outcome job_trail_write(const struct job_trail *trail, const struct job_header *old,
                             size_t old_count, struct arena *arena, struct job_headers *ret_headers,
                             struct err *err)
{
    struct job_header *items = ARENA_ARRAY(arena, struct job_header, old_count + TRAIL_COUNT);
    TRY_ALLOC(items, err);
    size_t count = 0;
    for (size_t i = 0; i < old_count; i++) {
        if (!is_ours(old[i].name))
            items[count++] = old[i];
    }
    for (size_t i = 0; i < TRAIL_COUNT; i++) {
        if (!is_written(trail, &trail_fields[i]))
            continue;
        const char *text = format_field(trail, &trail_fields[i], arena);
        TRY_ALLOC(text, err);
        items[count++] = (struct job_header){trail_fields[i].name, slice_of(text)};
    }
    *ret_headers = (struct job_headers){items, count};
    return OUTCOME_OK;
}

void job_trace_id(const char *traceparent, char to[33])
{
    uint8_t id[16];
    to[0] = '\0';
    if (traceparent == NULL || strlen(traceparent) < TRACEPARENT_LEN || traceparent[2] != '-' ||
        traceparent[35] != '-' || !hex_parse(traceparent + 3, sizeof id, id))
        return;
    memcpy(to, traceparent + 3, 32);
    to[32] = '\0';
}
