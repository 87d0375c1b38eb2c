/* memory_connector: see memory_connector.h. */
#include "memory_connector.h"

#include "base/clock.h"
#include "base/num.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMN_ID, COLUMN_VERSION, COLUMN_TEXT, COLUMN_COUNT };

static atomic_uint calls_left;
static atomic_bool fails_after, has_failed;
static atomic_int fails_after_us;
static atomic_uint reads_left;
static uint64_t seed, fails_in;
static atomic_uint call_count;
static const char *refused_text;
static pthread_mutex_t store_lock = PTHREAD_MUTEX_INITIALIZER;

static struct column_spec columns[COLUMN_COUNT] = {
    {.name = "id", .spec = {.type = VALUE_INT64, .bits = 64}, .native = "int"},
    {.name = "version", .spec = {.type = VALUE_INT64, .bits = 64}, .native = "int"},
    {.name = "text", .spec = {.type = VALUE_TEXT}, .nullable = true, .native = "text"},
};
static const size_t key[] = {COLUMN_ID};

struct session {
    struct memory_store *store;
    atomic_bool interrupted;
    size_t taken_count;
    struct taken {
        char sync_id[128];
        int64_t fence;
    } taken[MEMORY_CHECKPOINTS]; /* a greater fence ends the session */
};

struct reader {
    struct session *session;   /* NULL = of a writer */
    struct memory_table *rows; /* a copy: a snapshot */
    size_t next;
    const struct column_spec *columns;
    size_t column_count;
};

struct writer {
    struct session *session;
    struct write_request request;
    struct memory_row *rows; /* not committed */
    size_t row_count, row_cap, last_first;
};

/* 64 well-mixed bits of a number (splitmix64's finalizer, public domain). */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

void memory_fail_at(unsigned n, bool after)
{
    calls_left = n;
    fails_after = after;
    fails_after_us = 0;
    has_failed = false;
}

void memory_fail_late(int us)
{
    fails_after_us = us;
}

void memory_stall_at(unsigned n)
{
    reads_left = n;
}

void memory_disturb(uint64_t new_seed, unsigned one_in)
{
    seed = mix(new_seed);
    fails_in = one_in;
    call_count = 0;
}

bool memory_has_failed(void)
{
    return has_failed;
}

void memory_refuse(const char *text)
{
    refused_text = text;
}

/* True when this call is the one that was counted down to. */
static bool is_last(atomic_uint *calls)
{
    unsigned left = *calls;
    while (left > 0 && !atomic_compare_exchange_weak(calls, &left, left - 1))
        ;
    return left == 1;
}

static bool is_the_one(void)
{
    bool is = is_last(&calls_left);
    if (is)
        has_failed = true;
    return is;
}

static enum outcome injected(struct err *err)
{
    clock_sleep_us(fails_after_us);
    return FAIL(err, OUTCOME_RETRY, "injected", "the connection was lost");
}

/* True when it fails before its effect; `ret_lost` when its effect is to stand and its answer be
 * lost. */
static bool call_fails(bool *ret_lost)
{
    bool fails = is_the_one(), after = fails_after;
    if (fails_in > 0) {
        uint64_t dice = mix(seed + atomic_fetch_add(&call_count, 1));
        if (dice % 4 == 0)
            clock_sleep_us((int64_t)(dice >> 8) % 200);
        fails = (dice >> 16) % fails_in == 0;
        after = (dice >> 40) % 2 == 0;
    }
    *ret_lost = fails && after;
    return fails && !after;
}

#define CALL(err)                                                                                  \
    bool lost;                                                                                     \
    if (call_fails(&lost))                                                                         \
        return injected(err);
#define ANSWER(err) (lost ? injected(err) : OUTCOME_OK)

struct memory_table *memory_find(struct memory_store *store, const char *name)
{
    for (size_t i = 0; i < MEMORY_TABLES; i++)
        if (strcmp(store->tables[i].name, name) == 0)
            return &store->tables[i];
    return NULL;
}

