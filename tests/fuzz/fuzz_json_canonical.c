/* Canonical JSON: the canonical form of a canonical form is itself. */
#include "fuzz.h"

#include "model/value.h"

#define OUT_MAX (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena ARENA_AUTO scratch;
    struct str STR_AUTO once = str_with_max(OUT_MAX);
    struct str STR_AUTO twice = str_with_max(OUT_MAX);
    arena_init(&scratch, 64u << 20);
    if (!json_text_canonical((struct slice){(const char *)data, size}, &scratch, &once))
        return 0;
    HOLDS(!once.failed);
    HOLDS(json_text_canonical(str_slice(&once), &scratch, &twice));
    HOLDS(slice_eq(str_slice(&once), str_slice(&twice)));
    return 0;
}
