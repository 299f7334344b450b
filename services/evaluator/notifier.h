/* SPDX-License-Identifier: Apache-2.0 */
/* notifier.h - delivers what the outbox holds. */
#ifndef EVALUATOR_NOTIFIER_H
#define EVALUATOR_NOTIFIER_H

#include "common/service.h"
#include "services/evaluator/settings.h"

struct notifier;

/* Starts by itself once the database answers. */
struct notifier *notifier_new(const struct evaluator_settings *settings,
                              struct service *service) MUST_USE;
void notifier_free(struct notifier *n);
DEFINE_AUTO(notifier)
/* There may be something new; it looks every half second anyway. */
void notifier_wake(void *n);
/* Claims nothing more; calls done(arg) when what is under way is settled. */
void notifier_drain(struct notifier *n, void (*done)(void *arg), void *arg);

#endif
