/* hub_text: see hub_text.h. */
#include "sync/hub_text.h"

#include "sync/hub.h"

#include <inttypes.h>
#include <stdio.h>

#define NEAR_DISTANCE 3u
#define FEW_NAMES 5u

const char *hub_text(struct hub_texts *texts, size_t column)
{
    const char *text = pgsql_text(texts->result, texts->row, column);
    if (text == NULL)
        return NULL;
    const char *copy = arena_strdup(texts->arena, text);
    if (copy == NULL)
        texts->failed = true;
    return copy;
}

static const char *nearest(const struct pgsql_result *names, const char *wanted)
{
    const char *best = NULL;
    unsigned best_distance = NEAR_DISTANCE + 1;
    for (size_t i = 0; i < pgsql_rows(names); i++) {
        const char *name = pgsql_text(names, i, 0);
        unsigned distance = text_distance(name, wanted);
        /* A name that shares no letter with what was asked for is no help. */
        if (distance < best_distance && distance < strlen(wanted)) {
            best = name;
            best_distance = distance;
        }
    }
    return best;
}

enum outcome hub_hint_nearest(const struct pgsql_result *names, const char *wanted,
                              const char *otherwise, struct err *err)
{
    const char *near = nearest(names, wanted);
    if (near != NULL)
        return err_hint(err, "did you mean \"%s\"?", near);
    size_t count = pgsql_rows(names);
    if (count == 0 || count > FEW_NAMES)
        return err_hint(err, "%s", otherwise);
    STR_AUTO struct str list = str_with_max(sizeof err->hint);
    for (size_t i = 0; i < count; i++)
        str_addf(&list, "%s%s", i == 0 ? "" : ", ", pgsql_text(names, i, 0));
    return err_hint(err, "known are: %s", str_text(&list));
}

enum outcome hub_need_keyring(const struct hub *hub, const char *what, struct err *err)
{
    if (hub->keyring != NULL)
        return OUTCOME_OK;
    FAIL(err, OUTCOME_PERMANENT, "hub.keyring", "%s needs the keyring, and none is configured",
         what);
    return err_hint(err, "set HAUL_KEYRING_FILE; `haul vault keygen` makes a key");
}

void hub_quarantine_place(const char *workspace_id, const char *run_id, int64_t chunk,
                          int64_t row_number, struct quarantine_place *ret_place)
{
    (void)snprintf(ret_place->owner, sizeof ret_place->owner, "quarantine/%s", run_id);
    (void)snprintf(ret_place->field, sizeof ret_place->field, "%" PRId64 "/%" PRId64, chunk,
                   row_number);
    ret_place->place = (struct seal_place){workspace_id, ret_place->owner, ret_place->field};
}
