/*
 * hash128: a 128-bit hash as a value: sums that do not depend on order, and its text.
 *
 * Is:      the type that chunks, receipts and comparisons carry, with addition mod 2^128.
 * Is not:  the hash function: io/hash computes it.
 */
#ifndef HAUL_BASE_HASH128_H
#define HAUL_BASE_HASH128_H

#include "base/str.h"

struct hash128 {
    uint64_t lo, hi;
};

#define HASH128_TEXT_SIZE 33

static inline struct hash128 hash128_add(struct hash128 a, struct hash128 b)
{
    struct hash128 sum = {a.lo + b.lo, a.hi + b.hi};
    sum.hi += sum.lo < a.lo;
    return sum;
}

/* The inverse of hash128_add: takes a row out of a sum. */
static inline struct hash128 hash128_sub(struct hash128 a, struct hash128 b)
{
    return (struct hash128){a.lo - b.lo, a.hi - b.hi - (a.lo < b.lo)};
}

static inline bool hash128_eq(struct hash128 a, struct hash128 b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

/* Order of the unsigned 128-bit numbers: negative, 0 or positive. */
static inline int hash128_compare(struct hash128 a, struct hash128 b)
{
    if (a.hi != b.hi)
        return a.hi < b.hi ? -1 : 1;
    return (a.lo > b.lo) - (a.lo < b.lo);
}

/* Most significant byte first, as the number is written. */
static inline void hash128_to_bytes(struct hash128 hash, uint8_t to[16])
{
    for (unsigned i = 0; i < 8; i++) {
        to[i] = (uint8_t)(hash.hi >> (56 - 8 * i));
        to[8 + i] = (uint8_t)(hash.lo >> (56 - 8 * i));
    }
}

static inline struct hash128 hash128_from_bytes(const uint8_t from[16])
{
    struct hash128 hash = {0, 0};
    for (unsigned i = 0; i < 8; i++) {
        hash.hi = hash.hi << 8 | from[i];
        hash.lo = hash.lo << 8 | from[8 + i];
    }
    return hash;
}

/* 32 hexadecimal digits and a NUL into `to`; returns `to`. */
static inline char *hash128_format(struct hash128 hash, char to[HASH128_TEXT_SIZE])
{
    uint8_t bytes[16];
    hash128_to_bytes(hash, bytes);
    hex_format(bytes, sizeof bytes, to);
    to[32] = '\0';
    return to;
}

/* Reads exactly 32 digits; false and untouched when the text is anything else. */
static inline bool hash128_parse(const char *text, struct hash128 *ret_hash)
{
    uint8_t bytes[16];
    if (strlen(text) != 32 || !hex_parse(text, sizeof bytes, bytes))
        return false;
    *ret_hash = hash128_from_bytes(bytes);
    return true;
}

#endif
