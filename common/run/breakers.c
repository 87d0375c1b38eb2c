/* breakers: see breakers.h. */
#include "run/breakers_private.h"

#include "base/clock.h"
#include "run/queue.h"
#include "run/thread.h"

#include <stdlib.h>

#define HALF_OPEN_PART 12   /* of the time that it is open: 5 s of a minute */
#define HUB_TIMEOUT_MS 1000 /* probes' leases are renewed by who waits */

/* ---- opening ---- */

enum outcome breakers_open(const struct breakers_options *options, struct breakers **ret_breakers,
                           struct err *err)
{
    struct breakers *b = calloc(1, sizeof *b);
    TRY_ALLOC(b, err);
    b->prefix = options->prefix;
    b->conf = options->conf;
    b->half_open_wait_us = b->conf.open_us / HALF_OPEN_PART;
    b->refresh_us = options->refresh_ms * US_PER_MS;
    b->hub_conf = *options->hub;
    b->hub_conf.connect_timeout_ms = b->hub_conf.statement_timeout_ms = HUB_TIMEOUT_MS;
    enum outcome outcome = rconn_open(options->redis, &b->conn, err);
    if (outcome != OUTCOME_OK) {
        free(b);
        return outcome;
    }
    pthread_mutex_init(&b->lock, NULL);
    monotonic_cond_init(&b->wake);
    breakers_refresh(b); /* so that the first job finds how the fleet stands */
    outcome = thread_start(&b->thread, "breakers", breakers_thread, b, err);
    if (outcome != OUTCOME_OK) {
        rconn_close(b->conn);
        pgsql_close(b->hub);
        free(b);
        return outcome;
    }
    *ret_breakers = b;
    return OUTCOME_OK;
}

