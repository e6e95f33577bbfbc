r"""
Write `schemas/<collection>.json` for every built-in kind, and what editors find them by, or prove
that this was done.

A schema judges a whole document as it stands in Git. Its structure and its sentences come from
proto/ (messages, types, enums, oneofs, comments), what values may be beyond their types from
constraints.json.

Rule: the two engines that read the schemas (jsonschema and jsonschema-rs) have to agree on every
document, so the patterns use neither ``\d`` nor look-around, and each stands beside a class of
forbidden characters, because Python's ``$`` also matches before a last line feed.

    python schemas/generate.py            write
    python schemas/generate.py --check    compare
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import google.rpc.status_pb2
import grpc_tools
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc

from gitsource.catalog.kinds import Kind, body_descriptor
from gitsource.catalog.rows import BUILTIN

HERE = Path(__file__).resolve().parent
PROTO = HERE.parent / "proto"
Schema = dict[str, Any]

INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
NUMBERS = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)

WHOLE: Schema = {
    "description": "A whole number in digits.",
    "pattern": "^(0|[1-9][0-9]*)$",
    "not": {"pattern": "[^0-9]"},
}

SHARED: dict[str, Schema] = {
    "duration": {
        "description": "A length of time such as 30s, 500ms, 5m or 1h30m.",
        "type": "string",
        "pattern": "^[-+]?(0|(([0-9]+([.][0-9]*)?|[.][0-9]+)(ns|us|\u00b5s|\u03bcs|ms|s|m|h))+)$",
        "not": {"pattern": "[^-0-9.+nu\u00b5\u03bcmsh]"},
    },
    "base64": {
        "description": "Bytes in base64.",
        "type": "string",
        "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
        "not": {"pattern": "[^A-Za-z0-9+/=]"},
    },
    "metadata": {
        "description": "Name, namespace, labels and annotations; what a cluster adds is ignored.",
        "type": "object",
        "properties": {
            "name": {"description": "Unique among its kind and namespace.", "type": "string"},
            "namespace": {
                "description": "Left out: the default namespace of gitsource's settings.",
                "type": ["string", "null"],
            },
            "labels": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
            "annotations": {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
            **dict.fromkeys(
                (
                    "clusterName",
                    "creationTimestamp",
                    "deletionGracePeriodSeconds",
                    "deletionTimestamp",
                    "finalizers",
                    "generateName",
                    "generation",
                    "managedFields",
                    "ownerReferences",
                    "resourceVersion",
                    "selfLink",
                    "uid",
                ),
                True,
            ),
        },
        "required": ["name"],
        "additionalProperties": False,
    },
}


def comments() -> dict[str, str]:
    """Return what proto/ says of each message and field, by full name."""
    files = sorted(path.relative_to(PROTO).as_posix() for path in PROTO.rglob("*.proto"))
    common = Path(google.rpc.status_pb2.__file__).parents[2]
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    includes = [f"-I{folder}" for folder in (PROTO, common, well_known)]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "set"
        told = [f"--descriptor_set_out={target}", "--include_source_info"]
        if protoc.main(["protoc", *includes, *told, *files]):
            raise SystemExit("protoc refused a file")
        compiled = FileDescriptorSet.FromString(target.read_bytes())
    out: dict[str, str] = {}
    for file in compiled.file:
        for location in file.source_code_info.location:
            name = _named(file, location.path)
            if name and location.leading_comments:
                out[name] = " ".join(location.leading_comments.split())
    return out


def _named(file: Any, path: Iterable[int]) -> str | None:
    """Return the full name of the message or field that a source location is about."""
    steps = list(path)
    if not steps or len(steps) % 2 or steps[0] != 4:  # FileDescriptorProto.message_type
        return None
    name, at = file.package, file.message_type[steps[1]]
    name += "." + at.name
    for tag, index in zip(steps[2::2], steps[3::2], strict=True):
        if tag not in (2, 3):  # DescriptorProto.field, .nested_type
            return None
        at = (at.field if tag == 2 else at.nested_type)[index]
        name += "." + at.name
    return str(name)


class Writer:
    """Writes the schema of one document; every message it meets becomes one of its $defs."""

    def __init__(self, constraints: Schema, told: dict[str, str]) -> None:
        self._constraints = constraints
        self._told = told
        self.definitions: dict[str, Schema] = {}

    def document(self, kind: Kind) -> Schema:
        """Return the schema that judges documents of *kind*."""
        body = self._message(body_descriptor(kind.body))
        required = self._constraints["documents"].get(kind.kind, {}).get("required", [])
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": kind.kind,
            "description": self._told.get(kind.body, ""),
            "type": "object",
            "properties": {
                "apiVersion": {"enum": list(kind.api_versions)},
                "kind": {"const": kind.kind},
                "metadata": self._shared("metadata"),
                "spec": body,
                "status": {"description": "Not read.", "type": ["object", "null"]},
            },
            "required": ["apiVersion", "kind", "metadata", *required],
            "additionalProperties": False,
            "$defs": dict(sorted(self.definitions.items())),
        }

    def _shared(self, name: str) -> Schema:
        self.definitions.setdefault(name, SHARED[name])
        return {"$ref": f"#/$defs/{name}"}

    def _message(self, descriptor: Descriptor, place: str = "") -> Schema:
        """Return what refers to *descriptor*, as it is at the field *place*."""
        rules = self._constraints["messages"].get(descriptor.full_name, {}).get("rules", ())
        apart = any(place in rule.get("except", ()) for rule in rules)
        name = f"{descriptor.full_name}-in-{place.rpartition('.')[2]}" if apart else ""
        name = name or descriptor.full_name
        if name not in self.definitions:
            self.definitions[name] = {}
            self.definitions[name].update(self._object(descriptor, place))
        return {"$ref": f"#/$defs/{name}"}

    def _object(self, descriptor: Descriptor, place: str) -> Schema:
        rules = self._constraints["messages"].get(descriptor.full_name, {})
        known = descriptor.fields_by_name
        unknown = rules.get("fields", {}).keys() - known.keys()
        if unknown:
            raise SystemExit(f"{descriptor.full_name} has no fields {sorted(unknown)}")
        properties: dict[str, Schema] = {}
        for field in descriptor.fields:
            schema = self._field(field, rules.get("fields", {}).get(field.name, {}))
            properties[field.json_name] = schema
            if field.name in rules.get("also", ()):
                properties[field.name] = schema
        out: Schema = {
            "title": descriptor.name,
            "description": self._told.get(descriptor.full_name, ""),
            "type": "object",
            "properties": properties,
            "additionalProperties": False,
        }
        required = [known[name].json_name for name in rules.get("required", [])]
        if required:
            out["required"] = required
        out |= _validations(r for r in rules.get("rules", ()) if place not in r.get("except", ()))
        also = [
            {"not": {"anyOf": [{"required": list(pair)} for pair in pairs]}}
            for pairs in _clashes(descriptor)
        ]
        if also:
            out["allOf"] = also
        return out

    def _field(self, field: FieldDescriptor, rules: Schema) -> Schema:
        own = _keywords(rules)
        kind = field.message_type
        if kind is not None and kind.GetOptions().map_entry:
            value = self._single(kind.fields_by_name["value"]) | _keywords(rules.get("values", {}))
            schema: Schema = {"type": "object", "additionalProperties": value}
            if kind.fields_by_name["key"].cpp_type in INTEGERS:
                schema["propertyNames"] = WHOLE
        elif field.is_repeated:
            items = self._single(field) | _keywords(rules.get("items", {}))
            schema = {"type": "array", "items": items}
        else:
            schema = self._single(field)
        out = schema | own
        told = self._told.get(field.full_name)
        if told:
            out = {"description": told, **out}
        if field.GetOptions().deprecated:
            out["deprecated"] = True
        return out

    def _single(self, field: FieldDescriptor) -> Schema:
        kind = field.message_type
        if kind is None:
            return self._scalar(field)
        if kind.full_name == "google.protobuf.Duration":
            return self._shared("duration")
        if kind.full_name == "google.protobuf.Struct":
            return {"type": "object"}
        if kind.full_name.startswith("google.protobuf.") and kind.name.endswith("Value"):
            wrapped = self._scalar(kind.fields_by_name["value"])
            return wrapped | {"type": [wrapped["type"], "null"]}
        if kind.full_name.startswith("google.protobuf."):
            raise SystemExit(f"{field.full_name}: say here how {kind.full_name} is written")
        return self._message(kind, field.full_name)

    def _scalar(self, field: FieldDescriptor) -> Schema:
        if field.enum_type is not None:
            return {"enum": [value.name for value in field.enum_type.values]}
        if field.cpp_type in INTEGERS:
            low, high = INTEGERS[field.cpp_type]
            return {"type": "integer", "minimum": low, "maximum": high}
        if field.cpp_type in NUMBERS:
            return {"type": "number"}
        if field.type == FieldDescriptor.TYPE_BYTES:
            return self._shared("base64")
        return {"type": "boolean" if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL else "string"}


def _keywords(rules: Schema) -> Schema:
    """Return what a schema says for *rules* of a value itself, not of what it holds."""
    out = {k: rule for k, rule in rules.items() if k not in ("items", "values", "rules", "unique")}
    if "unique" in rules:
        out["x-kubernetes-list-type"] = "map"
        out["x-kubernetes-list-map-keys"] = rules["unique"]
    return out | _validations(rules.get("rules", ()))


def _validations(rules: Iterable[Schema]) -> Schema:
    """Return CEL rules as Kubernetes writes them, with the rules of Istio's that say the same."""
    told = [
        {"rule": each["rule"], "message": each["message"]}
        | ({"x-gitsource-same": each["same"]} if "same" in each else {})
        for each in rules
    ]
    return {"x-kubernetes-validations": told} if told else {}


