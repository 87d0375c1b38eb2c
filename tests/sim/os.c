/* os: the operating system that the shim speaks of, and the product's log, random numbers and
 * signals. */
#include "shim.h"

#undef malloc
#undef calloc
#undef realloc
#undef free

#include "base/log.h"
#include "io/http_server.h"
#include "io/seal.h"
#include "run/signals.h"

#include <stdio.h>
#include <string.h>

#include "world.h"

static char *no_environment[] = {NULL};
char **sim_environ = no_environment;

void sim_point(void)
{
    fiber_point();
}

/* ---- memory, time, the process ---- */

/* A process that has begun its work may find no memory. */
static bool has_none(void)
{
    const struct process *process = process_now();
    return process != NULL && !scenario.calm && world_us - process->began_us > SECOND &&
           chance(scenario.alloc_fails);
}

void *sim_malloc(size_t size)
{
    return has_none() ? NULL : heap_take(size);
}

void *sim_calloc(size_t count, size_t size)
{
    return has_none() ? NULL : heap_take_zeroed(count, size);
}

void *sim_realloc(void *bytes, size_t size)
{
    return has_none() ? NULL : heap_retake(bytes, size);
}

void sim_free(void *bytes)
{
    heap_give(bytes);
}

int sim_clock_gettime(clockid_t id, struct timespec *now)
{
    const struct process *process = process_now();
    int64_t us = SECOND + world_us;
    if (id == CLOCK_REALTIME)
        us = EPOCH_US + world_us + (process == NULL ? 0 : process->wall_offset_us);
    *now = (struct timespec){.tv_sec = us / SECOND, .tv_nsec = us % SECOND * 1000};
    return 0;
}

int sim_clock_nanosleep(clockid_t id, int flags, const struct timespec *time, struct timespec *left)
{
    (void)id;
    (void)flags;
    (void)left;
    fiber_sleep((int64_t)time->tv_sec * SECOND + time->tv_nsec / 1000);
    return 0;
}

pid_t sim_getpid(void)
{
    const struct process *process = process_now();
    return process == NULL ? 1 : 100 + process->number;
}

_Noreturn void sim_exit(int status)
{
    process_exit(status);
}

/* ---- threads. The product's objects hold ours: they are smaller. ---- */

struct sim_mutex {
    struct fiber *owner;
    int waiting;
};
struct sim_cond {
    int waiting;
};
struct sim_rwlock {
    int readers;
    bool is_written;
    int waiting;
};
_Static_assert(sizeof(struct sim_mutex) <= sizeof(pthread_mutex_t), "a mutex");
_Static_assert(sizeof(struct sim_cond) <= sizeof(pthread_cond_t), "a condition");
_Static_assert(sizeof(struct sim_rwlock) <= sizeof(pthread_rwlock_t), "a lock");

int sim_thread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                      void *arg)
{
    (void)attributes;
    fiber_point();
    *thread = (pthread_t)fiber_start(process_now(), "thread", run, arg);
    return 0;
}

int sim_thread_join(pthread_t thread, void **result)
{
    struct fiber *fiber = (struct fiber *)thread;
    (void)result;
    fiber_point();
    while (fiber->state != FIBER_OVER)
        (void)fiber_wait(fiber, NEVER);
    fiber->state = FIBER_FREE;
    return 0;
}

int sim_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
    (void)attributes;
    memset(mutex, 0, sizeof *mutex);
    return 0;
}

int sim_mutex_destroy(pthread_mutex_t *mutex)
{
    const struct sim_mutex *it = (const struct sim_mutex *)(void *)mutex;
    if (it->owner != NULL || it->waiting > 0)
        violation(NULL, "mutex", "a mutex in use was destroyed");
    return 0;
}

int sim_mutex_lock(pthread_mutex_t *mutex)
{
    struct sim_mutex *it = (struct sim_mutex *)(void *)mutex;
    fiber_point();
    if (it->owner == fiber_now)
        violation(NULL, "mutex", "a mutex was locked twice by one thread");
    while (it->owner != NULL) {
        it->waiting++;
        (void)fiber_wait(it, NEVER);
        it->waiting--;
    }
    it->owner = fiber_now;
    return 0;
}

int sim_mutex_trylock(pthread_mutex_t *mutex)
{
    struct sim_mutex *it = (struct sim_mutex *)(void *)mutex;
    fiber_point();
    if (it->owner != NULL)
        return EBUSY;
    it->owner = fiber_now;
    return 0;
}

static void unlock(struct sim_mutex *it)
{
    if (it->owner != fiber_now)
        violation(NULL, "mutex", "a mutex was unlocked by another thread");
    it->owner = NULL;
    if (it->waiting > 0)
        fiber_wake_all(it);
}

int sim_mutex_unlock(pthread_mutex_t *mutex)
{
    unlock((struct sim_mutex *)(void *)mutex);
    fiber_point();
    return 0;
}

int sim_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attributes)
{
    (void)attributes;
    memset(cond, 0, sizeof *cond);
    return 0;
}

int sim_cond_destroy(pthread_cond_t *cond)
{
    (void)cond;
    return 0;
}

