/* progress_line: the line that a long command writes over; see out.h. */
#include "base/clock.h"
#include "out.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define EVERY_US (US_PER_S / 2)
#define WIPE "\r\033[K"

struct out_progress out_progress_begin(struct out *out, const char *done_name,
                                       const char *made_name, int64_t total)
{
    int64_t now_us = clock_monotonic_us();
    out_flush(out);
    return (struct out_progress){.is_live = isatty(STDERR_FILENO) == 1,
                                 .done_name = done_name,
                                 .made_name = made_name,
                                 .total = total,
                                 .begun_us = now_us,
                                 .due_us = now_us + EVERY_US};
}

void out_progress_set(struct out_progress *progress, int64_t done, int64_t made)
{
    char counts[3][HUMAN_SIZE], left[HUMAN_SIZE];
    if (!progress->is_live)
        return;
    int64_t now_us = clock_monotonic_us();
    if (now_us < progress->due_us)
        return;
    progress->due_us = now_us + EVERY_US;
    int64_t took_us = now_us - progress->begun_us;
    double rest = done == 0 ? 0 : (double)(progress->total - done) / (double)done;
    (void)fprintf(stderr, WIPE "%s %s of %s, %s %s, %.0f/s, about %s left",
                  human_count(done, counts[0]), progress->done_name,
                  human_count(progress->total, counts[1]), human_count(made, counts[2]),
                  progress->made_name, (double)made * (double)US_PER_S / (double)took_us,
                  human_duration((int64_t)(rest * (double)took_us), left));
}

void out_progress_end(struct out_progress *progress)
{
    if (progress->is_live)
        (void)fputs(WIPE, stderr);
    progress->is_live = false;
}
