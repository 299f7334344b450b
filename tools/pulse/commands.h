/* SPDX-License-Identifier: Apache-2.0 */
/* commands.h - every command; each is defined in the file of its noun. */
#ifndef TOOLS_PULSE_COMMANDS_H
#define TOOLS_PULSE_COMMANDS_H

#include "tools/pulse/call.h"

extern const struct command topics_apply_command;
extern const struct command tail_command;
extern const struct command status_command;
extern const struct command ledger_command;
extern const struct command offsets_command;
extern const struct command offsets_list_command;
extern const struct command offsets_gaps_command;
extern const struct command offsets_accept_command;
extern const struct command key_create_command;
extern const struct command key_list_command;
extern const struct command key_rotate_command;
extern const struct command key_revoke_command;
extern const struct command tenant_create_command;
extern const struct command tenant_list_command;
extern const struct command tenant_limits_command;
extern const struct command series_top_command;
extern const struct command series_limit_command;
extern const struct command rule_create_command;
extern const struct command rule_list_command;
extern const struct command channel_create_command;
extern const struct command channel_list_command;
extern const struct command deadletter_list_command;
extern const struct command deadletter_show_command;
extern const struct command deadletter_edit_command;
extern const struct command deadletter_redrive_command;
extern const struct command deadletter_drop_command;

#endif
