# SPDX-License-Identifier: Apache-2.0
"""docs/openapi.yaml against the running edge: schemathesis makes requests of
it, good ones and bad ones, and holds every answer against the document."""

import os
import re
import subprocess

import pytest
import yaml
from harness.process import ROOT

DOCUMENT = ROOT / "docs/openapi.yaml"
HOOKS = ROOT / "tests/e2e/harness/openapi_hooks.py"
OPERATIONS = [operation["operationId"]
              for path in yaml.safe_load(DOCUMENT.read_text())["paths"].values()
              for operation in path.values()]
# Left out: positive_data_acceptance, for a schema cannot say what time it is.
CHECKS = ("not_a_server_error,status_code_conformance,content_type_conformance,"
          "response_headers_conformance,response_schema_conformance,"
          "negative_data_rejection,ignored_auth,unsupported_method,"
          "allow_header_conformance")


@pytest.fixture(scope="module")
def edge(stack):
    stack.acme = stack.key("acme")
    # Every request without a good key comes from here.
    stack.edge = stack.start("ingest", PULSE_INGEST_FAILURES=0)
    return stack


@pytest.mark.parametrize("operation", OPERATIONS)
def test_answers_are_as_the_document_says(edge, operation, tmp_path):
    done = subprocess.run(
        ["st", "run", DOCUMENT, "--url",
         f"http://127.0.0.1:{edge.ingest_port}",
         "--header", f"Authorization: Bearer {edge.acme}",
         "--include-operation-id", operation, "--checks", CHECKS,
         "--phases", "examples,coverage,fuzzing", "--max-examples", "50",
         "--seed", "1", "--continue-on-failure", "--warnings", "off"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(HOOKS.parent),
                           "SCHEMATHESIS_HOOKS": HOOKS.stem},
        text=True, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_document_has_every_endpoint():
    source = (ROOT / "common/pulse/endpoint.c").read_text()
    served = set(re.findall(r'"(/[a-z0-9/]+)"', source))
    assert served
    assert served <= set(yaml.safe_load(DOCUMENT.read_text())["paths"])
