"""
The rules about who may see what, as far as settings have them: in the file or beside it.

Rule: rules that could let in more than was meant stop the start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from gitsource.configuration.entries import entries_of
from gitsource.configuration.texts import LARGEST_FILE, read_text
from gitsource.configuration.words import show
from gitsource.model import FieldPath
from gitsource.security.authorize import rules as authorize
from gitsource.settings.whole import Settings
from gitsource.settings_checks.whole import Fault, Found

POLICY, CEILING = "authorization.policy", "authorization.ceiling"
POLICY_FILE, REPOSITORY_FILE = "authorization.policy_file", "authorization.repository_file"


def with_policy(settings: Settings, found: dict[str, Found], faults: list[Fault]) -> Settings:
    """Return *settings* with the rules of the file that they name."""
    file = Path(str(settings.authorization.policy_file))
    if POLICY in found:
        faults.append(Fault(found[POLICY_FILE].place(), POLICY_FILE, f"{POLICY} is given as well"))
        return settings
    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST_FILE)
    except OSError as error:
        message = f"{file} cannot be read: {error.strerror}"
        faults.append(Fault(found[POLICY_FILE].place(), POLICY_FILE, message))
        return settings
    text = read_text(str(file), data, faults, json=file.suffix == ".json")
    for strange in text.value.keys() - {"policy"}:
        message = f"unknown key {show(strange)}: here belongs policy, a list of rules"
        faults.append(Fault(text.place((strange,), at_key=True), "", message))
    given = Found(text.value.get("policy"), text, ("policy",))
    found[POLICY] = replace(given, value=entries_of(POLICY, given, faults))
    named = replace(settings.authorization, policy=found[POLICY].value)
    return replace(settings, authorization=named)


def unsound(settings: Settings, found: Mapping[str, Found]) -> Iterator[Fault]:
    """Yield what is wrong with the rules of *settings*."""
    told = settings.authorization
    views = [view.name for view in settings.views]
    for key, rules in ((POLICY, told.policy), (CEILING, told.ceiling)):
        for path, message in authorize.faults(rules, views):
            yield Fault(found[key].place(*path), f"{key}{_indexed(path)}", message)
    named = found.get(REPOSITORY_FILE)
    if named is not None and named.value:
        if named.value.startswith("/") or ".." in named.value.split("/"):
            text = "expected a glob of paths inside the repository, such as authz/*.yaml"
            yield Fault(named.place(), REPOSITORY_FILE, text)
        if not told.ceiling:
            text = f"needs {CEILING}: whoever may push would decide who receives everything"
            yield Fault(named.place(), REPOSITORY_FILE, text)
    elif told.ceiling:
        text = f"is for {REPOSITORY_FILE}, which is not given"
        yield Fault(found[CEILING].place(), CEILING, text)


def _indexed(path: FieldPath) -> str:
    """Return *path* as it is written behind a key: ``[0].to.spiffe[1]``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
