/* breakers_report: how the calls went, kept until the thread tells it; see breakers.h. */
#include "run/breakers_private.h"

#include "base/clock.h"

/* Kept until the thread tells it; the newest of more than a window. */
static void keep_call(struct breaker_entry *entry, int64_t epoch, char letter)
{
    if (epoch != BREAKER_EPOCH_UNKNOWN && epoch < entry->calls_epoch)
        return; /* of a time that is over */
    if (epoch > entry->calls_epoch && entry->calls_epoch != BREAKER_EPOCH_UNKNOWN)
        entry->call_count = 0;
    if (entry->call_count == 0 || epoch > entry->calls_epoch)
        entry->calls_epoch = epoch;
    if (entry->call_count == BREAKER_WINDOW_MAX) {
        memmove(entry->calls, entry->calls + 1, BREAKER_WINDOW_MAX - 1);
        entry->call_count--;
    }
    entry->calls[entry->call_count++] = letter;
}

static void tell_fleet(struct breakers *b, struct breaker_entry *entry,
                       const struct breaker_pass *pass, enum breaker_call call)
{
    static const char letters[] = {
        [BREAKER_OK] = 'o', [BREAKER_SLOW] = 's', [BREAKER_FAILED] = 'f', [BREAKER_IGNORED] = 'i'};
    if (pass->permit != 0) {
        entry->permit_told = pass->permit;
        entry->permit_call[0] = letters[call];
        if (entry->permit_held == pass->permit)
            entry->permit_held = 0;
        breakers_have_news(b);
    } else if (call != BREAKER_IGNORED) {
        keep_call(entry, pass->epoch, letters[call]);
        if (call != BREAKER_OK)
            breakers_have_news(b);
    }
}

/* The local breaker learns of every call, so that it knows what to do when Redis goes. */
static void tell(struct breakers *b, struct breaker_entry *entry, const struct breaker_pass *pass,
                 enum breaker_call call)
{
    int64_t now_us = clock_monotonic_us();
    entry->used_us = now_us;
    struct breaker_report report = {.epoch = entry->local.epoch, .call = call, .now_us = now_us};
    if (pass->is_local) {
        report.epoch = pass->epoch;
        report.permit = pass->permit;
        breaker_report(&b->conf, &entry->local, &report);
        return;
    }
    if (pass->permit != 0 && call == BREAKER_OK && entry->local.state == BREAKER_OPEN)
        breaker_close(&entry->local, now_us);
    else if (pass->permit == 0)
        breaker_report(&b->conf, &entry->local, &report);
    tell_fleet(b, entry, pass, call);
}

void breakers_report_pass(struct breakers *b, struct breaker_pass *pass, enum breaker_call call)
{
    struct breaker_entry *entry = breakers_entry(b, pass->dependency);
    if (entry != NULL && !pass->is_reported)
        tell(b, entry, pass, call);
    pass->is_reported = true;
}

void breakers_report(struct breakers *b, struct breaker_gate *gate, size_t dependency,
                     enum breaker_call call)
{
    pthread_mutex_lock(&b->lock);
    if (dependency < gate->count)
        breakers_report_pass(b, &gate->passes[dependency], call);
    pthread_mutex_unlock(&b->lock);
}

void breakers_report_up(struct breakers *b, struct breaker_gate *gate, size_t dependency)
{
    pthread_mutex_lock(&b->lock);
    struct breaker_pass *pass = &gate->passes[dependency];
    struct breaker_entry *entry = NULL;
    if (dependency < gate->count && pass->permit != 0 && !pass->is_reported)
        entry = breakers_entry(b, pass->dependency);
    if (entry != NULL) {
        tell(b, entry, pass, BREAKER_OK);
        pass->permit = 0; /* from now on a call like any other */
        pass->epoch = pass->is_local ? entry->local.epoch : BREAKER_EPOCH_UNKNOWN;
    }
    pthread_mutex_unlock(&b->lock);
}

void breakers_end(struct breakers *b, struct breaker_gate *gate, enum breaker_call call)
{
    if (gate->count == 0)
        return;
    pthread_mutex_lock(&b->lock);
    for (size_t i = 0; i < gate->count; i++)
        breakers_report_pass(b, &gate->passes[i], call);
    pthread_mutex_unlock(&b->lock);
}
