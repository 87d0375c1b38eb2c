/* fuzz_job: any bytes as a job and its headers are decoded or refused with a full error; a trail
 * that was read is written and read again as the same, and never grows. Input: lines "name:value"
 * (headers) up to an empty line, then the record's value. */
#include "fuzz.h"

#include "io/json.h"
#include "model/job.h"
#include "sync/sync_spec.h"

#include <string.h>

#define HEADERS_MAX 24

static struct slice read_headers(struct slice input, char *copy, struct job_header *headers,
                                 size_t *ret_count)
{
    size_t count = 0;
    char *at = copy;
    for (char *end; count < HEADERS_MAX && (end = strchr(at, '\n')) != NULL && end != at;) {
        *end = '\0';
        char *colon = strchr(at, ':');
        if (colon != NULL) {
            *colon = '\0';
            headers[count++] = (struct job_header){at, slice_of(colon + 1)};
        }
        at = end + 1;
    }
    *ret_count = count;
    size_t used = (size_t)(at - copy);
    return (struct slice){input.data + used, input.len - used};
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void check_trail(const struct job_header *headers, size_t count, struct arena *arena)
{
    struct job_trail trail, again;
    struct job_headers written, rewritten;
    struct err err = {0};
    char trace_id[33];
    HOLDS(job_trail_read(headers, count, arena, &trail, &err) == OUTCOME_OK);
    HOLDS(trail.attempt >= 1 && trail.attempt <= JOB_ATTEMPT_MAX && trail.redrive_count >= 0);
    HOLDS(job_trail_write(&trail, headers, count, arena, &written, &err) == OUTCOME_OK);
    HOLDS(job_trail_read(written.items, written.count, arena, &again, &err) == OUTCOME_OK);
    HOLDS(trail.attempt == again.attempt && trail.not_before_us == again.not_before_us);
    HOLDS(trail.redrive_count == again.redrive_count);
    HOLDS(same_text(trail.first_topic, again.first_topic));
    HOLDS(same_text(trail.error_code, again.error_code));
    HOLDS(same_text(trail.error_message, again.error_message));
    HOLDS(trail.error_message == NULL || strlen(trail.error_message) <= JOB_ERROR_MESSAGE_MAX);
    HOLDS(job_trail_write(&again, written.items, written.count, arena, &rewritten, &err) ==
          OUTCOME_OK);
    HOLDS(rewritten.count == written.count);
    job_trace_id(trail.traceparent, trace_id);
    HOLDS(strlen(trace_id) == 0 || strlen(trace_id) == 32);
}

static void check_job(const struct jval *envelope, struct arena *arena)
{
    struct job job = {0};
    struct err err = {0};
    enum outcome outcome = job_decode(envelope, arena, &job, &err);
    const char *id = job_peek_id(envelope);
    if (outcome != OUTCOME_OK) {
        HOLDS(outcome == OUTCOME_POISON && err.code[0] != '\0' && err.message[0] != '\0');
        return;
    }
    HOLDS(id != NULL && strcmp(id, job.id) == 0 && strlen(id) <= JOB_ID_MAX);
    HOLDS(job.kind != NULL && job.subject != NULL && job.data->type == JVAL_OBJECT);
    struct field_join table;
    struct job_data data;
    HOLDS(job_data_table(&sync_spec_table, arena, &table, &err) == OUTCOME_OK);
    outcome = job_decode_data(&job, &table, arena, &data, &err);
    HOLDS(outcome == OUTCOME_OK || outcome == OUTCOME_PERMANENT);
    HOLDS(outcome == OUTCOME_OK ? data.common->workspace_id[0] != '\0' : err.message[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static char copy[65536];
    struct job_header headers[HEADERS_MAX];
    size_t count = 0;
    struct slice input = {(const char *)bytes, len};
    if (len >= sizeof copy)
        return 0;
    if (len > 0)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    struct slice value = read_headers(input, copy, headers, &count);
    ARENA_AUTO struct arena arena;
    arena_init(&arena, (size_t)8 << 20);
    struct err err = {0};
    const struct jval *envelope = NULL;
    check_trail(headers, count, &arena);
    enum outcome outcome = jread(value, &arena, &envelope, &err);
    HOLDS(outcome == OUTCOME_OK || outcome == OUTCOME_PERMANENT || err.code[0] != '\0');
    if (outcome == OUTCOME_OK)
        check_job(envelope, &arena);
    return 0;
}
