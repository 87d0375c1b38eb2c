/* bus_breakers: run/breakers.h without a fleet: none is ever open. */
#include "run/breakers.h"

enum outcome breakers_open(const struct breakers_options *options, struct breakers **ret_breakers,
                           struct err *err)
{
    (void)options;
    (void)err;
    *ret_breakers = NULL;
    return OUTCOME_OK;
}

void breakers_close(struct breakers *breakers)
{
    (void)breakers;
}

void breaker_gate_add(struct breaker_gate *gate, const char *dependency)
{
    (void)gate;
    (void)dependency;
}

void breakers_admit(struct breakers *breakers, struct rconn *conn, struct arena *arena,
                    struct breaker_gate *const *gates, size_t count)
{
    (void)breakers;
    (void)conn;
    (void)arena;
    (void)gates;
    (void)count;
}

void breakers_report_up(struct breakers *breakers, struct breaker_gate *gate, size_t dependency)
{
    (void)breakers;
    (void)gate;
    (void)dependency;
}

void breakers_report(struct breakers *breakers, struct breaker_gate *gate, size_t dependency,
                     enum breaker_call call)
{
    (void)breakers;
    (void)gate;
    (void)dependency;
    (void)call;
}

void breakers_end(struct breakers *breakers, struct breaker_gate *gate, enum breaker_call call)
{
    (void)breakers;
    (void)gate;
    (void)call;
}

void breakers_count(struct breakers *breakers, struct breakers_counts *ret_counts)
{
    (void)breakers;
    *ret_counts = (struct breakers_counts){0};
}

bool breakers_still_admit(struct breakers *breakers, struct breaker_gate *gate)
{
    (void)breakers;
    (void)gate;
    return true;
}