def _clashes(descriptor: Descriptor) -> Iterator[list[tuple[str, str]]]:
    """Yield, for each oneof, the pairs of names that may not stand together."""
    for oneof in descriptor.oneofs:
        names = [field.json_name for field in oneof.fields]
        if len(oneof.fields) > 1:
            yield list(combinations(names, 2))


def _without_blanks(value: Any) -> Any:
    """Leave out descriptions that say nothing."""
    if isinstance(value, dict):
        return {
            key: _without_blanks(item)
            for key, item in value.items()
            if not (key == "description" and item == "")
        }
    return [_without_blanks(item) for item in value] if isinstance(value, list) else value


def index() -> Schema:
    """Return the list of schemas, in the form of the catalog that JSON Schema Store has."""
    rows = [
        {
            "name": f"Istio {kind.kind}",
            "description": f"{', '.join(kind.api_versions)}: {kind.collection}",
            "fileMatch": [f"*.{kind.kind.lower()}.yaml", f"*.{kind.kind.lower()}.yml"],
            "url": f"{kind.collection}.json",
        }
        for kind in BUILTIN
    ]
    every = {
        "name": "Istio, every kind",
        "description": "Each document by its own apiVersion and kind; others pass.",
        "fileMatch": [],
        "url": "any.json",
    }
    return {"version": 1, "schemas": [every, *rows]}


