/* events: see events.h. */
#include "run/events.h"

#define EVENT_BYTES_MAX ((size_t)4 << 20)
#define RESULT_BYTES_MAX ((size_t)512 << 10)
#define RESULT_LEFT_OUT "{\"left_out\":true}"

static enum outcome send_event(struct outbox *outbox, const char *topic, const struct event *event,
                               struct delivery *delivery, struct err *err)
{
    struct str text STR_AUTO = str_with_max(EVENT_BYTES_MAX);
    event_write(event, &text);
    if (text.failed)
        return FAIL_NO_MEMORY(err);
    struct kafka_header headers[1];
    struct kafka_record record = {.topic = topic,
                                  .partition = -1,
                                  .key = slice_of(event->job_id),
                                  .value = str_slice(&text),
                                  .headers = headers};
    if (event->traceparent != NULL)
        headers[record.header_count++] =
            (struct kafka_header){"traceparent", slice_of(event->traceparent)};
    return outbox_send(outbox, &record, delivery, err);
}

void events_tell(struct outbox *outbox, const char *topic, const struct event *event)
{
    struct err err;
    (void)send_event(outbox, topic, event, NULL, &err);
}

enum outcome events_tell_surely(struct outbox *outbox, const char *topic, const struct event *event,
                                struct delivery *delivery, struct err *err)
{
    struct event shorter = *event;
    if (event->result.len > RESULT_BYTES_MAX)
        shorter.result = slice_of(RESULT_LEFT_OUT);
    return send_event(outbox, topic, &shorter, delivery, err);
}
