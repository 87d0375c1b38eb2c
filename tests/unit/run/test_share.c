/* share: which jobs move to the bulk topic. */
#include "run/share.h"

#include "check.h"

#define MS INT64_C(1000)
#define MAX 400

struct stage {
    struct run_conf conf;
    struct runtime rt;
    struct dispatcher d;
    struct attempt attempts[MAX];
    struct delivery deliveries[MAX];
    size_t count;
};

static struct stage *begin(int64_t mean_us)
{
    static struct stage stage;
    stage = (struct stage){
        .conf = {.buffered_jobs_max = 120, .job_threads = 2, .workspace_backlog_ms = 500}};
    stage.rt.conf = &stage.conf;
    stage.d = (struct dispatcher){.rt = &stage.rt, .pace = {.mean_us = mean_us}};
    queue_init(&stage.rt.settling);
    fair_init(&stage.d.fair, 0);
    return &stage;
}

static void end(struct stage *stage)
{
    fair_done(&stage->d.fair);
    queue_done(&stage->rt.settling);
}

static struct attempt *arrive(struct stage *stage, uint64_t tenant)
{
    struct attempt *a = &stage->attempts[stage->count];
    a->delivery = &stage->deliveries[stage->count++];
    *a->delivery = (struct delivery){.lane = LANE_JOBS, .priority = JOB_DEFAULT};
    a->item.tenant = tenant;
    a->item.priority = FAIR_DEFAULT;
    metric_add(&stage->rt.metrics.buffered, 1);
    return a;
}

/* True: it moves. */
static bool decide(struct stage *stage, struct attempt *a)
{
    struct err err = {0};
    if (share_takes(&stage->d, a))
        return true;
    CHECK_OK(fair_push(&stage->d.fair, &a->item, &err), &err);
    return false;
}

/* How many of so many stay. */
static size_t stays(struct stage *stage, uint64_t tenant, size_t count)
{
    size_t stay = 0;
    for (size_t i = 0; i < count; i++)
        stay += !decide(stage, arrive(stage, tenant));
    return stay;
}

static size_t given(struct stage *stage)
{
    size_t before = queue_count(&stage->rt.settling);
    share_give(&stage->d);
    return queue_count(&stage->rt.settling) - before;
}

static void what_is_worked_off_soon_stays(void)
{
    static const struct {
        int64_t mean_us;
        size_t stay;
    } cases[] = {{0, 119}, {20, 119}, {8 * MS, 119}, {9 * MS, 111}, {100 * MS, 60}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stage *stage = begin(cases[i].mean_us);
        size_t stay = stays(stage, 1, 119);
        CHECK_INT(stay, cases[i].stay);
        CHECK_INT(given(stage), 119 - stay);
        CHECK_INT(metric_get(&stage->rt.metrics.moving), 119 - stay);
        CHECK_INT(stage->attempts[118].plan.kind, stay == 119 ? PLAN_NONE : PLAN_DEMOTE);
        end(stage);
    }
}

/* By the thousands, though the buffer itself is soon worked off. */
static void what_is_unread_counts(void)
{
    static const struct {
        int64_t mean_us, threads, unread;
        size_t stay;
    } cases[] = {
        {MS, 2, 1000, 119},   {MS, 2, 1200, 60},    {6 * MS, 16, 10000, 60},
        {99, 2, 100000, 119}, {100, 2, 100000, 60}, {799, 16, 1000000, 119},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int urgent = 0; urgent < 2; urgent++) {
            struct stage *stage = begin(cases[i].mean_us);
            stage->conf.job_threads = cases[i].threads;
            int class = urgent ? JOB_INTERACTIVE : JOB_DEFAULT;
            metric_set(&stage->rt.metrics.jobs_waiting[class], cases[i].unread);
            CHECK_INT(stays(stage, 1, 119), cases[i].stay);
            end(stage);
        }
    }
}

