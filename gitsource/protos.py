"""
A folder of `.proto` files → the descriptor set that they make.

Rule: only a folder beside the config file is compiled, never one of the repository: a compiler is
nothing to feed what anybody may push. It runs in a process of its own, isolated from the working
directory, with a deadline; without the optional `gitsource[protos]` the error names two ways on.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from gitsource.errors import ConfigurationError

MOST_FILES = 500
LARGEST = 4 * 1024 * 1024
"""Bytes of all files together."""
DEADLINE = 30.0
"""Seconds."""


def compiled(folder: Path, name: str) -> bytes:
    """
    Return the descriptor set of all `.proto` files in *folder* and below, for collection *name*.

    Raises ConfigurationError with the compiler's own words if they do not compile.
    """
    place = f"collections: {name}: the protos in {folder}"
    files = sorted(path for path in folder.rglob("*.proto") if path.is_file())
    if not files:
        raise ConfigurationError(
            f"{place}: there is no .proto file",
            hint="name a folder beside the config file; files in a repository are given as "
            "`descriptor_set`",
        )
    size = sum(path.stat().st_size for path in files)
    if len(files) > MOST_FILES or size > LARGEST:
        raise ConfigurationError(
            f"{place}: {len(files)} files of {size} bytes are too many or too large; {MOST_FILES} "
            f"files and {LARGEST} bytes are allowed",
            hint="name the folder that holds no more than the collection needs",
        )
    if importlib.util.find_spec("grpc_tools") is None:
        raise ConfigurationError(
            f"{place}: there is no compiler for them",
            hint="install gitsource[protos], or compile them yourself and give `descriptor_set`",
        )
    return _run(folder, [path.relative_to(folder).as_posix() for path in files], place)


def _run(folder: Path, files: list[str], place: str) -> bytes:
    with TemporaryDirectory(prefix="gitsource-protos-") as work:
        out = Path(work) / "set.binpb"
        # NB: -I (isolated): Python would look for modules in the working directory first.
        command = [
            *(sys.executable, "-I", "-c", _PROTOC, f"--proto_path={folder}"),
            *("--include_imports", f"--descriptor_set_out={out}", *files),
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=DEADLINE, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise ConfigurationError(
                f"{place}: compiling them took longer than {DEADLINE:g} s",
                hint="compile them yourself and give `descriptor_set`",
            ) from error
        if done.returncode or not out.is_file():
            told = "; ".join(done.stderr.strip().splitlines()[:5])[:600] or "no reason was given"
            raise ConfigurationError(
                f"{place} do not compile: {told}", hint="mend the files at these places"
            )
        return out.read_bytes()


_PROTOC = """
import sys
from pathlib import Path
import grpc_tools
from grpc_tools import protoc
own = Path(grpc_tools.__file__).parent / "_proto"
sys.exit(protoc.main(["protoc", *sys.argv[1:], f"--proto_path={own}"]))
"""
