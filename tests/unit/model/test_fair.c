/* fair: known orders, and random operations beside a naive model. */
#include "check.h"
#include "model/fair.h"

#include <stdio.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static uint64_t seed;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static struct err err;

static void push(struct fair *fair, struct fair_item *item)
{
    CHECK_OK(fair_push(fair, item, &err), &err);
}

/*
 * A script of steps: "Aa1" pushes an item of tenant a with key 1 (0 = none) as an interactive one
 * (A), default (B) or bulk (C); "t" takes and writes the item's number (from 0), "-" when none may
 * run; "e2" ends item 2; "x2" removes it, and writes r or n.
 */
static void run_script(struct fair *fair, struct fair_item *items, const char *script, char *out)
{
    size_t pushed = 0;
    for (const char *at = script; *at != '\0'; at++) {
        if (*at == 't') {
            struct fair_item *item = fair_take(fair);
            *out++ = (char)(item == NULL ? '-' : '0' + (item - items));
        } else if (*at == 'e') {
            fair_end(fair, &items[*++at - '0']);
        } else if (*at == 'x') {
            *out++ = fair_remove(fair, &items[*++at - '0']) ? 'r' : 'n';
        } else if (*at != ' ') {
            items[pushed] = (struct fair_item){.tenant = (uint64_t)at[1],
                                               .order_key = (uint64_t)(at[2] - '0'),
                                               .priority = (enum fair_priority)(*at - 'A'),
                                               .cost = 1};
            push(fair, &items[pushed++]);
            at += 2;
        }
    }
    *out = '\0';
}