/* Nor what is on its way there already. */
static void unread_bulk_jobs_count_for_nothing(void)
{
    struct stage *stage = begin(MS);
    metric_set(&stage->rt.metrics.jobs_waiting[JOB_BULK], 100000);
    CHECK_INT(stays(stage, 1, 100), 100);
    metric_set(&stage->rt.metrics.jobs_waiting[JOB_DEFAULT], 2000);
    metric_set(&stage->rt.metrics.moving, 1000);
    CHECK_INT(stays(stage, 1, 10), 10);
    end(stage);
}

static void each_has_as_much_as_is_left(void)
{
    struct stage *stage = begin(100 * MS);
    CHECK_INT(stays(stage, 1, 100), 60);
    CHECK_INT(stays(stage, 2, 100), 30);
    CHECK_INT(stays(stage, 3, 100), 15);
    CHECK_INT(stays(stage, 4, 1), 1);
    CHECK_INT(stays(stage, 1, 1), 0);
    end(stage);
}

/* However full it is. */
static void a_few_are_always_within_a_share(void)
{
    struct stage *stage = begin(0);
    CHECK_INT(stays(stage, 1, 130), 130);
    stage->d.pace.mean_us = 100 * MS;
    CHECK_INT(stays(stage, 2, 20), 120 / 16 + 1);
    end(stage);
}

static void a_cap_makes_it_longer(void)
{
    struct stage *stage = begin(20 * MS);
    stage->conf.job_threads = 16;
    CHECK_INT(stays(stage, 1, 100), 100);
    stage->rt.workspace_jobs_max = 2;
    CHECK_INT(stays(stage, 1, 10), 0);
    end(stage);
}

static void some_never_move(void)
{
    struct stage *stage = begin(100 * MS);
    (void)stays(stage, 1, 100);
    struct attempt *ordered = arrive(stage, 1), *bulk = arrive(stage, 1), *retry = arrive(stage, 1),
                   *bad = arrive(stage, 1), *urgent = arrive(stage, 1), *wake = arrive(stage, 1);
    ordered->item.order_key = 7;
    wake->trail.wait_fence = 9;
    bulk->delivery->priority = JOB_BULK;
    retry->delivery->lane = 0;
    bad->outcome = OUTCOME_POISON;
    urgent->delivery->priority = JOB_INTERACTIVE;
    CHECK(!decide(stage, ordered) && !decide(stage, bulk) && !decide(stage, retry));
    CHECK(!decide(stage, bad) && !decide(stage, wake));
    struct attempt *placed = arrive(stage, 1);
    placed->item.order_key = 8;
    placed->is_placed = true;
    CHECK(decide(stage, placed));
    CHECK(decide(stage, urgent));
    end(stage);
}

/* Jobs of it end. */
static void drain_to(struct stage *stage, size_t backlog)
{
    for (size_t i = 0; fair_tenant_backlog(&stage->d.fair, 1) > backlog; i++) {
        if (fair_remove(&stage->d.fair, &stage->attempts[i].item))
            metric_add(&stage->rt.metrics.buffered, -1);
    }
    share_look(&stage->d);
}

static struct attempt *arrive_ordered(struct stage *stage, uint64_t tenant)
{
    struct attempt *a = arrive(stage, tenant);
    a->item.order_key = stage->count;
    a->trail.attempt = 1;
    return a;
}

/* They go to get their places, and their workspace has too much until they have them. */
static void ordered_ones_need_their_places(void)
{
    struct stage *stage = begin(100 * MS);
    for (int i = 0; i < 60; i++)
        CHECK(!decide(stage, arrive_ordered(stage, 1)));
    struct attempt *a = arrive_ordered(stage, 1);
    CHECK(decide(stage, a) && stage->d.arrived.first == a);
    CHECK_INT(given(stage), 0);
    CHECK(share_is_over(&stage->rt, 1));
    drain_to(stage, 0);
    CHECK(share_is_over(&stage->rt, 1));
    stage->d.arrived = (struct attempts){NULL, NULL};
    share_look(&stage->d);
    CHECK(!share_is_any_over(&stage->rt));
    end(stage);
}

