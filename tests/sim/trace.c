/* trace: what happens, written as it does or kept for who asks how a seed came to fail; see
 * trace.h. */
#include "trace.h"

#include "world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define KEPT_MAX 16384
#define OF_JOB_SHOWN 28 /* neither crowds the other out */
#define GENERAL_SHOWN 14
#define LINE_SIZE 320

bool trace_is_on;

/* Shared with whoever started the seed, so that it is there whatever the seed dies of. */
static struct kept {
    size_t count;
    char job_id[JOB_ID_SIZE]; /* "" = the failure is no single job's */
    struct line {
        bool is_general, is_shown;
        char text[LINE_SIZE];
    } lines[KEPT_MAX];
} * kept;

void trace_keep(void)
{
    kept = mmap(NULL, sizeof *kept, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (kept == MAP_FAILED)
        abort();
}

/* What concerns all jobs. */
static bool is_general(const struct process *process, const char *what)
{
    static const char *const always[] = {"process",  "group",   "world", "clock",
                                         "assigned", "revoked", "lost"};
    static const char *const services[] = {"hub", "redis", "broker"};
    bool is = false;
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        is = is || strcmp(what, always[i]) == 0;
    for (size_t i = 0; i < sizeof services / sizeof *services; i++)
        is = is || (process == NULL && strcmp(what, services[i]) == 0);
    return is;
}

static void write_line(bool is_of_all, const char *text)
{
    if (kept == NULL) {
        (void)puts(text);
        return;
    }
    struct line *line = &kept->lines[kept->count++ % KEPT_MAX];
    line->is_general = is_of_all;
    text_copy(line->text, sizeof line->text, text);
}

void trace_write(const struct process *process, const char *what, const char *fmt, ...)
{
    va_list args;
    char who[128] = "-", text[1024];
    if (process != NULL && fiber_now != NULL && fiber_now->process == process)
        (void)snprintf(who, sizeof who, "%s.%d%s%s", process->name, fiber_now->number,
                       fiber_now->job_id[0] == '\0' ? "" : " ", fiber_now->job_id);
    else if (process != NULL)
        (void)snprintf(who, sizeof who, "%s", process->name);
    int len = snprintf(text, sizeof text, "%11.6f  %-12s %-10s ", (double)world_us / (double)SECOND,
                       who, what);
    va_start(args, fmt);
    (void)vsnprintf(text + len, sizeof text - (size_t)len, fmt, args);
    va_end(args);
    write_line(is_general(process, what), text);
}

_Noreturn void violation(const struct job *job, const char *rule, const char *fmt, ...)
{
    va_list args;
    char text[1024];
    int len = snprintf(text, sizeof text,
                       "seed %llu, %.6f s: %s%s%s: ", (unsigned long long)scenario.seed,
                       (double)world_us / (double)SECOND, rule, job == NULL ? "" : " of ",
                       job == NULL ? "" : job->id);
    va_start(args, fmt);
    (void)vsnprintf(text + len, sizeof text - (size_t)len, fmt, args);
    va_end(args);
    if (kept != NULL && job != NULL)
        text_copy(kept->job_id, sizeof kept->job_id, job->id);
    write_line(true, text);
    (void)fflush(stdout);
    _exit(1);
}

/* ---- the end of what was kept ---- */

static bool speaks_of(const struct line *line, const char *id)
{
    size_t len = strlen(id);
    for (const char *at = line->text; len > 0 && (at = strstr(at, id)) != NULL; at += len)
        if (at > line->text && at[-1] == ' ' && (at[len] < '0' || at[len] > '9'))
            return true;
    return len == 0;
}

void trace_print_kept(void)
{
    size_t first = kept->count, general = GENERAL_SHOWN, of_job = OF_JOB_SHOWN;
    while (first > 0 && kept->count - first < KEPT_MAX && general + of_job > 0) {
        struct line *line = &kept->lines[--first % KEPT_MAX];
        size_t *left = line->is_general ? &general : &of_job;
        line->is_shown = *left > 0 && (line->is_general || speaks_of(line, kept->job_id));
        *left -= line->is_shown;
    }
    for (; first < kept->count; first++)
        if (kept->lines[first % KEPT_MAX].is_shown)
            (void)printf("  %s\n", kept->lines[first % KEPT_MAX].text);
    (void)munmap(kept, sizeof *kept);
    kept = NULL;
}
