/* draft: see draft.h. */
#include "draft.h"

#include "assign.h"
#include "files.h"
#include "io/json.h"

static enum outcome read_file(struct cli *cli, const char *path, struct draft *draft,
                              struct err *err)
{
    STR_AUTO struct str text = str_with_max(FILE_MAX_BYTES);
    TRY(file_read(path, &text, err));
    const struct jval *value = NULL;
    if (jread_object(str_slice(&text), &cli->arena, &value, err) != OUTCOME_OK) {
        text_copy(err->code, sizeof err->code, "usage");
        return err_prefix(err, "%s", file_title(path));
    }
    if (jval_get(value, "specversion") == NULL) {
        draft->data = value;
        return OUTCOME_OK;
    }
    struct job job = {0};
    if (job_decode(value, &cli->arena, &job, err) != OUTCOME_OK) {
        text_copy(err->code, sizeof err->code, "usage");
        return err_prefix(err, "%s", file_title(path));
    }
    if (strcmp(job.kind, draft->kind->name) != 0)
        return USAGE(err, "%s is a job of kind %s, not %s", file_title(path), job.kind,
                     draft->kind->name);
    draft->event = value;
    draft->data = job.data;
    return OUTCOME_OK;
}

static bool names_workspace(const struct cli *cli)
{
    for (size_t i = 1; i < cli->arg_count; i++) {
        if (strncmp(cli->args[i], "workspace_id=", 13) == 0)
            return true;
    }
    return false;
}

static enum outcome build_data(struct cli *cli, struct draft *draft, struct err *err)
{
    ASSIGN_AUTO struct assign assign = {0};
    struct field_join join = {0};
    TRY(job_data_table(draft->kind->payload, &cli->arena, &join, err));
    TRY(assign_begin(&join.table, draft->data, &cli->arena, &assign, err));
    if (cli->settings.workspace != NULL && jval_get(draft->data, "workspace_id") == NULL &&
        !names_workspace(cli)) {
        const char *word = arena_printf(&cli->arena, "workspace_id=%s", cli->settings.workspace);
        TRY_ALLOC(word, err);
        TRY(assign_word(&assign, word, err));
    }
    for (size_t i = 1; i < cli->arg_count; i++)
        TRY(assign_word(&assign, cli->args[i], err));
    struct jval *data = ARENA_NEW(&cli->arena, struct jval);
    TRY_ALLOC(data, err);
    *data = assign.object;
    draft->data = data;
    return OUTCOME_OK;
}

enum outcome draft_decode(const struct kind *kind, const struct job *job, struct arena *arena,
                          struct job_data *ret_decoded, struct err *err)
{
    struct field_join *join = ARENA_NEW(arena, struct field_join);
    struct job_data decoded = {0};
    TRY_ALLOC(join, err);
    TRY(job_data_table(kind->payload, arena, join, err));
    TRY(job_decode_data(job, join, arena, &decoded, err));
    if (kind->check != NULL)
        TRY(kind->check(decoded.payload, err));
    *ret_decoded = decoded;
    return OUTCOME_OK;
}

enum outcome draft_build(struct cli *cli, const char *file, struct draft *ret_draft,
                         struct err *err)
{
    struct draft draft = {0};
    TRY(kind_find(cli->args[0], &draft.kind, err));
    if (file != NULL)
        TRY(read_file(cli, file, &draft, err));
    TRY(build_data(cli, &draft, err));
    const struct job job = {.data = draft.data};
    TRY(draft_decode(draft.kind, &job, &cli->arena, &draft.decoded, err));
    *ret_draft = draft;
    return OUTCOME_OK;
}