/* What was left comes back as far as it would be within a share, and nobody is forgotten of whom
 * something is left. */
static void what_was_left_has_credit(void)
{
    struct stage *stage = begin(100 * MS);
    struct runtime *rt = &stage->rt;
    struct delivery delivery = {.over_slot = DELIVERY_NOT_RETURNING};
    CHECK(share_may_return(rt, 1) && share_take_credit(rt, &delivery, 1)); /* it has not too much */
    CHECK_INT(delivery.over_slot, DELIVERY_NOT_RETURNING);
    CHECK_INT(stays(stage, 1, 61), 60);
    share_note_left(rt, 1, 2);
    share_note_left(rt, 2, 1); /* of whom nothing is known any more */
    share_look(&stage->d);
    CHECK(!share_may_return(rt, 1) && !share_take_credit(rt, &delivery, 1));
    drain_to(stage, 38); /* of the 82 that are free now it may have 41 */
    CHECK(share_is_over(rt, 1));
    for (int i = 0; i < 3; i++)
        CHECK(share_take_credit(rt, &delivery, 1));
    CHECK_INT(delivery.over_slot, 0);
    CHECK(!share_may_return(rt, 1));
    share_look(&stage->d);
    CHECK(!share_may_return(rt, 1)); /* they are on their way */
    share_returned(rt, delivery.over_slot);
    share_returned(rt, DELIVERY_NOT_RETURNING);
    share_look(&stage->d);
    CHECK(share_may_return(rt, 1));
    share_note_left(rt, 1, -2);
    share_look(&stage->d);
    CHECK(!share_is_any_over(rt) && share_may_return(rt, 1));
    end(stage);
}

/* It stays without a place, if nothing of its workspace waits for one; what moves next comes behind
 * it. */
static void what_comes_back_needs_no_place(void)
{
    struct stage *stage = begin(100 * MS);
    CHECK_INT(stays(stage, 1, 61), 60);
    struct attempt *a = arrive_ordered(stage, 1), *other = arrive_ordered(stage, 1);
    stage->d.has_placed[0] = true;
    CHECK(!share_takes_back(&stage->d, a));
    a->delivery->is_back = true;
    CHECK(share_takes_back(&stage->d, a) && !stage->d.has_placed[0]);
    attempts_add(&stage->d.arrived, other);
    CHECK(!share_takes_back(&stage->d, a));
    stage->d.arrived = (struct attempts){NULL, NULL};
    end(stage);
}

/* Where so many have too much that nobody could say who has what here. */
static void ordered_ones_stay_when_the_table_is_full(void)
{
    struct stage *stage = begin(100 * MS);
    (void)stays(stage, 1, 100);
    for (size_t i = 0; i < RUNTIME_OVER_MAX; i++)
        atomic_store(&stage->rt.over[i].workspace, 100 + i);
    struct attempt *a = arrive_ordered(stage, 1);
    CHECK(!decide(stage, a) && stage->d.arrived.first == NULL && a->plan.kind == PLAN_NONE);
    CHECK_INT(stays(stage, 1, 1), 0);
    end(stage);
}

/* They take their room, but who sent them still has a share of the rest. */
static void bulk_jobs_count_for_nothing(void)
{
    struct stage *stage = begin(100 * MS);
    for (int i = 0; i < 60; i++) {
        struct attempt *a = arrive(stage, 1);
        a->delivery->priority = JOB_BULK;
        a->item.priority = FAIR_BULK;
        a->item.is_aside = true;
        metric_add(&stage->rt.metrics.buffered_bulk, 1);
        CHECK(!decide(stage, a));
    }
    CHECK_INT(stays(stage, 1, 100), 30);
    end(stage);
}

/* They stay: true means that their workspace has too much of them. */
static bool is_over_by_bulk(struct stage *stage, uint64_t tenant, int count)
{
    for (int i = 0; i < count; i++) {
        struct attempt *a = arrive(stage, tenant);
        a->delivery->priority = JOB_BULK;
        a->item.priority = FAIR_BULK;
        a->item.is_aside = true;
        metric_add(&stage->rt.metrics.buffered_bulk, 1);
        CHECK(!decide(stage, a) && a->plan.kind == PLAN_NONE);
    }
    return share_is_over(&stage->rt, share_number(tenant, true));
}

