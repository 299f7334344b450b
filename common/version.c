/* SPDX-License-Identifier: Apache-2.0 */
#include "common/version.h"

#include "build/gen/commit.h"

const char version[] = "0.1.0";
const char version_commit[] = PULSE_COMMIT;
