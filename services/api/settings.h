/* SPDX-License-Identifier: Apache-2.0 */
/* settings.h - the api's settings. */
#ifndef SERVICES_API_SETTINGS_H
#define SERVICES_API_SETTINGS_H

#include "common/pulse/settings.h"

struct api_settings {
    struct settings shared;
    const char *admin_listen;
    const char *listen;
    const char *anonymous_tenant; /* "": none */
    int64_t http_threads;
    int64_t connections_max, connections_per_address_max;
    int64_t workers;
    int64_t queue_max;
    int64_t statement_timeout_ms;
    int64_t series_max; /* one answer touches */
    int64_t rows_max;   /* raw rows one chart reads before it averages */
};

/* Filled by conf_main. */
extern struct api_settings api_settings;
const struct conf_program *api_program(void);

#endif
