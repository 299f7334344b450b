/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/pulse-sim/stop.h"

#include <signal.h>

static volatile sig_atomic_t stop;

static void stop_note(int signo)
{
    (void)signo;
    stop = 1;
}

void stop_listen(void)
{
    struct sigaction action = {.sa_handler = stop_note};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool stop_asked(void)
{
    return stop;
}
