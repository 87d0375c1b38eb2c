/*
 * err: how a failure travels: a class to act on, and one detail record to tell a person.
 *
 * Is:      the outcome classes of the design, the record that carries what, where and what to do,
 *          and the macros that set it and pass it up.
 * Is not:  a logger. Library code fills the record and returns; run/ logs it once.
 * Owns:    nothing; texts are copied into the record and cut at its size.
 * Threads: a record belongs to one thread at a time.
 *
 * Rule of use: a function that can fail returns `enum outcome` and takes `struct err *err` as its
 * last argument, after its `ret_` outputs. On failure the `ret_` outputs are untouched.
 * No secret and no row data may enter a message.
 */
#ifndef HAUL_BASE_ERR_H
#define HAUL_BASE_ERR_H

#include <stdbool.h>
#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

enum outcome {
    OUTCOME_OK = 0,
    OUTCOME_RETRY,     /* passing: connection reset, 503, deadlock */
    OUTCOME_THROTTLED, /* the other side asked to wait: retry_after_ms says how long */
    OUTCOME_PERMANENT, /* will fail again: no such table, bad credentials, bad input */
    OUTCOME_POISON,    /* not a job at all, or kills its process */
    OUTCOME_CANCELLED, /* asked for, or fenced off (code "fenced") */
    OUTCOME_BUG,       /* a broken invariant of our own */
};
#define OUTCOME_COUNT (OUTCOME_BUG + 1)

struct err {
    enum outcome outcome;
    bool row_fault;         /* the target refused the data of a row, not the operation */
    int64_t retry_after_ms; /* with THROTTLED; 0 = not told */
    const char *file;       /* where it was set */
    int line;
    char code[48];     /* stable, dotted, for programs: "target.table_missing" */
    char native[24];   /* SQLSTATE, errno name, HTTP status, Kafka code; "" = none */
    char column[64];   /* the column a row fault names; "" = unknown */
    char message[512]; /* lower case, what and where */
    char hint[256];    /* what to do; "" = nothing to add */
};

/* Fills `err` (which may be NULL) and returns `outcome`. Use through FAIL and its kin. */
enum outcome err_set(struct err *err, enum outcome outcome, const char *code, const char *file,
                     int line, const char *fmt, ...) PRINTF_LIKE(6, 7);

/* Sets the hint of a record that is set; returns its class, so that it can end a return. */
enum outcome err_hint(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Records the other side's own code (SQLSTATE, ...). Returns the class. */
enum outcome err_native(struct err *err, const char *native);

/* Puts "prefix: " before the message, cut at its size. Returns the class. */
enum outcome err_prefix(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Empties the record. */
void err_clear(struct err *err);

/* The class's name as it stands in headers, events and metrics: "retry". Never NULL. */
const char *outcome_name(enum outcome outcome);

/* The class of a name; false and untouched when there is none. */
bool outcome_parse(const char *name, enum outcome *ret_outcome);

#define FAIL(err, outcome, code, ...)                                                              \
    err_set((err), (outcome), (code), __FILE__, __LINE__, __VA_ARGS__)
#define FAIL_NO_MEMORY(err) FAIL((err), OUTCOME_RETRY, "no_memory", "out of memory")
#define FAIL_BUG(err, ...) FAIL((err), OUTCOME_BUG, "bug", __VA_ARGS__)

/* Returns from the caller when the call did not end in OK. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        enum outcome try_outcome_ = (call);                                                        \
        if (try_outcome_ != OUTCOME_OK)                                                            \
            return try_outcome_;                                                                   \
    } while (0)

/* Returns "out of memory" from the caller when the pointer is NULL. */
#define TRY_ALLOC(pointer, err)                                                                    \
    do {                                                                                           \
        if ((pointer) == NULL)                                                                     \
            return FAIL_NO_MEMORY(err);                                                            \
    } while (0)

#endif
