"""
Compile every `.proto` below this folder into `gitsource/_proto`, or prove that this was done.

Rule: the committed modules are exactly what this script writes; ``--check`` writes nothing and
fails on any difference. Imports between generated modules are moved under `gitsource._proto`, so
that the package never meets another copy of the same names on the Python path. What protobuf and
googleapis-common-protos ship themselves (`google.*`) is imported from there.

    python proto/generate.py            write
    python proto/generate.py --check    compare
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

import google.rpc.status_pb2
import grpc_tools
from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
OUTPUT = HERE.parent / "gitsource" / "_proto"
IMPORT = re.compile(r"^from (istio|gitsource)\.(\S+) import ", re.MULTILINE)
"""How protoc's Python output refers to another module that it wrote."""
SERVED = ("istio/mcp/v1alpha1/mcp.proto",)
"""The files with gRPC services: only they get a `_pb2_grpc` module."""


def compiled() -> dict[str, str]:
    """Return what belongs into the output folder: relative path to text."""
    files = sorted(path.relative_to(HERE).as_posix() for path in HERE.rglob("*.proto"))
    common = Path(google.rpc.status_pb2.__file__).parents[2]
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    includes = [f"-I{folder}" for folder in (HERE, common, well_known)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        outputs = [f"--python_out={folder}", f"--pyi_out={folder}"]
        if protoc.main(["protoc", *includes, *outputs, *files]):
            raise SystemExit("protoc refused a file")
        if protoc.main(["protoc", *includes, f"--grpc_python_out={folder}", *SERVED]):
            raise SystemExit("protoc refused a service")
        texts = {
            path.relative_to(folder).as_posix(): IMPORT.sub(
                r"from gitsource._proto.\1.\2 import ", path.read_text(encoding="utf-8")
            )
            for path in sorted(folder.rglob("*.py*"))
        }
    for path in list(texts):
        for parent in Path(path).parents:
            texts.setdefault((parent / "__init__.py").as_posix(), "")
    return texts


def committed() -> dict[str, str]:
    """Return what is in the output folder now."""
    return {
        path.relative_to(OUTPUT).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(OUTPUT.rglob("*.py*"))
        if path.suffix in {".py", ".pyi"}
    }


def main(arguments: list[str] | None = None) -> int:
    """Write the modules, or compare them with what is committed (1: they differ)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    check = parser.parse_args(arguments).check
    wanted, found = compiled(), committed()
    differing = sorted(
        path for path in wanted.keys() | found.keys() if wanted.get(path) != found.get(path)
    )
    if check:
        for path in differing:
            print(f"gitsource/_proto/{path} is not what proto/ compiles to", file=sys.stderr)
        if differing:
            print("run: python proto/generate.py", file=sys.stderr)
        return 1 if differing else 0
    for path in differing:
        target = OUTPUT / path
        if path not in wanted:
            target.unlink()
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(wanted[path], encoding="utf-8")
    print(f"{len(wanted)} files, {len(differing)} changed")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
