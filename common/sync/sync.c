/* sync: opens both sides, plans, chooses the way the rows go, and closes the receipt. */
#include "sync/sync.h"

#include "base/clock.h"
#include "io/hash.h"
#include "sync/internal.h"

#include <stdio.h>
#include <string.h>

bool sync_is_cancelled(const struct sync *sync)
{
    return sync->env->cancelled != NULL && *sync->env->cancelled;
}

enum outcome sync_check_cancelled(const struct sync *sync, struct err *err)
{
    if (!sync_is_cancelled(sync))
        return OUTCOME_OK;
    return FAIL(err, OUTCOME_CANCELLED, "cancelled", "the sync was told to stop");
}

void sync_progress(struct sync *sync, const char *phase, const char *bottleneck)
{
    struct sync_progress progress = {.phase = phase, .bottleneck = bottleneck};
    if (sync->env->progress == NULL)
        return;
    pthread_mutex_lock(&sync->lock);
    progress.rows_done = sync->receipt->rows_written + sync->rows_moving;
    progress.rows_total = sync->rows_total;
    progress.bytes_done = sync->receipt->bytes_written;
    pthread_mutex_unlock(&sync->lock);
    sync->env->progress(sync->env->ctx, &progress);
}

static enum outcome open_side(const struct sync *sync, const struct sync_endpoint *endpoint,
                              bool read_only, struct session **ret_session, struct err *err)
{
    char name[64];
    text_copy(name, sizeof name, "haul ");
    text_copy(name + 5, sizeof name - 5, sync->spec->sync_id);
    struct session_request request = {.config = endpoint->config,
                                      .application_name = name,
                                      .read_only = read_only,
                                      .cancelled = sync->env->cancelled};
    if (endpoint->connector->open(&request, ret_session, err) != OUTCOME_OK)
        return err_prefix(err, "%s", read_only ? "source" : "target");
    if (sync->env->reached != NULL)
        sync->env->reached(sync->env->ctx, read_only);
    return OUTCOME_OK;
}

enum outcome sync_open_source(const struct sync *sync, struct session **ret_session,
                              struct err *err)
{
    const struct connector *source = sync_source(sync);
    struct session *session;
    TRY(open_side(sync, &sync->env->source, true, &session, err));
    if (connector_has(source, CONNECTOR_SNAPSHOT)) {
        enum outcome outcome = source->snapshot_begin(session, sync->snapshot, err);
        if (outcome != OUTCOME_OK) {
            source->close(session);
            return outcome;
        }
    }
    *ret_session = session;
    return OUTCOME_OK;
}

enum outcome sync_open_target(const struct sync *sync, struct session **ret_session,
                              struct err *err)
{
    return open_side(sync, &sync->env->target, false, ret_session, err);
}

enum outcome sync_open_both(struct sync *sync, struct err *err)
{
    const struct connector *source = sync_source(sync);
    struct check_report report;
    TRY(sync_open_target(sync, &sync->target, err));
    TRY(sync_open_source(sync, &sync->source, err));
    if (sync->spec->parallel > 1 && connector_has(source, CONNECTOR_SNAPSHOT_SHARE))
        TRY(source->snapshot_export(sync->source, sync->arena, &sync->snapshot, err));
    TRY(source->check(sync->source, sync->arena, &report, err));
    sync->receipt->source_version = report.server_version;
    TRY(sync_target(sync)->check(sync->target, sync->arena, &report, err));
    sync->receipt->target_version = report.server_version;
    return OUTCOME_OK;
}

static void take_policy(struct sync *sync)
{
    const struct sync_values *values = &sync->spec->values;
    for (size_t i = 0; i < VALUE_FAULT_COUNT; i++)
        sync->policy.actions[i] = ACTION_QUARANTINE;
    if (!values->present)
        return;
    const int actions[VALUE_FAULT_COUNT] = {
        [FAULT_ZERO_DATE] = values->zero_date,
        [FAULT_INFINITY] = values->infinity,
        [FAULT_NAN] = values->nan,
        [FAULT_NUL_BYTE] = values->nul_byte,
        [FAULT_INVALID_UTF8] = values->invalid_utf8,
        [FAULT_TIME_RANGE] = values->time_range,
        [FAULT_OUT_OF_RANGE] = values->out_of_range,
        [FAULT_INVALID_CAST] = values->invalid_cast,
    };
    for (size_t i = 0; i < VALUE_FAULT_COUNT; i++)
        sync->policy.actions[i] = (enum value_action)actions[i];
}

static enum outcome take_fence(struct sync *sync, struct err *err)
{
    const char *text;
    TRY(sync_target(sync)->checkpoint_take(sync->target, &sync->checkpoint, sync->arena, &text,
                                           err));
    if (text != NULL && text[0] != '\0' && strcmp(text, "{}") != 0)
        TRY(sync_state_parse(text, sync->arena, &sync->state, err));
    return OUTCOME_OK;
}

static enum outcome start_anew(struct sync *sync, const char *why, struct err *err)
{
    receipt_note(sync->receipt, "%s", why);
    if (sync->state.plan != NULL)
        TRY(parts_abandon(sync, err));
    else
        TRY(parts_forget(sync, err));
    sync->state = (struct sync_state){.plans = sync->state.plans};
    return OUTCOME_OK;
}