static void known_orders(void)
{
    static const struct {
        const char *what, *script, *taken;
        size_t cap;
    } cases[] = {
        {"nothing", "t", "-", 0},
        {"as pushed", "Ba0Ba0Ba0tttt", "012-", 0},
        {"by class", "Ca0Ba0Aa0ttt", "210", 0},
        {"tenants in turn", "Ba0Ba0Ba0Bb0Bc0ttttt", "03412", 0},
        {"one that comes later has its turn", "Ba0Ba0Ba0tBb0tt", "013", 0},
        {"a cap", "Ba0Ba0Bb0tttte0t", "02--1", 1},
        {"a cap of two", "Ba0Ba0Ba0ttte1t", "01-2", 2},
        {"a key runs alone", "Ba1Ba1Ba0ttte0tt", "02-1-", 0},
        {"a key keeps its place", "Ba1Ba1Ba0Ba0tte0tt", "0213", 0},
        {"those passed over keep their order", "Ba1Ba2Ba1Ba2Ba0ttte1e0ttt", "01423-", 0},
        {"a key over tenants", "Ba1Bb1Bb0ttte0t", "02-1", 0},
        {"a key over classes", "Ba1tAa1Ca1te0te1t", "0-12", 0},
        {"keys of others go on", "Ba1Ba1Ba1Bb2Bb2tttttte0e3tt", "03----14", 0},
        {"removed from the line", "Ba0Ba0Ba0x1tttt", "r02--", 0},
        {"removed while it waits", "Ba1Ba1Ba1ttx1e0tt", "0-r2-", 0},
        {"removed with its key", "Ba1Ba1Ba1tte0x1x1tt", "0-rn2-", 0},
        {"in flight is not removed", "Ba0tx0e0x0", "0nn", 0},
        {"key and cap", "Ba1Ba1Ba0tte0tte1t", "0-1-2", 1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct fair fair;
        struct fair_item items[16];
        char taken[64];
        fair_init(&fair, cases[i].cap);
        run_script(&fair, items, cases[i].script, taken);
        if (!CHECK_TEXT(taken, cases[i].taken))
            printf("# %s\n", cases[i].what);
        fair_done(&fair);
    }
}

static void known_counts(void)
{
    struct fair fair;
    struct fair_item items[16];
    char taken[64];
    fair_init(&fair, 0);
    run_script(&fair, items, "Ba1Ba1Ca0Bb0tt", taken);
    CHECK_INT(fair_count(&fair), 2);
    CHECK_INT(fair_in_flight(&fair), 2);
    CHECK_INT(fair_tenant_count(&fair), 2);
    CHECK_INT(fair_tenant_backlog(&fair, 'a'), 2);
    CHECK_INT(fair_tenant_in_flight(&fair, 'a'), 1);
    CHECK_INT(fair_tenant_backlog(&fair, 'b'), 0);
    CHECK_INT(fair_tenant_in_flight(&fair, 'b'), 1);
    CHECK_INT(fair_tenant_backlog(&fair, 'c'), 0);
    fair_end(&fair, &items[3]);
    CHECK_INT(fair_tenant_count(&fair), 1);
    CHECK_INT(fair_push(&fair, &items[0], &err), OUTCOME_BUG);
    fair_done(&fair);
}

/* Tenants that pay n for each item get one in n visits; the credit of an idle one is gone. */
static void costs_are_paid(void)
{
    static const int32_t costs[] = {1, 2, 4, 0, 1000};
    enum { EACH = 600, TENANTS = COUNT(costs) };
    static struct fair_item items[TENANTS][EACH];
    int taken[TENANTS] = {0};
    struct fair fair;
    fair_init(&fair, 0);
    for (size_t t = 0; t < TENANTS; t++) {
        for (size_t i = 0; i < EACH; i++) {
            items[t][i] = (struct fair_item){.tenant = t, .cost = costs[t]};
            push(&fair, &items[t][i]);
        }
    }
    for (int i = 0; i < 1680; i++)
        taken[fair_take(&fair)->tenant]++;
    CHECK(taken[0] == 600 && taken[3] == 600);
    CHECK(abs(taken[1] - 2 * taken[2]) <= 2);
    CHECK(abs(taken[2] * 4 - taken[4] * FAIR_COST_MAX) <= FAIR_COST_MAX + 4);
    fair_done(&fair);
}

static bool is_of_key(struct fair_item *item, void *key)
{
    return item->order_key == *(uint64_t *)key;
}

static void matching_are_removed(void)
{
    struct fair fair;
    struct fair_item items[16];
    char taken[64];
    uint64_t key = 1;
    size_t removed = 0;
    fair_init(&fair, 0);
    run_script(&fair, items, "Ba1Ba1Ba1Ba0Ab1Cc2Cc2ttte0", taken);
    CHECK_TEXT(taken, "435"); /* item 4 has the key: 0, 1, 2 wait for it */
    for (struct fair_item *item = fair_remove_matching(&fair, is_of_key, &key); item != NULL;
         item = item->matched)
        removed += item->order_key == 1 && item->place == FAIR_NOWHERE;
    CHECK_INT(removed, 3);
    CHECK_INT(fair_count(&fair), 1);
    CHECK(fair_remove_matching(&fair, NULL, NULL) == &items[6]);
    CHECK(fair_remove_matching(&fair, NULL, NULL) == NULL);
    CHECK_INT(fair_count(&fair), 0);
    CHECK_INT(fair_in_flight(&fair), 3);
    fair_done(&fair);
}

/* ---- the naive model: an array of items in the order of their push ---- */

enum { ITEMS = 96, CLASSES = FAIR_PRIORITY_COUNT };

struct naive {
    struct fair_item items[ITEMS];
    uint64_t order[ITEMS]; /* of the push; 0 = not pushed */
    bool runs[ITEMS];
    uint64_t pushed;
    size_t cap;
    int passed_over[CLASSES];
    int64_t paid_min[CLASSES][8]; /* how often another was taken since this tenant could run */
};

static bool naive_key_runs(const struct naive *naive, uint64_t key)
{
    for (size_t i = 0; i < ITEMS; i++)
        if (key != 0 && naive->runs[i] && naive->items[i].order_key == key)
            return true;
    return false;
}

static size_t naive_tenant_runs(const struct naive *naive, uint64_t tenant)
{
    size_t count = 0;
    for (size_t i = 0; i < ITEMS; i++)
        count += naive->runs[i] && naive->items[i].tenant == tenant;
    return count;
}

static bool naive_is_queued(const struct naive *naive, size_t i)
{
    return naive->order[i] != 0 && !naive->runs[i];
}

/* Could run, were it not for those before it of its own tenant and class. */
static bool naive_may_run(const struct naive *naive, size_t i)
{
    const struct fair_item *item = &naive->items[i];
    return naive_is_queued(naive, i) && !naive_key_runs(naive, item->order_key) &&
           (naive->cap == 0 || naive_tenant_runs(naive, item->tenant) < naive->cap);
}

/* A key that is held by an item that is called but not yet taken is no longer free for others. */
static bool naive_key_is_called(const struct naive *naive, uint64_t key)
{
    for (size_t i = 0; i < ITEMS; i++)
        if (key != 0 && naive->items[i].place == FAIR_CALLED && naive->items[i].order_key == key)
            return true;
    return false;
}

static bool naive_class_may_run(const struct naive *naive, unsigned priority)
{
    for (size_t i = 0; i < ITEMS; i++)
        if (naive->items[i].priority == priority && naive_may_run(naive, i) &&
            (naive->items[i].place == FAIR_CALLED ||
             !naive_key_is_called(naive, naive->items[i].order_key)))
            return true;
    return false;
}

static bool naive_any_may_run(const struct naive *naive)
{
    for (unsigned priority = 0; priority < CLASSES; priority++)
        if (naive_class_may_run(naive, priority))
            return true;
    return false;
}

/* Nothing of the same tenant and class that could run was pushed before it. */
static bool naive_is_first(const struct naive *naive, size_t taken)
{
    const struct fair_item *item = &naive->items[taken];
    for (size_t i = 0; i < ITEMS; i++) {
        const struct fair_item *other = &naive->items[i];
        if (i == taken || other->tenant != item->tenant || other->priority != item->priority ||
            !naive_is_queued(naive, i) || naive->order[i] > naive->order[taken])
            continue;
        if (other->order_key == item->order_key && item->order_key != 0)
            return false;
        if (naive_may_run(naive, i) &&
            (other->place == FAIR_CALLED || !naive_key_is_called(naive, other->order_key)))
            return false;
    }
    return true;
}

static void check_take(struct naive *naive, struct fair *fair)
{
    bool may[CLASSES];
    for (unsigned priority = 0; priority < CLASSES; priority++)
        may[priority] = naive_class_may_run(naive, priority);
    bool any = naive_any_may_run(naive);
    struct naive before = *naive;
    struct fair fair_before = *fair;
    struct fair_item *item = fair_take(fair);
    CHECK((item != NULL) == any);
    if (item == NULL)
        return;
    size_t taken = (size_t)(item - naive->items);
    CHECK(naive_may_run(&before, taken));
    CHECK(naive_is_first(&before, taken));
    for (unsigned priority = 0; priority < CLASSES; priority++) {
        bool passed = priority != item->priority && may[priority];
        naive->passed_over[priority] = passed ? naive->passed_over[priority] + 1 : 0;
        CHECK(naive->passed_over[priority] <= FAIR_PASSED_OVER_MAX || priority == 0);
        if (priority < item->priority && may[priority]) /* only the guard goes before its better */
            CHECK(fair_before.passed_over[item->priority] >= FAIR_PASSED_OVER_MAX - 1);
    }
    naive->runs[taken] = true;
}

static void random_push(struct naive *naive, struct fair *fair, unsigned keys)
{
    for (size_t i = 0; i < ITEMS; i++) {
        if (naive->order[i] != 0)
            continue;
        naive->items[i] = (struct fair_item){.tenant = next_random() % 6,
                                             .order_key = next_random() % keys,
                                             .priority = next_random() % CLASSES,
                                             .cost = (int32_t)(next_random() % 4)};
        push(fair, &naive->items[i]);
        naive->order[i] = ++naive->pushed;
        return;
    }
}

static void random_end(struct naive *naive, struct fair *fair, bool remove)
{
    size_t from = next_random() % ITEMS;
    for (size_t k = 0; k < ITEMS; k++) {
        size_t i = (from + k) % ITEMS;
        if (naive->order[i] == 0 || naive->runs[i] == remove)
            continue;
        if (remove)
            CHECK(fair_remove(fair, &naive->items[i]));
        else
            fair_end(fair, &naive->items[i]);
        naive->order[i] = 0;
        naive->runs[i] = false;
        return;
    }
}

static void check_counts(const struct naive *naive, const struct fair *fair)
{
    size_t queued[6] = {0}, runs[6] = {0}, all = 0;
    for (size_t i = 0; i < ITEMS; i++) {
        queued[naive->items[i].tenant] += naive_is_queued(naive, i);
        runs[naive->items[i].tenant] += naive->runs[i];
        all += naive_is_queued(naive, i);
    }
    CHECK_INT(fair_count(fair), all);
    size_t tenants = 0;
    for (uint64_t t = 0; t < 6; t++) {
        CHECK_INT(fair_tenant_backlog(fair, t), queued[t]);
        CHECK_INT(fair_tenant_in_flight(fair, t), runs[t]);
        tenants += queued[t] + runs[t] > 0;
    }
    CHECK_INT(fair_tenant_count(fair), tenants);
}

static void agrees_with_a_naive_model(void)
{
    seed = 20261121;
    static struct naive naive;
    for (int round = 0; round < 60; round++) {
        struct fair fair;
        naive = (struct naive){.cap = next_random() % 5};
        unsigned keys = 1 + (unsigned)(next_random() % 12);
        fair_init(&fair, naive.cap);
        for (int step = 0; step < 400; step++) {
            uint64_t dice = next_random() % 100;
            if (dice < 45)
                random_push(&naive, &fair, keys);
            else if (dice < 75)
                check_take(&naive, &fair);
            else
                random_end(&naive, &fair, dice > 96);
            if (step % 8 == 0)
                check_counts(&naive, &fair);
        }
        fair_done(&fair);
    }
}

/* While all have work, none is ahead of another by more than its turn. */
static void tenants_share_alike(void)
{
    enum { TENANTS = 50, EACH = 40 };
    static struct fair_item items[TENANTS][EACH];
    int taken[TENANTS] = {0};
    struct fair fair;
    seed = 7;
    fair_init(&fair, 0);
    for (int i = 0; i < TENANTS * EACH; i++) { /* the first tenant's come first, all of them */
        struct fair_item *item = &items[i / EACH][i % EACH];
        *item =
            (struct fair_item){.tenant = (uint64_t)(i / EACH), .order_key = next_random() % 900};
        push(&fair, item);
    }
    for (int i = 0; i < TENANTS * (EACH - 1); i++) {
        struct fair_item *item = fair_take(&fair);
        if (!CHECK(item != NULL))
            break;
        taken[item->tenant]++;
        fair_end(&fair, item);
        for (int t = 0; t < TENANTS && i % 10 == 0; t++)
            CHECK(abs(taken[t] - taken[0]) <= 1);
    }
    fair_done(&fair);
}

/* What is aside runs as all the others, and is left out of the backlog alone. */
static void some_are_aside(void)
{
    struct fair fair;
    struct fair_item items[6] = {
        {.tenant = 'a', .is_aside = true},
        {.tenant = 'a', .is_aside = true},
        {.tenant = 'a'},
        {.tenant = 'b'},
        {.tenant = 'b'},
        {.tenant = 'c'},
    };
    uint64_t tenant = 0;
    fair_init(&fair, 0);
    CHECK_INT(fair_greatest_backlog(&fair, &tenant), 0);
    CHECK_INT(fair_greatest_aside(&fair, &tenant), 0);
    CHECK_INT(tenant, 0);
    for (size_t i = 0; i < COUNT(items); i++)
        push(&fair, &items[i]);
    CHECK_INT(fair_count(&fair), 6);
    CHECK_INT(fair_tenant_backlog(&fair, 'a'), 1);
    CHECK_INT(fair_greatest_backlog(&fair, &tenant), 2);
    CHECK_INT(tenant, 'b');
    CHECK_INT(fair_greatest_aside(&fair, &tenant), 2);
    CHECK_INT(tenant, 'a');
    CHECK_INT(fair_tenant_aside(&fair, 'a'), 2);
    CHECK_INT(fair_aside_tenants(&fair), 1);
    CHECK_INT(fair_tenant_aside(&fair, 'b'), 0);
    CHECK_INT(fair_tenant_aside(&fair, 'd'), 0);
    CHECK(fair_take(&fair) == &items[0]);
    CHECK_INT(fair_tenant_backlog(&fair, 'a'), 1);
    CHECK_INT(fair_tenant_aside(&fair, 'a'), 1);
    CHECK_INT(fair_aside_tenants(&fair), 1);
    CHECK(fair_remove(&fair, &items[1]) && fair_remove(&fair, &items[3]));
    CHECK_INT(fair_tenant_backlog(&fair, 'a'), 1);
    CHECK_INT(fair_tenant_backlog(&fair, 'b'), 1);
    CHECK_INT(fair_tenant_aside(&fair, 'a'), 0);
    CHECK_INT(fair_aside_tenants(&fair), 0);
    CHECK_INT(fair_greatest_aside(&fair, &tenant), 0);
    fair_end(&fair, &items[0]);
    CHECK(fair_remove(&fair, &items[2]));
    CHECK_INT(fair_tenant_backlog(&fair, 'a'), 0);
    fair_done(&fair);
}

static CU_TestInfo tests[] = {
    {"known orders", known_orders},
    {"known counts", known_counts},
    {"costs are paid", costs_are_paid},
    {"matching are removed", matching_are_removed},
    {"agrees with a naive model", agrees_with_a_naive_model},
    {"tenants share alike", tenants_share_alike},
    {"some are aside", some_are_aside},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/fair", tests)
