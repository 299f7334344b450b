# SPDX-License-Identifier: Apache-2.0
"""schemas/: what the generator makes of them, against fastavro."""

import json
import re
import subprocess
import sys

import fastavro.schema
import pytest
from harness.process import ROOT

SCHEMAS = sorted((ROOT / "schemas").glob("*.avsc"))
ENTRY = re.compile(
    r'\{"(\w+)", (\d+),\n(.*?),\n     UINT64_C\(0x([0-9a-f]{16})\),', re.DOTALL)


def generate(out, *files):
    return subprocess.run(
        [sys.executable, ROOT / "schemas/generate.py", out, *files],
        capture_output=True, text=True, check=False)


def fingerprints(folder):
    """{(name, version): fingerprint} of a generated schemas.c."""
    text = (folder / "schemas.c").read_text()
    return {(name, int(version)): fingerprint
            for name, version, _, fingerprint in ENTRY.findall(text)}


def by_fastavro(schema):
    """fastavro gives the CRC's bytes in the order they travel."""
    canonical = fastavro.schema.to_parsing_canonical_form(schema)
    digest = fastavro.schema.fingerprint(canonical, "CRC-64-AVRO")
    return bytes.fromhex(digest)[::-1].hex()


def test_the_built_fingerprints_are_right():
    built = fingerprints(ROOT / "build/gen")
    assert len(built) == len(SCHEMAS) >= 4
    for path in SCHEMAS:
        name, version = re.fullmatch(r"(\w+)\.v(\d+)", path.stem).groups()
        assert built[name, int(version)] == by_fastavro(
            json.loads(path.read_text())), path.name


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda p: p.stem)
def test_schemas_are_valid_and_documented(path):
    schema = json.loads(path.read_text())
    fastavro.parse_schema(schema)
    assert schema["namespace"] == "pulse"
    assert all(field["doc"] for field in schema["fields"])


# Shapes that ours do not have (yet), so that the generator is not only right
# by luck: fixed, nested names, names of other namespaces, references.
ODD = {
    "type": "record", "name": "T", "namespace": "pulse", "doc": "x",
    "aliases": ["U"], "fields": [
        {"name": "a", "doc": "x", "order": "ignore", "default": 1,
         "type": {"type": "int", "logicalType": "date"}},
        {"name": "b", "doc": "x",
         "type": {"type": "fixed", "name": "other.F", "size": 16}},
        {"name": "c", "doc": "x", "type": {
            "type": "array", "items": {
                "type": "record", "name": "N", "fields": [
                    {"name": "e", "type": {
                        "type": "enum", "name": "E",
                        "symbols": ["A", "B"], "default": "A"}},
                    {"name": "again", "type": ["null", "N", "T"]}]}}},
        {"name": "d", "doc": "x", "type": ["null", "other.F", "N", "E"]},
        {"name": "m", "doc": "x", "type": {"type": "map", "values": {
            "type": "map", "values": {"type": "bytes"}}}}]}


def test_canonical_form_of_odd_shapes(tmp_path):
    file = tmp_path / "T.v1.avsc"
    file.write_text(json.dumps(ODD))
    done = generate(tmp_path / "out", file)
    assert done.returncode == 0, done.stderr
    assert fingerprints(tmp_path / "out") == {("T", 1): by_fastavro(ODD)}


def schema(*fields):
    return {"type": "record", "name": "T", "namespace": "pulse",
            "fields": [{"name": n, "type": t, "doc": "x", **more}
                       for n, t, more in fields]}


OLD = schema(("a", "long", {}), ("b", "string", {}))
A, B = ("a", "long", {}), ("b", "string", {})


@pytest.mark.parametrize("new, why", [
    (schema(A, B, ("c", ["null", "long"], {"default": None})), None),
    (schema(A), "changes a field"),
    (schema(B, A), "changes a field"),
    (schema(("a", "int", {}), B), "changes a field"),
    (schema(("z", "long", {}), B), "changes a field"),
    (schema(A, B, ("c", "long", {})), "not nullable"),
    (schema(A, B, ("c", "long", {"default": 0})), "not nullable"),
    (schema(A, B, ("c", ["null", "long"], {})), "not nullable"),
    (schema(A, B, ("c", ["long", "null"], {"default": 0})), "not nullable"),
    (schema(A, B, ("c", ["null", "long"], {"default": None, "doc": ""})),
     "has no doc"),
])
def test_a_version_that_breaks_readers_is_refused(tmp_path, new, why):
    files = [tmp_path / "T.v1.avsc", tmp_path / "T.v2.avsc"]
    for file, text in zip(files, (OLD, new), strict=True):
        file.write_text(json.dumps(text))
    done = generate(tmp_path / "out", *files)
    if why is None:
        assert done.returncode == 0, done.stderr
        assert set(fingerprints(tmp_path / "out")) == {("T", 1), ("T", 2)}
    else:
        assert done.returncode != 0
        assert "T.v2.avsc" in done.stderr and why in done.stderr
        assert not (tmp_path / "out").exists()


def test_versions_have_no_holes(tmp_path):
    file = tmp_path / "T.v2.avsc"
    file.write_text(json.dumps(OLD))
    done = generate(tmp_path / "out", file)
    assert done.returncode != 0 and "no version 1" in done.stderr