/* Of 60 one has 30, then each of two 20; and the one more that is looked at. */
static void the_bulk_half_is_shared(void)
{
    struct stage *stage = begin(100 * MS);
    CHECK_INT(share_bulk_max(&stage->rt), 60);
    CHECK(!is_over_by_bulk(stage, 1, 31) && !share_is_any_bulk_over(&stage->rt));
    CHECK_INT(share_bulk_limit(&stage->rt), 60);
    CHECK(is_over_by_bulk(stage, 1, 1) && share_is_any_bulk_over(&stage->rt));
    CHECK_INT(share_bulk_limit(&stage->rt), 75);
    CHECK(!share_is_over(&stage->rt, 1) && !share_is_any_over(&stage->rt));
    CHECK(!is_over_by_bulk(stage, 2, 21));
    CHECK(is_over_by_bulk(stage, 2, 1));
    CHECK_INT(given(stage), 0);
    CHECK_INT(share_number(share_number(7, true), true), 7);
    CHECK(share_number(7, true) != 7 && share_number(7, false) == 7);
    end(stage);
}

/* Then that is known as soon as the pace is, and who comes has a share all the same. */
static void who_has_filled_the_bulk_half_is_known(void)
{
    struct stage *stage = begin(0);
    CHECK(!is_over_by_bulk(stage, 1, 60));
    share_make_room(&stage->d);
    CHECK(!share_is_any_bulk_over(&stage->rt));
    stage->d.pace.mean_us = 100 * MS;
    stage->d.room_due_us = 0;
    share_make_room(&stage->d);
    CHECK(share_is_over(&stage->rt, share_number(1, true)));
    CHECK_INT(given(stage), 0);
    CHECK_INT(fair_tenant_aside(&stage->d.fair, 1), 60);
    CHECK(!is_over_by_bulk(stage, 2, 15));
    end(stage);
}

/* Those of the other classes run before. */
static void bulk_jobs_wait_for_all(void)
{
    struct stage *stage = begin(MS);
    CHECK(!is_over_by_bulk(stage, 1, 40));
    metric_set(&stage->rt.metrics.jobs_waiting[JOB_BULK], 900);
    CHECK(!is_over_by_bulk(stage, 1, 1));
    metric_set(&stage->rt.metrics.jobs_waiting[JOB_DEFAULT], 300);
    CHECK(is_over_by_bulk(stage, 1, 1));
    end(stage);
}

/* As much as is within a share, and at least one. */
static void what_was_left_of_bulk_jobs_has_credit(void)
{
    struct stage *stage = begin(100 * MS);
    struct runtime *rt = &stage->rt;
    struct delivery delivery = {.over_slot = DELIVERY_NOT_RETURNING};
    uint64_t number = share_number(1, true);
    CHECK(is_over_by_bulk(stage, 1, 32));
    share_note_left(rt, number, 9);
    share_look(&stage->d);
    CHECK(!share_may_return(rt, number) && share_may_return(rt, 1));
    for (size_t i = 0; i < 32; i++) {
        CHECK(fair_remove(&stage->d.fair, &stage->attempts[i].item));
        metric_add(&rt->metrics.buffered, -1);
    }
    metric_set(&rt->metrics.buffered_bulk, 60); /* of others, that run */
    share_look(&stage->d);
    CHECK_INT(rt->over[0].credit, 30); /* the half is all its own */
    metric_set(&rt->metrics.buffered_bulk, 0);
    stage->conf.buffered_jobs_max = 1;
    share_look(&stage->d);
    CHECK_INT(rt->over[0].credit, 1);
    CHECK(share_take_credit(rt, &delivery, number) && !share_take_credit(rt, &delivery, number));
    share_take_beyond(rt, &delivery, number);
    CHECK_INT(rt->over[0].returning, 2);
    CHECK_INT(rt->over[0].credit, -1);
    share_note_left(rt, number, -9);
    share_look(&stage->d);
    CHECK(!share_is_any_bulk_over(rt) && !share_is_over(rt, number));
    end(stage);
}

