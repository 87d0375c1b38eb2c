/* replay_report: see replay_report.h. */
#include "replay_report.h"

#include "base/clock.h"

#include <stdlib.h>

#define BAR_SIZE 21

static const char *const fate_names[FATE_COUNT] = {
    [FATE_SENT] = "replayed",         [FATE_LEFT] = "not asked for",
    [FATE_AGAIN] = "replayed before", [FATE_QUARANTINE] = "quarantined",
    [FATE_NO_JOB] = "not a job",      [FATE_LATE] = "past their deadline",
};
static const char *const fate_keys[FATE_COUNT] = {
    [FATE_SENT] = "replayed",         [FATE_LEFT] = "filtered",
    [FATE_AGAIN] = "replayed_before", [FATE_QUARANTINE] = "quarantined",
    [FATE_NO_JOB] = "not_a_job",      [FATE_LATE] = "late",
};

static bool same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static bool is_of(const struct replay_group *group, const struct dead_letter *letter)
{
    return same(group->class, letter->trail.error_class) &&
           same(group->code, letter->trail.error_code) && same(group->kind, letter->kind) &&
           same(group->workspace_id, letter->workspace_id);
}

static struct replay_group *group_of(struct replay_report *report, const struct dead_letter *letter)
{
    struct arena *arena = report->arena;
    size_t i = 0;
    while (i < report->group_count && !is_of(&report->groups[i], letter))
        i++;
    if (i == REPLAY_GROUPS_MAX)
        return NULL;
    if (i == report->group_count) {
        report->groups[i] = (struct replay_group){
            .class = arena_strdup(arena, letter->trail.error_class),
            .code = arena_strdup(arena, letter->trail.error_code),
            .kind = arena_strdup(arena, letter->kind),
            .workspace_id = arena_strdup(arena, letter->workspace_id),
        };
        report->group_count++;
    }
    return &report->groups[i];
}

void replay_report_count(struct replay_report *report, const struct dead_letter *letter,
                         enum fate fate)
{
    report->counts[fate]++;
    if (fate == FATE_LEFT)
        return;
    struct replay_group *group = group_of(report, letter);
    if (group == NULL) {
        report->not_grouped++;
        return;
    }
    group->counts[fate]++;
    if (letter->time_us == 0)
        return;
    if (group->oldest_us == 0 || letter->time_us < group->oldest_us)
        group->oldest_us = letter->time_us;
    if (letter->time_us > group->newest_us)
        group->newest_us = letter->time_us;
}

static int64_t letters_of(const struct replay_group *group)
{
    int64_t letters = 0;
    for (size_t i = 0; i < FATE_COUNT; i++)
        letters += group->counts[i];
    return letters;
}

static int by_size(const void *a, const void *b)
{
    int64_t left = letters_of(a), right = letters_of(b);
    return (left < right) - (left > right);
}

static void sort_groups(struct replay_report *report)
{
    qsort(report->groups, report->group_count, sizeof report->groups[0], by_size);
}

static void write_counts(struct jwrite *w, const int64_t counts[FATE_COUNT])
{
    for (size_t i = 0; i < FATE_COUNT; i++)
        jwrite_member_int(w, fate_keys[i], counts[i]);
}

static void write_time(struct jwrite *w, const char *name, int64_t us)
{
    char text[CLOCK_TEXT_SIZE];
    jwrite_member_text(w, name, us == 0 ? NULL : clock_format(us, text));
}

void replay_report_write(struct replay_report *report, struct jwrite *w)
{
    sort_groups(report);
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
        jwrite_member_text(w, "workspace_id", group->workspace_id);
        write_counts(w, group->counts);
        write_time(w, "oldest", group->oldest_us);
        write_time(w, "newest", group->newest_us);
        jwrite_close_object(w);
    }
    jwrite_close_array(w);
    jwrite_member_int(w, "not_grouped", report->not_grouped);
    jwrite_member_int(w, "settled_before", report->before);
    jwrite_close_object(w);
}

/* Its length is the group's share of the largest one; never empty. */
static const char *bar_of(int64_t letters, int64_t most, char to[BAR_SIZE])
{
    int64_t len = most == 0 ? 0 : letters * (BAR_SIZE - 1) / most;
    memset(to, '#', BAR_SIZE - 1);
    to[len < 1 ? 1 : len] = '\0';
    return to;
}

static void add_rows(const struct replay_report *report, struct sheet *sheet)
{
    int64_t most = report->group_count == 0 ? 0 : letters_of(&report->groups[0]);
    for (size_t i = 0; i < report->group_count; i++) {
        const struct replay_group *group = &report->groups[i];
        SHEET_ROW(sheet, bar_of(letters_of(group), most, (char[BAR_SIZE]){0}), group->class,
                  group->code, group->kind, group->workspace_id,
                  SHEET_I64(group->counts[FATE_SENT]), SHEET_I64(group->counts[FATE_AGAIN]),
                  SHEET_I64(group->counts[FATE_QUARANTINE]), SHEET_I64(group->counts[FATE_NO_JOB]),
                  SHEET_I64(group->counts[FATE_LATE]), SHEET_US(group->oldest_us));
    }
}

/* What the next one looks at again, and what no later one does. */
static void add_rest(const struct replay_report *report, struct out *out)
{
    if (report->counts[FATE_LEFT] > 0)
        out_addf(out, "%lld not asked for: the next replay looks at them again\n",
                 (long long)report->counts[FATE_LEFT]);
    if (report->before > 0)
        out_addf(out,
                 "%lld before these were not looked at, earlier replays settled them: see "
                 "--from-start\n",
                 (long long)report->before);
}

enum outcome replay_report_print(struct replay_report *report, struct out *out, struct err *err)
{
    static const struct sheet_column columns[] = {
        {"bar", "LETTERS", SHEET_TEXT},
        {"class", "CLASS", SHEET_TEXT},
        {"code", "CODE", SHEET_TEXT},
        {"kind", "KIND", SHEET_TEXT},
        {"workspace_id", "WORKSPACE", SHEET_TEXT},
        {"replayed", "REPLAYED", SHEET_INT},
        {"before", "BEFORE", SHEET_INT},
        {"quarantined", "QUARANTINED", SHEET_INT},
        {"not_a_job", "NO JOB", SHEET_INT},
        {"late", "LATE", SHEET_INT},
        {"oldest", "OLDEST", SHEET_TIME},
    };
    if (out->json) {
        struct jwrite w = out_json(out);
        replay_report_write(report, &w);
        out_json_end(out);
        return OUTCOME_OK;
    }
    struct sheet sheet =
        sheet_new(columns, FIELDS_COUNT(columns), "no dead letters", report->arena);
    sort_groups(report);
    add_rows(report, &sheet);
    if (sheet.failed)
        return FAIL_NO_MEMORY(err);
    sheet_print(&sheet, out);
    out_addf(out, "%s", report->dry_run ? "dry run, nothing was sent: " : "");
    for (size_t i = 0; i < FATE_COUNT; i++)
        out_addf(out, "%s%lld %s", i == 0 ? "" : ", ", (long long)report->counts[i], fate_names[i]);
    out_addf(out, "\n");
    add_rest(report, out);
    return OUTCOME_OK;
}
