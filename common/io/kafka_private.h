/*
 * kafka_private: what the kafka_*.c files share. The only header that shows librdkafka, included by
 * these files alone.
 */
#ifndef HAUL_IO_KAFKA_PRIVATE_H
#define HAUL_IO_KAFKA_PRIVATE_H

#include "io/kafka.h"

#include <librdkafka/rdkafka.h>

/* What the library told about the connection since it was last asked: the opaque of every handle
 * is a struct that begins with it. */
struct kafka_news {
    bool is_set;
    struct err err;
};

/* A configuration with everything that all handles share; `news` becomes the handle's opaque. */
MUST_USE enum outcome kafka_settings_new(const struct kafka_conf *conf, struct kafka_news *news,
                                         rd_kafka_conf_t **ret_settings, struct err *err);
MUST_USE enum outcome kafka_settings_text(rd_kafka_conf_t *settings, const char *name,
                                          const char *value, struct err *err);
MUST_USE enum outcome kafka_settings_int(rd_kafka_conf_t *settings, const char *name, int64_t value,
                                         struct err *err);

/* For rd_kafka_conf_set_log_cb: errors come as news, nothing is printed. */
void kafka_drop_log(const rd_kafka_t *handle, int level, const char *facility, const char *text);

/* A handle of the settings, which it takes in any case. */
MUST_USE enum outcome kafka_handle_new(rd_kafka_type_t type, rd_kafka_conf_t *settings,
                                       rd_kafka_t **ret_handle, struct err *err);

/* Fills the record from a code of the library; `what` says what failed, lower case. */
enum outcome kafka_fail(struct err *err, rd_kafka_resp_err_t code, const char *what);
/* The same, with the news in its place when they tell more (a login that failed). */
enum outcome kafka_fail_with_news(struct err *err, rd_kafka_resp_err_t code, const char *what,
                                  struct kafka_news *news);
/* The same for an error object, which it frees. */
enum outcome kafka_fail_error(struct err *err, rd_kafka_error_t *error, const char *what);

/* A list of the library's own; NULL when memory is out. */
rd_kafka_topic_partition_list_t *kafka_list_new(const struct kafka_partition *partitions,
                                                size_t count);
static inline void kafka_list_free_at(rd_kafka_topic_partition_list_t **list)
{
    if (*list != NULL)
        rd_kafka_topic_partition_list_destroy(*list);
}
#define KAFKA_LIST_AUTO __attribute__((cleanup(kafka_list_free_at)))

/* Partitions of the list, all of it in the arena; NULL when that is full. */
struct kafka_partition *kafka_list_copy(const rd_kafka_topic_partition_list_t *list,
                                        struct arena *arena);

/* Of the first item that has one. */
rd_kafka_resp_err_t kafka_list_error(const rd_kafka_topic_partition_list_t *list);

static inline int64_t kafka_or(int64_t value, int64_t fallback)
{
    return value != 0 ? value : fallback;
}

/* ---- the consumer's files ---- */

struct kafka_consumer {
    struct kafka_news news; /* first: it is the handle's opaque */
    struct kafka_consumer_events events;
    rd_kafka_t *handle;
    rd_kafka_queue_t *commit; /* where the answer of the commit on its way comes; NULL = none is */
    int reads;                /* since fetching was woken */
    bool is_resumed;          /* a partition was, and fetching is to be woken */
    bool is_subscribed;
};

/* Of the commit on its way, if one is. */
void kafka_commit_forget(struct kafka_consumer *consumer);

#define KAFKA_QUEUED_RECORDS 5000 /* of one consumer, in memory: more are not fetched */

MUST_USE enum outcome kafka_fetch_settings(rd_kafka_conf_t *settings, struct err *err);
/* After each record read; `reads` is the consumer's own count. */
void kafka_fetch_note_read(rd_kafka_t *handle, int *reads);
/* Before one is asked for. */
void kafka_fetch_note_resumed(rd_kafka_t *handle, bool *is_resumed);

#endif
