/* cancel: see cancel.h. */
#include "run/cancel.h"

#include "base/clock.h"
#include "run/lease_store.h"
#include "run/topics.h"

#define SEND_TIMEOUT_MS 15000
#define EVENT_BYTES_MAX ((size_t)64 << 10)

/* The same event that a worker would tell: its id is made of the job's id and the state. */
static enum outcome tell_cancelled(const struct cancel_services *services,
                                   const struct ledger_row *row, struct err *err)
{
    struct topic_name topic = topic_name_of(TOPIC_EVENTS, services->topic_prefix, NULL, 0);
    struct event event = {.state = EVENT_CANCELLED,
                          .job_id = row->job_id,
                          .workspace_id = row->workspace_id,
                          .kind = row->kind,
                          .worker = row->worker,
                          .attempt = row->attempt,
                          .redrive_count = row->redrive_count,
                          .sequence = row->sequence,
                          .time_us = clock_wall_us(),
                          .error = &row->error};
    struct str text STR_AUTO = str_with_max(EVENT_BYTES_MAX);
    event_write(&event, &text);
    if (text.failed)
        return FAIL_NO_MEMORY(err);
    struct kafka_record record = {.topic = topic.text,
                                  .partition = -1,
                                  .key = slice_of(row->job_id),
                                  .value = str_slice(&text)};
    return kafka_producer_send_wait(services->producer, &record, SEND_TIMEOUT_MS, err);
}

enum outcome cancel_job(const struct cancel_services *services, const struct ledger_cancel *cancel,
                        struct arena *arena, enum ledger_cancel_verdict *ret_verdict,
                        struct err *err)
{
    enum ledger_cancel_verdict verdict;
    struct ledger_row row;
    struct err ignored = {0};
    TRY(ledger_cancel(services->db, cancel, arena, &verdict, &row, err));
    /* Without the flag the worker learns of it from the hub, a few seconds later. */
    if (verdict == LEDGER_CANCEL_ASKED && services->redis != NULL &&
        lease_store_flag_cancel(services->redis, services->topic_prefix, cancel->job_id, arena,
                                &ignored) != OUTCOME_OK)
        err_clear(&ignored);
    /* Told again when it is asked again: the first asker may have died in between. */
    bool is_ended = verdict == LEDGER_CANCEL_ENDED ||
                    (verdict == LEDGER_CANCEL_TOO_LATE && strcmp(row.state, "cancelled") == 0);
    if (is_ended)
        TRY(tell_cancelled(services, &row, err));
    *ret_verdict = verdict;
    return OUTCOME_OK;
}
