/*
 * hash: XXH3, 128 bits, over bytes and over many rows at a time.
 *
 * Is:      the fingerprint of rows and chunks (base/hash128.h has the value and its sums).
 * Is not:  cryptographic: it finds faults, not forgery.
 * Threads: any.
 */
#ifndef HAUL_IO_HASH_H
#define HAUL_IO_HASH_H

#include "base/hash128.h"

struct hash128 hash128_bytes(const void *bytes, size_t len);

/* The hash of each row; row i is bytes[offsets[i] .. offsets[i + 1]), so `offsets` has count + 1
 * items. Writes `count` hashes. */
void hash128_rows(const char *bytes, const uint32_t *offsets, size_t count,
                  struct hash128 *ret_hashes);

/* The sum of the same hashes mod 2^128: equal for equal rows in any order. */
struct hash128 hash128_rows_sum(const char *bytes, const uint32_t *offsets, size_t count);

#endif