struct memory_table *memory_make(struct memory_store *store, const char *name)
{
    struct memory_table *table = memory_find(store, "");
    if (table != NULL) {
        *table = (struct memory_table){.row_count = 0};
        text_copy(table->name, sizeof table->name, name);
    }
    return table;
}

/* ---- checkpoints ---- */

static struct memory_checkpoint *find_checkpoint(struct memory_store *store, const char *sync_id)
{
    for (size_t i = 0; i < MEMORY_CHECKPOINTS; i++)
        if (strcmp(store->checkpoints[i].sync_id, sync_id) == 0)
            return &store->checkpoints[i];
    return NULL;
}

/* NULL when a greater fence holds it, or nobody has taken it. */
static struct memory_checkpoint *held_checkpoint(struct memory_store *store,
                                                 const struct checkpoint_ref *checkpoint)
{
    struct memory_checkpoint *found = find_checkpoint(store, checkpoint->sync_id);
    return found != NULL && found->fence == checkpoint->fence ? found : NULL;
}

static enum outcome fenced(struct err *err)
{
    return FAIL(err, OUTCOME_CANCELLED, "fenced", "a newer worker holds the checkpoint");
}

/* Under the store's lock. */
static bool is_ended(const struct session *session)
{
    for (size_t i = 0; i < session->taken_count; i++) {
        const struct taken *taken = &session->taken[i];
        const struct memory_checkpoint *found = find_checkpoint(session->store, taken->sync_id);
        if (found != NULL && found->fence > taken->fence)
            return true;
    }
    return false;
}

static void note_taken(struct session *session, const struct memory_checkpoint *checkpoint)
{
    if (session->taken_count == MEMORY_CHECKPOINTS)
        abort();
    struct taken *taken = &session->taken[session->taken_count++];
    taken->fence = checkpoint->fence;
    text_copy(taken->sync_id, sizeof taken->sync_id, checkpoint->sync_id);
}

static enum outcome ended(struct err *err)
{
    return FAIL(err, OUTCOME_RETRY, "write.lost", "a newer worker has ended the session");
}

/* ---- sessions ---- */

static enum outcome mem_open(const struct session_request *request, struct session **ret_session,
                             struct err *err)
{
    CALL(err)
    if (lost)
        return injected(err); /* an open that is not answered leaves nothing */
    const struct memory_config *config = request->config;
    struct session *session = calloc(1, sizeof *session);
    TRY_ALLOC(session, err);
    session->store = config->store;
    *ret_session = session;
    return OUTCOME_OK;
}

static void mem_close(struct session *session)
{
    free(session);
}

static void mem_interrupt(struct session *session)
{
    session->interrupted = true;
}

static enum outcome mem_check(struct session *session, struct arena *arena,
                              struct check_report *ret_report, struct err *err)
{
    (void)session;
    (void)arena;
    CALL(err)
    *ret_report = (struct check_report){.server_version = "memory"};
    return ANSWER(err);
}

static enum outcome mem_discover(struct session *session, const char *glob, struct arena *arena,
                                 struct stream_list *ret_streams, struct err *err)
{
    (void)session;
    (void)glob;
    (void)arena;
    CALL(err)
    *ret_streams = (struct stream_list){0};
    return ANSWER(err);
}

static enum outcome mem_describe(struct session *session, const struct stream_ref *stream,
                                 struct arena *arena, struct table_spec *ret_table, struct err *err)
{
    (void)arena;
    CALL(err)
    if (lost)
        return injected(err);
    pthread_mutex_lock(&store_lock);
    const struct memory_table *table = memory_find(session->store, stream->name);
    int64_t rows = table == NULL ? -1 : (int64_t)table->row_count;
    pthread_mutex_unlock(&store_lock);
    if (table == NULL)
        return FAIL(err, OUTCOME_PERMANENT, "stream.missing", "no table %s", stream->name);
    *ret_table = (struct table_spec){.name = stream->name,
                                     .column_count = COLUMN_COUNT,
                                     .columns = columns,
                                     .key_count = 1,
                                     .key = key,
                                     .rows_estimate = rows,
                                     .bytes_estimate = -1};
    return OUTCOME_OK;
}

