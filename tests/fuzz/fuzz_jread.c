/* JSON: what was read and written reads the same again; with any allocation failing it fails clean.
 */
#include "fuzz.h"

#include "base/jwrite.h"
#include "io/json.h"

#define OUT_MAX (4u << 20)

static bool read_and_write(struct slice text, struct arena *arena, struct str *out)
{
    struct err err = {0};
    const struct jval *value = NULL;
    arena_init(arena, 64u << 20);
    enum outcome outcome = jread(text, arena, &value, &err);
    HOLDS(outcome == OUTCOME_OK || (value == NULL && err.code[0] != '\0'));
    if (outcome != OUTCOME_OK)
        return false;
    struct jwrite w = jwrite_to(out);
    jwrite_jval(&w, value);
    return !out->failed; /* the writer's depth is less than the reader's */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena ARENA_AUTO first, ARENA_AUTO second, ARENA_AUTO third;
    struct str STR_AUTO once = str_with_max(OUT_MAX), STR_AUTO twice = str_with_max(OUT_MAX);
    struct slice text = {(const char *)data, size};
    const struct jval *value = NULL;
    arena_init(&second, 0);
    arena_init(&third, 64u << 20);
    arena_fail_at(1 + size % 7);
    enum outcome outcome = jread(text, &third, &value, NULL);
    arena_fail_at(0);
    HOLDS(outcome == OUTCOME_OK || value == NULL);
    if (!read_and_write(text, &first, &once))
        return 0;
    HOLDS(read_and_write(str_slice(&once), &second, &twice));
    HOLDS(slice_eq(str_slice(&once), str_slice(&twice)));
    return 0;
}
