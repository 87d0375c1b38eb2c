#include "run/queue.h"

#include "check.h"

#include "base/clock.h"

#include <stdatomic.h>

struct item {
    struct node node;
    int name;
};

static int name_of(struct node *node)
{
    return node == NULL ? -1 : ((struct item *)(void *)node)->name;
}

static void test_first_in_is_first_out(void)
{
    struct queue queue;
    struct item items[4] = {{.name = 0}, {.name = 1}, {.name = 2}, {.name = 3}};
    queue_init(&queue);
    queue_push(&queue, &items[0].node);
    items[1].node.next = &items[2].node;
    items[2].node.next = NULL;
    queue_push_list(&queue, &items[1].node);
    queue_push_list(&queue, NULL);
    queue_push(&queue, &items[3].node);
    CHECK_INT(queue_count(&queue), 4);
    CHECK_INT(name_of(queue_try(&queue)), 0);
    for (int i = 1; i < 4; i++)
        CHECK_INT(name_of(queue_take(&queue)), i);
    CHECK_INT(queue_count(&queue), 0);
    CHECK_INT(name_of(queue_try(&queue)), -1);
    queue_done(&queue);
}

static void test_closed(void)
{
    struct queue queue;
    struct item item = {.name = 1};
    queue_init(&queue);
    queue_push(&queue, &item.node);
    queue_close(&queue);
    CHECK(!queue_is_closed(&queue));
    CHECK_INT(name_of(queue_take(&queue)), 1);
    CHECK(queue_is_closed(&queue));
    CHECK_INT(name_of(queue_take(&queue)), -1);
    queue_done(&queue);
}

static void test_waits(void)
{
    struct queue queue;
    queue_init(&queue);
    int64_t begin_us = clock_monotonic_us();
    CHECK(queue_take_all(&queue, 20 * US_PER_MS) == NULL);
    CHECK(clock_monotonic_us() - begin_us >= 15 * US_PER_MS);
    queue_nudge(&queue); /* counts for the wait that comes next, and for that one alone */
    begin_us = clock_monotonic_us();
    CHECK(queue_take_all(&queue, 10 * US_PER_S) == NULL);
    CHECK(clock_monotonic_us() - begin_us < 5 * US_PER_S);
    begin_us = clock_monotonic_us();
    CHECK(queue_take_all(&queue, 20 * US_PER_MS) == NULL);
    CHECK(clock_monotonic_us() - begin_us >= 15 * US_PER_MS);
    queue_done(&queue);
}

#define ITEMS 2000
struct relay {
    struct queue in, out;
};

static void *pass_on(void *arg)
{
    struct relay *relay = arg;
    struct node *node;
    while ((node = queue_take(&relay->in)) != NULL)
        queue_push(&relay->out, node);
    return NULL;
}

/* Nothing is lost or doubled, and every wait is woken. */
static void test_many_threads(void)
{
    static struct item items[ITEMS];
    static bool seen[ITEMS];
    struct relay relay;
    pthread_t threads[3];
    queue_init(&relay.in);
    queue_init(&relay.out);
    for (size_t i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, pass_on, &relay) == 0);
    for (int i = 0; i < ITEMS; i++) {
        items[i].name = i;
        queue_push(&relay.in, &items[i].node);
    }
    for (int got = 0; got < ITEMS;) {
        struct node *list = queue_take_all(&relay.out, US_PER_S);
        for (; list != NULL; list = list->next, got++) {
            CHECK(!seen[name_of(list)]);
            seen[name_of(list)] = true;
        }
    }
    queue_close(&relay.in);
    for (size_t i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    queue_done(&relay.in);
    queue_done(&relay.out);
}

static CU_TestInfo tests[] = {
    {"first in is first out", test_first_in_is_first_out},
    {"closed", test_closed},
    {"waits", test_waits},
    {"many threads", test_many_threads},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("run/queue", tests)
