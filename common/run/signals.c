/* signals: see signals.h. */
#include "run/signals.h"

#include "run/worker.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t asked;

static void on_stop(int signal)
{
    (void)signal;
    /* Safe at any point: what is not committed will be delivered again. */
    if (asked)
        _exit(WORKER_EXIT_UNDONE);
    asked = 1;
}

void signals_install(void)
{
    struct sigaction stop = {.sa_handler = on_stop, .sa_flags = SA_RESTART};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&stop.sa_mask);
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

bool signals_is_stop_asked(void)
{
    return asked != 0;
}
