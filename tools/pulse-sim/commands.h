/* SPDX-License-Identifier: Apache-2.0 */
/* commands.h - what pulse-sim can do. Each returns the exit status. */
#ifndef SIM_COMMANDS_H
#define SIM_COMMANDS_H

int devices_main(int argc, char **argv);
int host_main(int argc, char **argv);

#endif
