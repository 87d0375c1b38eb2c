/* poll_left, poll_back: what is read past, and comes back; on the bus. */
#include "run/poll.h"

#include "bus.h"
#include "check.h"
#include "run/share.h"

#define TOPIC "jobs"
#define KINDS 2

static const struct job_kind ordered = {.name = "ordered", .ordered = true};
static const struct job_kind plain = {.name = "plain"};
static const struct worker worker = {.name = "test", .kind_count = KINDS};

struct stage {
    struct run_conf conf;
    struct kind_entry kinds[KINDS];
    struct runtime rt;
    struct poller poller;
    struct kafka_consumer *front; /* in the place of the group's */
    int64_t produced;
};

static struct stage *begin(void)
{
    static struct stage stage;
    struct err err = {0};
    const struct kafka_partition from = {.topic = TOPIC, .offset = 0};
    const struct kafka_consumer_options options = {0};
    bus_reset();
    stage = (struct stage){
        .conf = {.buffered_jobs_max = 100, .job_memory_bytes = 1 << 20, .job_threads = 1},
        .kinds = {{.kind = &ordered}, {.kind = &plain}},
        .rt = {.worker = &worker, .workspace_jobs_max = 0},
    };
    stage.rt.conf = &stage.conf;
    stage.rt.kinds = stage.kinds;
    text_copy(stage.rt.retry_topics[0].text, sizeof stage.rt.retry_topics[0].text, "none");
    queue_init(&stage.rt.inbox);
    queue_init(&stage.rt.spare);
    stage.poller.rt = &stage.rt;
    CHECK_OK(partitions_assign(&stage.poller.table, &stage.rt, &from, 1, &err), &err);
    CHECK_OK(kafka_consumer_open(&stage.conf.kafka, &options, &stage.front, &err), &err);
    CHECK_OK(kafka_consumer_assign(stage.front, &from, 1, &err), &err);
    return &stage;
}

static void end(struct stage *stage)
{
    struct attempt *a;
    while ((a = attempts_take(&stage->poller.given)) != NULL) {
        struct delivery *delivery = a->delivery;
        attempt_free(a);
        poller_free(&stage->poller, delivery);
    }
    attempts_forget_spare(&stage->rt);
    kafka_consumer_close(stage->front);
    kafka_consumer_close(stage->poller.left.reader);
    partitions_clear(&stage->poller.table);
    queue_done(&stage->rt.inbox);
    queue_done(&stage->rt.spare);
}

static struct partition *partition_of(struct stage *stage)
{
    return &stage->poller.table.items[0];
}

static void set_over(struct stage *stage, size_t slot, const char *workspace, int credit)
{
    stage->rt.over[slot].workspace = attempt_number_of(slice_of(workspace));
    stage->rt.over[slot].credit = credit;
    stage->rt.over_count = 1;
}

/* A job comes; "\\u0067" is a g that is not seen at a glance. */
static void come(struct stage *stage, const char *kind, const char *workspace)
{
    char value[512];
    struct kafka_message message = {0};
    struct err err = {0};
    (void)snprintf(value, sizeof value,
                   "{\"specversion\":\"1.0\",\"id\":\"j%lld\",\"type\":\"haul.job.%s.v1\","
                   "\"source\":\"/t\",\"subject\":\"s\",\"data\":{\"workspace_id\":\"%s\"}}",
                   (long long)stage->produced++, kind, workspace);
    bus_produce(TOPIC, 0, "k", value);
    CHECK_OK(kafka_consumer_poll(stage->front, 0, &message, &err), &err);
    CHECK(message.native != NULL);
    poller_take(&stage->poller, &message);
}

/* The offsets that were given out since the last call, as text. */
static const char *given(struct stage *stage)
{
    static char text[256];
    struct attempt *a;
    size_t len = 0;
    text[0] = '\0';
    while ((a = attempts_take(&stage->poller.given)) != NULL) {
        struct delivery *delivery = a->delivery;
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%lld%s", len == 0 ? "" : " ",
                                (long long)delivery->message.offset, delivery->is_back ? "b" : "");
        share_returned(&stage->rt, delivery->over_slot);
        delivery->over_slot = DELIVERY_NOT_RETURNING;
        metric_add(&stage->rt.metrics.buffered, -1);
        attempt_free(a);
        (void)offset_map_complete(&partition_of(stage)->map, delivery->message.offset);
        poller_free(&stage->poller, delivery);
    }
    return text;
}

