/*
 * signals: SIGTERM and SIGINT ask for a drain; the second one ends the process at once.
 */
#ifndef HAUL_RUN_SIGNALS_H
#define HAUL_RUN_SIGNALS_H

#include <stdbool.h>

/* Before any thread is started. SIGPIPE is ignored. */
void signals_install(void);
bool signals_is_stop_asked(void);

#endif
