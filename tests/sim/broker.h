/*
 * broker: a model of Kafka: topics, one consumer group with eager rebalances, and their judge.
 *
 * Is:      logs of records; members with generations that join, leave and time out; commits, each
 *          of which is judged: none goes back, none passes over a record that is not settled.
 * Is not:  the client: kafka_consumer.c and kafka_producer.c are what the product sees.
 */
#ifndef HAUL_SIM_BROKER_H
#define HAUL_SIM_BROKER_H

#include "io/kafka.h"

#include "world.h"

#define TOPICS_MAX 24
#define PARTITIONS_MAX 8
#define MEMBERS_MAX 64
#define ASSIGNED_MAX (TOPICS_MAX * PARTITIONS_MAX)

struct record {
    struct slice key, value;
    struct kafka_header *headers;
    size_t header_count;
    int64_t visible_us; /* to consumers */
    int64_t wall_ms;
    struct job *job;
    bool is_complete; /* a commit said so */
    bool is_net;
};

struct log {
    struct record **records; /* NULL: a transaction's marker, which nobody reads */
    int64_t count, room;
    int64_t end;       /* one above the last record: markers come behind it */
    int64_t committed; /* KAFKA_OFFSET_NONE = never */
    char *metadata;
};

struct topic {
    char name[256];
    int partitions;
    bool is_read; /* the group reads it */
    struct log logs[PARTITIONS_MAX];
};
extern struct topic topics[TOPICS_MAX];
extern int topic_count;

struct topic *topic_find(const char *name); /* makes it when there is none */
/* Adds a copy, gives its offset. Events and dead letters are noted with their jobs. */
int64_t broker_append(const struct kafka_record *record);

/* As in model/job.h, whose struct job is another one. */
#define HEADER_ATTEMPT "haul-attempt"
#define HEADER_NOT_BEFORE "haul-not-before"
#define HEADER_ERROR_CODE "haul-error-code"
#define HEADER_REDRIVES "haul-redrive-count"

/* A dead letter is there: an operator may put it back. */
void nemesis_sees_letter(const struct record *letter, int redrive_count);

/* ---- the group ---- */

struct place { /* a partition, as a member has it */
    struct topic *topic;
    int partition;
    int64_t position;
    bool is_paused;
};

struct kafka_consumer {
    struct kafka_consumer_events events;
    struct process *process;
    int64_t session_us;
    int messages; /* out, not done */
    int member;   /* 0 = none */
    int generation;
    bool is_assigned, is_in_lost;
    bool revoke_due, lost_due, assign_due; /* served by the next poll */
    struct place places[ASSIGNED_MAX], next_places[ASSIGNED_MAX];
    size_t place_count, next_count, turn;
    struct commit *sent; /* a commit on its way, or its answer */
    struct commit *late; /* one that was answered as lost, and comes to the broker all the same */
    bool news_due;       /* the connection was lost: told once */
    bool is_dead;
};

void group_join(struct kafka_consumer *consumer);
void group_rejoin(struct kafka_consumer *consumer); /* it gave up what it had */
void group_leave(struct kafka_consumer *consumer);
bool group_has(const struct kafka_consumer *consumer); /* as the broker sees it */
int group_generation(void);
bool group_is_joining(void);
void group_watch_processes(void);
void group_sees_silence(struct process *process); /* it ended, or stopped, or is cut off */
void group_forget(void);                          /* one of the members, though it is well */
void group_wake(void);                            /* there may be something to read */

/* ---- commits ---- */
void broker_commit(const struct kafka_consumer *consumer, const struct kafka_partition *list,
                   size_t count);

/* A phantom: a member of the group that does nothing but come and go. */
void group_disturb(void);

#endif
