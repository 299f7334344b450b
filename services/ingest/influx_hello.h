/* SPDX-License-Identifier: Apache-2.0 */
/* influx_hello.h - what InfluxDB's clients ask before they write: is somebody
 * there, and will it make them a database. */
#ifndef INGEST_INFLUX_HELLO_H
#define INGEST_INFLUX_HELLO_H

#include "common/http.h"

/* Routes that need no key and tell nothing. */
extern const struct http_route influx_hello_routes[];
extern const size_t influx_hello_count;

#endif