static void the_newest_make_room(void)
{
    struct stage *stage = begin(0);
    CHECK_INT(stays(stage, 2, 10), 10);
    CHECK_INT(stays(stage, 1, 110), 110);
    share_make_room(&stage->d);
    CHECK_INT(given(stage), 0);
    stage->d.pace.mean_us = 100 * MS;
    stage->d.room_due_us = 0;
    share_make_room(&stage->d);
    CHECK_INT(given(stage), 110 - (110 + 7) / 2);
    CHECK_INT(fair_tenant_backlog(&stage->d.fair, 1), 58);
    CHECK_INT(fair_tenant_backlog(&stage->d.fair, 2), 10);
    CHECK_INT(stage->attempts[10 + 57].plan.kind, PLAN_NONE);
    CHECK_INT(stage->attempts[10 + 58].plan.kind, PLAN_DEMOTE);
    share_make_room(&stage->d); /* not again at once */
    CHECK_INT(given(stage), 0);
    end(stage);
}

static void who_has_too_much_is_known_until_it_has_half(void)
{
    struct stage *stage = begin(0);
    atomic_store(&stage->rt.run_count, 100);
    atomic_store(&stage->rt.run_total_us, 100 * 100 * MS);
    share_look(&stage->d);
    CHECK_INT(stays(stage, 1, 60), 60);
    CHECK(!share_is_any_over(&stage->rt));
    CHECK_INT(stays(stage, 1, 40), 0);
    CHECK(share_is_any_over(&stage->rt) && share_is_over(&stage->rt, 1));
    CHECK(!share_is_over(&stage->rt, 2));
    drain_to(stage, 41);
    CHECK(share_is_over(&stage->rt, 1));
    drain_to(stage, 40);
    CHECK(!share_is_over(&stage->rt, 1) && !share_is_any_over(&stage->rt));
    end(stage);
}

static void who_is_worked_off_soon_has_not_too_much(void)
{
    struct stage *stage = begin(100 * MS);
    CHECK_INT(stays(stage, 1, 100), 60);
    CHECK(share_is_over(&stage->rt, 1));
    atomic_store(&stage->rt.run_count, 1000);
    atomic_store(&stage->rt.run_total_us, 1000 * MS);
    share_look(&stage->d);
    CHECK(!share_is_any_over(&stage->rt));
    end(stage);
}

static CU_TestInfo tests[] = {
    {"what is worked off soon stays", what_is_worked_off_soon_stays},
    {"what is unread counts", what_is_unread_counts},
    {"unread bulk jobs count for nothing", unread_bulk_jobs_count_for_nothing},
    {"each has as much as is left", each_has_as_much_as_is_left},
    {"a few are always within a share", a_few_are_always_within_a_share},
    {"a cap makes it longer", a_cap_makes_it_longer},
    {"some never move", some_never_move},
    {"ordered ones need their places", ordered_ones_need_their_places},
    {"what was left has credit", what_was_left_has_credit},
    {"what comes back needs no place", what_comes_back_needs_no_place},
    {"ordered ones stay when the table is full", ordered_ones_stay_when_the_table_is_full},
    {"bulk jobs count for nothing", bulk_jobs_count_for_nothing},
    {"the bulk half is shared", the_bulk_half_is_shared},
    {"who has filled the bulk half is known", who_has_filled_the_bulk_half_is_known},
    {"bulk jobs wait for all", bulk_jobs_wait_for_all},
    {"what was left of bulk jobs has credit", what_was_left_of_bulk_jobs_has_credit},
    {"the newest make room", the_newest_make_room},
    {"who has too much is known until it has half", who_has_too_much_is_known_until_it_has_half},
    {"who is worked off soon has not too much", who_is_worked_off_soon_has_not_too_much},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("run/share", tests)
