/* family: run/family.h on the model of the hub: the rules of schemas/hub/0004_fan_out.sql. What it
 * changes waits for the disk. A child is a job of the world, made here. */
#include "run/family.h"

#include "world.h"

#include <stdio.h>

enum child_state { CHILD_OPEN, CHILD_DONE, CHILD_FAILED };
struct child {
    struct job *job;
    enum child_state state;
};
struct family {
    bool is_there, is_told;
    char plan[16];
    int child_count, life; /* of its parent */
    struct child children[FAMILY_MAX];
    char value[512], headers[2048], key[128];
    bool has_key;
};
static struct family families[JOBS_MAX]; /* by the parent's number */
static int parent_of[JOBS_MAX];          /* a child's parent's number */

static struct family *family_of(const char *parent_id)
{
    const struct job *job = job_find(parent_id);
    if (job == NULL)
        violation(NULL, "unknown job", "the family of %s is asked for", parent_id);
    return &families[job->number - 1];
}

static bool has_failed(const struct child *child)
{
    const struct row *row = &child->job->row;
    return child->state == CHILD_FAILED ||
           (child->state == CHILD_OPEN && row->state == ROW_ENDED && row->end != EVENT_SUCCEEDED);
}

static struct fan_in count(const struct family *family)
{
    struct fan_in counts = {.total = family->is_there ? (size_t)family->child_count : 0};
    for (int i = 0; family->is_there && i < family->child_count; i++) {
        counts.done += family->children[i].state == CHILD_DONE;
        counts.failed += has_failed(&family->children[i]);
    }
    return counts;
}

static void end_family(struct family *family)
{
    for (int i = 0; family->is_there && i < family->child_count; i++)
        family->children[i].job->cancel_asked |= family->children[i].state == CHILD_OPEN;
    family->is_there = false;
}

void hub_end_family(const struct job *parent)
{
    end_family(&families[parent->number - 1]);
}

/* ---- the parent ---- */

enum outcome family_look(struct pgsql *db, const char *parent_id, struct arena *arena,
                         struct family_look *ret_look, struct err *err)
{
    const struct family *family = family_of(parent_id);
    (void)arena;
    TRY(hub_begin_call(db, err));
    struct family_look look = {.counts = count(family)};
    if (!family->is_told)
        look.counts = (struct fan_in){0};
    TRY(hub_end_call(err));
    *ret_look = look;
    return OUTCOME_OK;
}

static void make_children(struct family *family, const struct family_spawn *spawn)
{
    const struct job *parent = job_find(spawn->parent_id);
    end_family(family);
    *family = (struct family){.is_there = true,
                              .child_count = (int)spawn->children.count,
                              .life = parent->row.redrive_count,
                              .has_key = spawn->record.key != NULL};
    text_copy(family->plan, sizeof family->plan, spawn->plan);
    text_copy(family->value, sizeof family->value, spawn->record.value);
    text_copy(family->headers, sizeof family->headers, spawn->record.headers);
    text_copy(family->key, sizeof family->key, spawn->record.key == NULL ? "" : spawn->record.key);
    for (int i = 0; i < family->child_count; i++) {
        struct job *job = job_make_child();
        parent_of[job->number - 1] = parent->number;
        job->workspace = parent->workspace;
        job->deadline_us = parent->deadline_us; /* as run/fan_out_record hands it down */
        family->children[i] = (struct child){job, CHILD_OPEN};
        trace("family", "%s hands out %s", parent->id, job->id);
    }
}

enum outcome family_spawn(struct pgsql *db, const struct family_spawn *spawn, struct arena *arena,
                          struct family_children *ret_children, struct err *err)
{
    struct job *parent = job_find(spawn->parent_id);
    struct family *family = family_of(spawn->parent_id);
    struct family_child *items = ARENA_ARRAY(arena, struct family_child, FAMILY_MAX);
    TRY_ALLOC(items, err);
    TRY(hub_begin_call(db, err));
    size_t told = 0;
    bool ours = parent->row.state == ROW_RUNNING && parent->row.fence == spawn->fence &&
                !parent->cancel_asked;
    struct fan_in counts = count(family);
    if (ours && (strcmp(family->plan, spawn->plan) != 0 || counts.failed > 0 ||
                 counts.done >= counts.total))
        make_children(family, spawn);
    for (int i = 0; ours && i < family->child_count; i++)
        if (family->children[i].state == CHILD_OPEN)
            items[told++] = (struct family_child){.id = family->children[i].job->id, .number = i};
    hub_write_down();
    TRY(hub_end_call(err));
    *ret_children = (struct family_children){items, told};
    return OUTCOME_OK;
}

