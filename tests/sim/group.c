/* group: who reads what: joins, leaves, time-outs, eager rebalances; see broker.h.
 *
 * A rebalance begins when a member comes or goes. The others hear of it with their next heartbeat,
 * give up what they have and join again; when all have, or those that have not were thrown out, the
 * next generation gets its share. A member that was thrown out hears of it when it asks.
 */
#include "broker.h"

#include <stdlib.h>

#define REBALANCE_TIMEOUT_US (300 * SECOND)

struct member {
    int id;
    struct kafka_consumer *consumer; /* NULL: a phantom */
    bool has_joined;                 /* this rebalance */
};
static struct member members[MEMBERS_MAX];
static int member_count, last_member, generation;
static bool is_joining;
static uint64_t joining_round;

int group_generation(void)
{
    return generation;
}

bool group_is_joining(void)
{
    return is_joining;
}

static struct member *member_of(int id)
{
    for (int i = 0; i < member_count; i++) {
        if (members[i].id == id)
            return &members[i];
    }
    return NULL;
}

bool group_has(const struct kafka_consumer *consumer)
{
    return consumer->member != 0 && member_of(consumer->member) != NULL;
}

static bool is_gone(const struct kafka_consumer *consumer)
{
    return consumer->is_dead || !consumer->process->is_alive;
}

/* For now; the broker hears nothing of it. */
static bool is_silent(const struct kafka_consumer *consumer)
{
    return consumer->process->is_stopped || service_is_away(&broker_service, consumer->process);
}

static const char *name_of(const struct member *member)
{
    return member->consumer == NULL ? "a phantom" : member->consumer->process->name;
}

void group_wake(void)
{
    for (int i = 0; i < member_count; i++) {
        if (members[i].consumer != NULL)
            fiber_wake_all(members[i].consumer);
    }
}

/* ---- the end of a rebalance ---- */

/* Range: each topic's partitions in runs, a run a member; the first ones get what is over. */
static void share_out(int at)
{
    struct kafka_consumer *consumer = members[at].consumer;
    consumer->next_count = 0;
    for (int t = 0; t < topic_count; t++) {
        struct topic *topic = &topics[t];
        int share = topic->partitions / member_count, over = topic->partitions % member_count;
        int first = at * share + (at < over ? at : over);
        for (int p = first; topic->is_read && p < first + share + (at < over); p++)
            consumer->next_places[consumer->next_count++] =
                (struct place){.topic = topic, .partition = p};
    }
}

static void on_shared(void *arg, uint64_t round)
{
    (void)arg;
    if (round != joining_round)
        return;
    is_joining = false;
    generation++;
    trace_of(NULL, "group", "generation %d of %d members", generation, member_count);
    for (int i = 0; i < member_count; i++) {
        struct kafka_consumer *consumer = members[i].consumer;
        if (consumer == NULL)
            continue;
        share_out(i);
        consumer->generation = generation;
        consumer->assign_due = true;
        fiber_wake_all(consumer);
    }
}

static void see_whether_all_joined(void)
{
    for (int i = 0; i < member_count; i++) {
        if (!members[i].has_joined)
            return;
    }
    if (is_joining && member_count > 0)
        plan_at(world_us + dice_span(MS, 500 * MS), on_shared, NULL, joining_round);
}

/* ---- the beginning of one ---- */

static void throw_out(struct member *member, const char *why);

static void on_joining_too_long(void *arg, uint64_t round)
{
    (void)arg;
    for (int i = 0; is_joining && round == joining_round && i < member_count; i++) {
        if (!members[i].has_joined) {
            throw_out(&members[i], "did not join in time");
            return;
        }
    }
}

/* A heartbeat is answered: the group rebalances, or it does not know us. */
static void on_heartbeat(void *arg, uint64_t id)
{
    struct kafka_consumer *consumer = arg;
    if (is_gone(consumer) || consumer->member != (int)id)
        return;
    if (is_silent(consumer)) {
        plan_at(world_us + dice_span(100 * MS, 2 * SECOND), on_heartbeat, arg, id);
        return;
    }
    const struct member *member = member_of((int)id);
    if (member == NULL)
        consumer->lost_due = true;
    else if (is_joining && !member->has_joined)
        consumer->revoke_due = true;
    fiber_wake_all(consumer);
}

static void begin_rebalance(void)
{
    is_joining = true;
    joining_round++;
    plan_at(world_us + REBALANCE_TIMEOUT_US, on_joining_too_long, NULL, joining_round);
    for (int i = 0; i < member_count; i++) {
        members[i].has_joined = members[i].consumer == NULL || !members[i].consumer->is_assigned;
        struct kafka_consumer *consumer = members[i].consumer;
        if (consumer == NULL)
            continue;
        if (!members[i].has_joined && consumer->assign_due) {
            /* It has not yet heard what it got: it never will. */
            members[i].has_joined = true;
        }
        consumer->assign_due = false;
        if (!members[i].has_joined)
            plan_at(world_us + dice_span(MS, scenario.session_ms * MS / 5), on_heartbeat, consumer,
                    (uint64_t)consumer->member);
    }
    see_whether_all_joined();
}

