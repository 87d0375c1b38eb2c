/*
 * sync_once: one sync without Kafka and hub, for tests of the pipeline on real servers.
 *
 *     sync_once '{"fence":1,"source":{"connector":"mysql","config":{...}},
 *                 "target":{...},"spec":{...},"verify":false,"repair":false,"estimate":false}'
 *
 * Prints a JSON line a progress, bad row and, at the end, result. Exit 0 when the sync succeeded.
 */
#include "io/json.h"
#include "registry.h"
#include "sync/estimate.h"
#include "sync/verify.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static volatile bool cancelled;

static void on_signal(int number)
{
    (void)number;
    cancelled = true;
}

static void print_line(struct str *line)
{
    str_add_char(line, '\n');
    (void)fputs(str_text(line), stdout);
    (void)fflush(stdout);
    str_done(line);
}

static void print_progress(void *ctx, const struct sync_progress *progress)
{
    struct str line = str_with_max(STR_MAX_DEFAULT);
    struct jwrite w = jwrite_to(&line);
    (void)ctx;
    jwrite_open_object(&w);
    jwrite_member_text(&w, "phase", progress->phase);
    jwrite_member_int(&w, "rows_done", progress->rows_done);
    jwrite_member_int(&w, "rows_total", progress->rows_total);
    jwrite_close_object(&w);
    print_line(&line);
}

static enum outcome print_bad(void *ctx, const struct bad_row *rows, size_t count, struct err *err)
{
    (void)ctx;
    (void)err;
    for (size_t i = 0; i < count; i++) {
        struct str line = str_with_max(STR_MAX_DEFAULT);
        struct jwrite w = jwrite_to(&line);
        jwrite_open_object(&w);
        jwrite_key(&w, "bad_row");
        jwrite_raw(&w, slice_of(rows[i].row_json));
        jwrite_member_text(&w, "column", rows[i].column);
        jwrite_member_text(&w, "reason", rows[i].reason);
        jwrite_member_text(&w, "sqlstate", rows[i].sqlstate);
        jwrite_member_text(&w, "message", rows[i].message);
        jwrite_member_int(&w, "chunk", rows[i].chunk);
        jwrite_member_int(&w, "number", rows[i].number);
        jwrite_close_object(&w);
        print_line(&line);
    }
    return OUTCOME_OK;
}

static enum outcome load_endpoint(const struct jval *request, const char *side, struct arena *arena,
                                  struct sync_endpoint *ret_endpoint, struct err *err)
{
    const struct jval *object = jval_get(request, side);
    const struct connector *connector;
    TRY(registry_get(&sql_connectors, jval_text(object, "connector", "?"), &connector, err));
    void *config = arena_alloc(arena, connector->config->struct_size);
    TRY_ALLOC(config, err);
    TRY(fields_decode(connector->config, jval_get(object, "config"), arena, config, err));
    *ret_endpoint = (struct sync_endpoint){connector, config};
    return OUTCOME_OK;
}

static void write_error(struct jwrite *w, enum outcome outcome, const struct err *err)
{
    jwrite_member_text(w, "outcome", outcome_name(outcome));
    if (outcome == OUTCOME_OK)
        return;
    jwrite_member_text(w, "code", err->code);
    jwrite_member_text(w, "native", err->native);
    jwrite_member_text(w, "message", err->message);
    jwrite_member_text(w, "hint", err->hint);
}

static enum outcome run_sync(const struct sync_env *env, const struct sync_spec *spec,
                             struct arena *arena, struct jwrite *w, struct err *err)
{
    struct receipt receipt;
    enum outcome outcome = sync_run(env, spec, arena, &receipt, err);
    jwrite_key(w, "receipt");
    receipt_write(&receipt, true, w);
    return outcome;
}

static enum outcome run_verify(const struct sync_env *env, const struct sync_spec *spec,
                               bool repair, struct arena *arena, struct jwrite *w, struct err *err)
{
    static struct verify_report report;
    static const char *const kinds[] = {"missing", "different", "extra"};
    enum outcome outcome = sync_verify(env, spec, repair, arena, &report, err);
    jwrite_member_bool(w, "agrees", report.agrees);
    jwrite_member_int(w, "missing", report.missing);
    jwrite_member_int(w, "different", report.different);
    jwrite_member_int(w, "extra", report.extra);
    jwrite_member_int(w, "chunks", (int64_t)report.chunk_count);
    jwrite_member_int(w, "chunks_differing", (int64_t)report.chunks_differing);
    jwrite_member_int(w, "rows_merged", report.rows_merged);
    jwrite_member_int(w, "rows_deleted", report.rows_deleted);
    jwrite_key(w, "keys");
    jwrite_open_array(w);
    for (size_t i = 0; i < report.key_count; i++) {
        jwrite_open_array(w);
        jwrite_text(w, kinds[report.keys[i].kind]);
        jwrite_raw(w, slice_of(report.keys[i].json));
        jwrite_close_array(w);
    }
    jwrite_close_array(w);
    return outcome;
}

static enum outcome run_estimate(const struct sync_env *env, const struct sync_spec *spec,
                                 struct arena *arena, struct jwrite *w, struct err *err)
{
    struct estimate_report report;
    enum outcome outcome = sync_estimate(env, spec, NULL, arena, &report, err);
    jwrite_member_text(w, "path", report.path);
    jwrite_member_int(w, "rows", report.rows);
    jwrite_member_int(w, "duration_ms", report.duration_ms);
    jwrite_key(w, "differences");
    jwrite_open_array(w);
    for (size_t i = 0; i < report.difference_count; i++)
        jwrite_text(w, report.differences[i]);
    jwrite_close_array(w);
    return outcome;
}

static enum outcome run(const char *text, struct arena *arena, struct jwrite *w, struct err *err)
{
    const struct jval *request;
    struct sync_spec *spec = arena_alloc(arena, sizeof *spec);
    struct sync_env env = {
        .cancelled = &cancelled, .progress = print_progress, .quarantine = print_bad};
    TRY_ALLOC(spec, err);
    TRY(jread_object(slice_of(text), arena, &request, err));
    TRY(load_endpoint(request, "source", arena, &env.source, err));
    TRY(load_endpoint(request, "target", arena, &env.target, err));
    TRY(fields_decode(&sync_spec_table, jval_get(request, "spec"), arena, spec, err));
    env.fence = jval_int(request, "fence", 1);
    env.workspace_id = jval_text(request, "workspace_id", NULL);
    if (jval_bool(request, "estimate", false))
        return run_estimate(&env, spec, arena, w, err);
    if (jval_bool(request, "verify", false))
        return run_verify(&env, spec, jval_bool(request, "repair", false), arena, w, err);
    return run_sync(&env, spec, arena, w, err);
}

int main(int argc, char **argv)
{
    struct str line = str_with_max(STR_MAX_DEFAULT);
    struct jwrite w = jwrite_to(&line);
    struct arena arena;
    struct err err = {0};
    if (argc != 2)
        return EXIT_FAILURE;
    (void)signal(SIGTERM, on_signal);
    arena_init(&arena, 256u << 20);
    jwrite_open_object(&w);
    enum outcome outcome = run(argv[1], &arena, &w, &err);
    write_error(&w, outcome, &err);
    jwrite_close_object(&w);
    print_line(&line);
    arena_done(&arena);
    return outcome == OUTCOME_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
