/*
 * num: numbers from and to text, checked: the whole text must be the number.
 */
#ifndef HAUL_BASE_NUM_H
#define HAUL_BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal, optional sign; false on overflow, empty text or anything left over. */
bool num_parse_i64(const char *text, size_t len, int64_t *ret_value);
bool num_parse_u64(const char *text, size_t len, uint64_t *ret_value);
/* strtod's forms in the C locale, also "NaN", "Infinity", "-Infinity" (any case). */
bool num_parse_f64(const char *text, size_t len, double *ret_value);
/* Decimal text without an end mark; returns its length (at most 20). */
size_t num_format_i64(int64_t value, char to[20]);
size_t num_format_u64(uint64_t value, char to[20]);
/* The shortest text that reads back as the same double; "NaN", "Infinity"; returns its length. */
size_t num_format_f64(double value, char to[32]);

static inline int64_t num_min_i64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}
static inline int64_t num_max_i64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

#endif
