/*
 * breakers_private: for breakers.c (what jobs ask), breakers_report.c (and report),
 * breakers_fleet.c (the thread, and what the fleet says) and breakers_held.c (what operators
 * ordered) alone.
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
    /* The last order that is known: kept while the hub is away. */
    int64_t order; /* its version; 0 = none */
    bool is_ordered_open;
    bool is_owed;    /* Redis stands otherwise, and is to be told */
    bool was_forced; /* at the last look */
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
    struct rconn *conn;        /* the thread's, as those of the hub */
    struct pgsql_conf hub_conf;
    struct pgsql *hub; /* NULL = not connected yet */
    int64_t hub_due_us;
    bool is_hub_away;
    pthread_t thread;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t wake;
    bool is_closing, has_news;
    bool is_fleet; /* the last look at Redis went well */
    struct breaker_entry *buckets[BREAKER_BUCKETS];
    size_t entry_count;
    size_t first_told; /* bucket that the next refresh begins with */
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

/* With the lock held. The first report of a pass counts. */
void breakers_report_pass(struct breakers *b, struct breaker_pass *pass, enum breaker_call call);

/* Without the lock. Tells, renews, looks; one pipeline. */
void breakers_refresh(struct breakers *b);
void breakers_log_change(const char *dependency, const struct breaker_view *view);
void *breakers_thread(void *arg);

/* With the lock held, after each look at Redis: what operators hold open is held, whatever Redis
 * says. True: it says otherwise. */
bool breakers_hold(struct breakers *b);
/* Then, without the lock: asks the hub, now and then and when `is_owed`, what breakers_hold said;
 * tells Redis what it has lost. */
void breakers_restore(struct breakers *b, struct arena *arena, bool is_owed);

#endif
