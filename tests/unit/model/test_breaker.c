/* breaker: known sequences, and random ones whose invariants hold. */
#include "check.h"
#include "model/breaker.h"

#include <stdio.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define SECOND INT64_C(1000000)

static uint64_t seed;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/*
 * A script: o f s i report a call that ended ok, failed, slow, ignored; p asks for a probe; O F S I
 * report the probe that was had last; + waits 10 s; n tells that the probe is alive; ^ forces it
 * open, v closes it. The answer to each: the state after it: c, o, h or x, and for p a capital
 * when a permit was had.
 */
static void run_script(const struct breaker_conf *conf, const char *script, char *out)
{
    static const char calls[] = "osfi", states[] = "cohx";
    struct breaker breaker;
    int64_t now_us = 1000 * SECOND, permit = 0;
    breaker_init(&breaker);
    for (const char *at = script; *at != '\0'; at++) {
        struct breaker_report report = {.epoch = breaker.epoch, .now_us = now_us};
        int64_t had = 0;
        const char *call = strchr(calls, *at | 0x20);
        if (*at == '+')
            now_us += 10 * SECOND;
        else if (*at == 'p' && (had = breaker_probe(conf, &breaker, now_us)) != 0)
            permit = had;
        else if (*at == 'n')
            breaker_renew(conf, &breaker, permit, now_us);
        else if (*at == '^')
            breaker_force_open(&breaker);
        else if (*at == 'v')
            breaker_close(&breaker, now_us);
        else if (call != NULL) {
            report.permit = *at & 0x20 ? 0 : permit;
            report.call = (enum breaker_call)(call - calls);
            breaker_report(conf, &breaker, &report);
        }
        *out++ = (char)(states[breaker.state] - (had != 0 ? 0x20 : 0));
    }
    *out = '\0';
}

