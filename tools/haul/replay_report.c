/* replay_report: see replay_report.h. */
#include "replay_report.h"

static const char *const fate_names[FATE_COUNT] = {
    [FATE_SENT] = "replayed",         [FATE_LEFT] = "not asked for",
    [FATE_AGAIN] = "replayed before", [FATE_TOO_OFTEN] = "replayed too often",
    [FATE_NO_JOB] = "not a job",
};
static const char *const fate_keys[FATE_COUNT] = {
    [FATE_SENT] = "replayed",       [FATE_LEFT] = "filtered",    [FATE_AGAIN] = "replayed_before",
    [FATE_TOO_OFTEN] = "too_often", [FATE_NO_JOB] = "not_a_job",
};

static bool same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

void replay_report_count(struct replay_report *report, const struct dead_letter *letter,
                         enum fate fate)
{
    const struct job_trail *trail = &letter->trail;
    struct replay_group *group = report->groups;
    report->counts[fate]++;
    if (fate == FATE_LEFT)
        return;
    for (; group < report->groups + report->group_count; group++) {
        if (same(group->class, trail->error_class) && same(group->code, trail->error_code) &&
            same(group->kind, letter->kind))
            break;
    }
    if (group == report->groups + REPLAY_GROUPS_MAX)
        return;
    if (group == report->groups + report->group_count) {
        struct arena *arena = report->arena;
        group->class = arena_strdup(arena, trail->error_class);
        group->code = arena_strdup(arena, trail->error_code);
        group->kind = arena_strdup(arena, letter->kind);
        report->group_count++;
    }
    group->counts[fate]++;
}

static void write_counts(struct jwrite *w, const int64_t counts[FATE_COUNT])
{
    for (size_t i = 0; i < FATE_COUNT; i++)
        jwrite_member_int(w, fate_keys[i], counts[i]);
}

void replay_report_write(const struct replay_report *report, struct jwrite *w)
{
    jwrite_open_object(w);
    jwrite_member_bool(w, "dry_run", report->dry_run);
    write_counts(w, report->counts);
    jwrite_key(w, "by");
    jwrite_open_array(w);
    for (size_t i = 0; i < report->group_count; i++) {
        const struct replay_group *group = &report->groups[i];
        jwrite_open_object(w);
        jwrite_member_text(w, "class", group->class);
        jwrite_member_text(w, "code", group->code);
        jwrite_member_text(w, "kind", group->kind);
        write_counts(w, group->counts);
        jwrite_close_object(w);
    }
    jwrite_close_array(w);
    jwrite_close_object(w);
}

enum outcome replay_report_print(const struct replay_report *report, struct out *out,
                                 struct err *err)
{
    static const struct sheet_column columns[] = {
        {"class", "CLASS", SHEET_TEXT},     {"code", "CODE", SHEET_TEXT},
        {"kind", "KIND", SHEET_TEXT},       {"replayed", "REPLAYED", SHEET_INT},
        {"before", "BEFORE", SHEET_INT},    {"too_often", "TOO OFTEN", SHEET_INT},
        {"not_a_job", "NO JOB", SHEET_INT},
    };
    if (out->json) {
        struct jwrite w = out_json(out);
        replay_report_write(report, &w);
        out_json_end(out);
        return OUTCOME_OK;
    }
    struct sheet sheet =
        sheet_new(columns, FIELDS_COUNT(columns), "no dead letters", report->arena);
    for (size_t i = 0; i < report->group_count; i++) {
        const struct replay_group *group = &report->groups[i];
        SHEET_ROW(&sheet, group->class, group->code, group->kind,
                  SHEET_I64(group->counts[FATE_SENT]), SHEET_I64(group->counts[FATE_AGAIN]),
                  SHEET_I64(group->counts[FATE_TOO_OFTEN]), SHEET_I64(group->counts[FATE_NO_JOB]));
    }
    if (sheet.failed)
        return FAIL_NO_MEMORY(err);
    sheet_print(&sheet, out);
    out_addf(out, "%s", report->dry_run ? "dry run, nothing was sent: " : "");
    for (size_t i = 0; i < FATE_COUNT; i++)
        out_addf(out, "%s%lld %s", i == 0 ? "" : ", ", (long long)report->counts[i], fate_names[i]);
    out_addf(out, "\n");
    return OUTCOME_OK;
}
