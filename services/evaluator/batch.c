/* SPDX-License-Identifier: Apache-2.0 */
#include "services/evaluator/batch.h"

#include <stdlib.h>

enum { ARENA_BLOCK = 64 * 1024 };

void batch_init(struct batch *b)
{
    *b = (struct batch){.memory = arena_new(ARENA_BLOCK)};
}

static void drop_rules(struct batch *b)
{
    for (size_t i = 0; i < b->rules_count; i++)
        ruleset_unref(b->rules[i]);
    b->rules_count = 0;
}

void batch_release(struct batch *b)
{
    drop_rules(b);
    free(b->rules);
    free(b->moves);
    free(b->states);
    free(b->transitions);
    free(b->activations);
    free(b->gaps);
    arena_free(b->memory);
    *b = (struct batch){0};
}

void batch_reset(struct batch *b)
{
    drop_rules(b);
    b->move_count = b->state_count = 0;
    b->transition_count = b->activation_count = b->gap_count = 0;
    arena_reset(b->memory);
}

bool batch_has_effects(const struct batch *b)
{
    return b->state_count + b->transition_count + b->activation_count > 0;
}

/* p with room for one more element. */
static void *grown(void *p, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return p;
    *room = *room ? *room * 2 : 16;
    return xreallocarray(p, *room, size);
}

struct claim_move *batch_add_move(struct batch *b)
{
    b->moves = grown(b->moves, b->move_count, &b->move_room, sizeof *b->moves);
    struct claim_move *added = &b->moves[b->move_count++];
    *added = (struct claim_move){0};
    return added;
}

struct state_write *batch_add_state(struct batch *b)
{
    b->states =
        grown(b->states, b->state_count, &b->state_room, sizeof *b->states);
    struct state_write *added = &b->states[b->state_count++];
    *added = (struct state_write){0};
    return added;
}

struct transition_write *batch_add_transition(struct batch *b)
{
    b->transitions = grown(b->transitions, b->transition_count,
                           &b->transition_room, sizeof *b->transitions);
    struct transition_write *added = &b->transitions[b->transition_count++];
    *added = (struct transition_write){0};
    return added;
}

struct activation_write *batch_add_activation(struct batch *b)
{
    b->activations = grown(b->activations, b->activation_count,
                           &b->activation_room, sizeof *b->activations);
    struct activation_write *added = &b->activations[b->activation_count++];
    *added = (struct activation_write){0};
    return added;
}

struct gap_write *batch_add_gap(struct batch *b)
{
    b->gaps = grown(b->gaps, b->gap_count, &b->gap_room, sizeof *b->gaps);
    struct gap_write *added = &b->gaps[b->gap_count++];
    *added = (struct gap_write){0};
    return added;
}

void batch_keep_rules(struct batch *b, struct ruleset *rules)
{
    for (size_t i = 0; i < b->rules_count; i++) {
        if (b->rules[i] == rules)
            return;
    }
    b->rules =
        xreallocarray(b->rules, b->rules_count + 1, sizeof(struct ruleset *));
    b->rules[b->rules_count++] = ruleset_ref(rules);
}

bool batch_holds(const struct batch *b, struct place place)
{
    for (size_t i = 0; i < b->move_count; i++) {
        const struct claim_move *move = &b->moves[i];
        if (move->topic == place.topic && move->part == place.part)
            return move->held;
    }
    return false;
}
