/* out: see out.h. */
#include "out.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define OUT_MAX_BYTES ((size_t)1 << 30)

void out_init(struct out *out)
{
    *out = (struct out){.text = str_with_max(OUT_MAX_BYTES),
                        .is_terminal = isatty(STDOUT_FILENO) == 1};
}

void out_done(struct out *out)
{
    str_done(&out->text);
}

size_t out_columns(const struct out *out)
{
    struct winsize size = {0};
    if (!out->is_terminal)
        return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20)
        return 80;
    return size.ws_col;
}

void out_flush(struct out *out)
{
    const char *at = str_text(&out->text);
    size_t left = out->text.len;
    while (left > 0 && !out->broken) {
        ssize_t written = write(STDOUT_FILENO, at, left);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            out->broken = true;
            break;
        }
        at += written;
        left -= (size_t)written;
    }
    str_clear(&out->text);
}

static void add_formatted(struct str *to, const char *fmt, va_list args)
    __attribute__((format(printf, 2, 0)));
static void add_formatted(struct str *to, const char *fmt, va_list args)
{
    char line[4096];
    int len = vsnprintf(line, sizeof line, fmt, args);
    if (len < 0)
        return;
    str_add(to, line, (size_t)len < sizeof line ? (size_t)len : sizeof line - 1);
}

void out_addf(struct out *out, const char *fmt, ...)
{
    va_list args;
    if (out->json)
        return;
    va_start(args, fmt);
    add_formatted(&out->text, fmt, args);
    va_end(args);
}

void out_note(struct out *out, const char *fmt, ...)
{
    STR_AUTO struct str line = str_with_max(8192);
    va_list args;
    out_flush(out);
    va_start(args, fmt);
    add_formatted(&line, fmt, args);
    va_end(args);
    (void)fprintf(stderr, "%s\n", str_text(&line));
}

struct jwrite out_json(struct out *out)
{
    return jwrite_to(&out->text);
}

void out_json_end(struct out *out)
{
    str_add_char(&out->text, '\n');
}

/* ---- for people ---- */

char *human_count(int64_t count, char to[HUMAN_SIZE])
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64,
                       count < 0 ? (uint64_t)0 - (uint64_t)count : (uint64_t)count);
    char *at = to;
    if (count < 0)
        *at++ = '-';
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *at++ = ',';
        *at++ = digits[i];
    }
    *at = '\0';
    return to;
}

char *human_bytes(int64_t bytes, char to[HUMAN_SIZE])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1000;
        unit++;
    }
    (void)snprintf(to, HUMAN_SIZE, unit == 0 ? "%.0f %s" : "%.3g %s", value, units[unit]);
    return to;
}

char *human_duration(int64_t us, char to[HUMAN_SIZE])
{
    int64_t s = us / US_PER_S;
    if (us < US_PER_S)
        (void)snprintf(to, HUMAN_SIZE, "%" PRId64 " ms", us / US_PER_MS);
    else if (s < 60)
        (void)snprintf(to, HUMAN_SIZE, "%.1f s", (double)us / (double)US_PER_S);
    else if (s < 3600)
        (void)snprintf(to, HUMAN_SIZE, "%" PRId64 " min %" PRId64 " s", s / 60, s % 60);
    else if (s < 86400)
        (void)snprintf(to, HUMAN_SIZE, "%" PRId64 " h %" PRId64 " min", s / 3600, s / 60 % 60);
    else
        (void)snprintf(to, HUMAN_SIZE, "%" PRId64 " d %" PRId64 " h", s / 86400, s / 3600 % 24);
    return to;
}