/* ---- reading ---- */

static int64_t filtered_value(const struct memory_row *row, const char *column)
{
    return strcmp(column, "id") == 0 ? row->id : row->version;
}

static bool passes(const struct memory_row *row, const struct read_filter *filter)
{
    int64_t bound = 0, value = filtered_value(row, filter->column);
    (void)num_parse_i64(filter->value, strlen(filter->value), &bound);
    switch (filter->op) {
    case READ_GE:
        return value >= bound;
    case READ_GT:
        return value > bound;
    case READ_LE:
        return value <= bound;
    case READ_LT:
        return value < bound;
    case READ_EQ:
        return value == bound;
    case READ_IS_NULL:
    case READ_NOT_NULL:
    case READ_IS_TRUE:
        break;
    }
    return false;
}

static bool is_wanted(const struct memory_row *row, const struct read_request *request)
{
    for (size_t i = 0; i < request->filter_count; i++)
        if (!passes(row, &request->filters[i]))
            return false;
    return true;
}

static int by_version(const void *a, const void *b)
{
    const struct memory_row *left = a, *right = b;
    return (left->version > right->version) - (left->version < right->version);
}

static enum outcome new_reader(struct memory_table *copy, const struct column_spec *specs,
                               size_t count, struct reader **ret_reader, struct err *err)
{
    struct reader *reader = calloc(1, sizeof *reader);
    TRY_ALLOC(reader, err);
    *reader = (struct reader){.rows = copy, .columns = specs, .column_count = count};
    *ret_reader = reader;
    return OUTCOME_OK;
}

static enum outcome mem_read_begin(struct session *session, const struct read_request *request,
                                   struct reader **ret_reader, struct err *err)
{
    CALL(err)
    if (lost)
        return injected(err);
    struct memory_table *copy = calloc(1, sizeof *copy);
    TRY_ALLOC(copy, err);
    pthread_mutex_lock(&store_lock);
    const struct memory_table *table = memory_find(session->store, request->stream.name);
    for (size_t i = 0; table != NULL && i < table->row_count; i++)
        if (is_wanted(&table->rows[i], request))
            copy->rows[copy->row_count++] = table->rows[i];
    bool is_over = is_ended(session);
    pthread_mutex_unlock(&store_lock);
    if (is_over) {
        free(copy);
        return ended(err);
    }
    if (request->order_count > 0)
        qsort(copy->rows, copy->row_count, sizeof copy->rows[0], by_version);
    TRY(new_reader(copy, request->columns, request->column_count, ret_reader, err));
    (*ret_reader)->session = session;
    return OUTCOME_OK;
}

static void add_row(struct batch *batch, const struct reader *reader, const struct memory_row *row)
{
    for (size_t i = 0; i < reader->column_count; i++) {
        struct column *column = &batch->columns[i];
        if (strcmp(reader->columns[i].name, "id") == 0)
            column_add_i64(column, row->id);
        else if (strcmp(reader->columns[i].name, "version") == 0)
            column_add_i64(column, row->version);
        else
            column_add_bytes(batch, column, row->text, strlen(row->text));
    }
    (void)batch_end_row(batch);
}

static enum outcome stall(const struct session *session, struct err *err)
{
    int64_t until_us = clock_monotonic_us() + 10 * US_PER_S;
    while (!session->interrupted && clock_monotonic_us() < until_us)
        clock_sleep_us(100);
    if (!session->interrupted)
        return FAIL(err, OUTCOME_PERMANENT, "stalled", "nobody has interrupted the read");
    return FAIL(err, OUTCOME_RETRY, "interrupted", "the read was interrupted");
}

