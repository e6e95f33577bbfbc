"""
The bill of materials: `python supply/sbom.py [FILE]` writes what an installation consists of.

Rule: from the metadata of the installed packages alone, without a network, and the same bytes for
the same packages: no time, no random number, no path of this machine.
"""

from __future__ import annotations

import json
import sys
import tomllib
import uuid
from pathlib import Path
from typing import Any

from closure import Package, closure, needed, project
from licences import expression

HERE = Path(__file__).parent
SPACE = uuid.UUID("5b6f0d0e-7c2e-5f0a-9d55-0f2f6f7a3d10")
"""Under which the serial number is made from the content."""


def bill() -> dict[str, Any]:
    """Return the bill of materials as CycloneDX 1.6 has it."""
    policy = tomllib.loads((HERE / "policy.toml").read_text(encoding="utf-8"))
    told = project()["project"]
    packages = closure(told["dependencies"])
    known = policy["licences"]["known"]
    ref = f"pkg:pypi/{told['name']}@{told['version']}"
    root = {
        "type": "application",
        "bom-ref": ref,
        "name": told["name"],
        "version": told["version"],
        "purl": ref,
        "description": told["description"],
        "licenses": [{"expression": told["license"]}],
    }
    needs = sorted({name for name, _ in needed(told["dependencies"], set())})
    made: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": root},
        "components": [_component(one, known) for one in packages.values()],
        "dependencies": [
            {"ref": ref, "dependsOn": [_ref(packages[name]) for name in needs]},
            *(
                {"ref": _ref(one), "dependsOn": [_ref(packages[need]) for need in one.needs]}
                for one in packages.values()
            ),
        ],
    }
    content = json.dumps(made, sort_keys=True)
    return {**made, "serialNumber": f"urn:uuid:{uuid.uuid5(SPACE, content)}"}


def _component(one: Package, known: dict[str, str]) -> dict[str, Any]:
    told = expression(one.name, one.found, known)
    summary = one.found.metadata.get("Summary")
    return {
        "type": "library",
        "bom-ref": _ref(one),
        "name": one.name,
        "version": one.version,
        "purl": _ref(one),
        **({"description": str(summary)} if summary else {}),
        **({"licenses": [{"expression": told}]} if told else {}),
    }


def _ref(one: Package) -> str:
    return f"pkg:pypi/{one.name}@{one.version}"


def main(arguments: list[str]) -> None:
    """Write the bill to the file that *arguments* name, or to standard output."""
    text = json.dumps(bill(), indent=2) + "\n"
    if not arguments:
        sys.stdout.write(text)
        return
    target = Path(arguments[0])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