static void what_is_too_much_is_left(void)
{
    struct stage *stage = begin();
    come(stage, "ordered", "greedy");
    set_over(stage, 0, "greedy", 0);
    come(stage, "ordered", "greedy");
    come(stage, "ordered", "small");
    come(stage, "plain", "greedy");
    come(stage, "ordered", "\\u0067reedy");
    come(stage, "unknown", "greedy");
    come(stage, "ordered", "small");
    bus_set_header(JOB_HEADER_WAIT_FENCE, "7"); /* a parent wakes */
    come(stage, "ordered", "greedy");
    CHECK_TEXT(given(stage), "0 2 5 6 7");
    CHECK_INT(stage->poller.left.count, 3);
    CHECK_INT(partition_of(stage)->map.left, 3);
    CHECK_INT(stage->rt.over[0].left, 3);
    CHECK_INT(partition_of(stage)->map.committed, 1);
    CHECK_INT(stage->poller.live, 0);
    CHECK(!poller_read_left(&stage->poller));
    CHECK_TEXT(given(stage), "");
    end(stage);
}

static void it_comes_back_in_order_as_there_is_room(void)
{
    struct stage *stage = begin();
    set_over(stage, 0, "greedy", 0);
    for (int i = 0; i < 6; i++)
        come(stage, i == 4 ? "plain" : "ordered", i == 2 ? "small" : "greedy");
    CHECK_TEXT(given(stage), "2");
    set_over(stage, 0, "greedy", 2);
    CHECK(poller_read_left(&stage->poller));
    CHECK_INT(stage->rt.over[0].returning, 2);
    CHECK_TEXT(given(stage), "0b 1b");
    CHECK_INT(stage->rt.over[0].returning, 0);
    CHECK_INT(stage->rt.over[0].left, 3);
    /* It has not too much any more: what comes of it is behind what is left, if in order. */
    stage->rt.over[0].workspace = 0;
    stage->rt.over_count = 0;
    come(stage, "ordered", "greedy");
    come(stage, "plain", "greedy");
    CHECK_TEXT(given(stage), "7");
    CHECK(poller_read_left(&stage->poller));
    CHECK_TEXT(given(stage), "3b 4b 5b 6b");
    CHECK_INT(stage->poller.left.count, 0);
    CHECK_INT(partition_of(stage)->map.committed, 8);
    CHECK(partition_of(stage)->left == NULL);
    come(stage, "ordered", "greedy");
    CHECK_TEXT(given(stage), "8");
    end(stage);
}

/* Room for one of two: what is in its way comes back too, to move. So it does where no more can be
 * read of the partition. */
static void what_has_no_room_comes_back_to_move(void)
{
    struct stage *stage = begin();
    struct delivery held = {0};
    set_over(stage, 0, "greedy", 0);
    set_over(stage, 1, "other", 1);
    come(stage, "ordered", "greedy");
    come(stage, "ordered", "greedy");
    come(stage, "ordered", "other");
    come(stage, "ordered", "greedy");
    CHECK(poller_read_left(&stage->poller));
    CHECK_TEXT(given(stage), "0 1 2b");
    CHECK(!poller_read_left(&stage->poller));
    partition_of(stage)->held_head = &held;
    CHECK(poller_read_left(&stage->poller));
    partition_of(stage)->held_head = NULL;
    CHECK_TEXT(given(stage), "3");
    end(stage);
}

static struct stage *begin_bulk(void)
{
    struct stage *stage = begin();
    partition_of(stage)->priority = JOB_BULK;
    stage->poller.consumer = stage->front;
    return stage;
}

static void set_over_bulk(struct stage *stage, size_t slot, const char *workspace, int credit)
{
    stage->rt.over[slot].workspace = share_number(attempt_number_of(slice_of(workspace)), true);
    stage->rt.over[slot].credit = credit;
    stage->rt.over_bulk_count = 1;
}

