/* delivery: see delivery.h. */
#include "run/delivery.h"

#include <stdlib.h>

struct delivery *delivery_new(struct kafka_message *message)
{
    struct delivery *delivery = calloc(1, sizeof *delivery);
    if (delivery == NULL)
        return NULL;
    delivery->message = *message;
    *message = (struct kafka_message){0};
    delivery->lane = LANE_JOBS;
    delivery->over_slot = DELIVERY_NOT_RETURNING;
    return delivery;
}

void delivery_free(struct delivery *delivery)
{
    if (delivery == NULL)
        return;
    kafka_message_done(&delivery->message);
    free(delivery->sequel);
    free(delivery);
}

bool delivery_is_too_long(const struct delivery *delivery)
{
    const struct kafka_message *message = &delivery->message;
    size_t bytes = message->key.len + message->value.len;
    struct kafka_header header;
    struct slice ignored;
    for (size_t i = 0; kafka_message_header(message, i, &header); i++)
        bytes += strlen(header.name) + header.value.len;
    return bytes > JOB_RECORD_BYTES_MAX &&
           !kafka_message_find_header(message, JOB_HEADER_FIRST_TOPIC, &ignored);
}

/* ---- the sequel: a record and its bytes in one block ---- */

static size_t size_of(const struct kafka_record *record)
{
    size_t size = sizeof *record + record->header_count * sizeof *record->headers;
    size += strlen(record->topic) + 1 + record->key.len + record->value.len;
    for (size_t i = 0; i < record->header_count; i++)
        size += strlen(record->headers[i].name) + 1 + record->headers[i].value.len;
    return size;
}

static struct slice put(char **at, struct slice bytes)
{
    char *to = *at;
    if (bytes.data == NULL)
        return bytes;
    memcpy(to, bytes.data, bytes.len);
    *at += bytes.len;
    return (struct slice){to, bytes.len};
}

static const char *put_text(char **at, const char *text)
{
    return put(at, (struct slice){text, strlen(text) + 1}).data;
}

enum outcome delivery_set_sequel(struct delivery *delivery, const struct kafka_record *record,
                                 struct err *err)
{
    struct kafka_record *copy = malloc(size_of(record));
    TRY_ALLOC(copy, err);
    struct kafka_header *headers = (struct kafka_header *)(void *)(copy + 1);
    char *at = (char *)(headers + record->header_count);
    *copy = *record;
    copy->topic = put_text(&at, record->topic);
    copy->key = put(&at, record->key);
    copy->value = put(&at, record->value);
    copy->headers = headers;
    for (size_t i = 0; i < record->header_count; i++) {
        headers[i].name = put_text(&at, record->headers[i].name);
        headers[i].value = put(&at, record->headers[i].value);
    }
    free(delivery->sequel);
    delivery->sequel = copy;
    return OUTCOME_OK;
}
