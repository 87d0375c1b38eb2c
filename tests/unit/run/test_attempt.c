#include "run/attempt.h"

#include "check.h"

#include "base/clock.h"

static const struct field_table payload = {"unit", "A test.", NULL, 0, sizeof(char)};
static const struct job_kind kinds[] = {
    {.name = "unit", .doc = "A test.", .payload = &payload, .ordered = true}};
static const struct worker worker = {.name = "unit", .kinds = kinds, .kind_count = 1};

static const char record[] =
    "{\"specversion\":\"1.0\",\"id\":\"j\",\"type\":\"haul.job.unit.v1\",\"source\":\"/t\","
    "\"subject\":\"a subject\",\"data\":{\"workspace_id\":\"w\",\"dedupe_key\":\"k\"}}";

struct stage {
    struct arena arena;
    struct run_conf conf;
    struct runtime rt;
};

static void begin(struct stage *stage)
{
    struct err err = {0};
    *stage = (struct stage){.rt = {.worker = &worker}};
    arena_init(&stage->arena, 1 << 20);
    stage->rt.conf = &stage->conf;
    stage->rt.kinds = ARENA_ARRAY(&stage->arena, struct kind_entry, 1);
    stage->rt.kinds[0].kind = &kinds[0];
    CHECK_OK(job_data_table(&payload, &stage->arena, &stage->rt.kinds[0].table, &err), &err);
    fleet_clock_init(&stage->rt.clock);
    queue_init(&stage->rt.spare);
}

static void end(struct stage *stage)
{
    attempts_forget_spare(&stage->rt);
    queue_done(&stage->rt.spare);
    arena_done(&stage->arena);
}

static struct attempt *make(struct stage *stage, struct delivery *delivery, size_t memory_bytes)
{
    *delivery = (struct delivery){.message = {.topic = "haul.jobs.unit", .value = slice_of(record)},
                                  .lane = LANE_JOBS};
    stage->conf.job_memory_bytes = (int64_t)memory_bytes;
    return attempt_new(&stage->rt, delivery);
}

static void test_decodes(void)
{
    struct stage stage;
    struct delivery delivery;
    struct err err = {0};
    begin(&stage);
    struct attempt *a = make(&stage, &delivery, 1 << 20);
    CHECK_OK(attempt_decode(a, &err), &err);
    CHECK_INT(a->outcome, OUTCOME_OK);
    CHECK_TEXT(a->id, "j");
    CHECK_TEXT(attempt_claim(a).dedupe_key, "k");
    CHECK(a->item.order_key != 0 && attempt_claim(a).is_ordered);
    attempt_free(a);
    end(&stage);
}

/* Wherever the memory that a job may have ends: the whole job, or nothing of it but its name, by
 * which it may have a place. */
static void test_what_does_not_fit_is_refused_whole(void)
{
    struct stage stage;
    struct delivery delivery;
    int refused = 0, taken = 0;
    begin(&stage);
    for (size_t bytes = 256; bytes < 8192; bytes += 16) {
        struct err err = {0};
        struct attempt *a = make(&stage, &delivery, bytes);
        CHECK_OK(attempt_decode(a, &err), &err);
        if (a->outcome == OUTCOME_OK) {
            taken++;
            CHECK_TEXT(a->job.subject, "a subject");
        } else {
            refused++;
            CHECK_TEXT(a->err.code, "job.too_large");
            CHECK_TEXT(a->id, "j");
            CHECK_TEXT(a->workspace_id, "w");
            CHECK(a->kind == NULL && a->job.subject == NULL && a->job.id == NULL);
            CHECK(a->data.common == NULL && a->item.order_key == 0);
        }
        attempt_free(a);
    }
    CHECK(refused > 20 && taken > 20);
    end(&stage);
}

/* What is seen of a record at a glance is what its decoding says, whatever else is wrong with it.
 */
static void test_a_glance_says_the_same(void)
{
    static const char alphabet[] = "\"\\{}[]:,aw type\x01\xc3";
    struct stage stage;
    struct delivery delivery;
    uint64_t random = 1;
    int agreed = 0;
    begin(&stage);
    for (int i = 0; i < 20000; i++) {
        struct err err = {0};
        struct job_glance glance;
        char text[sizeof record];
        memcpy(text, record, sizeof text);
        struct attempt *a = make(&stage, &delivery, 1 << 20);
        for (int changes = i % 3; changes > 0; changes--) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            text[(random >> 33) % (sizeof text - 1)] = alphabet[(random >> 20) % 17];
        }
        delivery.message.value = slice_of(text);
        CHECK_OK(attempt_decode(a, &err), &err);
        if (a->outcome == OUTCOME_OK && job_glance(slice_of(text), &glance)) {
            agreed++;
            CHECK(attempt_kind_named(&stage.rt, glance.kind) == a->kind);
            CHECK(slice_is(glance.workspace_id, a->workspace_id));
            CHECK(slice_is(glance.id, a->id) && slice_is(glance.subject, a->job.subject));
            CHECK(glance.has_conditions == (a->data.common->dedupe_key != NULL));
        }
        attempt_free(a);
    }
    CHECK(agreed > 7000);
    end(&stage);
}

