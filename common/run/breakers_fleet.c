/* breakers_fleet: what the fleet is told and says; see breakers_private.h. */
#include "base/clock.h"
#include "base/log.h"
#include "io/hash.h"
#include "run/breakers_private.h"

#include <errno.h>
#include <stdlib.h>

#define SCRATCH_BYTES ((size_t)16 << 20)
#define TELL_MAX 1024                /* requests of one refresh; the rest with the next */
#define TELL_GAP_US (20 * US_PER_MS) /* so that a storm of failures is told in batches */
#define ENTRIES_KEPT 4096            /* beyond them the idle ones are forgotten */
#define IDLE_US (600 * US_PER_S)

/* ---- entries; the lock is held ---- */

static struct breaker_entry **bucket_of(struct breakers *b, const char *name)
{
    return &b->buckets[hash128_bytes(name, strlen(name)).lo % BREAKER_BUCKETS];
}

struct breaker_entry *breakers_entry(struct breakers *b, const char *name)
{
    struct breaker_entry **bucket = bucket_of(b, name);
    for (struct breaker_entry *entry = *bucket; entry != NULL; entry = entry->chain)
        if (strcmp(entry->name, name) == 0)
            return entry;
    size_t len = strlen(name);
    struct breaker_entry *entry = calloc(1, sizeof *entry + len + 1);
    if (entry == NULL)
        return NULL;
    memcpy(entry->name, name, len + 1);
    entry->epoch = BREAKER_EPOCH_UNKNOWN;
    breaker_init(&entry->local);
    entry->chain = *bucket;
    *bucket = entry;
    b->entry_count++;
    return entry;
}

static bool is_idle(const struct breaker_entry *entry, int64_t now_us)
{
    return entry->state == BREAKER_CLOSED && entry->local.state == BREAKER_CLOSED &&
           entry->call_count == 0 && entry->permit_told == 0 && entry->permit_held == 0 &&
           now_us - entry->used_us > IDLE_US;
}

void breakers_forget_idle(struct breakers *b, int64_t now_us)
{
    for (size_t i = 0; b->entry_count > ENTRIES_KEPT && i < BREAKER_BUCKETS; i++) {
        for (struct breaker_entry **at = &b->buckets[i]; *at != NULL;) {
            struct breaker_entry *entry = *at;
            if (!is_idle(entry, now_us)) {
                at = &entry->chain;
                continue;
            }
            *at = entry->chain;
            free(entry);
            b->entry_count--;
        }
    }
}

void breakers_apply_view(struct breaker_entry *entry, const struct breaker_view *view,
                         int64_t now_us)
{
    entry->state = view->state;
    entry->epoch = view->epoch;
    entry->until_us = now_us + view->wait_us;
}

void breakers_go_local(struct breakers *b, int64_t now_us)
{
    if (!b->is_fleet)
        return;
    b->is_fleet = false;
    for (size_t i = 0; i < BREAKER_BUCKETS; i++) {
        for (struct breaker_entry *entry = b->buckets[i]; entry != NULL; entry = entry->chain) {
            struct breaker *local = &entry->local;
            if (entry->state == BREAKER_CLOSED && local->state != BREAKER_CLOSED)
                breaker_close(local, now_us);
            else if (entry->state == BREAKER_FORCED_OPEN)
                breaker_force_open(local);
            else if (entry->state != BREAKER_CLOSED) {
                breaker_close(local, now_us); /* a new epoch */
                local->state = BREAKER_OPEN;
                local->until_us = entry->until_us;
            }
        }
    }
}

void breakers_have_news(struct breakers *b)
{
    if (!b->has_news)
        pthread_cond_signal(&b->wake);
    b->has_news = true;
}

/* ---- a refresh ---- */

struct refresh {
    struct arena arena;
    struct breaker_request *requests;
    struct breaker_view *views;
    size_t count;
    struct breaker_rows rows;
};

static void ask(struct refresh *refresh, const struct breaker_entry *entry, enum breaker_op op,
                struct breaker_request request)
{
    request.op = op;
    request.dependency = arena_strdup(&refresh->arena, entry->name);
    if (request.calls != NULL)
        request.calls = arena_strdup(&refresh->arena, request.calls);
    bool has_texts =
        request.dependency != NULL && (request.op == BREAKER_OP_RENEW || request.calls != NULL);
    if (has_texts && refresh->count < TELL_MAX)
        refresh->requests[refresh->count++] = request;
}

/* Texts are copied: the entry changes while the network is waited for. */
static void gather_entry(struct refresh *refresh, struct breaker_entry *entry)
{
    if (entry->permit_told != 0)
        ask(refresh, entry, BREAKER_OP_REPORT,
            (struct breaker_request){.permit = entry->permit_told, .calls = entry->permit_call});
    if (entry->call_count > 0) {
        entry->calls[entry->call_count] = '\0';
        ask(refresh, entry, BREAKER_OP_REPORT,
            (struct breaker_request){.epoch = entry->calls_epoch, .calls = entry->calls});
    }
    if (entry->permit_held != 0)
        ask(refresh, entry, BREAKER_OP_RENEW,
            (struct breaker_request){.permit = entry->permit_held});
}

/* What is told is taken out first: new calls come in meanwhile. A report that is lost with the
 * connection was one of many; a probe's is told again. */
static void gather(struct breakers *b, struct refresh *refresh)
{
    b->has_news = false;
    for (size_t i = 0, first = b->first_told; i < BREAKER_BUCKETS; i++) {
        size_t bucket = (first + i) % BREAKER_BUCKETS;
        for (struct breaker_entry *entry = b->buckets[bucket]; entry != NULL;
             entry = entry->chain) {
            b->first_told = bucket; /* with more than there is room for: they take turns */
            if (refresh->count + 3 > TELL_MAX)
                return;
            gather_entry(refresh, entry);
            entry->permit_told = 0;
            entry->call_count = 0;
        }
    }
}