enum outcome family_told(struct pgsql *db, const char *parent_id, const char *plan, struct err *err)
{
    struct family *family = family_of(parent_id);
    TRY(hub_begin_call(db, err));
    family->is_told |= family->is_there && strcmp(family->plan, plan) == 0;
    hub_write_down();
    return hub_end_call(err);
}

enum outcome family_close(struct pgsql *db, const char *parent_id, int64_t fence, struct err *err)
{
    TRY(hub_begin_call(db, err));
    if (job_find(parent_id)->row.fence == fence)
        end_family(family_of(parent_id));
    hub_write_down();
    return hub_end_call(err);
}

enum outcome family_results(struct pgsql *db, const char *parent_id, struct arena *arena,
                            struct family_results *ret_results, struct err *err)
{
    (void)parent_id;
    (void)arena;
    TRY(hub_begin_call(db, err));
    *ret_results = (struct family_results){NULL, 0};
    return hub_end_call(err);
}

/* ---- a child ---- */

/* NULL: nobody waits for it. */
static struct child *find_child(const char *child_id, struct family **ret_family)
{
    const struct job *job = job_find(child_id);
    struct family *family = &families[parent_of[job->number - 1] - 1];
    *ret_family = family;
    for (int i = 0; family->is_there && i < family->child_count; i++)
        if (family->children[i].job == job)
            return &family->children[i];
    return NULL;
}

enum outcome family_begin(struct pgsql *db, const char *child_id, struct arena *arena,
                          struct family_task *ret_task, struct err *err)
{
    struct family *family;
    (void)arena;
    TRY(hub_begin_call(db, err));
    const struct child *child = find_child(child_id, &family);
    const struct job *parent = &jobs[parent_of[job_find(child_id)->number - 1] - 1];
    struct family_task task = {.verdict = FAMILY_STALE};
    if (child != NULL && child->state != CHILD_FAILED && parent->row.state != ROW_ENDED)
        task =
            (struct family_task){.verdict = child->state == CHILD_DONE ? FAMILY_DONE : FAMILY_RUN,
                                 .payload = "{}",
                                 .parent_id = parent->id,
                                 .parent_value = family->value};
    else
        job_find(child_id)->cancel_asked = true;
    hub_write_down();
    TRY(hub_end_call(err));
    *ret_task = task;
    return OUTCOME_OK;
}

enum outcome family_end(struct pgsql *db, const struct family_end *end, struct arena *arena,
                        struct family_parent *ret_parent, struct err *err)
{
    struct family *family;
    (void)arena;
    TRY(hub_begin_call(db, err));
    struct child *child = find_child(end->child_id, &family);
    struct family_parent parent = {.id = NULL};
    if (child != NULL) {
        if (child->state == CHILD_OPEN)
            child->state = end->failure == NULL ? CHILD_DONE : CHILD_FAILED;
        parent = (struct family_parent){
            .id = jobs[parent_of[child->job->number - 1] - 1].id,
            .counts = count(family),
            .record = {family->has_key ? family->key : NULL, family->value, family->headers}};
        trace("family", "%s ends: %zu of %zu, %zu failed", end->child_id, parent.counts.done,
              parent.counts.total, parent.counts.failed);
    }
    hub_write_down();
    TRY(hub_end_call(err));
    *ret_parent = parent;
    return OUTCOME_OK;
}

enum outcome family_progress(struct pgsql *db, const char *child_id, int64_t rows_done,
                             struct arena *arena, struct family_progress *ret_progress,
                             struct err *err)
{
    (void)child_id;
    (void)rows_done;
    (void)arena;
    TRY(hub_begin_call(db, err));
    *ret_progress = (struct family_progress){.parent_id = NULL};
    return hub_end_call(err);
}

/* ---- what must hold when a parent joins ---- */

void family_check_life(const struct job *parent)
{
    const struct family *family = &families[parent->number - 1];
    if (family->is_there && family->life != parent->row.redrive_count)
        violation(parent, "another life",
                  "%s, put back %d times, looks at children of when it was %d", parent->id,
                  parent->row.redrive_count, family->life);
}

void family_check_join(const struct job *parent)
{
    const struct family *family = &families[parent->number - 1];
    if (!family->is_there)
        return; /* a cancel, or a later start, has ended it meanwhile */
    for (int i = 0; i < family->child_count; i++) {
        const struct child *child = &family->children[i];
        if (child->state != CHILD_DONE || child->job->applied != 1)
            violation(parent, "join", "%s joins, and the effect of %s was applied %d times",
                      parent->id, child->job->id, child->job->applied);
    }
}
