/* share_table: who has more than a share, and how many of their records are left; see share.h. The
 * dispatcher writes who it is (share.c); all else is atomic, and each number for itself. */
#include "run/share_private.h"

#include "base/num.h"

/* Of a workspace's number another one, and of that the first. */
#define BULK_MARK UINT64_C(0x9e3779b97f4a7c15)

int64_t share_bulk_max(const struct runtime *rt)
{
    return (rt->conf->buffered_jobs_max + 1) / 2;
}

/* What is here of who has too much of them may not run for long (others have all that its cap
 * allows) and has nowhere to go. */
int64_t share_bulk_limit(const struct runtime *rt)
{
    int64_t max = share_bulk_max(rt);
    return share_is_any_bulk_over(rt) ? max + num_max_i64(max / 4, 1) : max;
}

uint64_t share_number(uint64_t tenant, bool is_bulk)
{
    return is_bulk ? tenant ^ BULK_MARK : tenant;
}

uint64_t share_workspace(const struct runtime *rt, size_t slot)
{
    return atomic_load_explicit(&rt->over[slot].workspace, memory_order_relaxed);
}

size_t share_slot_of(const struct runtime *rt, uint64_t number)
{
    size_t i = 0;
    while (i < RUNTIME_OVER_MAX && share_workspace(rt, i) != number)
        i++;
    return i;
}

bool share_is_over(const struct runtime *rt, uint64_t number)
{
    return number != 0 && share_slot_of(rt, number) < RUNTIME_OVER_MAX;
}

bool share_is_any_over(const struct runtime *rt)
{
    return atomic_load_explicit(&rt->over_count, memory_order_relaxed) > 0;
}

bool share_is_any_bulk_over(const struct runtime *rt)
{
    return atomic_load_explicit(&rt->over_bulk_count, memory_order_relaxed) > 0;
}

/* ---- what was left ---- */

void share_note_left(struct runtime *rt, uint64_t number, int more)
{
    size_t slot = share_slot_of(rt, number);
    if (slot < RUNTIME_OVER_MAX)
        atomic_fetch_add(&rt->over[slot].left, more);
}

bool share_may_return(const struct runtime *rt, uint64_t number)
{
    size_t slot = share_slot_of(rt, number);
    return slot == RUNTIME_OVER_MAX || atomic_load(&rt->over[slot].credit) > 0;
}

void share_take_beyond(struct runtime *rt, struct delivery *delivery, uint64_t number)
{
    size_t slot = share_slot_of(rt, number);
    if (slot == RUNTIME_OVER_MAX)
        return;
    delivery->over_slot = (int)slot;
    atomic_fetch_add(&rt->over[slot].returning, 1);
    atomic_fetch_sub(&rt->over[slot].credit, 1);
}

bool share_take_credit(struct runtime *rt, struct delivery *delivery, uint64_t number)
{
    if (!share_may_return(rt, number))
        return false;
    share_take_beyond(rt, delivery, number);
    return true;
}

void share_returned(struct runtime *rt, int slot)
{
    if (slot != DELIVERY_NOT_RETURNING)
        atomic_fetch_sub(&rt->over[slot].returning, 1);
}
