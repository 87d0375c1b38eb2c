/*
 * memory_connector: a transactional store in memory behind the connector contract, which fails at
 * the n-th call, before or after its effect: what a crash or a lost answer looks like from above.
 *
 * Is not: a model of SQL: tables of int64 and text columns, filters on int64 columns, one key.
 */
#ifndef HAUL_TESTS_MEMORY_CONNECTOR_H
#define HAUL_TESTS_MEMORY_CONNECTOR_H

#include "sync/connector.h"

#define MEMORY_TABLES 8
#define MEMORY_ROWS 2048
#define MEMORY_CHECKPOINTS 64

struct memory_row {
    int64_t id, version;
    char text[16];
};

/* Columns id, version, text; key id. */
struct memory_table {
    char name[64]; /* "" = a free place */
    size_t row_count;
    struct memory_row rows[MEMORY_ROWS];
};

struct memory_checkpoint {
    char sync_id[128]; /* "" = a free place */
    int64_t fence;
    char state[8192];
};

struct memory_store {
    struct memory_table tables[MEMORY_TABLES];
    struct memory_checkpoint checkpoints[MEMORY_CHECKPOINTS];
};

struct memory_config {
    struct memory_store *store;
};

/* The n-th call from now on fails (1 = the next; 0 = none); with `after`, its effect stands. */
void memory_fail_at(unsigned n, bool after);
/* That call fails so much later: long enough for other lanes to come to their own commits. */
void memory_fail_late(int us);
/* From now on calls come late, by the seed's dice, and one in so many fails, half of these after
 * their effect; 0 = none. */
void memory_disturb(uint64_t seed, unsigned one_in);
/* The n-th batch that is read from now on (1 = the next; 0 = none) comes only when its session is
 * interrupted, as an error; after 10 s as another one. */
void memory_stall_at(unsigned n);
/* Whether that call has come. */
bool memory_has_failed(void);
/* A row whose text is this is refused by any target. */
void memory_refuse(const char *text);

struct memory_table *memory_find(struct memory_store *store, const char *name);
struct memory_table *memory_make(struct memory_store *store, const char *name);

extern const struct connector memory_connector;

#endif
