#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns schemas/*.avsc into C: one struct avro_def per schema and version.

Usage: generate.py OUT_DIR FILE.avsc...  writes OUT_DIR/schemas.c and schemas.h

The fingerprint is CRC-64-AVRO over the parsing canonical form (Avro 1.12
specification, "Parsing Canonical Form for Schemas"). Also refuses what would
break readers: a new version may only add nullable fields, null by default, at
the end, and every field says what it holds.
"""

import json
import os
import re
import sys

PRIMITIVES = {"null", "boolean", "int", "long", "float", "double", "bytes",
              "string"}
EMPTY = 0xC15D213AA4D7A795


def crc_table():
    table = []
    for i in range(256):
        for _ in range(8):
            i = (i >> 1) ^ (EMPTY if i & 1 else 0)
        table.append(i)
    return table


def fingerprint(text):
    table, crc = crc_table(), EMPTY
    for byte in text.encode():
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc


def full_name(name, namespace):
    return name if "." in name or not namespace else f"{namespace}.{name}"


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def canonical(schema, namespace=""):
    """The parsing canonical form, as text."""
    if isinstance(schema, list):
        return "[" + ",".join(canonical(s, namespace) for s in schema) + "]"
    if isinstance(schema, str):
        name = schema if schema in PRIMITIVES else full_name(schema, namespace)
        return compact(name)
    kind = schema["type"]
    if not isinstance(kind, str) or kind in PRIMITIVES:
        return canonical(kind, namespace)
    parts = []
    if "name" in schema:
        name = full_name(schema["name"], schema.get("namespace", namespace))
        namespace = name.rpartition(".")[0]
        parts.append(f'"name":{compact(name)}')
    parts.append(f'"type":{compact(kind)}')
    if "fields" in schema:
        fields = ",".join(
            f'{{"name":{compact(f["name"])},'
            f'"type":{canonical(f["type"], namespace)}}}'
            for f in schema["fields"])
        parts.append(f'"fields":[{fields}]')
    if "symbols" in schema:
        parts.append(f'"symbols":{compact(schema["symbols"])}')
    for key in ("items", "values"):
        if key in schema:
            parts.append(f'"{key}":{canonical(schema[key], namespace)}')
    if "size" in schema:
        parts.append(f'"size":{int(schema["size"])}')
    return "{" + ",".join(parts) + "}"


class Definition:
    def __init__(self, path):
        match = re.fullmatch(r"([A-Z]\w*)\.v([1-9]\d*)\.avsc",
                             os.path.basename(path))
        if not match:
            sys.exit(f"{path}: a schema is called Name.vN.avsc")
        self.path, self.name, self.version = path, match[1], int(match[2])
        with open(path, encoding="utf-8") as file:
            self.text = file.read()
        self.schema = json.loads(self.text)
        self.namespace = self.schema.get("namespace", "")
        self.c_name = f"{self.name}_{self.version}"
        self.canonical = canonical(self.schema)
        self.fingerprint = fingerprint(self.canonical)

    def fail(self, why):
        sys.exit(f"{self.path}: {why}")

    def check(self, older):
        if self.schema["name"] != self.name:
            self.fail("its name is not that of the file")
        for field in self.schema["fields"]:
            if not field.get("doc"):
                self.fail(f"field {field['name']} has no doc")
        if older is None:
            if self.version != 1:
                self.fail("there is no version 1")
            return
        if self.version != older.version + 1:
            self.fail(f"there is no version {older.version + 1}")
        kept = len(older.schema["fields"])
        fields = self.schema["fields"]
        if ([canonical(f["type"], "pulse") for f in fields[:kept]] !=
                [canonical(f["type"], "pulse")
                 for f in older.schema["fields"]] or
                [f["name"] for f in fields[:kept]] !=
                [f["name"] for f in older.schema["fields"]]):
            self.fail(f"changes a field of version {older.version}")
        for field in fields[kept:]:
            nullable = isinstance(field["type"], list)
            if (not nullable or field["type"][0] != "null" or
                    field.get("default", 0) is not None):
                self.fail(f"new field {field['name']} is not nullable with "
                          "default null")


def c_text(text):
    """C string literals, one for each line of text."""
    lines = text.splitlines()
    return "\n".join("     " + json.dumps(line.strip() + " ",
                                          ensure_ascii=False)
                     for line in lines if line.strip())


HEADER = """/* Made by schemas/generate.py: do not edit. */
#ifndef GEN_SCHEMAS_H
#define GEN_SCHEMAS_H

#include "common/avro.h"

enum {{ SCHEMA_COUNT = {count} }};
/* By name, then version: the last of a name is its newest. */
extern const struct avro_def schema_defs[SCHEMA_COUNT];

#endif
"""


def fields(definition):
    lines = "".join(
        f"    {{{json.dumps(f['name'])},\n"
        f"     {json.dumps(canonical(f['type'], definition.namespace))}}},\n"
        for f in definition.schema["fields"])
    return (f"static const struct avro_field {definition.c_name}_fields[] = "
            f"{{\n{lines}}};\n\n")


def entry(d):
    return (f'    {{"{d.name}", {d.version},\n{c_text(d.text)},\n'
            f"     {json.dumps(d.canonical)},\n"
            f"     UINT64_C(0x{d.fingerprint:016x}),\n"
            f"     {d.c_name}_fields, {len(d.schema['fields'])}}},\n")


def source(definitions):
    return ("/* Made by schemas/generate.py: do not edit. */\n"
            '#include "build/gen/schemas.h"\n\n'
            + "".join(fields(d) for d in definitions) +
            "const struct avro_def schema_defs[SCHEMA_COUNT] = {\n"
            + "".join(entry(d) for d in definitions) + "};\n")


def write(path, text):
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


def main(out, paths):
    definitions = sorted((Definition(p) for p in paths),
                         key=lambda d: (d.name, d.version))
    older = None
    for definition in definitions:
        same = older is not None and older.name == definition.name
        definition.check(older if same else None)
        older = definition
    os.makedirs(out, exist_ok=True)
    write(os.path.join(out, "schemas.h"),
          HEADER.format(count=len(definitions)))
    write(os.path.join(out, "schemas.c"), source(definitions))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit("usage: generate.py OUT_DIR FILE.avsc...")
    main(sys.argv[1], sys.argv[2:])
