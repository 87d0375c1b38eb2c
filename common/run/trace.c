/* trace: see trace.h. */
#include "run/trace.h"

#include "base/str.h"
#include "io/hash.h"
#include "io/seal.h"

/* Neither id may be all zero. */
static void make_ids(const char *job_id, uint8_t to[24])
{
    struct hash128 hash = hash128_bytes(job_id, strlen(job_id));
    uint64_t parts[3] = {hash.hi, hash.lo | 1, (hash.hi ^ hash.lo) | 1};
    memcpy(to, parts, sizeof parts);
}

const char *trace_of_job(const char *job_id, struct arena *arena)
{
    uint8_t ids[24];
    char hex[2 * sizeof ids];
    char *text = arena_alloc(arena, sizeof "00---01" + sizeof hex);
    if (text == NULL)
        return NULL;
    if (job_id == NULL)
        random_ids(ids, sizeof ids);
    else
        make_ids(job_id, ids);
    hex_format(ids, sizeof ids, hex);
    memcpy(text, "00-", 3);
    memcpy(text + 3, hex, 32);
    text[35] = '-';
    memcpy(text + 36, hex + 32, 16);
    memcpy(text + 52, "-01", 4);
    return text;
}
