#include "run/delivery.h"

#include "check.h"

#include "base/clock.h"

static struct delivery *make(uint64_t order_key, int lane)
{
    struct kafka_message message = {0};
    struct delivery *delivery = delivery_new(&message);
    delivery->order_key = order_key;
    delivery->lane = lane; /* its name, here */
    return delivery;
}

static int take(struct delivery_queue *queue, size_t taker)
{
    struct delivery *delivery = delivery_queue_take(queue, taker);
    int name = delivery == NULL ? -1 : delivery->lane;
    delivery_free(delivery);
    return name;
}

static void test_first_in_is_first_out(void)
{
    struct delivery_queue queue;
    uint64_t busy[2] = {0};
    delivery_queue_init(&queue, busy, 2);
    for (int i = 0; i < 3; i++)
        delivery_queue_push(&queue, make(0, i));
    CHECK_INT(delivery_queue_count(&queue), 3);
    for (int i = 0; i < 3; i++)
        CHECK_INT(take(&queue, 0), i);
    CHECK_INT(delivery_queue_count(&queue), 0);
    delivery_queue_done(&queue);
}

static void test_one_key_at_a_time(void)
{
    struct delivery_queue queue;
    uint64_t busy[3] = {0};
    delivery_queue_init(&queue, busy, 3);
    static const uint64_t keys[] = {7, 7, 9, 0, 7};
    for (int i = 0; i < 5; i++)
        delivery_queue_push(&queue, make(keys[i], i));
    CHECK_INT(take(&queue, 0), 0);
    CHECK_INT(take(&queue, 1), 2);
    CHECK_INT(take(&queue, 2), 3);
    delivery_queue_end(&queue, 0);
    CHECK_INT(take(&queue, 0), 1);
    delivery_queue_end(&queue, 0);
    CHECK_INT(take(&queue, 2), 4);
    /* The tail was taken out of the middle: what comes next is found. */
    delivery_queue_push(&queue, make(0, 5));
    CHECK_INT(take(&queue, 0), 5);
    delivery_queue_done(&queue);
}

static void test_closed(void)
{
    struct delivery_queue queue;
    uint64_t busy[1] = {0};
    delivery_queue_init(&queue, busy, 1);
    delivery_queue_push(&queue, make(0, 1));
    delivery_queue_close(&queue);
    CHECK_INT(take(&queue, 0), -1);
    struct delivery *rest = delivery_queue_take_all(&queue, 0);
    CHECK(rest != NULL && rest->next == NULL && rest->lane == 1);
    delivery_free(rest);
    int64_t begin_us = clock_monotonic_us();
    CHECK(delivery_queue_take_all(&queue, 20 * US_PER_MS) == NULL);
    CHECK(clock_monotonic_us() - begin_us >= 15 * US_PER_MS);
    delivery_queue_done(&queue);
}

static CU_TestInfo tests[] = {
    {"first in is first out", test_first_in_is_first_out},
    {"one key at a time", test_one_key_at_a_time},
    {"closed", test_closed},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("run/delivery", tests)
