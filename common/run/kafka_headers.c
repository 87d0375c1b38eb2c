/* kafka_headers: see kafka_headers.h. */
#include "run/kafka_headers.h"

enum outcome kafka_headers_of(const struct kafka_message *message, struct arena *arena,
                              struct job_headers *ret_headers, struct err *err)
{
    struct kafka_header header;
    size_t count = 0;
    while (kafka_message_header(message, count, &header))
        count++;
    struct job_header *items = ARENA_ARRAY(arena, struct job_header, count);
    TRY_ALLOC(items, err);
    for (size_t i = 0; i < count && kafka_message_header(message, i, &header); i++)
        items[i] = (struct job_header){header.name, header.value};
    *ret_headers = (struct job_headers){items, count};
    return OUTCOME_OK;
}

enum outcome kafka_headers_trail(const struct kafka_message *message, struct arena *arena,
                                 struct job_trail *ret_trail, struct err *err)
{
    struct job_headers headers;
    TRY(kafka_headers_of(message, arena, &headers, err));
    TRY(job_trail_read(headers.items, headers.count, arena, ret_trail, err));
    if (ret_trail->first_topic == NULL) {
        ret_trail->first_topic = message->topic;
        ret_trail->first_partition = message->partition;
        ret_trail->first_offset = message->offset;
    }
    return OUTCOME_OK;
}

enum outcome kafka_headers_forward(const struct kafka_message *message,
                                   const struct job_trail *trail, const char *topic,
                                   struct arena *arena, struct kafka_record *ret_record,
                                   struct err *err)
{
    struct job_headers old, headers;
    TRY(kafka_headers_of(message, arena, &old, err));
    TRY(job_trail_write(trail, old.items, old.count, arena, &headers, err));
    struct kafka_header *items = ARENA_ARRAY(arena, struct kafka_header, headers.count);
    TRY_ALLOC(items, err);
    for (size_t i = 0; i < headers.count; i++)
        items[i] = (struct kafka_header){headers.items[i].name, headers.items[i].value};
    *ret_record = (struct kafka_record){.topic = topic,
                                        .partition = -1,
                                        .key = message->key,
                                        .value = message->value,
                                        .headers = items,
                                        .header_count = headers.count};
    return OUTCOME_OK;
}
