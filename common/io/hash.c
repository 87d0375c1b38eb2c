/* hash: see hash.h. The library is compiled in, so that short rows cost no call. */
#include "io/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static inline struct hash128 hash_bytes(const char *bytes, size_t len)
{
    XXH128_hash_t hash = XXH3_128bits(bytes, len);
    return (struct hash128){hash.low64, hash.high64};
}

struct hash128 hash128_bytes(const void *bytes, size_t len)
{
    return hash_bytes(bytes, len);
}

void hash128_rows(const char *bytes, const uint32_t *offsets, size_t count,
                  struct hash128 *ret_hashes)
{
    for (size_t i = 0; i < count; i++)
        ret_hashes[i] = hash_bytes(bytes + offsets[i], offsets[i + 1] - offsets[i]);
}

struct hash128 hash128_rows_sum(const char *bytes, const uint32_t *offsets, size_t count)
{
    struct hash128 sum = {0, 0};
    for (size_t i = 0; i < count; i++)
        sum = hash128_add(sum, hash_bytes(bytes + offsets[i], offsets[i + 1] - offsets[i]));
    return sum;
}
