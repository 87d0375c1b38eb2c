/* poll_pass: of a workspace that has more than its share here (run/share), jobs go on to the bulk
 * topic as the bytes that they are; see poll.h. Whatever is not plain goes the way of all jobs,
 * which moves it too if it must.
 *
 * A record is complete when the bulk topic's report says that it stands there: its delivery comes
 * back by the done queue as that of a job that ended. */
#include "run/poll.h"

#include "run/kafka_headers.h"
#include "run/share.h"

/* On their way at a time: each is held here, by the consumer's fetch and by the producer. */
#define PASSING_MAX 3072
#define PASSING_BYTES_MAX ((size_t)6 << 20)
/* So many are spread as all jobs are, for all workers to do; behind them so many come that what
 * counts is how few requests they go in. */
#define SPREAD_FIRST 2048

bool poller_has_enough_passing(const struct poller *poller)
{
    return poller->passing >= PASSING_MAX || poller->passing_bytes >= PASSING_BYTES_MAX;
}

bool poller_may_pass_aside(const struct poller *poller)
{
    return poller->is_idle && poller->passing < PASSING_MAX / 2 &&
           poller->passing_bytes < PASSING_BYTES_MAX / 2;
}

static enum outcome send_on(struct poller *poller, struct delivery *delivery, struct err *err)
{
    struct runtime *rt = poller->rt;
    struct arena *arena = &poller->pass_arena;
    struct job_trail trail;
    struct kafka_record record;
    TRY(kafka_headers_trail(&delivery->message, arena, &trail, err));
    if (trail.attempt == 1)
        trail.attempt = 0; /* as most are: not said */
    TRY(kafka_headers_forward(&delivery->message, &trail, rt->bulk_topic.text, arena, &record,
                              err));
    if (poller->passed >= SPREAD_FIRST)
        record.partition = KAFKA_PARTITION_ANY;
    return outbox_offer(&rt->outbox, &record, delivery, err);
}

bool poller_pass_on(struct poller *poller, struct delivery *delivery, const struct look *look)
{
    struct err err = {0};
    if (look->kind->kind->ordered || delivery_is_bulk(delivery) ||
        !share_is_over(poller->rt, look->share))
        return false;
    delivery_begin(delivery);
    enum outcome outcome = send_on(poller, delivery, &err);
    arena_recycle(&poller->pass_arena);
    if (outcome != OUTCOME_OK)
        return false; /* no room, or no memory: who sends it from the settler may wait */
    delivery->is_given_out = delivery->is_passing = true;
    poller->passing++;
    poller->passed++;
    poller->passing_bytes += delivery->message.value.len;
    metric_add(&poller->rt->metrics.demoted, 1);
    outbox_settle(&poller->rt->outbox, delivery, FATE_DONE);
    return true;
}

void poller_passed(struct poller *poller, struct delivery *delivery)
{
    delivery->is_passing = false;
    poller->passing--;
    poller->passing_bytes -= delivery->message.value.len;
}
