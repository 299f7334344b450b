/* SPDX-License-Identifier: Apache-2.0 */
/* pulse-sim: senders for demonstrations and benchmarks. */
#include <stdio.h>
#include <string.h>

#include "tools/pulse-sim/commands.h"
#include "tools/pulse-sim/stop.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} commands[] = {
    {"devices", devices_main, "a fleet of simulated devices posts telemetry"},
    {"host", host_main, "this machine's CPU, memory, disk and network"},
};

static int help(FILE *out)
{
    fputs("usage: pulse-sim COMMAND [OPTIONS]   (pulse-sim COMMAND --help)\n\n",
          out);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].help);
    return out == stdout ? 0 : 2;
}

int main(int argc, char **argv)
{
    stop_listen();
    if (argc < 2)
        return help(stderr);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    if (strcmp(argv[1], "--help") == 0)
        return help(stdout);
    fprintf(stderr, "pulse-sim: unknown command \"%s\" (--help)\n", argv[1]);
    return 2;
}