/* The checkpoint of another definition is no checkpoint of this one. */
static enum outcome judge_checkpoint(struct sync *sync, struct err *err)
{
    if (sync->state.definition != NULL &&
        strcmp(sync->state.definition, sync->plan.definition) != 0)
        TRY(start_anew(
            sync, "the sync's source, target, mode or cursor has changed: it started anew", err));
    if (!sync->plan.target_exists && sync->state.cursor != NULL && !sync->state.loading)
        TRY(start_anew(sync, "the target table was gone: it was loaded anew", err));
    sync->receipt->checkpoint_before = sync->state.cursor;
    return OUTCOME_OK;
}

enum outcome sync_take_checkpoint(struct sync *sync, struct err *err)
{
    TRY(take_fence(sync, err));
    return judge_checkpoint(sync, err);
}

/* A stage and a swap where nothing would be lost by replacing the table; else into what stands. */
static bool goes_by_load(const struct sync *sync)
{
    int mode = sync->spec->mode;
    if (mode == SYNC_FULL_REFRESH)
        return true;
    if (mode != SYNC_UPSERT && mode != SYNC_MIRROR)
        return false;
    return sync->state.loading || !sync->plan.target_exists;
}

static enum outcome move(struct sync *sync, struct err *err)
{
    int mode = sync->spec->mode;
    if (goes_by_load(sync))
        return load_run(sync, err);
    TRY(merge_run(sync, err));
    if (mode == SYNC_MIRROR || mode == SYNC_SNAPSHOT_HISTORY)
        return vanish_run(sync, err);
    return OUTCOME_OK;
}

static enum outcome run(struct sync *sync, struct err *err)
{
    TRY(sync_spec_check(sync->spec, err));
    TRY(sync_open_both(sync, err));
    TRY(plan_source(sync, err));
    TRY(take_fence(sync, err));
    TRY(plan_target(sync, err));
    TRY(judge_checkpoint(sync, err));
    sync->rows_total = sync->plan.source.rows_estimate;
    TRY(move(sync, err));
    sync->receipt->checkpoint_after = sync->state.cursor;
    struct str state __attribute__((cleanup(str_done))) = str_with_max(STR_MAX_DEFAULT);
    sync_state_write(&sync->state, &state);
    sync->receipt->state = arena_strdup(sync->arena, str_text(&state));
    TRY_ALLOC(sync->receipt->state, err);
    return OUTCOME_OK;
}

/* "workspace/sync"; long ones are cut and told apart by a hash, to fit any system's key. */
static void name_checkpoint(struct sync *sync)
{
    char whole[sizeof sync->checkpoint_id], hash[HASH128_TEXT_SIZE], *id = sync->checkpoint_id;
    const char *workspace = sync->env->workspace_id;
    (void)snprintf(whole, sizeof whole, "%s%s%s", workspace == NULL ? "" : workspace,
                   workspace == NULL ? "" : "/", sync->spec->sync_id);
    sync->checkpoint.sync_id = id;
    if (strlen(whole) <= CHECKPOINT_ID_MAX) {
        text_copy(id, sizeof sync->checkpoint_id, whole);
        return;
    }
    text_copy(id, CHECKPOINT_ID_MAX - HASH128_TEXT_SIZE, whole);
    hash128_format(hash128_bytes(whole, strlen(whole)), hash);
    size_t len = strlen(id);
    (void)snprintf(id + len, sizeof sync->checkpoint_id - len, ":%s", hash);
}

void sync_init(struct sync *sync, const struct sync_env *env, const struct sync_spec *spec,
               struct arena *arena, struct receipt *receipt)
{
    *sync = (struct sync){.env = env,
                          .spec = spec,
                          .arena = arena,
                          .receipt = receipt,
                          .checkpoint = {spec->target.schema, NULL, env->fence},
                          .now_us = clock_wall_us(),
                          .rows_total = -1};
    name_checkpoint(sync);
    pthread_mutex_init(&sync->lock, NULL);
    sync->seed = hash128_bytes(&env->fence, sizeof env->fence).lo;
    take_policy(sync);
    receipt_init(receipt, arena);
    receipt->mode = sync_mode_name(spec->mode);
    receipt->verify_asked = sync_verify_name(spec->verify);
    receipt->fence = env->fence;
    receipt->started_us = sync->now_us;
}

void sync_done(struct sync *sync)
{
    sync_source(sync)->close(sync->source);
    sync_target(sync)->close(sync->target);
    pthread_mutex_destroy(&sync->lock);
    sync->receipt->finished_us = clock_wall_us();
    sync->receipt->bytes_read = sync->receipt->bytes_written;
}

enum outcome sync_run(const struct sync_env *env, const struct sync_spec *spec, struct arena *arena,
                      struct receipt *ret_receipt, struct err *err)
{
    struct sync sync;
    sync_init(&sync, env, spec, arena, ret_receipt);
    enum outcome outcome = run(&sync, err);
    sync_done(&sync);
    return outcome;
}