/* Too much of the one class says nothing of the other. */
static void each_class_for_itself(void)
{
    struct stage *stage = begin_bulk();
    set_over(stage, 0, "greedy", 0);
    come(stage, "ordered", "greedy");
    come(stage, "plain", "greedy");
    CHECK_TEXT(given(stage), "0 1");
    set_over_bulk(stage, 1, "greedy", 0);
    come(stage, "plain", "greedy");
    come(stage, "plain", "small");
    come(stage, "ordered", "greedy");
    CHECK_TEXT(given(stage), "3");
    CHECK_INT(stage->rt.over[0].left, 0);
    CHECK_INT(stage->rt.over[1].left, 2);
    partition_of(stage)->priority = JOB_DEFAULT;
    stage->rt.over[0].workspace = 0;
    stage->rt.over_count = 0;
    come(stage, "plain", "greedy");
    CHECK_TEXT(given(stage), "5");
    end(stage);
}

/* The half that is for bulk jobs is full: what is to be left is read past all the same. */
static void what_is_left_needs_no_room(void)
{
    struct stage *stage = begin_bulk();
    metric_set(&stage->rt.metrics.buffered_bulk, 50);
    set_over_bulk(stage, 0, "greedy", 0);
    come(stage, "plain", "greedy");
    come(stage, "plain", "small"); /* of the quarter more */
    CHECK_TEXT(given(stage), "1");
    metric_set(&stage->rt.metrics.buffered_bulk, 62);
    come(stage, "plain", "greedy");
    CHECK_INT(stage->poller.left.count, 2);
    CHECK(partition_of(stage)->held_head == NULL);
    come(stage, "plain", "small");
    CHECK(partition_of(stage)->held_head != NULL);
    stage->rt.over[0].credit = 9;
    CHECK(!poller_read_left(&stage->poller));
    metric_set(&stage->rt.metrics.buffered_bulk, 58);
    poller_try_held(&stage->poller);
    CHECK(partition_of(stage)->held_head == NULL);
    CHECK_TEXT(given(stage), "3");
    CHECK(poller_read_left(&stage->poller));
    CHECK_TEXT(given(stage), "0b 2b");
    end(stage);
}

/* What has been fetched waits in hand, a part of it at a time; then nothing more is. */
static void a_full_half_is_not_paused_at_once(void)
{
    struct stage *stage = begin_bulk();
    int in_hand = 0;
    metric_set(&stage->rt.metrics.buffered_bulk, 50);
    while (!partition_of(stage)->is_paused && in_hand++ < 1000)
        come(stage, "plain", "w");
    CHECK_INT(in_hand, 256);
    CHECK_TEXT(given(stage), "");
    for (int i = 0; i < 6; i++) {
        metric_set(&stage->rt.metrics.buffered_bulk, 0);
        CHECK(partition_of(stage)->is_paused && partition_of(stage)->held_head != NULL);
        poller_try_held(&stage->poller);
        (void)given(stage);
    }
    CHECK(!partition_of(stage)->is_paused && partition_of(stage)->held_head == NULL);
    end(stage);
}

/* What is in the way of another's comes back beyond its credit, one at a time. */
static void bulk_jobs_do_not_move(void)
{
    struct stage *stage = begin_bulk();
    struct delivery held = {0};
    set_over_bulk(stage, 0, "greedy", 0);
    set_over_bulk(stage, 1, "other", 1);
    come(stage, "plain", "greedy");
    come(stage, "ordered", "greedy");
    come(stage, "plain", "other");
    stage->poller.is_idle = true;
    CHECK(poller_read_left(&stage->poller));
    CHECK_TEXT(given(stage), "0b");
    CHECK_INT(stage->rt.over[0].credit, -1);
    partition_of(stage)->held_head = &held;
    CHECK(!poller_read_left(&stage->poller));
    partition_of(stage)->held_head = NULL;
    CHECK_TEXT(given(stage), "");
    stage->rt.over[0].credit = 1;
    CHECK(poller_read_left(&stage->poller));
    CHECK_TEXT(given(stage), "1b 2b");
    CHECK_INT(stage->poller.passing, 0);
    end(stage);
}

/* Too old to be kept: it counts as complete, when a second look does not find it either. */
static void what_is_gone_is_complete(void)
{
    struct stage *stage = begin();
    set_over(stage, 0, "greedy", 0);
    for (int i = 0; i < 5; i++)
        come(stage, "ordered", i == 1 ? "small" : "greedy");
    bus_drop_below(TOPIC, 0, 3);
    set_over(stage, 0, "greedy", 9);
    CHECK(poller_read_left(&stage->poller));
    CHECK_TEXT(given(stage), "1 3b 4b");
    CHECK_INT(partition_of(stage)->map.committed, 5);
    CHECK_INT(stage->poller.left.count, 0);
    (void)poller_read_left(&stage->poller);
    CHECK_INT(stage->rt.over[0].left, 0);
    end(stage);
}

