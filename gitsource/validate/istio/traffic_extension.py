"""Istio's rules for TrafficExtension: what it applies to, its module or script, its traffic."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gitsource.model import Problem
from gitsource.validate.istio import policies, wasm
from gitsource.validate.istio.subject import SPEC, Subject, error

NULLS = {"match.*": "TE-30", "match.*.ports.*": "TE-30"}
ONEOFS = {("wasm", "lua"): "TE-01"}
LONGEST_SCRIPT = 65536
"""Bytes of a Lua script."""
_WASM = (*SPEC, "wasm")
_SCRIPT = (*SPEC, "lua", "inlineCode")


def check(subject: Subject) -> Iterator[Problem]:
    """Yield what is wrong with a TrafficExtension."""
    spec = subject.spec
    yield from policies.applies_to(("TE-02", "TE-03", "TE-04"), subject)
    chosen = spec.WhichOneof("filter_config")
    if chosen == "lua":
        yield from _script(subject, spec.lua.inline_code)
    elif chosen == "wasm":
        yield from _module(subject, spec.wasm)
    else:
        yield error("TE-01", SPEC, "the extension has neither wasm nor lua: write one of them")
    yield from wasm.matches("TE-31", subject, (*SPEC, "match"), spec.match)


def _script(subject: Subject, text: str) -> Iterator[Problem]:
    if not text:
        message = "inlineCode has no script: write it, such as function envoy_on_request(h) end"
        yield error("TE-10", subject.place(_SCRIPT), message)
    yield from wasm.longest("TE-11", _SCRIPT, text, LONGEST_SCRIPT)


def _module(subject: Subject, module: Any) -> Iterator[Problem]:
    yield from wasm.url(("TE-20",) * 3, subject.place((*_WASM, "url")), module.url)
    yield from wasm.sha256("TE-21", (*_WASM, "sha256"), module.sha256)
    secret = (*_WASM, "imagePullSecret")
    yield from wasm.longest("TE-22", secret, module.image_pull_secret, wasm.LONGEST_SECRET)
    yield from wasm.longest("TE-23", (*_WASM, "pluginName"), module.plugin_name, wasm.LONGEST_NAME)
    if module.HasField("vm_config"):
        yield from wasm.variables(("TE-24",) * 4, subject, (*_WASM, "vmConfig"), module.vm_config)
