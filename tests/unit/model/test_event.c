#include "model/event.h"

#include "check.h"

static struct event event_of(enum event_state state)
{
    return (struct event){.state = state,
                          .job_id = "j-1",
                          .workspace_id = "w",
                          .kind = "noop",
                          .worker = "test",
                          .attempt = 2,
                          .sequence = 2000001,
                          .time_us = 1};
}

static void check_event(const struct event *event, const char *want)
{
    struct str out STR_AUTO = str_with_max(1 << 16);
    event_write(event, &out);
    CHECK_TEXT(str_text(&out), want);
}

static void test_names_go_both_ways(void)
{
    for (int i = 0; i < EVENT_STATE_COUNT; i++) {
        enum event_state state;
        CHECK(event_state_parse(event_state_name((enum event_state)i), &state));
        CHECK_INT(state, i);
    }
    enum event_state state;
    CHECK(!event_state_parse("done", &state));
}

static void test_ids(void)
{
    static const struct {
        enum event_state state;
        int redrives;
        const char *id;
    } cases[] = {
        {EVENT_STARTED, 0, "j-1:started:2000001"}, {EVENT_PROGRESS, 1, "j-1:progress:2000001"},
        {EVENT_SUCCEEDED, 0, "j-1:succeeded"},     {EVENT_DEAD_LETTERED, 2, "j-1:dead_lettered:r2"},
        {EVENT_CANCELLED, 0, "j-1:cancelled"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct event event = event_of(cases[i].state);
        event.redrive_count = cases[i].redrives;
        struct str id STR_AUTO = str_with_max(300);
        event_id_add(&event, &id);
        CHECK_TEXT(str_text(&id), cases[i].id);
    }
}

static void test_success_carries_the_receipt(void)
{
    struct event event = event_of(EVENT_SUCCEEDED);
    event.result = slice_of("{\"rows\":3}");
    event.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    check_event(
        &event,
        "{\"specversion\":\"1.0\",\"id\":\"j-1:succeeded\","
        "\"type\":\"haul.event.succeeded.v1\",\"source\":\"/haul/test\",\"subject\":\"j-1\","
        "\"time\":\"1970-01-01T00:00:00.000001Z\",\"datacontenttype\":\"application/json\","
        "\"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\","
        "\"data\":{\"job_id\":\"j-1\",\"workspace_id\":\"w\",\"kind\":\"noop\","
        "\"state\":\"succeeded\",\"worker\":\"test\",\"attempt\":2,\"sequence\":2000001,"
        "\"receipt\":{\"rows\":3}}}");
}

static void test_progress_tells_what_is_not_known(void)
{
    struct event event = event_of(EVENT_PROGRESS);
    struct event_progress progress = {.phase = "read",
                                      .rows_done = 10,
                                      .rows_total = -1,
                                      .bytes_done = 99,
                                      .bytes_total = -1,
                                      .rows_per_second = 5.9,
                                      .eta_ms = -1,
                                      .bottleneck = "source"};
    event.progress = &progress;
    check_event(&event,
                "{\"specversion\":\"1.0\",\"id\":\"j-1:progress:2000001\","
                "\"type\":\"haul.event.progress.v1\",\"source\":\"/haul/test\",\"subject\":\"j-1\","
                "\"time\":\"1970-01-01T00:00:00.000001Z\",\"datacontenttype\":\"application/json\","
                "\"data\":{\"job_id\":\"j-1\",\"workspace_id\":\"w\",\"kind\":\"noop\","
                "\"state\":\"progress\",\"worker\":\"test\",\"attempt\":2,\"sequence\":2000001,"
                "\"phase\":\"read\",\"rows_done\":10,\"rows_total\":null,\"bytes_done\":99,"
                "\"bytes_total\":null,\"rows_per_second\":5,\"eta_ms\":null,"
                "\"bottleneck\":\"source\"}}");
}

static void test_failure_tells_why(void)
{
    struct event event = event_of(EVENT_RETRYING);
    struct err error = {0};
    (void)FAIL(&error, OUTCOME_RETRY, "connect.refused", "can't reach \"db\"");
    (void)err_hint(&error, "start it");
    event.error = &error;
    event.due_us = 1000000;
    event.workspace_id = event.kind = NULL;
    check_event(&event,
                "{\"specversion\":\"1.0\",\"id\":\"j-1:retrying:2000001\","
                "\"type\":\"haul.event.retrying.v1\",\"source\":\"/haul/test\",\"subject\":\"j-1\","
                "\"time\":\"1970-01-01T00:00:00.000001Z\",\"datacontenttype\":\"application/json\","
                "\"data\":{\"job_id\":\"j-1\",\"state\":\"retrying\",\"worker\":\"test\","
                "\"attempt\":2,\"sequence\":2000001,\"not_before\":\"1970-01-01T00:00:01.000000Z\","
                "\"error\":{\"class\":\"retry\",\"code\":\"connect.refused\","
                "\"message\":\"can't reach \\\"db\\\"\",\"hint\":\"start it\"}}}");
}

static CU_TestInfo tests[] = {
    {"names go both ways", test_names_go_both_ways},
    {"ids", test_ids},
    {"success carries the receipt", test_success_carries_the_receipt},
    {"progress tells what is not known", test_progress_tells_what_is_not_known},
    {"failure tells why", test_failure_tells_why},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/event", tests)
