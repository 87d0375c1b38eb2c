/* err: see err.h. */
#include "base/err.h"

#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const names[OUTCOME_COUNT] = {
    [OUTCOME_OK] = "ok",
    [OUTCOME_RETRY] = "retry",
    [OUTCOME_THROTTLED] = "throttled",
    [OUTCOME_PERMANENT] = "permanent",
    [OUTCOME_POISON] = "poison",
    [OUTCOME_CANCELLED] = "cancelled",
    [OUTCOME_BUG] = "bug",
};

/* Takes the place of a NULL record, so that a hint added to it still returns the class. */
static _Thread_local struct err unwatched;

static struct err *record_of(struct err *err)
{
    return err == NULL ? &unwatched : err;
}

/* The text is made beside the record first: an argument may be one of the record's own texts. */
__attribute__((format(printf, 3, 0))) static void format_text(char *to, size_t size,
                                                              const char *fmt, va_list args)
{
    char text[sizeof(((struct err *)0)->message) + 4];
    if (vsnprintf(text, sizeof text, fmt, args) < 0)
        text[0] = '\0';
    text_copy(to, size, text);
}

enum outcome err_set(struct err *err, enum outcome outcome, const char *code, const char *file,
                     int line, const char *fmt, ...)
{
    struct err next = {.outcome = outcome, .file = file, .line = line};
    text_copy(next.code, sizeof next.code, code);
    va_list args;
    va_start(args, fmt);
    format_text(next.message, sizeof next.message, fmt, args);
    va_end(args);
    *record_of(err) = next;
    return outcome;
}

enum outcome err_hint(struct err *err, const char *fmt, ...)
{
    err = record_of(err);
    va_list args;
    va_start(args, fmt);
    format_text(err->hint, sizeof err->hint, fmt, args);
    va_end(args);
    return err->outcome;
}

enum outcome err_native(struct err *err, const char *native)
{
    err = record_of(err);
    text_copy(err->native, sizeof err->native, native == NULL ? "" : native);
    return err->outcome;
}

enum outcome err_prefix(struct err *err, const char *fmt, ...)
{
    err = record_of(err);
    char prefix[sizeof err->message];
    va_list args;
    va_start(args, fmt);
    format_text(prefix, sizeof prefix, fmt, args);
    va_end(args);
    char message[2 * sizeof err->message + 4];
    (void)snprintf(message, sizeof message, "%s: %s", prefix, err->message);
    text_copy(err->message, sizeof err->message, message);
    return err->outcome;
}

void err_clear(struct err *err)
{
    if (err != NULL)
        *err = (struct err){0};
}

const char *outcome_name(enum outcome outcome)
{
    return (unsigned)outcome < OUTCOME_COUNT ? names[outcome] : "unknown";
}

bool outcome_parse(const char *name, enum outcome *ret_outcome)
{
    if (name == NULL)
        return false;
    for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret_outcome = (enum outcome)i;
            return true;
        }
    }
    return false;
}
