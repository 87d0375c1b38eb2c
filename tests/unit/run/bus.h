/*
 * bus: an in-memory Kafka, hub and Redis in the place of io/kafka, run/ledger, run/lease_store and
 * their kin, so that the worker's threads run under ThreadSanitizer and with faults on demand.
 *
 * Is:      one group with one member (the worker under test), topics of bus_partitions partitions,
 *          the ledger's rules as schemas/hub/0002_runtime.sql has them.
 * Threads: every call locks; the test's calls come from its own thread.
 */
#ifndef HAUL_TESTS_BUS_H
#define HAUL_TESTS_BUS_H

#include "base/err.h"
#include "base/str.h"

void bus_reset(void);

/* ---- Kafka ---- */
void bus_produce(const char *topic, int partition, const char *key, const char *value);
/* The next record that is produced so has this header. */
void bus_set_header(const char *name, const char *value);
/* The next poll revokes (or loses) all partitions, and gives them again. */
void bus_rebalance(bool lost);
/* So many of the next records sent get a bad report. */
void bus_fail_reports(int count);
/* So many of the next records find the producer's queue full. */
void bus_refuse_sends(int count);
/* Reports are held back until it is called with false. */
void bus_hold_reports(bool hold);
size_t bus_records(const char *topic);
/* The value of a topic's i-th record (partitions one behind the other); copied into `to`. */
void bus_value(const char *topic, size_t i, struct str *to);
/* Records of the topics whose name begins so, that are not committed. */
int64_t bus_lag(const char *topic_start);
/* Readers without a group find nothing below, as when it was too old to be kept. */
void bus_drop_below(const char *topic, int partition, int64_t offset);
int64_t bus_committed(const char *topic, int partition);
/* Offsets beyond the committed one that its metadata calls complete. */
int64_t bus_complete_beyond(const char *topic, int partition);
/* Commits with metadata are refused, as by a broker that is set to take none. */
void bus_refuse_metadata(bool refuse);
/* Commits with a map are taken, and not answered until this is over. */
void bus_hold_answers(bool hold);
/* Commits that went back, were made for partitions that were not assigned, or passed over a job
 * (or called one complete) that is neither ended nor waiting nor in another topic. */
int bus_bad_commits(void);

/* ---- the hub and Redis ---- */
/* So many of the next calls fail with hub.unreachable / redis.unreachable. */
void bus_fail_hub(int count);
void bus_fail_redis(int count);
/* Redis forgets all leases. */
void bus_forget_leases(void);
/* What the job's end is in the ledger; "" while it has none. */
const char *bus_ledger_state(const char *job_id);
bool bus_is_settled(const char *job_id);
/* Sets the flag that a renewal sees. */
void bus_ask_cancel(const char *job_id);
/* It was put back, and died anew in the hands of a worker that told nothing of it. */
void bus_die_again(const char *job_id);
/* The effect of a run, with the job's id as its idempotency key; refused for a fence that is not
 * the newest one of its job. */
bool bus_apply(const char *job_id, int64_t fence);
bool bus_is_applied(const char *job_id);
size_t bus_jobs_ended(void);

/* ---- the process ---- */
void bus_ask_stop(bool stop);

#endif