/* Small batches, so that there are many durable points and calls. */
static enum outcome mem_read_next(struct reader *reader, struct batch *batch, bool *ret_end,
                                  struct err *err)
{
    CALL(err)
    if (lost)
        return injected(err);
    if (reader->session != NULL && is_last(&reads_left))
        return stall(reader->session, err);
    for (size_t i = 0; i < 40 && reader->next < reader->rows->row_count; i++)
        add_row(batch, reader, &reader->rows->rows[reader->next++]);
    *ret_end = reader->next == reader->rows->row_count;
    return OUTCOME_OK;
}

static void mem_read_end(struct reader *reader)
{
    if (reader == NULL)
        return;
    free(reader->rows);
    free(reader);
}

static enum outcome mem_count(struct session *session, const struct read_request *request,
                              int64_t *ret_rows, struct err *err)
{
    CALL(err)
    pthread_mutex_lock(&store_lock);
    const struct memory_table *table = memory_find(session->store, request->stream.name);
    *ret_rows = table == NULL ? 0 : (int64_t)table->row_count;
    bool is_over = is_ended(session);
    pthread_mutex_unlock(&store_lock);
    return is_over ? ended(err) : ANSWER(err);
}

static enum outcome mem_cursor_high(struct session *session, const struct stream_ref *stream,
                                    const struct column_spec *column, struct arena *arena,
                                    struct cursor_high *ret_high, struct err *err)
{
    (void)column;
    CALL(err)
    int64_t high = 0;
    pthread_mutex_lock(&store_lock);
    const struct memory_table *table = memory_find(session->store, stream->name);
    for (size_t i = 0; table != NULL && i < table->row_count; i++)
        high = num_max_i64(high, table->rows[i].version);
    pthread_mutex_unlock(&store_lock);
    *ret_high = (struct cursor_high){.max = arena_printf(arena, "%lld", (long long)high)};
    return ANSWER(err);
}

static enum outcome mem_key_stats(struct session *session, const struct stream_ref *stream,
                                  const struct column_spec *column, struct arena *arena,
                                  struct key_stats *ret_stats, struct err *err)
{
    (void)column;
    CALL(err)
    pthread_mutex_lock(&store_lock);
    const struct memory_table *table = memory_find(session->store, stream->name);
    size_t rows = table == NULL ? 0 : table->row_count;
    *ret_stats = (struct key_stats){
        .min = "1", .max = arena_printf(arena, "%zu", rows), .rows_estimate = (int64_t)rows};
    pthread_mutex_unlock(&store_lock);
    return ANSWER(err);
}

/* ---- tables ---- */

static enum outcome mem_table_create(struct session *session, const struct create_request *request,
                                     struct err *err)
{
    CALL(err)
    pthread_mutex_lock(&store_lock);
    bool is_over = is_ended(session);
    bool exists = memory_find(session->store, request->table.name) != NULL;
    if (!exists && !is_over)
        (void)memory_make(session->store, request->table.name);
    pthread_mutex_unlock(&store_lock);
    if (is_over)
        return ended(err);
    if (exists)
        return FAIL(err, OUTCOME_RETRY, "target.exists", "%s exists", request->table.name);
    return ANSWER(err);
}

static enum outcome mem_table_finish(struct session *session, const struct finish_request *request,
                                     struct err *err)
{
    (void)session;
    (void)request;
    CALL(err)
    return ANSWER(err);
}

static void swap_tables(struct memory_store *store, const struct swap_request *request)
{
    struct memory_table *target = memory_find(store, request->target.name);
    struct memory_table *stage = memory_find(store, request->stage.name);
    if (target != NULL)
        target->name[0] = '\0';
    text_copy(stage->name, sizeof stage->name, request->target.name);
}

static enum outcome mem_table_swap(struct session *session, const struct swap_request *request,
                                   struct err *err)
{
    CALL(err)
    pthread_mutex_lock(&store_lock);
    struct memory_checkpoint *held = held_checkpoint(session->store, &request->checkpoint);
    if (held != NULL) {
        swap_tables(session->store, request);
        text_copy(held->state, sizeof held->state, request->state);
    }
    pthread_mutex_unlock(&store_lock);
    return held != NULL ? ANSWER(err) : fenced(err);
}

