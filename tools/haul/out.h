/*
 * out: what a command answers: for people, or with --json as one JSON value.
 *
 * Is:      text on standard output, tables that are JSON lists with --json, notes on standard
 *          error.
 * Is not:  for logs; nor for errors, which the main prints.
 * Owns:    its buffer, written by out_flush.
 * Threads: one.
 */
#ifndef HAUL_TOOL_OUT_H
#define HAUL_TOOL_OUT_H

#include "base/arena.h"
#include "base/jwrite.h"

struct out {
    struct str text;
    bool json;
    bool is_terminal;
    bool broken; /* standard output was closed */
};

void out_init(struct out *out);
void out_done(struct out *out);
/* Writes what has been added, and forgets it. */
void out_flush(struct out *out);

/* Of the terminal; 0 when standard output is none. */
size_t out_columns(const struct out *out);

/* Text for people: nothing with --json. */
void out_addf(struct out *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line on standard error, for people; with --json too. */
void out_note(struct out *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A writer of the JSON answer into the buffer. */
struct jwrite out_json(struct out *out);
/* Ends a JSON answer with a newline. */
void out_json_end(struct out *out);

/* ---- progress ---- */

/* One line on standard error that is written over twice a second; nothing when that is no
 * terminal. */
struct out_progress {
    bool is_live;
    const char *done_name, *made_name; /* "looked at", "put back" */
    int64_t total;                     /* of done */
    int64_t begun_us, due_us;
};
struct out_progress out_progress_begin(struct out *out, const char *done_name,
                                       const char *made_name, int64_t total);
void out_progress_set(struct out_progress *progress, int64_t done, int64_t made);
/* Wipes the line. */
void out_progress_end(struct out_progress *progress);

/* ---- tables ---- */

enum sheet_kind {
    SHEET_TEXT,
    SHEET_INT,      /* right-aligned; a number in JSON */
    SHEET_BOOL,     /* "yes", "" for people; the cell is "true" or "false" */
    SHEET_TIME,     /* RFC 3339 in JSON, "2026-11-21 07:18:26" for people */
    SHEET_JSON,     /* JSON text; only in JSON */
    SHEET_MORE,     /* text; only in JSON */
    SHEET_MORE_INT, /* a number; only in JSON */
};

struct sheet_column {
    const char *name;  /* in JSON */
    const char *title; /* for people */
    enum sheet_kind kind;
};

struct sheet {
    const struct sheet_column *columns;
    size_t column_count;
    const char *none; /* said when there are no rows */
    struct arena *arena;
    const char **cells;
    size_t row_count, row_cap;
    bool failed; /* memory */
};

struct sheet sheet_new(const struct sheet_column *columns, size_t column_count, const char *none,
                       struct arena *arena);
/* Adds a row; cells are copied, NULL is null. */
void sheet_add(struct sheet *sheet, const char *const *cells);
#define SHEET_ROW(sheet, ...) sheet_add((sheet), (const char *const[]){__VA_ARGS__})
/* An integer as a cell, living to the end of the enclosing block. */
#define SHEET_I64(value) sheet_i64((value), (char[24]){0})
const char *sheet_i64(int64_t value, char to[24]);
/* A time in µs since the epoch as a cell; 0 = NULL. */
#define SHEET_US(value) sheet_us((value), (char[CLOCK_TEXT_SIZE]){0})
const char *sheet_us(int64_t wall_us, char *to);
/* Prints it as the whole answer. */
void sheet_print(const struct sheet *sheet, struct out *out);
/* The JSON list alone, as a value of `w`. */
void sheet_write(const struct sheet *sheet, struct jwrite *w);
/* The table alone, for people; a terminal gets one that fits it, where that is possible. */
void sheet_add_text(const struct sheet *sheet, struct out *out);

/* ---- for people ---- */

/* "1,234,567", "12.3 MB", "1 min 20 s", each into at least 32 bytes; return `to`. */
#define HUMAN_SIZE 32
char *human_count(int64_t count, char to[HUMAN_SIZE]);
char *human_bytes(int64_t bytes, char to[HUMAN_SIZE]);
char *human_duration(int64_t us, char to[HUMAN_SIZE]);

#endif