static void apply_rows(struct breakers *b, const struct breaker_rows *rows, int64_t now_us)
{
    for (size_t i = 0; i < rows->count; i++) {
        struct breaker_entry *entry = breakers_entry(b, rows->items[i].dependency);
        if (entry == NULL)
            continue;
        breakers_apply_view(entry, &rows->items[i].view, now_us);
        entry->is_listed = true;
    }
    for (size_t i = 0; i < BREAKER_BUCKETS; i++) {
        for (struct breaker_entry *entry = b->buckets[i]; entry != NULL; entry = entry->chain) {
            if (!entry->is_listed && entry->state != BREAKER_CLOSED) {
                entry->state = BREAKER_CLOSED;
                entry->epoch = BREAKER_EPOCH_UNKNOWN;
            }
            entry->is_listed = false;
        }
    }
}

static void apply(struct breakers *b, const struct refresh *refresh, int64_t now_us)
{
    for (size_t i = 0; i < refresh->count; i++) {
        struct breaker_entry *entry = breakers_entry(b, refresh->requests[i].dependency);
        if (entry == NULL)
            continue;
        breakers_apply_view(entry, &refresh->views[i], now_us);
        if (refresh->requests[i].op == BREAKER_OP_RENEW && refresh->views[i].permit == 0 &&
            entry->permit_held == refresh->requests[i].permit)
            entry->permit_held = 0; /* another's by now */
    }
    apply_rows(b, &refresh->rows, now_us);
    b->is_fleet = true;
}

static void take_back(struct breakers *b, const struct refresh *refresh)
{
    for (size_t i = 0; i < refresh->count; i++) {
        const struct breaker_request *request = &refresh->requests[i];
        struct breaker_entry *entry = breakers_entry(b, request->dependency);
        if (entry == NULL || request->op != BREAKER_OP_REPORT || request->permit == 0 ||
            entry->permit_told != 0)
            continue;
        entry->permit_told = request->permit;
        entry->permit_call[0] = request->calls[0];
    }
}

void breakers_log_change(const char *dependency, const struct breaker_view *view)
{
    if (view->state == view->before)
        return;
    LOG_AT(view->state == BREAKER_CLOSED ? LOG_INFO : LOG_WARN, "breaker.changed",
           LOG_TEXT("dependency", dependency), LOG_TEXT("from", breaker_state_name(view->before)),
           LOG_TEXT("to", breaker_state_name(view->state)),
           LOG_INT("wait_ms", view->wait_us / US_PER_MS));
}

static enum outcome exchange(struct breakers *b, struct refresh *refresh, struct err *err)
{
    if (refresh->count > 0)
        TRY(breaker_store_apply(b->conn, b->prefix, &b->conf, refresh->requests, refresh->count,
                                &refresh->arena, refresh->views, err));
    return breaker_store_list(b->conn, b->prefix, &refresh->arena, &refresh->rows, err);
}

void breakers_refresh(struct breakers *b)
{
    struct refresh refresh = {0};
    struct err err = {0};
    arena_init(&refresh.arena, SCRATCH_BYTES);
    refresh.requests = ARENA_ARRAY(&refresh.arena, struct breaker_request, TELL_MAX);
    refresh.views = ARENA_ARRAY(&refresh.arena, struct breaker_view, TELL_MAX);
    if (refresh.requests != NULL && refresh.views != NULL) {
        pthread_mutex_lock(&b->lock);
        gather(b, &refresh);
        pthread_mutex_unlock(&b->lock);
        enum outcome outcome = exchange(b, &refresh, &err);
        int64_t now_us = clock_monotonic_us();
        pthread_mutex_lock(&b->lock);
        bool was_fleet = b->is_fleet;
        if (outcome == OUTCOME_OK)
            apply(b, &refresh, now_us);
        else {
            take_back(b, &refresh);
            breakers_go_local(b, now_us);
        }
        bool is_owed = breakers_hold(b), is_closing = b->is_closing;
        breakers_forget_idle(b, now_us);
        pthread_mutex_unlock(&b->lock);
        if (outcome != OUTCOME_OK && was_fleet)
            LOG_AT(LOG_WARN, "breakers.local", LOG_ERR_FIELDS(&err));
        for (size_t i = 0; outcome == OUTCOME_OK && i < refresh.count; i++)
            breakers_log_change(refresh.requests[i].dependency, &refresh.views[i]);
        if (!is_closing)
            breakers_restore(b, &refresh.arena, is_owed);
    }
    arena_done(&refresh.arena);
}

/* ---- the thread ---- */

static void wait_until(struct breakers *b, int64_t until_us)
{
    struct timespec at = {until_us / US_PER_S, until_us % US_PER_S * 1000};
    while (!b->is_closing && !b->has_news)
        if (pthread_cond_timedwait(&b->wake, &b->lock, &at) == ETIMEDOUT)
            return;
}

void *breakers_thread(void *arg)
{
    struct breakers *b = arg;
    bool is_closing = false;
    while (!is_closing) {
        pthread_mutex_lock(&b->lock);
        wait_until(b, clock_monotonic_us() + b->refresh_us);
        is_closing = b->is_closing;
        pthread_mutex_unlock(&b->lock);
        if (is_closing)
            break;
        clock_sleep_us(TELL_GAP_US);
        breakers_refresh(b);
    }
    return NULL;
}
