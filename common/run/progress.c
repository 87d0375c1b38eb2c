/* progress: see progress.h. */
#include "run/progress.h"

#include "base/clock.h"

static bool is_same_phase(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

void progress_note(struct keeper_slot *slot, const struct event_progress *progress, int64_t now_us)
{
    /* A new phase counts rows anew. */
    if (slot->began_us == 0 || !is_same_phase(slot->progress.phase, progress->phase)) {
        slot->began_us = now_us;
        slot->began_rows = progress->rows_done;
    }
    slot->progress = *progress;
    slot->is_news = true;
}

static void estimate(struct keeper_slot *slot, int64_t now_us)
{
    struct event_progress *progress = &slot->progress;
    progress->rows_per_second = -1;
    progress->eta_ms = -1;
    int64_t spent_us = now_us - slot->began_us;
    int64_t rows = progress->rows_done - slot->began_rows;
    if (spent_us < PROGRESS_INTERVAL_US || rows < 1)
        return;
    progress->rows_per_second = (double)rows * (double)US_PER_S / (double)spent_us;
    int64_t rest = progress->rows_total - progress->rows_done;
    if (progress->rows_total >= 0 && rest >= 0)
        progress->eta_ms = (int64_t)((double)rest * 1000.0 / progress->rows_per_second);
}

bool progress_take(struct keeper_slot *slot, int64_t now_us, int64_t wall_us,
                   struct event *ret_event)
{
    bool is_time = slot->told_us == 0 || now_us - slot->told_us >= PROGRESS_INTERVAL_US;
    if (!slot->is_telling || !slot->is_news || !is_time)
        return false;
    slot->is_news = false;
    slot->told_us = now_us;
    estimate(slot, now_us);
    *ret_event = slot->event;
    ret_event->state = EVENT_PROGRESS;
    ret_event->sequence = slot->sequence++;
    ret_event->time_us = wall_us;
    ret_event->progress = &slot->progress;
    return true;
}