static void add_member(struct kafka_consumer *consumer)
{
    if (member_count == MEMBERS_MAX)
        abort();
    members[member_count] = (struct member){.id = ++last_member, .consumer = consumer};
    if (consumer != NULL)
        consumer->member = last_member;
    trace_of(NULL, "group", "%s joins as member %d", name_of(&members[member_count]), last_member);
    member_count++;
    begin_rebalance();
}

static void on_join(void *arg, uint64_t token)
{
    struct kafka_consumer *consumer = arg;
    if (is_gone(consumer) || consumer->member != 0)
        return;
    if (is_silent(consumer))
        plan_at(world_us + dice_span(100 * MS, SECOND), on_join, arg, token);
    else
        add_member(consumer);
}

void group_join(struct kafka_consumer *consumer)
{
    consumer->member = 0;
    consumer->lost_due = consumer->revoke_due = consumer->assign_due = false;
    plan_at(world_us + dice_span(MS, 200 * MS), on_join, consumer, 0);
}

static void on_rejoin(void *arg, uint64_t id)
{
    struct kafka_consumer *consumer = arg;
    struct member *member = member_of((int)id);
    if (is_gone(consumer) || consumer->member != (int)id || consumer->is_assigned)
        return; /* assigned again: it joins the rebalance after that when it has given that up */
    if (is_silent(consumer)) {
        plan_at(world_us + dice_span(100 * MS, SECOND), on_rejoin, arg, id);
        return;
    }
    if (member == NULL) {
        group_join(consumer); /* thrown out while it gave up what it had */
        return;
    }
    member->has_joined = true;
    see_whether_all_joined();
}

void group_rejoin(struct kafka_consumer *consumer)
{
    plan_at(world_us + dice_span(100, 20 * MS), on_rejoin, consumer, (uint64_t)consumer->member);
}

/* ---- going ---- */

static void remove_member(struct member *member)
{
    *member = members[--member_count];
    begin_rebalance();
}

static void throw_out(struct member *member, const char *why)
{
    struct kafka_consumer *consumer = member->consumer;
    trace_of(NULL, "group", "%s (member %d) is thrown out: %s", name_of(member), member->id, why);
    if (consumer != NULL && !is_gone(consumer))
        plan_at(world_us + dice_span(MS, scenario.session_ms * MS / 5), on_heartbeat, consumer,
                (uint64_t)consumer->member);
    remove_member(member);
}

void group_leave(struct kafka_consumer *consumer)
{
    struct member *member = member_of(consumer->member);
    consumer->is_dead = true;
    if (member == NULL)
        return;
    trace_of(NULL, "group", "%s (member %d) leaves", name_of(member), member->id);
    remove_member(member);
}

static bool is_cut_off(const struct process *process)
{
    return !broker_service.is_down && service_is_away(&broker_service, process);
}

/* The session's end: nothing was heard for its whole time. */
static void on_silence(void *arg, uint64_t stops)
{
    struct kafka_consumer *consumer = arg;
    const struct process *process = consumer->process;
    struct member *member = member_of(consumer->member);
    bool is_over = process->is_alive && !is_cut_off(process) &&
                   !(process->is_stopped && process->stops == stops);
    if (is_over || member == NULL || member->consumer != consumer)
        return;
    if (broker_service.is_down)
        plan_at(world_us + consumer->session_us, on_silence, arg, stops);
    else
        throw_out(member, "its session timed out");
}

void group_sees_silence(struct process *process)
{
    for (int i = 0; i < member_count; i++) {
        struct kafka_consumer *consumer = members[i].consumer;
        if (consumer == NULL || consumer->process != process)
            continue;
        if (is_gone(consumer) || process->is_stopped || is_cut_off(process))
            plan_at(world_us + consumer->session_us - (int64_t)dice(300 * MS), on_silence, consumer,
                    process->stops);
    }
}

void group_watch_processes(void)
{
    process_watch(group_sees_silence);
}

static void on_phantom_leaves(void *arg, uint64_t id)
{
    struct member *member = member_of((int)id);
    (void)arg;
    if (member == NULL)
        return;
    trace_of(NULL, "group", "a phantom (member %d) leaves", member->id);
    remove_member(member);
}

void group_disturb(void)
{
    if (member_count >= MEMBERS_MAX / 2)
        return;
    add_member(NULL);
    plan_at(world_us + dice_span(10 * MS, 3 * SECOND), on_phantom_leaves, NULL,
            (uint64_t)last_member);
}

/* The coordinator has lost it: it lives, and hears of that when it asks. */
void group_forget(void)
{
    struct member *member = member_count == 0 ? NULL : &members[dice((uint64_t)member_count)];
    if (member != NULL && member->consumer != NULL)
        throw_out(member, "the coordinator knows it no more");
}