static int wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t until_us)
{
    struct sim_cond *it = (struct sim_cond *)(void *)cond;
    it->waiting++;
    unlock((struct sim_mutex *)(void *)mutex);
    bool woken = fiber_wait(it, until_us);
    it->waiting--;
    (void)sim_mutex_lock(mutex);
    return woken ? 0 : ETIMEDOUT;
}

int sim_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    return wait_until(cond, mutex, NEVER);
}

int sim_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *until)
{
    int64_t monotonic_us = (int64_t)until->tv_sec * SECOND + until->tv_nsec / 1000;
    return wait_until(cond, mutex, monotonic_us - SECOND);
}

int sim_cond_signal(pthread_cond_t *cond)
{
    const struct sim_cond *it = (const struct sim_cond *)(void *)cond;
    fiber_point();
    if (it->waiting > 0)
        fiber_wake_one(it);
    return 0;
}

int sim_cond_broadcast(pthread_cond_t *cond)
{
    const struct sim_cond *it = (const struct sim_cond *)(void *)cond;
    fiber_point();
    if (it->waiting > 0)
        fiber_wake_all(it);
    return 0;
}

int sim_rwlock_init(pthread_rwlock_t *lock, const pthread_rwlockattr_t *attributes)
{
    (void)attributes;
    memset(lock, 0, sizeof *lock);
    return 0;
}

int sim_rwlock_destroy(pthread_rwlock_t *lock)
{
    (void)lock;
    return 0;
}

int sim_rwlock_rdlock(pthread_rwlock_t *lock)
{
    struct sim_rwlock *it = (struct sim_rwlock *)(void *)lock;
    fiber_point();
    while (it->is_written) {
        it->waiting++;
        (void)fiber_wait(it, NEVER);
        it->waiting--;
    }
    it->readers++;
    return 0;
}

int sim_rwlock_wrlock(pthread_rwlock_t *lock)
{
    struct sim_rwlock *it = (struct sim_rwlock *)(void *)lock;
    fiber_point();
    while (it->is_written || it->readers > 0) {
        it->waiting++;
        (void)fiber_wait(it, NEVER);
        it->waiting--;
    }
    it->is_written = true;
    return 0;
}

int sim_rwlock_unlock(pthread_rwlock_t *lock)
{
    struct sim_rwlock *it = (struct sim_rwlock *)(void *)lock;
    if (it->is_written)
        it->is_written = false;
    else
        it->readers--;
    if (it->waiting > 0)
        fiber_wake_all(it);
    fiber_point();
    return 0;
}

/* ---- base/log.h ---- */

void log_init(const char *component, enum log_level level)
{
    (void)component;
    (void)level;
}

bool log_level_parse(const char *name, enum log_level *ret_level)
{
    (void)name;
    (void)ret_level;
    return false;
}

void log_set_job(const char *job_id, const char *trace_id)
{
    (void)trace_id;
    if (fiber_now != NULL)
        (void)snprintf(fiber_now->job_id, sizeof fiber_now->job_id, "%s",
                       job_id == NULL ? "" : job_id);
}

bool log_is_on(enum log_level level)
{
    (void)level;
    return true;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields,
               size_t count)
{
    char text[512] = "";
    size_t len = 0;
    (void)level;
    if (process_now() != NULL && strcmp(event, "worker.draining") == 0)
        process_now()->may_abandon = true;
    for (size_t i = 0; trace_is_on && i < count && len < sizeof text; i++) {
        const struct log_field *it = &fields[i];
        int wrote = 0;
        if (strncmp(it->name, "error_file", 10) == 0 || strncmp(it->name, "error_line", 10) == 0)
            continue;
        if (it->text == NULL)
            wrote = snprintf(text + len, sizeof text - len, " %s=%lld", it->name,
                             (long long)it->integer);
        else if (it->text[0] != '\0')
            wrote = snprintf(text + len, sizeof text - len, " %s=%s", it->name, it->text);
        len += (size_t)wrote;
    }
    trace("log", "%s%s", event, text);
}

/* ---- io/seal.h, io/http_server.h, run/signals.h ---- */

void random_bytes(void *to, size_t len)
{
    unsigned char *bytes = to;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)dice(256);
}

void random_ids(void *to, size_t len)
{
    random_bytes(to, len);
}

uint64_t random_below(uint64_t bound)
{
    return dice(bound);
}

enum outcome keyring_open_file(const char *path, struct keyring **ret_keyring, struct err *err)
{
    (void)ret_keyring;
    return FAIL(err, OUTCOME_PERMANENT, "keyring.file", "there is no file %s", path);
}

void keyring_close(struct keyring *keyring)
{
    (void)keyring;
}

enum outcome http_server_open(const struct http_server_options *options,
                              struct http_server **ret_server, struct err *err)
{
    (void)options;
    (void)err;
    *ret_server = NULL;
    return OUTCOME_OK;
}

uint16_t http_server_port(const struct http_server *server)
{
    (void)server;
    return 0;
}

void http_server_close(struct http_server *server)
{
    (void)server;
}

void signals_install(void)
{
}

bool signals_is_stop_asked(void)
{
    fiber_point();
    return process_now()->is_stop_asked;
}
