/*
 * wait: where the library would block for its socket, look for a cancelled job now and then: the
 * server is asked to stop the statement, so that the connection stays whole; if it does not answer
 * the connection is given up.
 */
#include "mysql/mysql_private.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>

#define CANCEL_POLL_MS 200
#define CANCEL_GRACE_US (INT64_C(10) * 1000000) /* for the server to answer a KILL QUERY */

/* The library hands its callback a socket only; a session belongs to one thread at a time. */
static _Thread_local struct session *waiting;

struct session *mys_wait_as(struct session *session)
{
    struct session *before = waiting;
    waiting = session;
    return before;
}

static bool is_cancelled(const struct session *session)
{
    return session->cancelled != NULL && *session->cancelled;
}

/* False when there is no use in waiting any longer. */
static bool stop_statement(struct session *session)
{
    if (session->kill_deadline_us == 0) {
        session->kill_deadline_us = clock_monotonic_us() + CANCEL_GRACE_US;
        return mys_kill_query(session);
    }
    return clock_monotonic_us() < session->kill_deadline_us;
}

/* More than 0 = go on, 0 = time-out, less = error. */
int mys_wait_io(my_socket handle, my_bool is_read, int timeout_ms)
{
    struct pollfd poll_one = {.fd = (int)handle, .events = is_read ? POLLIN : POLLOUT};
    struct session *session = waiting;
    int64_t until_us = timeout_ms < 0 ? INT64_MAX : clock_monotonic_us() + timeout_ms * US_PER_MS;
    for (;;) {
        int ready = poll(&poll_one, 1, CANCEL_POLL_MS);
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return ready;
        if (clock_monotonic_us() >= until_us)
            return 0;
        if (session != NULL && is_cancelled(session) && !stop_statement(session))
            return 0;
    }
}