static enum outcome mem_stage_drop(struct session *session, const struct stream_ref *stage,
                                   struct err *err)
{
    CALL(err)
    pthread_mutex_lock(&store_lock);
    bool is_over = is_ended(session);
    struct memory_table *table = memory_find(session->store, stage->name);
    if (table != NULL && !is_over)
        table->name[0] = '\0';
    pthread_mutex_unlock(&store_lock);
    return is_over ? ended(err) : ANSWER(err);
}

static enum outcome mem_checkpoint_take(struct session *session,
                                        const struct checkpoint_ref *checkpoint,
                                        struct arena *arena, const char **ret_state,
                                        struct err *err)
{
    CALL(err)
    struct memory_store *store = session->store;
    pthread_mutex_lock(&store_lock);
    struct memory_checkpoint *found = find_checkpoint(store, checkpoint->sync_id);
    if (found == NULL) {
        found = find_checkpoint(store, "");
        if (found == NULL)
            abort(); /* MEMORY_CHECKPOINTS is too small for the test */
        *found = (struct memory_checkpoint){.fence = 0};
        text_copy(found->sync_id, sizeof found->sync_id, checkpoint->sync_id);
    }
    bool takes = found->fence <= checkpoint->fence;
    if (takes) {
        found->fence = checkpoint->fence;
        note_taken(session, found);
        *ret_state = found->state[0] == '\0' ? NULL : arena_strdup(arena, found->state);
    }
    pthread_mutex_unlock(&store_lock);
    return takes ? ANSWER(err) : fenced(err);
}

static enum outcome mem_checkpoint_drop(struct session *session,
                                        const struct checkpoint_ref *checkpoint, struct err *err)
{
    CALL(err)
    size_t len = strlen(checkpoint->sync_id);
    pthread_mutex_lock(&store_lock);
    for (size_t i = 0; i < MEMORY_CHECKPOINTS; i++)
        if (strncmp(session->store->checkpoints[i].sync_id, checkpoint->sync_id, len) == 0)
            session->store->checkpoints[i].sync_id[0] = '\0';
    pthread_mutex_unlock(&store_lock);
    return ANSWER(err);
}

/* ---- writing ---- */

static enum outcome mem_write_begin(struct session *session, const struct write_request *request,
                                    struct writer **ret_writer, struct err *err)
{
    CALL(err)
    if (lost)
        return injected(err);
    struct writer *writer = calloc(1, sizeof *writer);
    TRY_ALLOC(writer, err);
    writer->session = session;
    writer->request = *request;
    *ret_writer = writer;
    return OUTCOME_OK;
}

static struct memory_row row_at(const struct batch *batch, size_t row)
{
    struct memory_row out = {.id = column_i64(&batch->columns[COLUMN_ID], row),
                             .version = column_i64(&batch->columns[COLUMN_VERSION], row)};
    struct slice text = column_bytes(&batch->columns[COLUMN_TEXT], row);
    (void)snprintf(out.text, sizeof out.text, "%.*s", (int)text.len, text.data);
    return out;
}

static bool has_refused(const struct batch *batch, size_t first, size_t count)
{
    for (size_t i = first; refused_text != NULL && i < first + count; i++)
        if (slice_is(column_bytes(&batch->columns[COLUMN_TEXT], i), refused_text))
            return true;
    return false;
}

static enum outcome refuse_row(struct err *err)
{
    FAIL(err, OUTCOME_PERMANENT, "row.refused", "a row was refused");
    text_copy(err->column, sizeof err->column, "text");
    err->row_fault = true;
    return err_native(err, "23514");
}