static void known_sequences(void)
{
    static const struct breaker_conf conf = {.window = 6,
                                             .minimum_calls = 4,
                                             .failure_percent = 50,
                                             .slow_percent = 75,
                                             .probes_needed = 1,
                                             .open_us = 20 * SECOND,
                                             .open_max_us = 60 * SECOND,
                                             .probe_lease_us = 30 * SECOND};
    struct breaker_conf twice = conf;
    twice.probes_needed = 2;
    const struct {
        const char *what;
        const struct breaker_conf *conf;
        const char *script, *states;
    } cases[] = {
        {"too few to tell", &conf, "fffp", "cccc"},
        {"half failed", &conf, "offoff", "cccooo"},
        {"less than half", &conf, "offooof", "cccoooo"},
        {"a window forgets", &conf, "oofoooofof", "cccccccccc"},
        {"slow ones", &conf, "sssospp", "cccoooo"},
        {"slow and failed are counted apart", &conf, "ssfo", "cccc"},
        {"ignored ones are no calls", &conf, "fffiiiif", "ccccccco"},
        {"open for its time", &conf, "ffffp+p+p", "cccoooooH"},
        {"one probe at a time", &conf, "ffff++ppo", "cccoooHhh"},
        {"a good probe closes", &conf, "ffff++pOp", "cccoooHcc"},
        {"a slow probe closes", &conf, "ffff++pS", "cccoooHc"},
        {"a bad probe opens, for twice the time", &conf, "ffff++pF++p++p", "cccoooHooooooH"},
        {"but not without end", &conf, "ffff++pF++++pF++++++pF++++++p",
         "cccoooHoooooHoooooooHoooooooH"},
        {"an ignored probe gives its permit back", &conf, "ffff++pIp", "cccoooHhH"},
        {"a lost probe loses its permit", &conf, "ffff++p++p+p", "cccoooHhhhhH"},
        {"a renewed one keeps it", &conf, "ffff++p++n++pO", "cccoooHhhhhhhc"},
        {"late, but nobody asked since", &conf, "ffff++p++++O", "cccoooHhhhhc"},
        {"two good ones", &twice, "ffff++pOpO", "cccoooHhHc"},
        {"a probe reports once", &twice, "ffff++pOO", "cccoooHhh"},
        {"a new window", &conf, "ffff++pOffff", "cccoooHcccco"},
        {"soon again is longer", &conf, "ffff++pOffff++p++p", "cccoooHccccooooooH"},
        {"much later is not", &conf, "ffff++pO++++++ffff++p", "cccoooHccccccccccoooH"},
        {"forced open", &conf, "^++++++pov", "xxxxxxxxxc"},
        {"closed by hand", &conf, "ffffvfff", "cccocccc"},
        {"forced open while it probes", &conf, "ffff++p^O", "cccoooHxx"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char states[64];
        run_script(cases[i].conf, cases[i].script, states);
        if (!CHECK_TEXT(states, cases[i].states))
            printf("# %s: %s\n", cases[i].what, cases[i].script);
    }
}

static void what_began_before_does_not_count(void)
{
    struct breaker breaker;
    breaker_init(&breaker);
    for (int i = 0; i < 10; i++)
        breaker_report(&breaker_conf_default, &breaker,
                       &(struct breaker_report){.call = BREAKER_FAILED, .now_us = SECOND});
    CHECK_INT(breaker.state, BREAKER_OPEN);
    CHECK_INT(breaker.until_us, 61 * SECOND);
    breaker_close(&breaker, 2 * SECOND);
    for (int i = 0; i < 20; i++)
        CHECK(!breaker_report(&breaker_conf_default, &breaker,
                              &(struct breaker_report){.call = BREAKER_FAILED, .epoch = 0}));
    CHECK_INT(breaker.state, BREAKER_CLOSED);
}

static void names_are_read_back(void)
{
    for (unsigned i = 0; i < BREAKER_STATE_COUNT; i++) {
        enum breaker_state state = BREAKER_STATE_COUNT;
        CHECK(breaker_state_parse(breaker_state_name((enum breaker_state)i), &state));
        CHECK_INT(state, i);
    }
    enum breaker_state state = BREAKER_OPEN;
    CHECK(!breaker_state_parse("ajar", &state));
    CHECK_INT(state, BREAKER_OPEN);
}

/* Random workers with probes that are lost, late, ignored: at most one permit is live at a time;
 * nothing runs while it is open; whatever happened, it can be closed again. */
static void never_two_probes_and_never_stuck(void)
{
    enum { WORKERS = 5 };
    seed = 20261121;
    for (int round = 0; round < 300; round++) {
        struct breaker_conf conf = breaker_conf_default;
        conf.window = 1 + (int)(next_random() % 20);
        conf.minimum_calls = 1 + (int)(next_random() % (uint64_t)conf.window);
        conf.probes_needed = 1 + (int)(next_random() % 3);
        struct breaker breaker;
        int64_t now_us = 1000 * SECOND, permits[WORKERS] = {0}, taken_us = 0, epoch = 0;
        breaker_init(&breaker);
        for (int step = 0; step < 500; step++) {
            size_t worker = next_random() % WORKERS;
            int64_t until_us = 0;
            now_us += (int64_t)(next_random() % (uint64_t)(8 * SECOND));
            enum breaker_answer answer = breaker_check(&breaker, now_us, &until_us);
            CHECK((answer == BREAKER_ALLOWED) == (breaker.state == BREAKER_CLOSED));
            CHECK(answer != BREAKER_DENIED || until_us > now_us);
            bool was_live = breaker.probe_until_us > now_us;
            struct breaker_report report = {.epoch = breaker.epoch,
                                            .permit = permits[worker],
                                            .call = (enum breaker_call)(next_random() % 4),
                                            .now_us = now_us};
            int64_t permit = permits[worker] != 0 ? 0 : breaker_probe(&conf, &breaker, now_us);
            if (permit != 0) {
                CHECK(!was_live && permit > taken_us);
                taken_us = permit;
                permits[worker] = permit;
            } else if (next_random() % 4 != 0) {
                bool changed = breaker_report(&conf, &breaker, &report);
                CHECK(!changed || report.permit == 0 || report.permit == taken_us);
                permits[worker] = 0;
            }
            CHECK(breaker.epoch >= epoch);
            epoch = breaker.epoch;
        }
        for (int i = 0; i < conf.probes_needed && breaker.state != BREAKER_CLOSED; i++) {
            now_us += conf.open_max_us;
            int64_t permit = breaker_probe(&conf, &breaker, now_us);
            CHECK(permit != 0);
            breaker_report(&conf, &breaker,
                           &(struct breaker_report){.permit = permit, .now_us = now_us});
        }
        CHECK_INT(breaker.state, BREAKER_CLOSED);
    }
}

static CU_TestInfo tests[] = {
    {"known sequences", known_sequences},
    {"what began before does not count", what_began_before_does_not_count},
    {"names are read back", names_are_read_back},
    {"never two probes, and never stuck", never_two_probes_and_never_stuck},
    CU_TEST_INFO_NULL,
};
CHECK_MAIN("model/breaker", tests)
