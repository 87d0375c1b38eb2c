/*
 * breakers_private: for breakers.c (what jobs ask and report) and breakers_fleet.c (the thread, and
 * what the fleet says) alone.
 */
#ifndef HAUL_RUN_BREAKERS_PRIVATE_H
#define HAUL_RUN_BREAKERS_PRIVATE_H

#include "run/breakers.h"

#include <pthread.h>

#define BREAKER_BUCKETS 1024

struct breaker_entry {
    struct breaker_entry *chain;
    /* The fleet's, as last seen; times are monotonic. */
    enum breaker_state state;
    int64_t epoch, until_us;
    bool is_listed; /* during a refresh */
    uint64_t asked; /* number of the last batch that asked for its probe */
    /* Ours, for when the fleet can't be asked. */
    struct breaker local;
    /* To be told. */
    int64_t calls_epoch;
    char calls[BREAKER_WINDOW_MAX + 1];
    size_t call_count;
    int64_t permit_told;
    char permit_call[2];
    int64_t permit_held; /* its probe is under way here; renewed */
    int64_t used_us;
    char name[];
};

struct breakers {
    const char *prefix;
    struct breaker_conf conf;
    int64_t refresh_us;
    int64_t half_open_wait_us; /* a probe may end much sooner than its lease */
    struct rconn *conn;        /* the thread's */
    pthread_t thread;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t wake;
    bool is_closing, has_news;
    bool is_fleet; /* the last look at Redis went well */
    struct breaker_entry *buckets[BREAKER_BUCKETS];
    size_t entry_count;
    uint64_t batches;
    int64_t denied;
};

/* With the lock held. The entry, made when it is new; NULL without memory. */
struct breaker_entry *breakers_entry(struct breakers *b, const char *name);
/* What the fleet's breaker answered. */
void breakers_apply_view(struct breaker_entry *entry, const struct breaker_view *view,
                         int64_t now_us);
/* Redis does not answer: from what is known of the fleet each goes on by itself. */
void breakers_go_local(struct breakers *b, int64_t now_us);
void breakers_forget_idle(struct breakers *b, int64_t now_us);
/* For the thread that shall tell it soon. */
void breakers_have_news(struct breakers *b);

/* Without the lock. Tells, renews, looks; one pipeline. */
void breakers_refresh(struct breakers *b);
void breakers_log_change(const char *dependency, const struct breaker_view *view);
void *breakers_thread(void *arg);

#endif
