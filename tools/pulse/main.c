/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's command: finds the command named, parses its options, runs
 * it. */
#include <stdio.h>
#include <string.h>

#include "tools/pulse/commands.h"
#include "tools/pulse/world.h"

static const struct command *const commands[] = {
    &status_command,
    &ledger_command,
    &tail_command,
    &topics_apply_command,
    /* The shortest name last: it matches the others' first word. */
    &offsets_list_command,
    &offsets_gaps_command,
    &offsets_accept_command,
    &offsets_command,
    &key_create_command,
    &key_list_command,
    &key_rotate_command,
    &key_revoke_command,
    &tenant_create_command,
    &tenant_list_command,
    &tenant_limits_command,
    &series_top_command,
    &series_limit_command,
    &rule_create_command,
    &rule_list_command,
    &channel_create_command,
    &channel_list_command,
    &deadletter_list_command,
    &deadletter_show_command,
    &deadletter_edit_command,
    &deadletter_redrive_command,
    &deadletter_drop_command,
};

static void help_print(FILE *to)
{
    fprintf(to, "Usage: pulse COMMAND [OPTION…]\n\nCommands:\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(to, "  %-18s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(to, "\npulse COMMAND --help says more. The environment says where "
                "things are:\nPULSE_POSTGRES_URL, PULSE_KAFKA_BROKERS, "
                "PULSE_TARGETS.\nExit status: 0, 1 failure, 2 wrong usage.\n");
}

/* How many words of argv name this command; 0: another one is meant. */
static int words_match(const struct command *c, int argc, char **argv)
{
    struct str name = str_of(c->name), word;
    int words = 0;
    while (str_next(&name, ' ', &word)) {
        if (words == argc || !str_is(word, argv[words]))
            return 0;
        words++;
    }
    return words;
}

static bool help_wanted(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static int command_run(const struct command *command, int argc, char **argv)
{
    struct err err = {0};
    struct call c;
    if (help_wanted(argc, argv)) {
        AUTO_RELEASE(buf) text = {0};
        command_help(command, &text);
        print(&text);
        return 0;
    }
    if (!call_parse(&c, command, argc, argv, &err))
        return usage_error(&c, &err);
    AUTO_RELEASE(world) world = {0};
    if (!world_init(&world, &err)) {
        failure(&err);
        return 2;
    }
    c.world = &world;
    return command->run(&c);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        int words = words_match(commands[i], argc - 1, argv + 1);
        if (words > 0)
            return command_run(commands[i], argc - 1 - words, argv + 1 + words);
    }
    bool asked = argc > 1 && (help_wanted(argc - 1, argv + 1) ||
                              strcmp(argv[1], "help") == 0);
    if (asked || argc == 1) {
        help_print(asked ? stdout : stderr);
        return asked ? 0 : 2;
    }
    fprintf(stderr, "pulse: no command \"%s%s%s\"; see pulse --help\n", argv[1],
            argc > 2 ? " " : "", argc > 2 ? argv[2] : "");
    return 2;
}
