/*
 * shim: included before all else into each of the product's sources: what they ask of the operating
 * system is asked of the simulated one. No source of the product knows of it.
 */
#ifndef HAUL_SIM_SHIM_H
#define HAUL_SIM_SHIM_H

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void sim_point(void);

/* ---- memory ---- */
void *sim_malloc(size_t size);
void *sim_calloc(size_t count, size_t size);
void *sim_realloc(void *bytes, size_t size);
void sim_free(void *bytes);
#define malloc sim_malloc
#define calloc sim_calloc
#define realloc sim_realloc
#define free sim_free
#define mallopt(what, value) ((void)(what), (void)(value), 1)
#define malloc_trim(pad) ((void)(pad), 1)

/* ---- time ---- */
int sim_clock_gettime(clockid_t id, struct timespec *now);
int sim_clock_nanosleep(clockid_t id, int flags, const struct timespec *time,
                        struct timespec *left);
#define clock_gettime sim_clock_gettime
#define clock_nanosleep sim_clock_nanosleep

/* ---- the process ---- */
pid_t sim_getpid(void);
_Noreturn void sim_exit(int status);
extern char **sim_environ;
#define getpid sim_getpid
#define _exit sim_exit
#define environ sim_environ

/* ---- threads ---- */
int sim_thread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                      void *arg);
int sim_thread_join(pthread_t thread, void **result);
int sim_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int sim_mutex_destroy(pthread_mutex_t *mutex);
int sim_mutex_lock(pthread_mutex_t *mutex);
int sim_mutex_trylock(pthread_mutex_t *mutex);
int sim_mutex_unlock(pthread_mutex_t *mutex);
int sim_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attributes);
int sim_cond_destroy(pthread_cond_t *cond);
int sim_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex);
int sim_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until);
int sim_cond_signal(pthread_cond_t *cond);
int sim_cond_broadcast(pthread_cond_t *cond);
int sim_rwlock_init(pthread_rwlock_t *lock, const pthread_rwlockattr_t *attributes);
int sim_rwlock_destroy(pthread_rwlock_t *lock);
int sim_rwlock_rdlock(pthread_rwlock_t *lock);
int sim_rwlock_wrlock(pthread_rwlock_t *lock);
int sim_rwlock_unlock(pthread_rwlock_t *lock);
#define pthread_create sim_thread_create
#define pthread_join sim_thread_join
#define pthread_setname_np(thread, name) ((void)(thread), (void)(name), 0)
#define pthread_mutex_init sim_mutex_init
#define pthread_mutex_destroy sim_mutex_destroy
#define pthread_mutex_lock sim_mutex_lock
#define pthread_mutex_trylock sim_mutex_trylock
#define pthread_mutex_unlock sim_mutex_unlock
#define pthread_cond_init sim_cond_init
#define pthread_cond_destroy sim_cond_destroy
#define pthread_cond_wait sim_cond_wait
#define pthread_cond_timedwait sim_cond_timedwait
#define pthread_cond_signal sim_cond_signal
#define pthread_cond_broadcast sim_cond_broadcast
#define pthread_rwlock_init sim_rwlock_init
#define pthread_rwlock_destroy sim_rwlock_destroy
#define pthread_rwlock_rdlock sim_rwlock_rdlock
#define pthread_rwlock_wrlock sim_rwlock_wrlock
#define pthread_rwlock_unlock sim_rwlock_unlock

/* ---- atomics: a switch may come before each ---- */
#undef atomic_load
#undef atomic_store
#undef atomic_exchange
#undef atomic_fetch_add
#undef atomic_fetch_sub
#undef atomic_compare_exchange_strong
#define atomic_load(at) (sim_point(), atomic_load_explicit((at), memory_order_seq_cst))
#define atomic_store(at, to) (sim_point(), atomic_store_explicit((at), (to), memory_order_seq_cst))
#define atomic_exchange(at, to)                                                                    \
    (sim_point(), atomic_exchange_explicit((at), (to), memory_order_seq_cst))
#define atomic_fetch_add(at, by)                                                                   \
    (sim_point(), atomic_fetch_add_explicit((at), (by), memory_order_seq_cst))
#define atomic_fetch_sub(at, by)                                                                   \
    (sim_point(), atomic_fetch_sub_explicit((at), (by), memory_order_seq_cst))
#define atomic_compare_exchange_strong(at, expected, to)                                           \
    (sim_point(), atomic_compare_exchange_strong_explicit(                                         \
                      (at), (expected), (to), memory_order_seq_cst, memory_order_seq_cst))

#endif
