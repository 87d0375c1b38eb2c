/* events: see events.h. */
#include "run/events.h"

#include "base/clock.h"

#define EVENT_BYTES_MAX ((size_t)4 << 20)
#define RESULT_BYTES_MAX ((size_t)512 << 10)
#define RESULT_LEFT_OUT "{\"left_out\":true}"

#define ROOM_WAIT_US (100 * US_PER_MS)
#define ROOM_STEP_US US_PER_MS

struct outgoing {
    struct str text;
    struct kafka_record record;
};

static void outgoing_done(struct outgoing *it)
{
    str_done(&it->text);
}
#define OUTGOING_AUTO __attribute__((cleanup(outgoing_done)))

static enum outcome write_event(const char *topic, const struct event *event, struct outgoing *to,
                                struct err *err)
{
    event_write(event, &to->text);
    if (to->text.failed)
        return FAIL_NO_MEMORY(err);
    to->record = (struct kafka_record){.topic = topic,
                                       .partition = -1,
                                       .key = slice_of(event->job_id),
                                       .value = str_slice(&to->text)};
    return OUTCOME_OK;
}

void events_tell(struct outbox *outbox, const char *topic, const struct event *event)
{
    struct outgoing it OUTGOING_AUTO = {.text = str_with_max(EVENT_BYTES_MAX)};
    struct err err;
    enum outcome outcome = write_event(topic, event, &it, &err);
    if (outcome == OUTCOME_OK)
        outcome = outbox_send(outbox, &it.record, NULL, &err);
    (void)outcome;
}

void events_tell_soon(struct outbox *outbox, const char *topic, const struct event *event)
{
    struct outgoing it OUTGOING_AUTO = {.text = str_with_max(EVENT_BYTES_MAX)};
    struct err err;
    if (write_event(topic, event, &it, &err) != OUTCOME_OK)
        return;
    int64_t waited_us = 0;
    while (outbox_send(outbox, &it.record, NULL, &err) == OUTCOME_RETRY &&
           waited_us < ROOM_WAIT_US) {
        clock_sleep_us(ROOM_STEP_US);
        waited_us += ROOM_STEP_US;
    }
}

static enum outcome write_shortly(const char *topic, const struct event *event, struct outgoing *to,
                                  struct err *err)
{
    struct event shorter = *event;
    if (event->result.len > RESULT_BYTES_MAX)
        shorter.result = slice_of(RESULT_LEFT_OUT);
    return write_event(topic, &shorter, to, err);
}

enum outcome events_tell_surely(struct outbox *outbox, const char *topic, const struct event *event,
                                struct delivery *delivery, struct err *err)
{
    struct outgoing it OUTGOING_AUTO = {.text = str_with_max(EVENT_BYTES_MAX)};
    TRY(write_shortly(topic, event, &it, err));
    return outbox_send(outbox, &it.record, delivery, err);
}

enum outcome events_tell_behind(const char *topic, const struct event *event,
                                struct delivery *delivery, struct err *err)
{
    struct outgoing it OUTGOING_AUTO = {.text = str_with_max(EVENT_BYTES_MAX)};
    TRY(write_shortly(topic, event, &it, err));
    return delivery_set_sequel(delivery, &it.record, err);
}
