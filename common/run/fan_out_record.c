/* fan_out_record: see fan_out_record.h. Keys and headers may be any bytes: they stand in the hub as
 * hexadecimal. */
#include "run/fan_out_record.h"

#include "base/clock.h"
#include "base/jwrite.h"
#include "io/json.h"
#include "run/job_private.h"
#include "run/kafka_headers.h"

const char *fan_out_topic(const struct attempt *a)
{
    const struct runtime *rt = a->rt;
    switch (a->data.common->priority) {
    case JOB_INTERACTIVE:
        return rt->interactive_topic.text;
    case JOB_BULK:
        return rt->bulk_topic.text;
    default:
        return rt->jobs_topic.text;
    }
}

bool attempt_only_looks(const struct attempt *a)
{
    bool is_waiting = a->claimed.wait_fence != 0;
    bool is_its_wake = a->claimed.wait_fence == a->trail.wait_fence;
    return job_trail_is_net(&a->trail) || (is_waiting && !is_its_wake);
}

/* ---- a record as texts ---- */

/* NULL for no bytes at all, and without memory. */
static const char *to_hex(struct slice bytes, struct arena *arena)
{
    char *digits = bytes.data == NULL ? NULL : arena_alloc(arena, 2 * bytes.len + 1);
    if (digits == NULL)
        return NULL;
    hex_format((const uint8_t *)bytes.data, bytes.len, digits);
    digits[2 * bytes.len] = '\0';
    return digits;
}

static struct slice from_hex(const char *digits, struct arena *arena)
{
    size_t len = digits == NULL ? 0 : strlen(digits) / 2;
    uint8_t *bytes = digits == NULL ? NULL : arena_alloc(arena, len + 1);
    if (bytes == NULL || !hex_parse(digits, len, bytes))
        return (struct slice){NULL, 0};
    return (struct slice){(const char *)bytes, len};
}

static const char *write_headers(const struct kafka_record *record, struct arena *arena)
{
    struct str text STR_AUTO = str_with_max(STR_MAX_DEFAULT);
    struct jwrite w = jwrite_to(&text);
    jwrite_open_array(&w);
    for (size_t i = 0; i < record->header_count; i++) {
        jwrite_open_array(&w);
        jwrite_text(&w, record->headers[i].name);
        jwrite_text(&w, to_hex(record->headers[i].value, arena));
        jwrite_close_array(&w);
    }
    jwrite_close_array(&w);
    return text.failed ? NULL : arena_strdup(arena, str_text(&text));
}

enum outcome fan_out_read_record(const struct attempt *a, struct arena *arena,
                                 struct family_record *ret_record, struct err *err)
{
    struct kafka_record from;
    struct job_trail trail = a->trail;
    trail.wait_fence = a->claimed.fence;
    TRY(kafka_headers_forward(&a->delivery->message, &trail, fan_out_topic(a), arena, &from, err));
    struct family_record record = {.key = to_hex(from.key, arena),
                                   .value = arena_strndup(arena, from.value.data, from.value.len),
                                   .headers = write_headers(&from, arena)};
    if (record.value == NULL || record.headers == NULL || arena->overflowed)
        return FAIL_NO_MEMORY(err);
    *ret_record = record;
    return OUTCOME_OK;
}

static enum outcome read_headers(const char *text, struct arena *arena, struct kafka_record *record,
                                 struct err *err)
{
    const struct jval *list = NULL;
    TRY(jread(slice_of(text), arena, &list, err));
    if (list->type != JVAL_ARRAY)
        return FAIL_BUG(err, "headers in the hub are no list");
    struct kafka_header *headers = ARENA_ARRAY(arena, struct kafka_header, list->array.count);
    TRY_ALLOC(headers, err);
    for (size_t i = 0; i < list->array.count; i++) {
        const struct jval *pair = &list->array.items[i];
        if (pair->type != JVAL_ARRAY || pair->array.count != 2 ||
            pair->array.items[0].type != JVAL_STRING)
            return FAIL_BUG(err, "a header in the hub is no pair");
        const struct jval *value = &pair->array.items[1];
        headers[i] = (struct kafka_header){
            pair->array.items[0].string.data,
            from_hex(value->type == JVAL_STRING ? value->string.data : NULL, arena)};
    }
    record->headers = headers;
    record->header_count = list->array.count;
    return OUTCOME_OK;
}

enum outcome fan_out_write_record(const struct family_record *texts, struct arena *arena,
                                  struct kafka_record *record, struct err *err)
{
    record->key = from_hex(texts->key, arena);
    record->value = slice_of(texts->value);
    TRY(read_headers(texts->headers, arena, record, err));
    return arena->overflowed ? FAIL_NO_MEMORY(err) : OUTCOME_OK;
}
