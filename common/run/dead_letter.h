/*
 * dead_letter: the records of a dead-letter topic, as the runtime writes and replays them.
 *
 * Is:      the record's shape: the job's key and bytes as they came, and the haul- headers.
 * Is not:  a consumer: the command line reads the topic, filters and limits.
 * Owns:    nothing; what is read points into the message and the arena.
 */
#ifndef HAUL_RUN_DEAD_LETTER_H
#define HAUL_RUN_DEAD_LETTER_H

#include "base/arena.h"
#include "io/kafka.h"
#include "model/job.h"

struct dead_letter {
    struct job_trail trail; /* the reason, the first place, the redrive count */
    bool is_job;            /* the value is an envelope: the fields below are set */
    const char *job_id, *kind, *workspace_id; /* NULL = not known */
    int64_t deadline_us;                      /* the job's; 0 = none */
    int64_t time_us;         /* when it was given up: the record's timestamp; 0 = unknown */
    struct slice key, value; /* raw */
};

/* Never fails on what the value holds, only without memory. */
MUST_USE enum outcome dead_letter_read(const struct kafka_message *message, struct arena *arena,
                                       struct dead_letter *ret_letter, struct err *err);

/* The record that puts it back on the jobs topic: same key, bytes and id, attempt 1, redrive count
 * one higher, last error kept. `topic` must live as long as the record. PERMANENT "redrive.count"
 * when it was redriven `redrive_max` times already. */
MUST_USE enum outcome dead_letter_redrive(const struct kafka_message *message, const char *topic,
                                          int redrive_max, struct arena *arena,
                                          struct kafka_record *ret_record, struct err *err);

/* The record that moves it to the quarantine as it is, headers and all. */
MUST_USE enum outcome dead_letter_set_aside(const struct kafka_message *message, const char *topic,
                                            struct arena *arena, struct kafka_record *ret_record,
                                            struct err *err);

#endif
