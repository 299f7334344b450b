# SPDX-License-Identifier: Apache-2.0
"""What schemathesis has to be told: media types that are not JSON."""

import schemathesis


@schemathesis.serializer("application/x-ndjson", "application/x-protobuf",
                         "text/plain")
def as_it_is(context, value):
    """A text or bytes, unchanged."""
    return value if isinstance(value, bytes) else str(value).encode()
