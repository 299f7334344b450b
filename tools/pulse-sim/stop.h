/* SPDX-License-Identifier: Apache-2.0 */
/* stop.h - SIGINT and SIGTERM end a command in good order. */
#ifndef SIM_STOP_H
#define SIM_STOP_H

#include "common/base.h"

void stop_listen(void);
bool stop_asked(void); /* one of them came */

#endif