static void another_assignment_forgets_it(void)
{
    struct stage *stage = begin();
    set_over(stage, 0, "greedy", 0);
    come(stage, "ordered", "greedy");
    poller_forget_left(&stage->poller);
    CHECK_INT(stage->poller.left.count, 0);
    CHECK_INT(stage->rt.over[0].left, 0);
    end(stage);
}

static void so_many_workspaces_and_no_more(void)
{
    struct stage *stage = begin();
    char name[16];
    for (int i = 0; i <= PARTITION_LEFT_MAX; i++) {
        (void)snprintf(name, sizeof name, "w%d", i);
        set_over(stage, 0, name, 0);
        come(stage, "ordered", name);
    }
    CHECK_TEXT(given(stage), "32"); /* it goes the way of all jobs, and has none to overtake */
    end(stage);
}

/* Never told as younger than it is. */
static void how_long_the_oldest_waits(void)
{
    struct stage *stage = begin();
    struct partition *partition = partition_of(stage);
    CHECK_INT(poller_left_since_us(partition, 100), 0);
    set_over(stage, 0, "greedy", 0);
    come(stage, "ordered", "greedy");
    come(stage, "ordered", "greedy");
    CHECK_INT(poller_left_since_us(partition, 200), 200);
    come(stage, "ordered", "greedy");
    CHECK_INT(poller_left_since_us(partition, 300), 200);
    stage->rt.over[0].credit = 1;
    CHECK(poller_read_left(&stage->poller));
    CHECK_INT(poller_left_since_us(partition, 400), 200); /* offset 1 is left since then */
    stage->rt.over[0].credit = 1;
    stage->rt.over[0].returning = 0;
    CHECK(poller_read_left(&stage->poller));
    CHECK_INT(partition->map.lowest_left, 2);
    CHECK_INT(poller_left_since_us(partition, 500), 200); /* read after 200, as all is */
    stage->rt.over[0].credit = 9;
    CHECK(poller_read_left(&stage->poller));
    CHECK_INT(poller_left_since_us(partition, 600), 0);
    CHECK_TEXT(given(stage), "0b 1b 2b");
    end(stage);
}

/* What was read before ends, and its offset is another record's by then. */
static void a_log_that_is_made_anew(void)
{
    struct stage *stage = begin();
    struct offset_map *map = &partition_of(stage)->map;
    queue_init(&stage->rt.done);
    come(stage, "plain", "w");
    CHECK_TEXT(given(stage), "0");
    come(stage, "plain", "w");
    struct attempt *a = attempts_take(&stage->poller.given);
    if (!CHECK(a != NULL))
        return;
    struct delivery *old = a->delivery;
    offset_map_set_floor(map, 1);
    for (int64_t offset = 0; offset < 2; offset++) {
        struct kafka_message again = {
            .topic = TOPIC, .offset = offset, .value = old->message.value};
        poller_take(&stage->poller, &again);
    }
    CHECK_INT(map->committed, 0);
    metric_add(&stage->rt.metrics.buffered, -1);
    attempt_free(a);
    old->fate = FATE_DONE;
    queue_push(&stage->rt.done, &old->node);
    poller_take_done(&stage->poller, 0);
    CHECK(offset_map_is_incomplete(map, 1));
    CHECK_TEXT(given(stage), "0 1");
    CHECK_INT(map->committed, 2);
    queue_done(&stage->rt.done);
    end(stage);
}

static CU_TestInfo tests[] = {
    {"what is too much is left", what_is_too_much_is_left},
    {"it comes back in order as there is room", it_comes_back_in_order_as_there_is_room},
    {"what has no room comes back to move", what_has_no_room_comes_back_to_move},
    {"each class for itself", each_class_for_itself},
    {"what is left needs no room", what_is_left_needs_no_room},
    {"a full half is not paused at once", a_full_half_is_not_paused_at_once},
    {"bulk jobs do not move", bulk_jobs_do_not_move},
    {"what is gone is complete", what_is_gone_is_complete},
    {"another assignment forgets it", another_assignment_forgets_it},
    {"so many workspaces and no more", so_many_workspaces_and_no_more},
    {"how long the oldest waits", how_long_the_oldest_waits},
    {"a log that is made anew", a_log_that_is_made_anew},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("run/poll_left", tests)