void breakers_close(struct breakers *b)
{
    if (b == NULL)
        return;
    pthread_mutex_lock(&b->lock);
    b->is_closing = true;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
    pthread_join(b->thread, NULL);
    breakers_refresh(b);
    rconn_close(b->conn);
    pgsql_close(b->hub);
    for (size_t i = 0; i < BREAKER_BUCKETS; i++) {
        while (b->buckets[i] != NULL) {
            struct breaker_entry *entry = b->buckets[i];
            b->buckets[i] = entry->chain;
            free(entry);
        }
    }
    pthread_cond_destroy(&b->wake);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

/* ---- asking ---- */

void breaker_gate_add(struct breaker_gate *gate, const char *dependency)
{
    size_t len = strlen(dependency);
    if (len == 0 || len > BREAKER_NAME_MAX || gate->count == DEPENDENCIES_MAX)
        return;
    for (size_t i = 0; i < gate->count; i++)
        if (strcmp(gate->passes[i].dependency, dependency) == 0)
            return;
    struct breaker_pass *pass = &gate->passes[gate->count++];
    *pass = (struct breaker_pass){.epoch = BREAKER_EPOCH_UNKNOWN};
    memcpy(pass->dependency, dependency, len + 1);
}

static enum breaker_answer check_fleet(const struct breaker_entry *entry, int64_t now_us,
                                       int64_t *ret_until_us)
{
    const struct breaker as_seen = {
        .state = entry->state, .until_us = entry->until_us, .probe_until_us = entry->until_us};
    return breaker_check(&as_seen, now_us, ret_until_us);
}

static enum breaker_state state_of(const struct breakers *b, const struct breaker_entry *entry)
{
    return b->is_fleet ? entry->state : entry->local.state;
}

/* How long until it is worth asking again. */
static int64_t wait_of(const struct breakers *b, enum breaker_state state, int64_t until_us)
{
    if (state == BREAKER_FORCED_OPEN)
        return b->conf.open_us;
    return state == BREAKER_HALF_OPEN || until_us <= 0 ? b->half_open_wait_us : until_us;
}

static void deny(struct breakers *b, struct breaker_gate *gate, size_t pass, int64_t wait_us)
{
    b->denied += !gate->is_open;
    gate->is_open = true;
    gate->denied_by = pass;
    gate->wait_us = wait_us;
}

/* The local breaker needs nobody to give a permit. */
static enum breaker_answer take_local(struct breakers *b, struct breaker_entry *entry,
                                      struct breaker_pass *pass, int64_t now_us,
                                      int64_t *ret_until_us)
{
    enum breaker_answer answer = breaker_check(&entry->local, now_us, ret_until_us);
    pass->is_local = true;
    if (answer == BREAKER_PROBE) {
        pass->permit = breaker_probe(&b->conf, &entry->local, now_us);
        answer = BREAKER_ALLOWED;
    }
    pass->epoch = entry->local.epoch;
    return answer;
}

static enum breaker_answer take_fleet(const struct breaker_entry *entry, struct breaker_pass *pass,
                                      int64_t now_us, int64_t *ret_until_us)
{
    pass->is_local = false;
    pass->epoch = entry->epoch;
    return check_fleet(entry, now_us, ret_until_us);
}

struct wanted { /* a probe's permit */
    struct breaker_gate *gate;
    size_t pass;
};

struct admission {
    struct breakers *b;
    struct wanted *wanted;
    struct breaker_request *requests;
    struct breaker_view *views;
    size_t count;
    int64_t now_us;
};

static void want_probe(struct admission *admission, struct breaker_entry *entry,
                       struct breaker_gate *gate, size_t pass)
{
    struct breakers *b = admission->b;
    if (entry->asked == b->batches || admission->wanted == NULL) {
        deny(b, gate, pass, b->half_open_wait_us); /* one of a batch is enough to ask for it */
        return;
    }
    entry->asked = b->batches;
    admission->wanted[admission->count] = (struct wanted){gate, pass};
    admission->requests[admission->count++] = (struct breaker_request){
        .op = BREAKER_OP_PROBE, .dependency = gate->passes[pass].dependency};
}

static void consider_pass(struct admission *admission, struct breaker_gate *gate, size_t i)
{
    struct breakers *b = admission->b;
    struct breaker_pass *pass = &gate->passes[i];
    struct breaker_entry *entry = breakers_entry(b, pass->dependency);
    if (entry == NULL)
        return; /* without memory nothing is known against it */
    int64_t now_us = admission->now_us, until_us = 0;
    entry->used_us = now_us;
    enum breaker_answer answer = b->is_fleet ? take_fleet(entry, pass, now_us, &until_us)
                                             : take_local(b, entry, pass, now_us, &until_us);
    enum breaker_state state = state_of(b, entry);
    if (answer == BREAKER_PROBE)
        want_probe(admission, entry, gate, i);
    else if (answer == BREAKER_DENIED)
        deny(b, gate, i, wait_of(b, state, until_us - now_us));
}

/* Stops at the first that says no; what was taken before it is given back by give_back. */
static void consider(struct admission *admission, struct breaker_gate *gate)
{
    gate->is_open = false;
    for (size_t i = 0; i < gate->count && !gate->is_open; i++) {
        struct breaker_pass *pass = &gate->passes[i];
        pass->permit = 0;
        pass->is_reported = false;
        consider_pass(admission, gate, i);
    }
}

static void apply_views(struct admission *admission)
{
    struct breakers *b = admission->b;
    for (size_t i = 0; i < admission->count; i++) {
        struct breaker_gate *gate = admission->wanted[i].gate;
        struct breaker_pass *pass = &gate->passes[admission->wanted[i].pass];
        const struct breaker_view *view = &admission->views[i];
        struct breaker_entry *entry = breakers_entry(b, pass->dependency);
        if (entry == NULL)
            continue;
        breakers_apply_view(entry, view, admission->now_us);
        pass->epoch = view->epoch;
        pass->permit = view->permit;
        if (view->permit != 0)
            entry->permit_held = view->permit;
        else if (view->state != BREAKER_CLOSED)
            deny(b, gate, admission->wanted[i].pass,
                 view->state == BREAKER_OPEN ? view->wait_us : b->half_open_wait_us);
    }
}

/* A job that was denied by one dependency keeps no permit of another. */
static void give_back(struct breakers *b, struct breaker_gate *gate)
{
    for (size_t i = 0; gate->is_open && i < gate->count; i++)
        if (gate->passes[i].permit != 0)
            breakers_report_pass(b, &gate->passes[i], BREAKER_IGNORED);
}

static void consider_all(struct admission *admission, struct breaker_gate *const *gates,
                         size_t count)
{
    admission->count = 0;
    admission->b->batches++;
    for (size_t i = 0; i < count; i++)
        consider(admission, gates[i]);
}

void breakers_admit(struct breakers *b, struct rconn *conn, struct arena *arena,
                    struct breaker_gate *const *gates, size_t count)
{
    size_t max = count * DEPENDENCIES_MAX + 1;
    struct admission admission = {.b = b,
                                  .wanted = ARENA_ARRAY(arena, struct wanted, max),
                                  .requests = ARENA_ARRAY(arena, struct breaker_request, max),
                                  .views = ARENA_ARRAY(arena, struct breaker_view, max),
                                  .now_us = clock_monotonic_us()};
    if (admission.requests == NULL || admission.views == NULL)
        admission.wanted = NULL;
    pthread_mutex_lock(&b->lock);
    consider_all(&admission, gates, count);
    pthread_mutex_unlock(&b->lock);
    enum outcome outcome = OUTCOME_OK;
    if (admission.count > 0)
        outcome = breaker_store_apply(conn, b->prefix, &b->conf, admission.requests,
                                      admission.count, arena, admission.views, NULL);
    pthread_mutex_lock(&b->lock);
    if (outcome != OUTCOME_OK) {
        breakers_go_local(b, admission.now_us);
        consider_all(&admission, gates, count);
    }
    apply_views(&admission);
    for (size_t i = 0; i < count; i++)
        give_back(b, gates[i]);
    pthread_mutex_unlock(&b->lock);
}

bool breakers_still_admit(struct breakers *b, struct breaker_gate *gate)
{
    int64_t now_us = clock_monotonic_us();
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < gate->count && !gate->is_open; i++) {
        const struct breaker_pass *pass = &gate->passes[i];
        struct breaker_entry *entry = breakers_entry(b, pass->dependency);
        if (entry == NULL || pass->permit != 0 || state_of(b, entry) == BREAKER_CLOSED)
            continue;
        int64_t until_us = b->is_fleet ? entry->until_us : entry->local.until_us;
        deny(b, gate, i, wait_of(b, state_of(b, entry), until_us - now_us));
    }
    give_back(b, gate);
    bool is_admitted = !gate->is_open;
    pthread_mutex_unlock(&b->lock);
    return is_admitted;
}

void breakers_count(struct breakers *b, struct breakers_counts *ret_counts)
{
    struct breakers_counts counts = {0};
    pthread_mutex_lock(&b->lock);
    counts.denied = b->denied;
    counts.is_local = !b->is_fleet;
    for (size_t i = 0; i < BREAKER_BUCKETS; i++)
        for (struct breaker_entry *entry = b->buckets[i]; entry != NULL; entry = entry->chain)
            counts.by_state[state_of(b, entry)]++;
    pthread_mutex_unlock(&b->lock);
    *ret_counts = counts;
}