static enum outcome mem_write_batch(struct writer *writer, const struct batch *batch, size_t first,
                                    size_t count, struct write_counts *counts, struct err *err)
{
    CALL(err)
    if (has_refused(batch, first, count))
        return refuse_row(err);
    if (writer->row_count + count > writer->row_cap) {
        writer->row_cap = writer->row_count + count + 256;
        struct memory_row *rows = realloc(writer->rows, writer->row_cap * sizeof *rows);
        TRY_ALLOC(rows, err);
        writer->rows = rows;
    }
    writer->last_first = writer->row_count;
    for (size_t i = 0; i < count; i++)
        writer->rows[writer->row_count++] = row_at(batch, first + i);
    counts->inserted += (int64_t)count;
    return ANSWER(err);
}

static enum outcome mem_read_back(struct writer *writer, struct reader **ret_reader,
                                  struct err *err)
{
    CALL(err)
    if (lost)
        return injected(err);
    struct memory_table *copy = calloc(1, sizeof *copy);
    TRY_ALLOC(copy, err);
    for (size_t i = writer->last_first; i < writer->row_count; i++)
        copy->rows[copy->row_count++] = writer->rows[i];
    return new_reader(copy, writer->request.columns, writer->request.column_count, ret_reader, err);
}

static void apply_row(struct memory_table *table, const struct memory_row *row, bool merge)
{
    for (size_t i = 0; merge && i < table->row_count; i++) {
        if (table->rows[i].id == row->id) {
            table->rows[i] = *row;
            return;
        }
    }
    table->rows[table->row_count++] = *row;
}

static enum outcome mem_write_commit(struct writer *writer, const char *state, struct err *err)
{
    CALL(err)
    struct memory_store *store = writer->session->store;
    pthread_mutex_lock(&store_lock);
    struct memory_table *table = memory_find(store, writer->request.table.name);
    struct memory_checkpoint *held = held_checkpoint(store, &writer->request.checkpoint);
    bool holds = held != NULL && table != NULL;
    for (size_t i = 0; holds && i < writer->row_count; i++)
        apply_row(table, &writer->rows[i], writer->request.how == WRITE_MERGE);
    if (holds)
        text_copy(held->state, sizeof held->state, state);
    pthread_mutex_unlock(&store_lock);
    writer->row_count = 0;
    if (held != NULL && table == NULL)
        return FAIL(err, OUTCOME_PERMANENT, "target.missing", "the table is gone");
    return holds ? ANSWER(err) : fenced(err);
}

static void mem_write_end(struct writer *writer)
{
    if (writer == NULL)
        return;
    free(writer->rows);
    free(writer);
}

static const struct field_table config_table = {"memory", "A store in memory.", NULL, 0,
                                                sizeof(struct memory_config)};

const struct connector memory_connector = {
    .name = "memory",
    .title = "Memory",
    .doc = "A store in memory, for tests.",
    .config = &config_table,
    .features = CONNECTOR_SOURCE | CONNECTOR_TARGET | CONNECTOR_CURSOR | CONNECTOR_UPSERT |
                CONNECTOR_TRANSACTIONAL | CONNECTOR_SWAP | CONNECTOR_READ_BACK,
    .limits = {.text_nul = true, .name_max = 63},
    .open = mem_open,
    .close = mem_close,
    .interrupt = mem_interrupt,
    .check = mem_check,
    .discover = mem_discover,
    .describe = mem_describe,
    .read_begin = mem_read_begin,
    .read_next = mem_read_next,
    .read_end = mem_read_end,
    .count = mem_count,
    .cursor_high = mem_cursor_high,
    .key_stats = mem_key_stats,
    .table_create = mem_table_create,
    .table_finish = mem_table_finish,
    .table_swap = mem_table_swap,
    .stage_drop = mem_stage_drop,
    .checkpoint_take = mem_checkpoint_take,
    .checkpoint_drop = mem_checkpoint_drop,
    .write_begin = mem_write_begin,
    .write_batch = mem_write_batch,
    .read_back = mem_read_back,
    .write_commit = mem_write_commit,
    .write_end = mem_write_end,
};