def dispatcher() -> Schema:
    """Return the schema that judges a document by the schema of its kind, and lets others pass."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Istio configuration",
        "description": "Judges a document by its apiVersion and kind; what is not Istio's passes.",
        "type": "object",
        "allOf": [
            {
                "if": {
                    "properties": {
                        "apiVersion": {"enum": list(kind.api_versions)},
                        "kind": {"const": kind.kind},
                    },
                    "required": ["apiVersion", "kind"],
                },
                "then": {"$ref": f"{kind.collection}.json"},
            }
            for kind in BUILTIN
        ],
    }


def written() -> dict[Path, str]:
    """Return what belongs into this folder: path to text."""
    constraints = json.loads((HERE / "constraints.json").read_text(encoding="utf-8"))
    told = comments()
    out, met = {}, set[str]()
    for kind in BUILTIN:
        writer = Writer(constraints, told)
        schema = _without_blanks(writer.document(kind))
        met |= writer.definitions.keys()
        out[HERE / f"{kind.collection}.json"] = json.dumps(schema, indent=1) + "\n"
    out[HERE / "index.json"] = json.dumps(index(), indent=1) + "\n"
    out[HERE / "any.json"] = json.dumps(dispatcher(), indent=1) + "\n"
    unknown = constraints["messages"].keys() - met
    if unknown:
        raise SystemExit(f"constraints.json speaks of messages nobody uses: {sorted(unknown)}")
    return out


def main(arguments: list[str] | None = None) -> int:
    """Write the schemas, or compare them with what is committed (1: they differ)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    check = parser.parse_args(arguments).check
    wanted = written()
    found = {
        path: path.read_text(encoding="utf-8")
        for path in HERE.rglob("*.json")
        if path.name != "constraints.json"
    }
    differing = sorted(p for p in wanted.keys() | found.keys() if wanted.get(p) != found.get(p))
    if check:
        for path in differing:
            print(f"{path.relative_to(HERE)} is not what the generator writes", file=sys.stderr)
        if differing:
            print("run: python schemas/generate.py", file=sys.stderr)
        return 1 if differing else 0
    for path in differing:
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()
    print(f"{len(wanted)} schemas, {len(differing)} changed")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
