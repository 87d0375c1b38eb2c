/* poll_commit: what is complete is told to the group; the answer is not waited for; see poll.h. */
#include "run/poll.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/num.h"

#define LEAST_WAIT_US (500 * US_PER_MS)
#define AT_REST_PART 4 /* of the interval between commits, when nothing is under way */

int64_t poller_answer_wait_us(const struct poller *poller)
{
    int64_t left_us = poller->answers_until_us - clock_monotonic_us();
    return poller->answers_until_us == 0 ? POLLER_ANSWER_WAIT_US
                                         : num_max_i64(left_us, LEAST_WAIT_US);
}

/* A broker that was told to take less metadata: the commits matter more than their maps. */
static bool goes_textless(struct poller *poller)
{
    const struct poller_commit *commit = &poller->commit;
    bool has_text = false;
    for (size_t i = 0; i < commit->count; i++)
        has_text = has_text || commit->list[i].metadata != NULL;
    poller->table.is_textless = poller->table.is_textless || has_text;
    return has_text;
}

static void refused(struct poller *poller, enum outcome outcome, const struct err *err)
{
    metric_add(&poller->rt->metrics.commit_failures, 1);
    LOG_AT(LOG_WARN, "kafka.not_committed", LOG_ERR_FIELDS(err));
    poller->commit.is_refused = outcome != OUTCOME_PERMANENT || !goes_textless(poller);
}

static void answered(struct poller *poller, enum outcome outcome, const struct err *err)
{
    struct poller_commit *commit = &poller->commit;
    bool is_full = commit->count == POLLER_COMMIT_MAX;
    if (outcome == OUTCOME_OK) {
        metric_add(&poller->rt->metrics.commits, 1);
        partitions_committed(&poller->table, commit->list, commit->count);
        commit->is_refused = false;
    } else {
        refused(poller, outcome, err);
    }
    commit->count = 0;
    if (is_full && !commit->is_refused)
        poller->commit_due_us = 0; /* the others */
}

/* False: nothing is news, or it could not be sent. */
static bool send_news(struct poller *poller)
{
    struct poller_commit *commit = &poller->commit;
    struct err err = {0};
    commit->count = partitions_news(&poller->table, commit->list, POLLER_COMMIT_MAX);
    if (commit->count == 0)
        return false;
    enum outcome outcome =
        kafka_consumer_commit_send(poller->consumer, commit->list, commit->count, &err);
    if (outcome != OUTCOME_OK)
        answered(poller, outcome, &err);
    return outcome == OUTCOME_OK;
}

static void take_answer(struct poller *poller, int64_t timeout_ms)
{
    enum outcome outcome = OUTCOME_OK;
    struct err err = {0};
    if (poller->commit.count > 0 &&
        kafka_consumer_commit_take(poller->consumer, timeout_ms, &outcome, &err))
        answered(poller, outcome, &err);
}

/* Each interval; sooner when nothing is under way: the lag that others see is of work then. */
void poller_commit(struct poller *poller)
{
    take_answer(poller, 0);
    int64_t now_us = clock_monotonic_us();
    int64_t interval_us = poller->rt->conf->commit_interval_ms * US_PER_MS;
    int64_t sooner_us = poller->live == 0 ? interval_us - interval_us / AT_REST_PART : 0;
    if (poller->commit.count > 0 || now_us < poller->commit_due_us - sooner_us)
        return;
    if (send_news(poller) || now_us >= poller->commit_due_us)
        poller->commit_due_us = now_us + interval_us;
}

void poller_commit_last(struct poller *poller)
{
    struct poller_commit *commit = &poller->commit;
    struct err err = {0};
    int64_t wait_us = poller_answer_wait_us(poller), until_us = clock_monotonic_us() + wait_us;
    take_answer(poller, wait_us / US_PER_MS); /* it may be of less than is complete by now */
    commit->is_refused = false;
    while (commit->count == 0 && !commit->is_refused && send_news(poller))
        take_answer(poller, num_max_i64((until_us - clock_monotonic_us()) / US_PER_MS, 0));
    if (commit->count == 0)
        return;
    (void)FAIL(&err, OUTCOME_RETRY, "kafka.unreachable", "commit: no answer within %lld ms",
               (long long)(wait_us / US_PER_MS));
    refused(poller, OUTCOME_RETRY, &err);
    commit->count = 0;
}
