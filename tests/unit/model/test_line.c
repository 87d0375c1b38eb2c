/* line: who comes out, in which order. */
#include "check.h"
#include "model/line.h"

#define S INT64_C(1000000)
#define ITEMS 8

static struct line line;
static struct line_item items[ITEMS];

static void begin(size_t count_max)
{
    line_init(&line, count_max);
}

static struct line_item *add(size_t i, uint64_t key, int64_t place, int64_t due_us)
{
    items[i] = (struct line_item){.order_key = key, .place = place, .due_us = due_us};
    return line_add(&line, &items[i]);
}

static void a_key_is_called_in_the_order_of_its_places(void)
{
    begin(ITEMS);
    static const int64_t places[] = {5, 3, 9, 1, 7};
    for (size_t i = 0; i < 5; i++)
        CHECK(add(i, 2, places[i], 100 * S) == NULL);
    CHECK(add(5, 1, 2, 100 * S) == NULL);
    CHECK(add(6, 3, 4, 100 * S) == NULL);
    for (int64_t place = 1; place <= 9; place += 2)
        CHECK_INT(line_call(&line, 2, 0)->place, place);
    CHECK(line_call(&line, 2, 0) == NULL);
    CHECK(line_call(&line, 1, 0) == &items[5] && line_call(&line, 3, 0) == &items[6]);
    CHECK(line_call(&line, 3, 0) == NULL && line_call(&line, 4, 0) == NULL);
    CHECK_INT((int64_t)line.count, 0);
}

static void who_is_due_comes_if_it_is_the_first_of_its_key(void)
{
    begin(ITEMS);
    (void)add(0, 1, 10, 5 * S);
    (void)add(1, 1, 20, 1 * S);
    (void)add(2, 2, 10, 3 * S);
    CHECK(line_take_due(&line, 1 * S) == NULL);
    CHECK(line_take_due(&line, 3 * S) == &items[2]);
    CHECK(line_take_due(&line, 3 * S) == NULL);
    CHECK(line_take_due(&line, 5 * S) == &items[0]);
    CHECK(line_take_due(&line, 5 * S) == NULL);
    CHECK_INT(line.due_us, 5 * S + LINE_AGAIN_US);
    CHECK(line_take_due(&line, 5 * S + LINE_AGAIN_US - 1) == NULL);
    CHECK(line_take_due(&line, 5 * S + LINE_AGAIN_US) == &items[1]);
    CHECK(line_take_due(&line, INT64_MAX - 1) == NULL);
    CHECK_INT(line.due_us, INT64_MAX);
}

static void all_that_are_due_come(void)
{
    begin(ITEMS);
    for (size_t i = 0; i < ITEMS; i++)
        (void)add(i, i, 1, (int64_t)(i % 3) * S);
    for (int n = 0; n < 6; n++)
        CHECK(line_take_due(&line, 1 * S) != NULL);
    CHECK(line_take_due(&line, 1 * S) == NULL);
    CHECK_INT(line.due_us, 2 * S);
    CHECK(line_take_due(&line, 2 * S) != NULL && line_take_due(&line, 2 * S) != NULL);
    CHECK(line.first == NULL);
}

/* Whoever is the first of its key now is due as itself says. */
static void when_the_first_goes_the_next_is_due(void)
{
    begin(ITEMS);
    (void)add(0, 1, 10, 50 * S);
    (void)add(1, 1, 20, 30 * S);
    (void)add(2, 1, 30, 40 * S);
    CHECK(line_take_due(&line, 49 * S) == NULL);
    CHECK(line_call(&line, 1, 29 * S) == &items[0]);
    CHECK(line_take_due(&line, 29 * S) == NULL);
    CHECK(line_take_due(&line, 30 * S) == &items[1]);
    CHECK(line_take_behind(&line, 1, 29) == &items[2]);
}

static void who_has_no_room(void)
{
    begin(3);
    CHECK(add(0, 1, 10, S) == NULL && add(1, 1, 30, S) == NULL && add(2, 2, 10, S) == NULL);
    CHECK(add(3, 1, 20, S) == &items[1]); /* the last of its key */
    CHECK(add(4, 1, 40, S) == &items[4]); /* itself */
    CHECK(add(5, 3, 10, S) == &items[5]); /* the only one */
    CHECK(add(6, 2, 5, S) == &items[2]);
    CHECK_INT((int64_t)line.count, 3);
    CHECK(line_call(&line, 1, 0) == &items[0] && line_call(&line, 1, 0) == &items[3]);
    CHECK(line_call(&line, 2, 0) == &items[6]);
    begin(0);
    CHECK(add(0, 1, 10, S) == &items[0]);
}

static void who_is_behind_a_place(void)
{
    begin(ITEMS);
    (void)add(0, 1, 10, S);
    (void)add(1, 1, 20, S);
    (void)add(2, 1, 30, S);
    (void)add(3, 2, 40, S);
    CHECK(line_take_behind(&line, 1, 10) == &items[1]);
    CHECK(line_take_behind(&line, 1, 10) == &items[2]);
    CHECK(line_take_behind(&line, 1, 10) == NULL);
    CHECK(line_take_behind(&line, 3, 0) == NULL && line_take_behind(&line, 0, 0) == NULL);
    CHECK_INT((int64_t)line.count, 2);
}

static bool is_of_key(struct line_item *item, void *context)
{
    return item->order_key == *(const uint64_t *)context;
}

static void who_matches_is_taken_out(void)
{
    begin(ITEMS);
    uint64_t key = 2;
    for (size_t i = 0; i < 6; i++)
        (void)add(i, i % 3, (int64_t)i, S);
    CHECK(line_take_matching(&line, is_of_key, &key) == &items[2]);
    CHECK(line_take_matching(&line, is_of_key, &key) == &items[5]);
    CHECK(line_take_matching(&line, is_of_key, &key) == NULL);
    CHECK_INT((int64_t)line.count, 4);
}

