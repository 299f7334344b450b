/* SPDX-License-Identifier: Apache-2.0 */
/* server.h - the api's routes, its HTTP server, its pool of workers, and the
 * probe that says whether the database is there. */
#ifndef SERVICES_API_SERVER_H
#define SERVICES_API_SERVER_H

#include "common/service.h"
#include "services/api/settings.h"

struct server; /* the service's loop */
struct server *server_new(struct service *service,
                          const struct api_settings *settings, struct err *err)
    MUST_USE;
void server_free(struct server *s);
DEFINE_AUTO(server)
/* For service_on_drain: no new connections; requests under way are answered. */
void server_drain(void *server);

#endif
