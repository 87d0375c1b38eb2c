/* keeper_hub: the hub is asked too, now and then, which jobs are to be cancelled: Redis may have
 * forgotten a flag. By a thread of its own: a hub that does not answer must hold up no renewal. */
#include "run/keeper_private.h"

#include "base/clock.h"
#include "run/ledger.h"
#include "run/thread.h"

#define TIMEOUT_MS 2000 /* it is asked again; who stops waits for it */
#define SCRATCH_BYTES ((size_t)4 << 20)

/* Jobs that have run for a while: the others end before an answer could be here. */
static const char *running_ids(struct keeper *keeper, struct arena *arena)
{
    struct str ids STR_AUTO = str_with_max(1 << 20);
    int64_t before_us = clock_monotonic_us() - US_PER_S;
    pthread_mutex_lock(&keeper->lock);
    for (struct keeper_slot *slot = keeper->slots; slot != NULL; slot = slot->next) {
        if (!slot->has_lease || slot->reason != STOP_NONE || slot->entered_us > before_us)
            continue;
        str_add_text(&ids, ids.len > 0 ? "," : "");
        str_add_text(&ids, slot->lease->job_id);
    }
    pthread_mutex_unlock(&keeper->lock);
    return ids.len == 0 || ids.failed ? NULL : arena_strdup(arena, str_text(&ids));
}

static bool list_has(const char *list, const char *id)
{
    size_t len = strlen(id);
    for (const char *at = list; at != NULL && *at != '\0'; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, id, len) == 0 && (at[len] == '\0' || at[len] == ','))
            return true;
    }
    return false;
}

static void ask(struct keeper *keeper, struct arena *arena)
{
    struct keeper_hub *hub = &keeper->hub;
    struct err err = {0};
    const char *cancels = NULL;
    const char *ids = running_ids(keeper, arena);
    if (ids == NULL)
        return;
    if (hub->db == NULL && pgsql_open(&hub->conf, &hub->db, &err) != OUTCOME_OK)
        return; /* the job threads say so; the flag is asked for again */
    if (ledger_cancels(hub->db, ids, arena, &cancels, &err) != OUTCOME_OK)
        return;
    pthread_mutex_lock(&keeper->lock);
    for (struct keeper_slot *slot = keeper->slots; slot != NULL; slot = slot->next) {
        if (slot->has_lease && list_has(cancels, slot->lease->job_id))
            keeper_stop_slot(slot, STOP_ASKED);
    }
    pthread_mutex_unlock(&keeper->lock);
}

static void *run(void *arg)
{
    struct keeper *keeper = arg;
    struct keeper_hub *hub = &keeper->hub;
    pthread_mutex_lock(&keeper->lock);
    while (!keeper->stopping) {
        if (!hub->is_asked) {
            pthread_cond_wait(&hub->wake, &keeper->lock);
            continue;
        }
        pthread_mutex_unlock(&keeper->lock);
        struct arena arena ARENA_AUTO;
        arena_init(&arena, SCRATCH_BYTES);
        ask(keeper, &arena);
        pthread_mutex_lock(&keeper->lock);
        hub->is_asked = false;
    }
    pthread_mutex_unlock(&keeper->lock);
    return NULL;
}

enum outcome keeper_hub_start(struct keeper *keeper, struct err *err)
{
    struct keeper_hub *hub = &keeper->hub;
    hub->conf = *keeper->options.hub;
    hub->conf.connect_timeout_ms = hub->conf.statement_timeout_ms = TIMEOUT_MS;
    monotonic_cond_init(&hub->wake);
    return thread_start(&hub->thread, "keeper hub", run, keeper, err);
}

void keeper_hub_stop(struct keeper *keeper)
{
    struct keeper_hub *hub = &keeper->hub;
    pthread_mutex_lock(&keeper->lock);
    keeper->stopping = true;
    pthread_cond_signal(&hub->wake);
    pthread_mutex_unlock(&keeper->lock);
    pthread_join(hub->thread, NULL);
    pgsql_close(hub->db);
    pthread_cond_destroy(&hub->wake);
}

void keeper_ask_hub(struct keeper *keeper)
{
    pthread_mutex_lock(&keeper->lock);
    keeper->hub.is_asked = true;
    pthread_cond_signal(&keeper->hub.wake);
    pthread_mutex_unlock(&keeper->lock);
}