static void who_waits_for_the_same_head_asks_ever_less_often(void)
{
    begin(ITEMS);
    CHECK_INT(line_wait_us(&line, 7, 1, 0, 100 * S), LINE_AGAIN_US);
    CHECK_INT(line_wait_us(&line, 7, 1, 0, 101 * S), LINE_AGAIN_US);
    CHECK_INT(line_wait_us(&line, 7, 1, 0, 108 * S), 1 * S);
    CHECK_INT(line_wait_us(&line, 7, 1, 0, 164 * S), 8 * S);
    CHECK_INT(line_wait_us(&line, 7, 1, 0, 1000 * S), LINE_WAIT_US);
    CHECK_INT(line_wait_us(&line, 8, 1, 0, 1000 * S), LINE_AGAIN_US);
    CHECK_INT(line_wait_us(&line, 7, 1, 0, 1000 * S), LINE_WAIT_US);
    CHECK_INT(line_wait_us(&line, 7, 2, 0, 1000 * S), LINE_AGAIN_US);
    CHECK_INT(line_wait_us(&line, 7, 2, 0, 1008 * S), 1 * S);
    CHECK_INT(line_wait_us(&line, 7 + LINE_HEADS, 2, 0, 1008 * S), LINE_AGAIN_US);
    CHECK_INT(line_wait_us(&line, 7, 2, 0, 1008 * S), LINE_AGAIN_US); /* forgotten */
}

static void who_is_behind_the_head_needs_not_ask(void)
{
    begin(ITEMS);
    CHECK_INT(line_behind_us(&line, 7, 5, 100 * S), 0);
    (void)line_wait_us(&line, 7, 5, 0, 100 * S);
    CHECK_INT(line_behind_us(&line, 7, 6, 100 * S), LINE_AGAIN_US);
    CHECK_INT(line_behind_us(&line, 7, 6, 100 * S + LINE_AGAIN_US - 1), 1);
    CHECK_INT(line_behind_us(&line, 7, 6, 100 * S + LINE_AGAIN_US), 0);
    CHECK_INT(line_behind_us(&line, 7, 6, 200 * S), 0);
    CHECK_INT(line_behind_us(&line, 7, 5, 100 * S), 0); /* the head itself */
    CHECK_INT(line_behind_us(&line, 7, 4, 100 * S), 0);
    CHECK_INT(line_behind_us(&line, 7 + LINE_HEADS, 6, 100 * S), 0);
    CHECK_INT(line_wait_us(&line, 7, 5, 0, 180 * S), 10 * S);
    CHECK_INT(line_behind_us(&line, 7, 6, 184 * S), 6 * S);
    CHECK_INT(line_wait_us(&line, 7, 5, 60 * S, 200 * S), 60 * S); /* its next attempt */
    CHECK_INT(line_behind_us(&line, 7, 6, 230 * S), 30 * S);
}

static void the_head_is_who_is_called(void)
{
    begin(ITEMS);
    (void)line_wait_us(&line, 7, 5, 60 * S, 100 * S);
    (void)add(0, 7, 8, 200 * S);
    (void)add(1, 7, 9, 200 * S);
    CHECK(line_call(&line, 6, 101 * S) == NULL);
    CHECK_INT(line_behind_us(&line, 7, 6, 101 * S), 59 * S);
    CHECK(line_call(&line, 7, 101 * S) == &items[0]);
    CHECK_INT(line_behind_us(&line, 7, 6, 101 * S), 0);
    CHECK_INT(line_behind_us(&line, 7, 9, 101 * S), LINE_AGAIN_US);
    CHECK(line_call(&line, 7, 101 * S) == &items[1]);
    CHECK_INT(line_behind_us(&line, 7, 10, 101 * S), LINE_AGAIN_US);
    CHECK(line_call(&line, 7, 101 * S) == NULL);
    CHECK_INT(line_behind_us(&line, 7, 10, 101 * S), 0);
}

static void those_that_go_come_again_one_after_the_other(void)
{
    begin(ITEMS);
    int64_t at_us = line_return_us(&line, 10 * S);
    CHECK_INT(at_us, 10 * S + LINE_AGAIN_US);
    for (int i = 1; i <= 1000; i++)
        CHECK_INT(line_return_us(&line, 10 * S), at_us + i * (int64_t)LINE_RETURN_EVERY_US);
    for (int i = 0; i < 100000; i++)
        CHECK(line_return_us(&line, 11 * S) <= 11 * S + LINE_RETURN_US);
    CHECK_INT(line_return_us(&line, 11 * S), 11 * S + LINE_RETURN_US);
    CHECK_INT(line_return_us(&line, 100 * S), 100 * S + LINE_AGAIN_US);
}

static CU_TestInfo tests[] = {
    {"a key is called in the order of its places", a_key_is_called_in_the_order_of_its_places},
    {"who is due comes if it is the first of its key",
     who_is_due_comes_if_it_is_the_first_of_its_key},
    {"all that are due come", all_that_are_due_come},
    {"when the first goes the next is due", when_the_first_goes_the_next_is_due},
    {"who has no room", who_has_no_room},
    {"who is behind a place", who_is_behind_a_place},
    {"who matches is taken out", who_matches_is_taken_out},
    {"who waits for the same head asks ever less often",
     who_waits_for_the_same_head_asks_ever_less_often},
    {"who is behind the head needs not ask", who_is_behind_the_head_needs_not_ask},
    {"the head is who is called", the_head_is_who_is_called},
    {"those that go come again one after the other", those_that_go_come_again_one_after_the_other},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/line", tests)