/* Enough for its place, and no less than its decoding says. */
static void test_glances(void)
{
    struct stage stage;
    struct delivery delivery;
    struct err err = {0};
    struct job_glance glance;
    begin(&stage);
    struct attempt *a = make(&stage, &delivery, 1 << 20);
    CHECK(job_glance(delivery.message.value, &glance));
    CHECK_OK(attempt_glance(a, &stage.rt.kinds[0], &glance, &err), &err);
    struct ledger_claim seen = attempt_claim(a);
    struct fair_item item = a->item;
    CHECK_OK(attempt_decode(a, &err), &err);
    struct ledger_claim whole = attempt_claim(a);
    CHECK_INT(a->outcome, OUTCOME_OK);
    CHECK_TEXT(seen.job_id, whole.job_id);
    CHECK_TEXT(seen.workspace_id, whole.workspace_id);
    CHECK_TEXT(seen.kind, whole.kind);
    CHECK_TEXT(seen.subject, whole.subject);
    CHECK_TEXT(seen.first_topic, "haul.jobs.unit");
    CHECK(seen.attempt == 1 && seen.is_ordered && seen.dedupe_key == NULL);
    CHECK(item.tenant == a->item.tenant && item.order_key == a->item.order_key);
    attempt_free(a);
    end(&stage);
}

/* What looks like a job at a glance may have a place by then: it ends under its own name. */
static void test_what_is_no_json_has_the_name_that_a_glance_gives(void)
{
    static const char broken[] = "{\"id\":\"j\",\"type\":\"haul.job.unit.v1\",\"n\":tru,"
                                 "\"data\":{\"workspace_id\":\"w\"}}";
    struct stage stage;
    struct delivery delivery;
    struct job_glance glance;
    begin(&stage);
    for (int is_cut = 0; is_cut < 2; is_cut++) {
        for (int is_glanced = 0; is_glanced < 2; is_glanced++) {
            struct err err = {0};
            struct attempt *a = make(&stage, &delivery, 1 << 20);
            delivery.message.value = (struct slice){broken, sizeof broken - 1 - (size_t)is_cut};
            bool is_plain = job_glance(delivery.message.value, &glance);
            CHECK_INT(is_plain, !is_cut);
            if (is_plain && is_glanced)
                CHECK_OK(attempt_glance(a, &stage.rt.kinds[0], &glance, &err), &err);
            CHECK_OK(attempt_decode(a, &err), &err);
            CHECK_INT(a->outcome, OUTCOME_POISON);
            CHECK_TEXT(a->err.code, "json.syntax");
            CHECK_TEXT(a->id == NULL ? "none" : a->id, is_cut ? "none" : "j");
            CHECK_TEXT(a->workspace_id, is_cut ? "" : "w");
            CHECK(a->kind == NULL && a->item.order_key == 0);
            attempt_free(a);
        }
    }
    end(&stage);
}

/* Once it is claimed it must begin; what had ended can be asked for again. */
static void test_a_claim_needs_no_memory(void)
{
    static const enum ledger_verdict verdicts[] = {LEDGER_RUN, LEDGER_POISON, LEDGER_BEHIND,
                                                   LEDGER_DONE, LEDGER_CANCELLED};
    struct stage stage;
    struct delivery delivery;
    begin(&stage);
    for (size_t i = 0; i < sizeof verdicts / sizeof verdicts[0]; i++) {
        struct err err = {0}, why = {0};
        (void)FAIL(&why, OUTCOME_RETRY, "unit.before", "the attempt before");
        bool is_end = verdicts[i] == LEDGER_DONE || verdicts[i] == LEDGER_CANCELLED;
        const struct ledger_claimed answer = {
            .verdict = verdicts[i], .fence = 7, .attempt = 2, .error = &why, .result = "{}"};
        struct attempt *a = make(&stage, &delivery, 1 << 20);
        arena_fail_at(1);
        CHECK_INT(attempt_claimed(a, &answer, &err), is_end ? OUTCOME_RETRY : OUTCOME_OK);
        arena_fail_at(0);
        CHECK_INT(a->claimed.fence, is_end ? 0 : 7);
        CHECK(a->claimed.error == NULL);
        CHECK_OK(attempt_claimed(a, &answer, &err), &err);
        CHECK(a->number == 2 && (a->claimed.error != NULL) == is_end);
        attempt_free(a);
    }
    end(&stage);
}

static CU_TestInfo tests[] = {
    {"decodes", test_decodes},
    {"glances", test_glances},
    {"what is no JSON has the name that a glance gives",
     test_what_is_no_json_has_the_name_that_a_glance_gives},
    {"a glance says the same", test_a_glance_says_the_same},
    {"a claim needs no memory", test_a_claim_needs_no_memory},
    {"what does not fit is refused whole", test_what_does_not_fit_is_refused_whole},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("run/attempt", tests)
