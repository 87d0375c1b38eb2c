/* dead_letter: see dead_letter.h. */
#include "run/dead_letter.h"

#include "base/clock.h"
#include "io/json.h"
#include "run/kafka_headers.h"

static int64_t read_deadline(const struct jval *data)
{
    int64_t deadline_us = 0;
    const char *text = jval_text(data, "deadline", NULL);
    return text != NULL && clock_parse(text, &deadline_us) ? deadline_us : 0;
}

enum outcome dead_letter_read(const struct kafka_message *message, struct arena *arena,
                              struct dead_letter *ret_letter, struct err *err)
{
    struct dead_letter letter = {.key = message->key, .value = message->value};
    struct job_headers headers;
    struct err ignored = {0};
    TRY(kafka_headers_of(message, arena, &headers, err));
    TRY(job_trail_read(headers.items, headers.count, arena, &letter.trail, err));
    if (message->timestamp_ms > 0)
        letter.time_us = message->timestamp_ms * US_PER_MS;
    const struct jval *envelope = NULL;
    struct job job;
    if (jread_object(message->value, arena, &envelope, &ignored) == OUTCOME_OK) {
        letter.job_id = job_peek_id(envelope);
        letter.workspace_id = jval_text(jval_get(envelope, "data"), "workspace_id", NULL);
        letter.is_job = job_decode(envelope, arena, &job, &ignored) == OUTCOME_OK;
        letter.kind = letter.is_job ? job.kind : NULL;
        letter.deadline_us = read_deadline(jval_get(envelope, "data"));
    }
    if (arena->overflowed)
        return FAIL_NO_MEMORY(err);
    *ret_letter = letter;
    return OUTCOME_OK;
}

enum outcome dead_letter_redrive(const struct kafka_message *message, const char *topic,
                                 int redrive_max, struct arena *arena,
                                 struct kafka_record *ret_record, struct err *err)
{
    struct dead_letter letter;
    TRY(dead_letter_read(message, arena, &letter, err));
    if (letter.trail.redrive_count >= redrive_max)
        return FAIL(err, OUTCOME_PERMANENT, "redrive.count",
                    "this job was put back %d times already", letter.trail.redrive_count);
    letter.trail.attempt = 1;
    letter.trail.not_before_us = 0;
    letter.trail.redrive_count++;
    return kafka_headers_forward(message, &letter.trail, topic, arena, ret_record, err);
}

enum outcome dead_letter_set_aside(const struct kafka_message *message, const char *topic,
                                   struct arena *arena, struct kafka_record *ret_record,
                                   struct err *err)
{
    struct dead_letter letter;
    TRY(dead_letter_read(message, arena, &letter, err));
    return kafka_headers_forward(message, &letter.trail, topic, arena, ret_record, err);
}
